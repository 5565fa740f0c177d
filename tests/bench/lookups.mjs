// Lookups in a denylist without requests around them. Clocks stand still meanwhile, so the time is taken outside: once
// with the lookups and once with all but them.
import wasm from "./countersign_edge_bg.wasm";
import * as edge from "./countersign_edge.js";

const PIECE = 65_536 / 8; // fingerprints; so many octets is the most that the host gives at once
const random = () => crypto.getRandomValues(new Uint8Array(PIECE * 8));

let listed = [];
let unlisted = [];

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const number = (name) => Number(url.searchParams.get(name));
    const slots = number("slots");
    edge.initSync({ module: wasm });
    if (url.pathname === "/fill") {
      const pieces = Math.ceil(number("entries") / PIECE);
      listed = Array.from({ length: pieces }, random);
      unlisted = Array.from({ length: pieces }, random);
      for (const piece of listed) edge.measure_gather(piece, slots);
      return Response.json({ entries: edge.measure_absorb() });
    }
    const from = url.searchParams.get("of") === "listed" ? listed : unlisted;
    let found = 0;
    for (let i = 0; i < number("pieces"); i++) {
      // From all over, in no order that memory likes: fingerprints are random, and pieces take turns.
      found += edge.measure_lookups(from[i % from.length], slots, url.searchParams.has("look"));
    }
    return Response.json({ found, lookups: number("pieces") * PIECE });
  },
};
