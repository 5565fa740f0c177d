// The worker's entry. Nothing is decided here: bytes go into wasm memory, `decide` answers a number, and this carries
// the answer out. It is JavaScript because a string copied with `encodeInto` costs a fifth of a microsecond, and a
// Request handed to wasm costs more than verifying its token.
import * as edge from "./countersign_edge.js";
import module from "./countersign_edge_bg.wasm";
import { hubOf } from "./hub.mjs";

export { DenylistHub, door } from "./hub.mjs";

// The numbers of edge/src/decide.rs and edge/src/ended.rs.
const ORIGIN = 0, PUBLIC = 1, ALLOW = 2, BEHIND = 3, REFUSE = 4, CHECKED = 5, ROUTER = 6, UNCONFIGURED = 7, NO_SESSION = 8;
const ASK = 9, VERIFY = 10;
const ANSWER = 15, POLL_DUE = 16, CACHED = 32, RENEWAL_DUE = 64;
const FRESH = 0, UNDER_WAY = 1, FAILED = 2, REFUSED = 3, UNREADABLE = 4;

// How long a request waits for a denylist that is not current before it is told to try later, in milliseconds.
const PATIENCE = 2000;

// A request that finds nobody watching for news, and the last news older than BLIND, looks for some before it is let
// through, but for no longer than FRESHEN; in milliseconds.
const BLIND = 250, FRESHEN = 250;

// How long one request's waitUntil keeps watch (the host ends it after 30 s), and when another should take over.
const WATCH = 28000, RELIEF = 20000;

const encoder = new TextEncoder();
let wasm = edge.initSync({ module });
let input; // views on the places that the module reads from; memory that grows leaves them behind
let configured = false;
let mistake = "";
let assertionKey; // promise of { header, key }; the private key never enters wasm memory, nor what it comes sealed under

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
    const { assertion, feed_credential, issuer, cookie_name, delivery, host, ...verification } = bundle;
    const settings = typeof env.SETTINGS === "string" ? env.SETTINGS : JSON.stringify(env.SETTINGS);
    assertionKey = importAssertionKey(assertion);
    assertionKey.catch((error) => {
      mistake = `BUNDLE: the assertion key: ${error.message}`;
      console.error(`countersign: ${mistake}`);
    });
    const strings = [settings, JSON.stringify(verification), String(feed_credential ?? ""), String(issuer ?? "")];
    const hostKey = importHostKey(host);
    hostKey.catch((error) => console.error(`countersign: BUNDLE: the host's delivery key: ${error.message}`));
    const take = (sealed, digest, authorization) => takeHostKeys(sealed, digest, authorization, hostKey, delivery.id);
    mistake = edge.configure(...strings, JSON.stringify(delivery ?? null), take);
    bundleAuthorization = currentAuthorization = `Bearer ${feed_credential}`;
    if (!mistake) {
      options = JSON.parse(settings);
      if (cookie_name !== undefined && cookie_name !== options.cookie_name) {
        mistake = `SETTINGS has cookie_name ${options.cookie_name}, the origin ${cookie_name}`;
      }
    }
  }
  if (mistake) console.error(`countersign: ${mistake}`);
  configured = true;
}

let options = {};
// The credential of the bundle, which a door of another process knows, and the one in use.
let bundleAuthorization = "", currentAuthorization = "";

const askHub = (env, request) => hubOf(env, request, bundleAuthorization, currentAuthorization);

// null with a bundle of before there was such a key.
async function importHostKey(host) {
  if (host?.key === undefined) return null;
  return crypto.subtle.importKey("raw", bytesOf(host.key), "AES-GCM", false, ["decrypt"]);
}

// The module got another key set, and with it came this, sealed for here alone. Requests that are to be signed wait
// until it is open; where it cannot be opened, the key of before goes on, which applications accept for some minutes
// more.
function takeHostKeys(sealed, digest, authorization, hostKey, id) {
  currentAuthorization = authorization;
  const before = assertionKey;
  assertionKey = openHostKeys(sealed, digest, hostKey, id).catch((error) => {
    console.error(`countersign: no new assertion key: ${error.message}`);
    return before;
  });
  signed.clear(); // those of a key that was revoked are taken by nobody
}

