// The hub: one Durable Object asks the origin for many isolates near by. It passes on the origin's own signed bytes,
// and beside them what is left of their lease; the rules are in core::replica::relay. The lease is in memory alone: a
// hub that was evicted or restarted has none until the origin has answered it. What it keeps on disk are segments,
// which prove themselves to whoever reads them.
import { DurableObject } from "cloudflare:workers";
import * as edge from "./countersign_edge.js";

const SNAPSHOT = /^\/countersign\/v1\/denylist\/snapshots\/([\w-]{43})$/;
const HEARTBEAT = "/countersign/v1/denylist/heartbeat";
const SEGMENT = /^\/countersign\/v1\/denylist\/segments\/([\w-]{22})\/(0|[1-9]\d{0,15})\/([1-9]\d{0,15})$/;

// How long one fetch may take, beyond the time that it is held for; in milliseconds, as all here.
const TIMEOUT = 1500;
// How long a question waits for the first word from the origin. Its asker waits somewhat longer.
const FIRST_WORD = 600;
const LONGEST_WAIT = 30000;
// After a failure, between half of it and one and a half.
const PAUSE = 500;
// The hub goes on polling for so long after the last question; the alarm sees to it that it does.
const WARM = 30000, ALARM = 10000;

// The asker's own credential at the origin.
const CREDENTIAL = "countersign-feed-authorization";

const MAX_HEARTBEAT = 4096, MAX_SEGMENT = 65536, MAX_SEGMENTS = 2048;

// Core's bound; and a row of the storage has 2 MB at most, so that a snapshot is kept in parts.
const MAX_SNAPSHOT = 32 << 20, PART = 1 << 20;
// How long the origin may take for one; its asker waits for as long, with what a fetch may take on top.
const SNAPSHOT_TIMEOUT = 8000;

// Where Cloudflare should put the hub of a continent.
const PLACES = { AF: "afr", AS: "apac", EU: "weur", NA: "enam", OC: "oc", SA: "sam" };

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// How an isolate asks its hub: a function of path and abort signal, or undefined where the worker has no hub. HUB is
// the Durable Object; HUB_DOOR, in plain workerd, a service that is another process's `door`. `current` is the
// credential in use, which may be newer than that of the bundle.
export function hubOf({ HUB, HUB_DOOR }, request, authorization, current) {
  if (HUB === undefined && HUB_DOOR === undefined) return undefined;
  return (path, signal) => {
    const url = `http://hub${path}`;
    const headers = { [CREDENTIAL]: current };
    if (HUB === undefined) return HUB_DOOR.fetch(url, { headers: { ...headers, authorization }, signal });
    const continent = request.cf?.continent ?? "local";
    return HUB.get(HUB.idFromName(continent), { locationHint: PLACES[continent] }).fetch(url, { headers, signal });
  };
}

