// Verifications without requests around them: does what entry.mjs does to decide, as often as it is asked, over the
// `Cookie` headers that the POST body lists. Its clock stands still meanwhile, so the time is taken outside.
// Everything else goes to the edge itself, which is configured and gets its denylist that way.
import worker from "./entry.mjs";
import * as edge from "./countersign_edge.js";

const ANSWER = 15, CHECKED = 5, VERIFY = 10, CACHED = 32, FRESH = 0;
const encoder = new TextEncoder();

export default {
  async fetch(request, env, context) {
    if (request.method !== "POST") return worker.fetch(request, env, context);
    const cookies = (await request.text()).split("\n");
    const times = Number(new URL(request.url).searchParams.get("n"));
    const url = new URL("/.countersign/check", request.url).href;
    const wasm = edge.initSync(); // the instance that entry.mjs started
    let buffer, place;
    let checked = 0;
    let cached = 0;
    for (let i = 0, at = 0; i < times; i++, at = at + 1 < cookies.length ? at + 1 : 0) {
      if (buffer !== wasm.memory.buffer) {
        buffer = wasm.memory.buffer;
        place = new Uint8Array(buffer, edge.input() >>> 0, edge.request_room());
      }
      const { written } = encoder.encodeInto(url + "\n" + cookies[at], place);
      let answer = edge.decide(written, false);
      // Nothing else is decided meanwhile, so the input still stands there.
      if ((answer & ANSWER) === VERIFY && (await edge.verify()) === FRESH) {
        answer = edge.decide(written, true);
      }
      if ((answer & ANSWER) === CHECKED) checked++;
      if (answer & CACHED) cached++;
    }
    return Response.json({ checked, cached });
  },
};
