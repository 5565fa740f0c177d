// Tokens as AM makes them, by npm `jose`: a JWE inside a JWS, or either alone, without `kid`.
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import { CompactEncrypt, CompactSign, importJWK, importPKCS8 } from 'jose';

const { signing, content, tokens, claims } = JSON.parse(readFileSync(0, 'utf8'));
const bytes = (text) => new TextEncoder().encode(text);
const key = async (of, alg, publicly) => {
  if (!of.pem) return importJWK(of, alg);
  const secret = await importPKCS8(of.pem, alg, { extractable: true });
  if (!publicly) return secret;
  const { kty, n, e } = await crypto.subtle.exportKey('jwk', secret);
  return importJWK({ kty, n, e }, alg);
};

const minted = [];
for (const { sig, alg, enc, compressed } of tokens) {
  // `jose` does not write `zip` into a JWE.
  let token = compressed ? deflateRawSync(bytes(claims)) : bytes(claims);
  if (alg) {
    const seal = await key(content[`${alg} ${enc}`], alg === 'dir' ? enc : alg, true);
    token = bytes(await new CompactEncrypt(token).setProtectedHeader({ typ: 'JWT', enc, alg }).encrypt(seal));
  }
  if (sig) {
    const header = { typ: 'JWT', ...(alg ? { cty: 'JWT' } : { zip: compressed ? 'DEF' : 'NONE' }), alg: sig };
    const made = new CompactSign(token).setProtectedHeader(header);
    token = bytes(await made.sign(await key(signing[sig], sig, false)));
  }
  minted.push(new TextDecoder().decode(token));
}
process.stdout.write(JSON.stringify(minted));
