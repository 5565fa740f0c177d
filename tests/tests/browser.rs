//! Chromium through the whole way; the steps are in tests/browser/main_job.mjs.

use std::process::Command;

use countersign_tests::World;
use xtask::stack::{COOKIE_NAME, DEMO_PASSWORD, DEMO_USER, DenylistProfile};

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
