//! Chromium through the whole way; the steps are in tests/browser.

use std::process::Command;

use countersign_tests::World;
use xtask::stack::{COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile, REALM};

#[test]
fn a_person_logs_in_works_and_logs_out() {
    let chromium = xtask::tools::ensure_chromium().expect("a Chromium");
    xtask::npm::ensure("tests").expect("npm packages");
    let profile = DenylistProfile::Default;
    let world = World::new(profile);
    let root = xtask::workspace_root();
    let output = Command::new("node")
        .arg("main_job.mjs")
        .current_dir(root.join("tests/browser"))
        .env("BASE", world.stack.edge_url())
        .env("CHROMIUM", chromium)
        .env("COOKIE_NAME", COOKIE_NAME)
        .env("USERNAME", DEMO_USER)
        .env("PASSWORD", DEMO_PASSWORD)
        .env("BOUND_MS", profile.bound().as_millis().to_string())
        .env("SCREENSHOTS", root.join("target/screenshots"))
        .output()
        .expect("node runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    println!("{stdout}");
}

#[test]
fn second_factors_are_registered_and_used() {
    let chromium = xtask::tools::ensure_chromium().expect("a Chromium");
    xtask::npm::ensure("tests").expect("npm packages");
    let world = World::new(DenylistProfile::Default);
    let folder = xtask::workspace_root().join("tests/browser");
    let mut journeys = vec![folder.join("journeys")];
    let exported = xtask::workspace_root().join("../shared/journeys/frodo-cli--webauthn-registration.json");
    let exported = exported.exists().then_some(exported);
    journeys.extend(exported.clone());
    let realm = format!("/{REALM}");
    let import = world.stack.countersign().args(["journey", "import", "--realm", &realm]).args(&journeys).output();
    let import = import.expect("countersign runs");
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    world.stack.add_user("other", DEMO_PASSWORD, &[]).expect("a second user");
    let output = Command::new("node")
        .arg("second_factors.mjs")
        .current_dir(folder)
        .env("BASE", world.stack.edge_url())
        .env("CHROMIUM", chromium)
        .env("COOKIE_NAME", COOKIE_NAME)
        .env("USERNAME", DEMO_USER)
        .env("OTHER_USER", "other")
        .env("PASSWORD", DEMO_PASSWORD)
        .env("EXPORTED", exported.map_or("", |_| "webauthn_registration"))
        .output()
        .expect("node runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    println!("{stdout}");
}
