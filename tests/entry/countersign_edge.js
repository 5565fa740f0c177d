// Stands in for the module: the path of a request says what becomes of it. Memory that moves, answers that come at a bad
// moment and a host that is always a step behind are rare with the real one.
const ALLOW = 2, REFUSE = 4, CHECKED = 5, NO_SESSION = 8, VERIFY = 10;
const FRESH = 0, FAILED = 2, REFUSED = 3, UNREADABLE = 4;

const REQUEST_ROOM = 32 * 1024, HEADER_ROOM = 16 * 1024;
const memory = { buffer: new ArrayBuffer(64 * 1024) };
let user; // of the last decision
let verified = false;
let found = FRESH; // by the host, of the next signature
let why = "decided"; // the last refusal

const read = (from, length) => new TextDecoder().decode(new Uint8Array(memory.buffer, from, length));

export const initSync = () => ({ memory });
export const configure = () => "";
export const input = () => 0;
export const request_room = () => REQUEST_ROOM;
export const header_room = () => HEADER_ROOM;

export function decide(length) {
  const [url] = read(0, length).split("\n");
  const { pathname, searchParams } = new URL(url);
  switch (pathname) {
    case "/user":
      user = searchParams.get("name");
      return ALLOW;
    case "/forgotten": {
      // What the host verified is there for one look.
      const known = verified;
      verified = false;
      return known ? CHECKED : VERIFY;
    }
    case "/grows":
      // As WebAssembly.Memory does it: what looked at the old buffer looks at nothing.
      memory.buffer = memory.buffer.transfer(2 * memory.buffer.byteLength);
      return NO_SESSION;
    case "/wrong":
      found = REFUSED;
      return VERIFY;
    case "/unreadable":
      found = UNREADABLE;
      return VERIFY;
    default:
      why = "decided";
      return REFUSE;
  }
}

export function decide_with_header(length, header) {
  return read(REQUEST_ROOM, header) === "good" ? CHECKED : REFUSE;
}

export const identity = () => JSON.stringify({ headers: [["Remote-User", user]], assertion: { sub: user } });
export const is_reserved = (name) => name === "remote-user";
export const cookie_without_session = () => "";
export const refuse = (navigation, target) => {
  const headers = { location: `/login?why=${why}&goto=${encodeURIComponent(target)}` };
  return new Response(why, { status: navigation ? 302 : 401, headers });
};

export async function verify() {
  const ended = found;
  found = FRESH;
  verified = ended === FRESH;
  return ended;
}

export function refuse_verified(ended) {
  why = ended === UNREADABLE ? "unreadable" : ended === REFUSED ? "wrong" : "neither";
  return REFUSE;
}

// The origin is gone.
export const refresh = async () => FAILED;
export const watch = async () => FAILED;
export const watch_limit = () => 60000;
