// The worker's entry. Nothing is decided here: bytes go into wasm memory, `decide` answers a number, and this carries
// the answer out. It is JavaScript because a string copied with `encodeInto` costs a fifth of a microsecond, and a
// Request handed to wasm costs more than verifying its token.
import * as edge from "./countersign_edge.js";
import module from "./countersign_edge_bg.wasm";

// The numbers of edge/src/decide.rs and edge/src/refresh.rs.
const ORIGIN = 0, PUBLIC = 1, ALLOW = 2, BEHIND = 3, REFUSE = 4, CHECKED = 5, ROUTER = 6, UNCONFIGURED = 7;
const ANSWER = 15, POLL_DUE = 16, CACHED = 32;
const UNDER_WAY = 1, FAILED = 2;

// How long a request waits for a denylist that is not current before it is told to try later, in milliseconds.
const PATIENCE = 2000;

const encoder = new TextEncoder();
let wasm = edge.initSync({ module });
let input; // a view on the input buffer; memory that grows leaves it behind
let configured = false;
let mistake = "";
let assertionKey; // promise of { kid, key }; the private key never enters wasm memory

function configure(env) {
  let bundle;
  try {
    bundle = JSON.parse(env.BUNDLE ?? "");
  } catch {
    bundle = null;
  }
  if (typeof bundle !== "object" || bundle === null) {
    mistake = "the secret BUNDLE is missing or is not JSON; make it with: countersign edge bundle";
  } else if (env.SETTINGS === undefined) {
    mistake = "the variable SETTINGS is missing; see wrangler.toml";
  } else {
    const { assertion, feed_credential, issuer, delivery, ...verification } = bundle;
    const settings = typeof env.SETTINGS === "string" ? env.SETTINGS : JSON.stringify(env.SETTINGS);
    assertionKey = importAssertionKey(assertion);
    assertionKey.catch(() => {}); // told to the first request that needs it
    const strings = [settings, JSON.stringify(verification), String(feed_credential ?? ""), String(issuer ?? "")];
    mistake = edge.configure(...strings, JSON.stringify(delivery ?? null));
    options = JSON.parse(settings);
  }
  if (mistake) console.error(`countersign: ${mistake}`);
  configured = true;
}

let options = {};

async function importAssertionKey(assertion) {
  if (!assertion?.kid || !assertion?.jwk) throw new Error("BUNDLE has no assertion key");
  const { kty, crv, x, d } = assertion.jwk;
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, d }, { name: "Ed25519" }, false, ["sign"]);
  const header = base64url(encoder.encode(JSON.stringify({ alg: "EdDSA", kid: assertion.kid, typ: "assertion+jwt" })));
  return { header, key };
}

// A panic leaves the wasm instance in an unknown state. It is thrown away, the request that met it fails, and the next
// one finds a new instance, which is closed until it has its own denylist. A panic inside a refresh, whose caller has
// returned, is noticed by the bindings: they start a new instance at the next call, and that one is not configured.
function startAnew() {
  edge.__wbg_reset_state();
  attach();
}

function attach() {
  wasm = edge.initSync({ module });
  input = undefined;
  configured = false;
}

function decide(request, last) {
  if (input === undefined || input.buffer !== wasm.memory.buffer) {
    input = new Uint8Array(wasm.memory.buffer, edge.input() >>> 0, edge.input_size());
  }
  const url = request.url;
  const cookie = request.headers.get("cookie");
  const first = encoder.encodeInto(url, input);
  if (first.read < url.length) return edge.decide(input.length + 1, 0, last);
  if (cookie === null) return edge.decide(first.written, 0, last);
  const second = encoder.encodeInto(cookie, input.subarray(first.written));
  return edge.decide(first.written, second.read < cookie.length ? input.length : second.written, last);
}

// The denylist is not current: refresh, or wait for the refresh that another request has under way, and decide again.
async function catchUp(request, calls) {
  const until = Date.now() + PATIENCE;
  for (let failures = 0; failures < 2 && Date.now() < until; ) {
    const ended = await edge.refresh();
    if (ended === UNDER_WAY) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    } else {
      calls.origin++;
      // A fresh copy that still does not do (a token from ahead of the log) is no reason to ask for ever.
      failures += ended === FAILED ? 2 : 1;
    }
    const answer = decide(request, false);
    if ((answer & ANSWER) !== BEHIND) return answer;
  }
  return decide(request, true);
}

// What is not answered at once. `identity` is asked for before anything is awaited after the decision it belongs to.
async function handle(request, env, context, answer, started) {
  const calls = { origin: 0 };
  if ((answer & ANSWER) === BEHIND) answer = await catchUp(request, calls);
  switch (answer & ANSWER) {
    case CHECKED:
      return new Response(null, { status: 204 });
    case ALLOW: {
      const identity = JSON.parse(edge.identity());
      const timing = options.server_timing && { started, decided: performance.now(), cached: answer & CACHED, calls };
      return forward(request, options.upstream, identity, timing);
    }
    case PUBLIC:
      return forward(request, options.upstream, null, null);
    case ORIGIN:
      return forward(request, options.origin, undefined, null);
    case ROUTER:
      return edge.fetch(request, env, context);
    case REFUSE:
      return edge.refuse(isNavigation(request), pathAndQuery(request.url));
    default:
      return new Response("The worker is not configured; its log says why.\n", { status: 500 });
  }
}