// A compact JWE (RFC 7516) with `dir` and A256GCM.
async function openHostKeys(sealed, digest, hostKey, id) {
  const key = await hostKey;
  if (key === null) throw new Error("BUNDLE has no host key; make it anew with: countersign edge bundle");
  const [head, wrapped, iv, text, tag, ...more] = (sealed ?? "").split(".");
  if (tag === undefined || wrapped !== "" || more.length > 0) throw new Error("what came is no compact JWE");
  const { alg, enc, kid, typ, ...others } = JSON.parse(new TextDecoder().decode(bytesOf(head)));
  const fits = alg === "dir" && enc === "A256GCM" && kid === id && typ === "edge-keys+jwt";
  if (!fits || Object.keys(others).length > 0) throw new Error("what came is not sealed to this bundle");
  const algorithm = { name: "AES-GCM", iv: bytesOf(iv), additionalData: encoder.encode(head), tagLength: 128 };
  const box = new Uint8Array([...bytesOf(text), ...bytesOf(tag)]);
  if (algorithm.iv.length !== 12 || bytesOf(tag).length !== 16) throw new Error("what came has odd lengths");
  const opened = await crypto.subtle.decrypt(algorithm, key, box);
  const { keys, assertion } = JSON.parse(new TextDecoder().decode(opened));
  if (keys !== digest) throw new Error("what came is of another key set");
  return importAssertionKey(assertion);
}