// For isolates of other processes, which cannot bind the object itself: the same over HTTP, for the bearer of the feed
// credential. Not for the public network: who alters its answers can stretch a lease.
export const door = {
  async fetch(request, env) {
    const digest = (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const given = digest(request.headers.get("authorization") ?? "");
    const wanted = digest(`Bearer ${JSON.parse(env.BUNDLE).feed_credential}`);
    if (!crypto.subtle.timingSafeEqual(await given, await wanted)) return new Response(null, { status: 401 });
    return env.HUB.get(env.HUB.idFromName("local")).fetch(request);
  },
};

export class DenylistHub extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    const settings = typeof env.SETTINGS === "string" ? JSON.parse(env.SETTINGS) : env.SETTINGS;
    this.origin = settings.origin;
    this.authorization = `Bearer ${JSON.parse(env.BUNDLE).feed_credential}`;
    this.newer = undefined; // that of an isolate, tried when the origin refuses this one
    this.relay = new edge.HubRelay();
    this.waiting = new Set(); // those to be woken when a poll has ended
    this.fetching = new Map(); // segments and snapshots on their way, by path
    this.polling = undefined;
    this.failed = false;
    this.listening = false; // a poll of the present series was answered
    this.news = { age: undefined, at: 0 };
    this.counts = { questions: 0, polls: 0, segments: 0, snapshots: 0, alarms: 0 };
    this.sql = ctx.storage.sql;
    this.sql.exec(
      `CREATE TABLE IF NOT EXISTS segment (path TEXT PRIMARY KEY, epoch TEXT NOT NULL, last INTEGER NOT NULL,
         bytes BLOB NOT NULL) WITHOUT ROWID;
       CREATE TABLE IF NOT EXISTS snapshot (digest TEXT NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,
         PRIMARY KEY (digest, part)) WITHOUT ROWID;
       CREATE TABLE IF NOT EXISTS asked (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL)`,
    );
    this.asked = this.sql.exec("SELECT at FROM asked").toArray()[0]?.at ?? 0;
    this.saved = this.asked;
  }

  async fetch(request) {
    const arrived = Date.now();
    const { pathname, searchParams } = new URL(request.url);
    this.counts.questions++;
    const credential = request.headers.get(CREDENTIAL);
    if (credential !== null && credential !== this.authorization) this.newer = credential;
    if (pathname === HEARTBEAT) return this.heartbeat(searchParams, arrived);
    const segment = SEGMENT.exec(pathname);
    if (segment !== null) return this.segment(pathname, segment[1], Number(segment[3]));
    const snapshot = SNAPSHOT.exec(pathname);
    if (snapshot !== null) return this.snapshot(pathname, snapshot[1]);
    if (pathname === "/status") return Response.json(this.status());
    return new Response(null, { status: 404 });
  }

  // Answers at once, or, for who says what it knows, when something else holds or the time is over.
  async heartbeat(query, arrived) {
    this.asked = Math.max(this.asked, arrived);
    this.keepPolling();
    // Nobody has been listening to the origin: what is known may be old, though its lease is not over.
    let stale = !this.listening && !this.failed;
    const wait = Math.min(Math.max(Number(query.get("wait")) || 0, 0), LONGEST_WAIT);
    const known = ["epoch", "head", "keys"].map((name) => query.get(name) ?? "");
    const until = arrived + Math.max(wait, FIRST_WORD);
    for (;;) {
      const now = Date.now();
      const left = stale ? undefined : this.relay.left(arrived);
      if (left !== undefined && (now >= arrived + wait || this.relay.has_news(...known))) {
        return this.answer(query.get("nonce") ?? "", left, now);
      }
      if (now >= until || (left === undefined && this.failed)) return new Response(null, { status: 503 });
      await this.next(left === undefined ? until - now : arrived + wait - now);
      stale = false;
    }
  }

  answer(nonce, left, now) {
    const headers = new Headers({
      "content-type": "application/jose",
      "cache-control": "no-store",
      "countersign-lease-left": String(Math.floor(left)),
    });
    if (/^[\w-]{22}$/.test(nonce)) headers.set("countersign-question", nonce);
    if (this.news.age !== undefined) headers.set("countersign-news-age", String(this.news.age + now - this.news.at));
    return new Response(this.relay.bytes(), { headers });
  }

  // When the poll under way has ended, or after so long.
  next(milliseconds) {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.max(0, milliseconds));
      this.waiting.add(wake);
    });
  }

  keepPolling() {
    if (this.polling !== undefined) return;
    this.failed = this.listening = false;
    this.polling = this.poll()
      .catch((error) => console.error("countersign: the hub stopped polling", error?.stack ?? error))
      .finally(() => {
        this.polling = undefined;
        this.listening = false;
      });
  }

  // One poll after the other for as long as somebody asks.
  async poll() {
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + ALARM);
    let held = false;
    while (Date.now() - this.asked < WARM) {
      const began = Date.now();
      let quiet = false;
      try {
        const known = this.relay.epoch() + this.position;
        await this.once(held);
        if (this.failed) console.log("countersign: the hub has the denylist feed back");
        [this.failed, this.listening, held] = [false, true, true];
        quiet = known === this.relay.epoch() + this.position;
      } catch (error) {
        if (!this.failed) console.warn(`countersign: the hub's poll failed: ${error?.message ?? error}`);
        if (error instanceof WebAssembly.RuntimeError || /stale|freed|null pointer/.test(error?.message)) {
          this.relay = new edge.HubRelay(); // the instance it lived in is gone, and its lease with it
        }
        [this.failed, held] = [true, false];
      }
      for (const wake of [...this.waiting]) wake();
      const pace = this.relay.pace();
      if (this.failed) await sleep(PAUSE / 2 + Math.random() * PAUSE);
      // An origin that does not hold polls is not asked without a pause.
      else if (quiet && held && Date.now() - began < pace / 2) await sleep(pace - (Date.now() - began));
    }
  }

  async once(held) {
    this.counts.polls++;
    const query = this.relay.poll(held);
    const signal = AbortSignal.timeout(TIMEOUT + (held ? this.relay.pace() : 0));
    const response = await this.ask(`${HEARTBEAT}?${query}`, { cache: "no-store", signal });
    if (response.status !== 200) throw new Error(`the origin answered ${response.status}`);
    const bytes = await limited(response, MAX_HEARTBEAT);
    this.relay.heartbeat(bytes);
    const age = response.headers.get("countersign-news-age");
    this.news = { age: age === null ? undefined : Number(age), at: Date.now() };
  }

  async ask(path, init) {
    const { authorization, newer } = this;
    const ask = (authorization) => fetch(this.origin + path, { headers: { authorization }, redirect: "manual", ...init });
    const response = await ask(authorization);
    if (response.status !== 401 || newer === undefined) return response;
    const again = await ask(newer);
    if (again.status !== 401) [this.authorization, this.newer] = [newer, undefined];
    return again;
  }

  async segment(path, epoch, last) {
    const kept = this.sql.exec("SELECT bytes FROM segment WHERE path = ?", path).toArray()[0];
    if (kept !== undefined) return new Response(kept.bytes);
    return this.fetchOnce("segment", path, () => this.fetchSegment(path, epoch, last));
  }

  // Passed on unread: whoever asked compares the hash.
  async snapshot(path, digest) {
    const rows = this.sql.exec("SELECT bytes FROM snapshot WHERE digest = ? ORDER BY part", digest);
    const kept = [...rows].map((row) => row.bytes);
    if (kept.length > 0) return new Response(new Blob(kept));
    // What the origin has not named to this hub is not fetched: that would be anybody's to fill the storage with.
    if (digest !== this.relay.snapshot()) return new Response(null, { status: 404 });
    return this.fetchOnce("snapshot", path, () => this.fetchSnapshot(path, digest));
  }

  // Whoever asks for what is on its way waits for it too.
  async fetchOnce(what, path, work) {
    if (!this.fetching.has(path)) this.fetching.set(path, work().finally(() => this.fetching.delete(path)));
    try {
      const { status, bytes } = await this.fetching.get(path);
      return new Response(bytes, { status });
    } catch (error) {
      console.warn(`countersign: the hub got no ${what}: ${error?.message ?? error}`);
      return new Response(null, { status: 502 });
    }
  }

  async fetchSnapshot(path, digest) {
    this.counts.snapshots++;
    const response = await this.ask(path, { signal: AbortSignal.timeout(SNAPSHOT_TIMEOUT) });
    const bytes = await limited(response, MAX_SNAPSHOT);
    if (response.status !== 200) return { status: response.status === 404 ? 404 : 502, bytes: null };
    // One that is not what it is called would be kept for all who ask.
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const named = btoa(String.fromCharCode(...hash)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    if (named !== digest) throw new Error("it is not the one that was asked for");
    this.sql.exec("DELETE FROM snapshot");
    for (let part = 0; part * PART < bytes.length; part++) {
      this.sql.exec("INSERT INTO snapshot VALUES (?, ?, ?)", digest, part, bytes.slice(part * PART, (part + 1) * PART));
    }
    return { status: 200, bytes };
  }

  async fetchSegment(path, epoch, last) {
    this.counts.segments++;
    const response = await this.ask(path, { signal: AbortSignal.timeout(TIMEOUT) });
    const bytes = await limited(response, MAX_SEGMENT);
    if (response.status !== 200) return { status: response.status === 410 ? 410 : 502, bytes: null };
    this.sql.exec("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?)", path, epoch, last, bytes);
    return { status: 200, bytes };
  }

  // Keeps the hub going while there are askers, also after an eviction; and throws away what has expired.
  async alarm() {
    this.counts.alarms++;
    if (this.asked > this.saved) {
      this.sql.exec("INSERT OR REPLACE INTO asked VALUES (1, ?)", this.asked);
      this.saved = this.asked;
    }
    this.prune();
    if (Date.now() - this.asked >= WARM) return;
    await this.ctx.storage.setAlarm(Date.now() + ALARM);
    this.keepPolling();
    await this.next(TIMEOUT);
  }

  prune() {
    const epoch = this.relay.epoch();
    if (epoch) this.sql.exec("DELETE FROM segment WHERE epoch <> ? OR last <= ?", epoch, this.relay.floor());
    const named = this.relay.snapshot();
    if (named) this.sql.exec("DELETE FROM snapshot WHERE digest <> ?", named);
    this.sql.exec(
      "DELETE FROM segment WHERE path IN (SELECT path FROM segment ORDER BY last DESC LIMIT -1 OFFSET ?)",
      MAX_SEGMENTS,
    );
  }

  status() {
    const left = this.relay.left(Date.now());
    const kept = this.sql.exec("SELECT COUNT(*) AS segments, COALESCE(SUM(LENGTH(bytes)), 0) AS bytes FROM segment").one();
    const polling = this.polling !== undefined;
    return { lease_remaining_ms: left ?? 0, head_seq: this.position, polling, failed: this.failed, kept, ...this.counts };
  }

  get position() {
    return this.relay.head() ?? 0;
  }
}

// The body, unless it is longer than it may be.
async function limited(response, max) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > max) throw new Error(`an answer of the origin is longer than ${max} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
