// The edge's check as it is usually written: npm `jose` with keys imported once. It does the same work as the edge:
// find the cookie, open the JWE, verify the JWS inside, judge times and realm, look the session up in a list.
import { base64url, compactDecrypt, importJWK, jwtVerify } from "jose";

const ended = new Set(["AAAAAAAAAAAAAAAAAAAAAA"]);
let keys; // promise of the imported keys

const CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
// What stands before the PKCS#1 form of a public RSA key of 2,048 bits in its SPKI form, which WebCrypto takes.
const SPKI = base64url.decode("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A");

function importSigningKey({ ALG, SIGNING_KEY }) {
  const key = base64url.decode(SIGNING_KEY);
  const imported = (format, key, algorithm) => crypto.subtle.importKey(format, key, algorithm, false, ["verify"]);
  if (ALG.startsWith("HS")) return imported("raw", key, { name: "HMAC", hash: `SHA-${ALG.slice(2)}` });
  if (ALG in CURVES) return imported("raw", key, { name: "ECDSA", namedCurve: CURVES[ALG] });
  if (ALG === "RS256") {
    const spki = new Uint8Array([...SPKI, ...key]);
    return imported("spki", spki, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });
  }
  return importJWK({ kty: "OKP", crv: "Ed25519", x: SIGNING_KEY }, "EdDSA");
}

function importContentKey({ KEY_ALG, ENC, CONTENT_KEY }) {
  const key = base64url.decode(CONTENT_KEY);
  const imported = (algorithm, usage) => crypto.subtle.importKey("raw", key, algorithm, false, [usage]);
  if (KEY_ALG !== "dir") return imported("AES-KW", "unwrapKey");
  return ENC.endsWith("GCM") ? imported("AES-GCM", "decrypt") : key; // a key in two halves is none of WebCrypto's
}

async function importKeys(env) {
  return { content: await importContentKey(env), signing: await importSigningKey(env) };
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
    keyManagementAlgorithms: [env.KEY_ALG],
    contentEncryptionAlgorithms: [env.ENC],
  });
  const { payload } = await jwtVerify(opened.plaintext, signing, { algorithms: [env.ALG], typ: "session+jwt" });
  const now = Date.now() / 1000;
  return payload.exp > now && (payload.fexp ?? payload.exp) > now && payload.realm === env.REALM && !ended.has(payload.sid);
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
