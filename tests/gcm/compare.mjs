// Opens under key after key, with everything else of the same lengths, and compares what was to be seen of it.
// node compare.mjs watched.wasm
import { readFileSync } from "node:fs";

const module = new WebAssembly.Module(readFileSync(process.argv[2]));

function seen(...args) {
  const trace = [];
  const watch = (point, value) => (trace.push(point, value), value);
  new WebAssembly.Instance(module, { outside: { watch } }).exports.opens(...args);
  return Int32Array.from(trace);
}

let compared = 0;
for (const key of [16, 24, 32]) {
  for (const aad of [0, 1, 33]) {
    for (const octets of [0, 1, 16, 111, 112, 113, 240, 600]) {
      for (const good of [1, 0]) {
        const first = seen(1, key, aad, octets, good);
        if (first.length < 1000) throw new Error("nothing is to be seen");
        for (const seed of [2, 70, 133, 4_000_000_000]) {
          const other = seen(seed, key, aad, octets, good);
          const at = first.findIndex((value, at) => value !== other[at]);
          if (first.length !== other.length || at >= 0) {
            const which = JSON.stringify({ seed, key, aad, octets, good });
            throw new Error(`it can be seen which of two it was: at point ${first[at & ~1]}, ${which}`);
          }
          compared++;
        }
      }
    }
  }
}
console.log(`compared ${compared}`);
