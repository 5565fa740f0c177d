//! AES-GCM over WebAssembly's own lanes, where the unit tests of `countersign-gcm` cannot go: they run it over portable
//! ones.

use std::path::{Path, PathBuf};

use xtask::edge_build::binaryen;
use xtask::{cargo, npm, workspace_root};

fn module() -> PathBuf {
    cargo::build_wasm_example("countersign-gcm", "self_check").expect("the example builds")
}

fn node(script: &str, arguments: &[&Path]) -> String {
    let mut command = npm::node().expect("Node");
    let output =
        command.arg(workspace_root().join("tests/gcm").join(script)).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_the_oracle_seals_is_opened_over_the_lanes_of_wasm() {
    assert_eq!(node("check.mjs", &[&module()]), "checked\n");
}

/// Every way that is taken and every address, after the optimisation that the worker gets too.
#[test]
fn j35_neither_ways_nor_addresses_tell_of_key_or_content() {
    let dir = tempfile::tempdir().unwrap();
    let [optimised, before, after, watched] =
        ["optimised.wasm", "before.wat", "after.wat", "watched.wasm"].map(|name| dir.path().join(name));
    binaryen("wasm-opt", &["-O3"], &module(), &optimised).unwrap();
    binaryen("wasm-dis", &[], &optimised, &before).unwrap();
    node("watch.mjs", &[&before, &after]);
    binaryen("wasm-as", &[], &after, &watched).unwrap();
    assert_eq!(node("compare.mjs", &[&watched]), "compared 576\n");
}
