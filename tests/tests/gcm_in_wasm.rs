//! AES-GCM over WebAssembly's own lanes: the unit tests of `countersign-gcm` run it over portable ones.

use std::process::Command;

/// A panic ends the module in a trap, and with it Node.
const RUN: &str = "
    const module = new WebAssembly.Module(require('node:fs').readFileSync(process.argv[1]));
    if (WebAssembly.Module.imports(module).length) throw new Error('it asks for what is not there');
    const status = new WebAssembly.Instance(module, {}).exports.main(0, 0);
    if (status !== 0) throw new Error(`status ${status}`);
    console.log('checked');
";

#[test]
fn what_the_oracle_seals_is_opened_over_the_lanes_of_wasm() {
    let module = xtask::cargo::build_wasm_example("countersign-gcm", "self_check").expect("the example builds");
    let output = Command::new("node").args(["--eval", RUN]).arg(module).output().expect("node runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "checked\n", "{}", String::from_utf8_lossy(&output.stderr));
}
