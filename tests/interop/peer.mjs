// The npm `jose` side of tests/interop.rs: opens what it is given, and answers with tokens of the same kinds of its
// own.
import { readFileSync } from 'node:fs';
import { CompactEncrypt, CompactSign, compactDecrypt, compactVerify, importJWK, importPKCS8 } from 'jose';

const { signing, content, tokens, claims } = JSON.parse(readFileSync(0, 'utf8'));
const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);
const key = async (of, alg, publicly) => {
  if (!of.pem) return importJWK(publicly ? { ...of, d: undefined } : of, alg);
  const secret = await importPKCS8(of.pem, alg, { extractable: true });
  if (!publicly) return secret;
  const { kty, n, e } = await crypto.subtle.exportKey('jwk', secret);
  return importJWK({ kty, n, e }, alg);
};

const minted = [];
for (const { sig, alg, enc, token } of tokens) {
  let payload = token;
  if (alg) {
    const open = await key(content[`${alg} ${enc}`], alg === 'dir' ? enc : alg, false);
    const opened = await compactDecrypt(token, open, { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] });
    payload = text(opened.plaintext);
  }
  if (sig) {
    const verify = await key(signing[sig], sig, true);
    payload = text((await compactVerify(payload, verify, { algorithms: [sig] })).payload);
  }
  if (payload !== claims) throw new Error(`${sig} ${alg} ${enc}: ${payload}`);

  let mine = claims;
  if (sig) {
    const header = { alg: sig, kid: 'sig', typ: 'session+jwt' };
    mine = await new CompactSign(bytes(mine)).setProtectedHeader(header).sign(await key(signing[sig], sig, false));
  }
  if (alg) {
    const seal = await key(content[`${alg} ${enc}`], alg === 'dir' ? enc : alg, true);
    const outer = { alg, enc, kid: 'enc', typ: 'session+jwt', ...(sig && { cty: 'JWT' }) };
    mine = await new CompactEncrypt(bytes(mine)).setProtectedHeader(outer).encrypt(seal);
  }
  minted.push(mine);
}
process.stdout.write(JSON.stringify(minted));