// Only a navigation can use a redirect to a login page; a script that follows one gets a page it cannot read.
function isNavigation(request) {
  const mode = request.headers.get("sec-fetch-mode");
  if (mode !== null) return mode === "navigate";
  const get = request.method === "GET" || request.method === "HEAD";
  return get && (request.headers.get("accept") ?? "").includes("text/html");
}

function pathAndQuery(url) {
  return url.slice(url.indexOf("/", url.indexOf("://") + 3)).split("#", 1)[0];
}

// Header names repeat from request to request; what wasm said of them is remembered.
const reserved = new Map();
function isReserved(name) {
  let answer = reserved.get(name);
  if (answer === undefined) {
    answer = edge.is_reserved(name);
    if (reserved.size >= 512) reserved.clear();
    reserved.set(name, answer);
  }
  return answer;
}

// `identity` is the session's for a protected path, null for a public one, undefined for the origin, which alone gets
// to see the session cookie.
async function forward(request, target, identity, timing) {
  const headers = new Headers(request.headers);
  for (const name of request.headers.keys()) if (isReserved(name)) headers.delete(name);
  // Names a client lists here would be taken off by the next hop, ours among them (attack H04).
  headers.delete("connection");
  const url = request.url;
  const origin = url.indexOf("/", url.indexOf("://") + 3);
  headers.set("x-forwarded-proto", url.slice(0, url.indexOf(":")));
  headers.set("x-forwarded-host", url.slice(url.indexOf("://") + 3, origin));
  const client = request.headers.get("cf-connecting-ip");
  if (client !== null) headers.set("x-forwarded-for", client);
  if (identity !== undefined) {
    const cookie = request.headers.get("cookie");
    const rest = cookie === null ? "" : edge.cookie_without_session(cookie);
    if (rest) headers.set("cookie", rest);
    else headers.delete("cookie");
  }
  if (identity) {
    for (const [name, value] of identity.headers) headers.set(name, value);
    headers.set("x-countersign-assertion", await sign(identity.assertion));
  }
  const init = { method: request.method, headers, redirect: "manual" };
  // A GET with `Content-Length: 0` has a body here, and `fetch` refuses bodies on these two.
  if (request.body !== null && request.method !== "GET" && request.method !== "HEAD") init.body = request.body;
  // What one user may see must not be kept by a cache between here and the application, and shown to another.
  if (identity !== null) init.cache = "no-store";
  let response;
  try {
    response = await fetch(target + pathAndQuery(url), init);
  } catch (error) {
    console.warn(`countersign: ${target} cannot be reached: ${error}`);
    const problem = { title: "Bad Gateway", status: 502, detail: "The application cannot be reached." };
    return Response.json(problem, { status: 502, headers: { "content-type": "application/problem+json", "cache-control": "no-store" } });
  }
  if (!timing || response.webSocket) return response;
  const answer = new Response(response.body, response);
  const done = performance.now();
  const milliseconds = (from, to) => Math.max(0, to - from).toFixed(2);
  answer.headers.append(
    "server-timing",
    `verify;dur=${milliseconds(timing.started, timing.decided)}, cache;desc="${timing.cached ? "hit" : "miss"}", ` +
      `origin;desc="${timing.calls.origin} calls", upstream;dur=${milliseconds(timing.decided, done)}`,
  );
  return answer;
}

// Signatures by payload: payloads are dated to the half minute, so requests in a row have the same one.
const signed = new Map();
async function sign(claims) {
  const payload = JSON.stringify(claims);
  let token = signed.get(payload);
  if (token === undefined) {
    const { header, key } = await assertionKey;
    const input = `${header}.${base64url(encoder.encode(payload))}`;
    token = `${input}.${base64url(new Uint8Array(await crypto.subtle.sign("Ed25519", key, encoder.encode(input))))}`;
    if (signed.size >= 512) signed.clear();
    signed.set(payload, token);
  }
  return token;
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function failed(error) {
  console.error("countersign: a request failed", error?.stack ?? error);
  if (error instanceof WebAssembly.RuntimeError) startAnew();
  const problem = { title: "Internal Server Error", status: 500, detail: "This request failed; the next may not." };
  return Response.json(problem, { status: 500, headers: { "content-type": "application/problem+json", "cache-control": "no-store" } });
}

export default {
  // Not async: what can be answered at once costs no promise.
  fetch(request, env, context) {
    try {
      if (!configured) configure(env);
      if (mistake) return new Response("The worker is not configured; its log says why.\n", { status: 500 });
      const started = options.server_timing ? performance.now() : 0;
      let answer = decide(request, false);
      if (answer === UNCONFIGURED) {
        attach();
        configure(env);
        answer = decide(request, false);
      }
      if (answer & POLL_DUE && (answer & ANSWER) !== BEHIND) context.waitUntil(edge.refresh());
      if ((answer & ANSWER) === CHECKED) return new Response(null, { status: 204 });
      return handle(request, env, context, answer, started).catch(failed);
    } catch (error) {
      return failed(error);
    }
  },
};
