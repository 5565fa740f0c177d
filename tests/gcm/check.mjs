// A difference from the oracle is a trap.
// node check.mjs self_check.wasm
import { readFileSync } from "node:fs";

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
new WebAssembly.Instance(module, {}).exports.check();
console.log("checked");
