// The edge's check as it is usually written: npm `jose` with keys imported once. It does the same work as the edge:
// find the cookie, open the JWE, verify the JWS inside, judge times and realm, look the session up in a list.
import { base64url, compactDecrypt, importJWK, jwtVerify } from "jose";

const ended = new Set(["AAAAAAAAAAAAAAAAAAAAAA"]);
let keys; // promise of the imported keys

async function importKeys(env) {
  const content = await crypto.subtle.importKey("raw", base64url.decode(env.CONTENT_KEY), "AES-GCM", false, ["decrypt"]);
  const signing =
    env.ALG === "HS256"
      ? await crypto.subtle.importKey(
          "raw",
          base64url.decode(env.SIGNING_KEY),
          { name: "HMAC", hash: "SHA-256" },
          false,
          ["verify"],
        )
      : await importJWK({ kty: "OKP", crv: "Ed25519", x: env.SIGNING_KEY }, "EdDSA");
  return { content, signing };
}

function find(header, name) {
  for (const crumb of header.split(";")) {
    const at = crumb.indexOf("=");
    if (at > 0 && crumb.slice(0, at).trim() === name) return crumb.slice(at + 1).trim();
  }
}

async function check(cookie, env) {
  const token = find(cookie, env.COOKIE_NAME);
  if (!token) return false;
  const { content, signing } = await (keys ??= importKeys(env));
  const opened = await compactDecrypt(token, content, {
    keyManagementAlgorithms: ["dir"],
    contentEncryptionAlgorithms: ["A256GCM"],
  });
  const { payload } = await jwtVerify(opened.plaintext, signing, { algorithms: [env.ALG], typ: "session+jwt" });
  const now = Date.now() / 1000;
  return payload.exp > now && payload.fexp > now && payload.realm === env.REALM && !ended.has(payload.sid);
}

// Like loop.mjs: as often as it is asked, over the `Cookie` headers that the body lists.
async function loop(request, env) {
  const cookies = (await request.text()).split("\n");
  const times = Number(new URL(request.url).searchParams.get("n"));
  let checked = 0;
  for (let i = 0; i < times; i++) if (await check(cookies[i % cookies.length], env)) checked++;
  return { checked, cached: 0 };
}

export default {
  async fetch(request, env) {
    if (request.method === "POST") return Response.json(await loop(request, env));
    const good = await check(request.headers.get("cookie") ?? "", env).catch(() => false);
    return new Response(null, { status: good ? 204 : 401 });
  },
};