function bytesOf(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

async function importAssertionKey(assertion) {
  if (!assertion?.kid || !assertion?.jwk) throw new Error("there is none");
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
  watch = { number: watch.number + 1, until: 0, relief: 0, news: 0 };
}

// The input as it is now: every call into the module may have grown its memory. The views are kept, since making one
// costs more than filling it.
function view() {
  const { buffer } = wasm.memory;
  if (input?.buffer !== buffer) {
    const [start, request, header] = [edge.input() >>> 0, edge.request_room(), edge.header_room()];
    const part = (at, length) => new Uint8Array(buffer, start + at, length);
    input = { buffer, request: part(0, request), header: part(request, header) };
  }
  return input;
}

// Puts a string into its place and says how many bytes that were; more than there is room for when it does not fit.
function put(text, place) {
  const { read, written } = encoder.encodeInto(text, place);
  return read < text.length ? place.length + 1 : written;
}

function decide(request, last) {
  const cookie = request.headers.get("cookie");
  // One text is copied in half the time of two; a line break is in neither.
  const length = put(cookie === null ? request.url : request.url + "\n" + cookie, view().request);
  const answer = edge.decide(length, last);
  // REST clients have the session in a header named like the cookie. It is looked for where there is no cookie, and
  // where a request goes on to the application: a session in both must be the same one.
  const kind = answer & ANSWER;
  if (kind !== NO_SESSION && kind !== ALLOW) return answer;
  const named = request.headers.get(options.cookie_name);
  if (named === null) return answer;
  return edge.decide_with_header(length, put(named, view().header), last);
}

// The watch for news: one held poll after the other, in the waitUntil of a request that an isolate was to let through.
// `until` is when it is given up for lost, `relief` when the next request takes over, `news` when there was a fresh
// word.
let watch = { number: 0, until: 0, relief: 0, news: 0 };

function keepWatch(context, hub) {
  const number = ++watch.number;
  const began = Date.now();
  watch.relief = began + RELIEF;
  const keep = async () => {
    try {
      for (let limit = edge.watch_limit(); number === watch.number && Date.now() + limit < began + WATCH; ) {
        watch.until = Date.now() + limit;
        if ((await edge.watch(hub)) === FRESH) watch.news = Date.now();
        limit = edge.watch_limit();
      }
    } finally {
      if (number === watch.number) watch.until = watch.relief = 0;
    }
  };
  context.waitUntil(keep());
}

const isGood = (kind) => kind === ALLOW || kind === CHECKED;

const isBlind = (now) => now >= watch.relief && now >= watch.until && now - watch.news > BLIND;

// Looks for what was ended while nobody watched: the lease would still let it through. The caller decides again.
async function freshen(context, hub, calls) {
  const began = Date.now();
  while (watch.news < began && (await catchUp(context, hub, calls, began + FRESHEN)));
}

// Refreshes, or waits for the refresh that another request has under way, until `until`. The work goes on when this
// request ends: others wait for it too. Says whether another look is worth it.
async function catchUp(context, hub, calls, until) {
  const work = edge.refresh(hub);
  context.waitUntil(work);
  const left = Math.max(0, until - Date.now());
  const ended = await Promise.race([work, sleep(left)]);
  if (ended === UNDER_WAY) await sleep(Math.min(left, 20));
  else if (ended !== FAILED) {
    calls.origin++;
    calls.polls++;
  }
  if (ended === FRESH) watch.news = Date.now();
  return ended !== FAILED && Date.now() < until;
}

// Asks the origin about the reference that the last decision met, or waits for another request's question. Says whether
// another look is worth it: an origin that cannot be asked is no reason to forget the session, only to try later.
async function inquire(context, calls, until) {
  const work = edge.check();
  context.waitUntil(work);
  const left = Math.max(0, until - Date.now());
  const ended = await Promise.race([work, sleep(left).then(() => FAILED)]);
  if (ended === UNDER_WAY) await sleep(Math.min(left, 20));
  else {
    calls.origin++;
    calls.asked++;
  }
  return ended !== FAILED && calls.asked < 3 && Date.now() < until;
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// What is not answered at once. After each decision nothing is awaited before its identity or refusal is taken: those
// are the module's last, and another request's decision must not come between.
async function handle(request, context, hub, answer, started) {
  const calls = { origin: 0, polls: 0, asked: 0, verified: 0 };
  const until = Date.now() + PATIENCE;
  let freshened = false;
  for (;;) {
    const kind = answer & ANSWER;
    let again = true;
    if (isGood(kind) && !freshened && isBlind(Date.now())) {
      // Once: what comes of it, or does not, is no reason to look again.
      freshened = true;
      await freshen(context, hub, calls);
    } else if (kind === ASK) {
      again = await inquire(context, calls, until);
    } else if (kind === VERIFY) {
      const ended = await edge.verify();
      if (ended === REFUSED || ended === UNREADABLE) {
        answer = edge.refuse_verified(ended);
        break;
      }
      again = ended !== FAILED && ++calls.verified < 3;
    } else if (kind === BEHIND) {
      // A hub's word may be some seconds old, so the second is the origin's own. A fresh copy that still does not do (a
      // token from ahead of the log) is no reason to ask for ever.
      again = calls.polls < 2 && (await catchUp(context, calls.polls === 0 ? hub : undefined, calls, until));
    } else break;
    answer = decide(request, !again);
  }
  const kind = answer & ANSWER;
  if (isGood(kind) && Date.now() >= watch.relief) keepWatch(context, hub);
  return settle(request, answer, started, calls);
}

// Carries out an answer other than BEHIND, ASK and VERIFY; not async, for the reason above.
function settle(request, answer, started, calls) {
  switch (answer & ANSWER) {
    case CHECKED:
      return new Response(null, { status: 204, headers: NO_STORE });
    case ALLOW: {
      const identity = JSON.parse(edge.identity());
      const timing = options.server_timing && { started, decided: performance.now(), cached: answer & CACHED, calls };
      const renewal = answer & RENEWAL_DUE && mayRenew(request) ? edge.renew() : null;
      const response = forward(request, options.upstream, identity, timing);
      return renewal === null ? response : withCookies(response, renewal);
    }
    case PUBLIC:
      return forward(request, options.upstream, null, null);
    case ORIGIN:
      return forward(request, options.origin, undefined, null);
    case ROUTER:
      return edge.fetch(request);
    case REFUSE:
    case NO_SESSION:
      return edge.refuse(isNavigation(request), pathAndQuery(request.url));
    default:
      return new Response("The worker is not configured; its log says why.\n", { status: 500 });
  }
}

// Requests that change nothing are many enough; the answer to a WebSocket upgrade is nobody's to add to.
function mayRenew(request) {
  return (request.method === "GET" || request.method === "HEAD") && request.headers.get("upgrade") === null;
}

// An answer with the session in it is for no cache, whatever the application said of it (attack C13).
// A renewal has its own time limit, but not when a panic ends the instance it runs in.
async function withCookies(forwarded, renewal) {
  const none = () => [];
  const renewed = Promise.race([renewal, sleep(PATIENCE).then(none)]).catch(none);
  const [response, cookies] = await Promise.all([forwarded, renewed]);
  if (cookies.length === 0 || response.webSocket) return response;
  const answer = new Response(response.body, response);
  for (const cookie of cookies) answer.headers.append("set-cookie", cookie);
  answer.headers.set("cache-control", "no-store");
  return answer;
}

const NO_STORE = new Headers({ "cache-control": "no-store" });

function problem(status, title, detail) {
  const headers = { "content-type": "application/problem+json", "cache-control": "no-store" };
  return Response.json({ title, status, detail }, { status, headers });
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

// Header names repeat from request to request; what wasm said of them is remembered, but for long ones: the sender
// chooses them.
const reserved = new Map();
function isReserved(name) {
  let answer = reserved.get(name);
  if (answer === undefined) {
    answer = edge.is_reserved(name);
    if (name.length > 64) return answer;
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
  const colon = options.public_url.indexOf(":");
  headers.set("x-forwarded-proto", options.public_url.slice(0, colon));
  headers.set("x-forwarded-host", options.public_url.slice(colon + 3));
  const client = options.client_ip_header && request.headers.get(options.client_ip_header);
  if (client) headers.set("x-forwarded-for", client);
  if (identity !== undefined) {
    const cookie = headers.get("cookie");
    const rest = cookie === null ? "" : edge.cookie_without_session(cookie);
    if (rest) headers.set("cookie", rest);
    else headers.delete("cookie");
    // What is for the origin: a session in a header named like the cookie, and AM's credentials.
    headers.delete(options.cookie_name);
    headers.delete("x-openam-username");
    headers.delete("x-openam-password");
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
    response = await fetch(target + pathAndQuery(request.url), init);
  } catch (error) {
    console.warn(`countersign: ${target} cannot be reached: ${error}`);
    return problem(502, "Bad Gateway", "The application cannot be reached.");
  }
  // An application that says nothing of caches does not mean that its answer to one user may be shown to another.
  const silent = identity && !response.headers.has("cache-control");
  if (response.webSocket || (!timing && !silent)) return response;
  const answer = new Response(response.body, response);
  if (silent) answer.headers.set("cache-control", "private");
  if (!timing) return answer;
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
    const from = assertionKey;
    const { header, key } = await from;
    const input = `${header}.${base64url(encoder.encode(payload))}`;
    token = `${input}.${base64url(new Uint8Array(await crypto.subtle.sign("Ed25519", key, encoder.encode(input))))}`;
    if (signed.size >= 512) signed.clear();
    if (from === assertionKey) signed.set(payload, token);
  }
  return token;
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function failed(error) {
  console.error("countersign: a request failed", error?.stack ?? error);
  if (error instanceof WebAssembly.RuntimeError) startAnew();
  return problem(500, "Internal Server Error", "This request failed; the next may not.");
}

export default {
  // Not async: what can be answered at once costs no promise.
  fetch(request, env, context) {
    try {
      if (!configured) configure(env);
      if (mistake) return new Response("The worker is not configured; its log says why.\n", { status: 500 });
      // It echoes what it is sent, the assertion with it.
      if (request.method === "TRACE") return problem(405, "Method Not Allowed", "TRACE is not answered.");
      const started = options.server_timing ? performance.now() : 0;
      let answer = decide(request, false);
      if (answer === UNCONFIGURED) {
        attach();
        configure(env);
        answer = decide(request, false);
      }
      const kind = answer & ANSWER;
      const now = Date.now();
      const blind = isGood(kind) && isBlind(now);
      if (isGood(kind) && now >= watch.relief) {
        if (!blind) keepWatch(context, askHub(env, request));
      } else if (answer & POLL_DUE && kind !== BEHIND) {
        context.waitUntil(edge.refresh(askHub(env, request)));
      }
      if (kind === CHECKED && !blind) return new Response(null, { status: 204, headers: NO_STORE });
      const hub = blind || kind === BEHIND || kind === ASK || kind === VERIFY ? askHub(env, request) : undefined;
      return handle(request, context, hub, answer, started).catch(failed);
    } catch (error) {
      return failed(error);
    }
  },
};
