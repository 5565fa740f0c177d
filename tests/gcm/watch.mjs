// What can be told from outside of a module at work: which way it goes, and where in memory it looks. Takes the module
// as text (Binaryen's) and gives it back with a call to `watch` around every condition, every selector and every address.
// node watch.mjs before.wat after.wat
import { readFileSync, writeFileSync } from "node:fs";

const [, , before, after] = process.argv;

function parse(text) {
  const token = /"(?:[^"\\]|\\.)*"|;;[^\n]*|\(;[^]*?;\)|[()]|(?:\$"[^"]*"|[^\s()";])+/g;
  const stack = [[]];
  for (const [word] of text.matchAll(token)) {
    if (word.startsWith(";;") || word.startsWith("(;")) continue;
    if (word === "(") stack.push([]);
    else if (word === ")") {
      const list = stack.pop();
      stack.at(-1).push(list);
    } else stack.at(-1).push(word);
  }
  return stack[0][0];
}

// In Binaryen's text operands are nested, and come after what is said of the instruction itself.
const operands = (list) => list.flatMap((item, at) => (Array.isArray(item) && !["result", "type"].includes(item[0]) ? [at] : []));

let points = 0;

function walk(list) {
  const [name, ...rest] = list;
  const out = [name, ...rest.map((item) => (Array.isArray(item) ? walk(item) : item))];
  const watch = (at) => (out[at] = ["call", "$watch", ["i32.const", String(++points)], out[at]]);
  const places = operands(out);
  if (name === "if") watch(places[0]);
  else if (["br_if", "br_table", "select"].includes(name)) watch(places.at(-1));
  else if (/^(i32|i64|v128)\.(load|store)/.test(name)) watch(places[0]);
  else if (name === "memory.copy") places.forEach(watch);
  else if (name === "memory.fill") [places[0], places[2]].forEach(watch);
  else if (/^i32\.(div|rem)/.test(name)) places.forEach(watch);
  else if (/^i64\.(div|rem)/.test(name)) throw new Error(`nobody watches ${name}`);
  return out;
}

const module = parse(readFileSync(before, "utf8")).map((item) => (item[0] === "func" ? walk(item) : item));
const types = module.findLastIndex((item) => Array.isArray(item) && ["type", "rec"].includes(item[0]));
const signature = ["func", "$watch", ["param", "i32", "i32"], ["result", "i32"]];
module.splice(types + 1, 0, ["import", '"outside"', '"watch"', signature]);
const print = (item) => (Array.isArray(item) ? `(${item.map(print).join(" ")})\n` : item);
writeFileSync(after, print(module));
