// Compiles a module with V8, the engine it will run in, and tells what it asks for. Prints JSON.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const bytes = readFileSync(process.argv.at(-1));
const imports = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
console.log(JSON.stringify({ bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, imports }));
