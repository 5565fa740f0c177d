//! An edge verifies and never mints: neither code nor key for it is there.

use std::process::Command;

use countersign_store::{MasterKey, Store};
use countersign_tests::World;
use xtask::edge_build::{self, BuildOptions};
use xtask::stack::DenylistProfile;

/// Function names of the worker before wasm-opt strips them, as rustc wrote them into the name section.
fn symbols() -> String {
    let build = edge_build::build(&BuildOptions::default()).expect("the edge builds");
    let bytes = std::fs::read(build.names_wasm()).expect("the module with its names");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_minting_code_is_in_the_worker() {
    let symbols = symbols();
    // The names are there at all, and the verifying counterparts are among them.
    for present in ["countersign_core", "open_with", "open_jwe"] {
        assert!(symbols.contains(present), "{present} should be in the worker: are there names?");
    }
    // Signing, sealing, and the types that hold what they need. Ed25519 and AES-GCM have one function each for it.
    // Paths are given as rustc mangles them and as wasm-bindgen writes them out.
    let paths = ["token4mint", "token::mint", "ed25519_dalek7signing", "ed25519_dalek::signing"];
    let names = ["MintingKeys", "SigningKey", "encrypt_inout", "try_sign"];
    for absent in paths.iter().chain(&names) {
        assert!(!symbols.contains(absent), "{absent} is in the worker");
    }
}

#[test]
fn the_mint_feature_is_off_for_the_edge() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "countersign-edge", "--target", "wasm32-unknown-unknown", "--edges", "normal"])
        .args(["--format", "{p} {f}", "--prefix", "none", "--locked", "--offline"])
        .current_dir(xtask::workspace_root())
        .output()
        .expect("cargo tree runs");
    let tree = String::from_utf8(output.stdout).unwrap();
    let core = tree
        .lines()
        .find(|line| line.starts_with("countersign-core "))
        .unwrap_or_else(|| panic!("no core in the edge's tree: {tree}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(!core.contains("mint"), "{core}");
}

#[test]
fn k04_r29_no_minting_key_is_in_the_bundle() {
    let world = World::new(DenylistProfile::Default);
    let bundle = world.stack.bundle().unwrap();
    let state = world.stack.dir();
    let master = MasterKey::from_text(&std::fs::read_to_string(state.join("master.key")).unwrap()).unwrap();
    let keys = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let store = Store::open(&state.join("countersign.db"), master).await.unwrap();
        let keys = store.keys().list().await.unwrap();
        store.close().await;
        keys
    });
    let (mut withheld, mut given) = (0, 0);
    for key in keys {
        let text = countersign_core::encoding::encode(&key.secret);
        if bundle.contains(&text) {
            // What opens a session, proves an assertion or asks for the feed; none of it makes a session.
            let fine = ["session-content", "denylist", "assertion", "feed-credential"];
            assert!(fine.iter().any(|purpose| key.purpose.contains(purpose)), "{} {}", key.purpose, key.algorithm);
            given += 1;
        } else {
            withheld += 1;
        }
    }
    // Withheld: session signing, feed signing, journey signing and content. Given: the four named above.
    assert!(withheld >= 4 && given >= 3, "withheld {withheld}, given {given}");
}
