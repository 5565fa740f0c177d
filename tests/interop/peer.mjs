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
  const verify = await key(signing[sig], sig, true);
  let inner = token;
  if (alg) {
    const open = await key(content[`${alg} ${enc}`], alg === 'dir' ? enc : alg, false);
    const opened = await compactDecrypt(token, open, { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] });
    inner = text(opened.plaintext);
  }
  const { payload } = await compactVerify(inner, verify, { algorithms: [sig] });
  if (text(payload) !== claims) throw new Error(`${sig} ${alg} ${enc}: ${text(payload)}`);

  const header = { alg: sig, kid: 'sig', typ: 'session+jwt' };
  let mine = await new CompactSign(bytes(claims)).setProtectedHeader(header).sign(await key(signing[sig], sig, false));
  if (alg) {
    const seal = await key(content[`${alg} ${enc}`], alg === 'dir' ? enc : alg, true);
    const outer = { alg, enc, kid: 'enc', typ: 'session+jwt', cty: 'JWT' };
    mine = await new CompactEncrypt(bytes(mine)).setProtectedHeader(outer).encrypt(seal);
  }
  minted.push(mine);
}
process.stdout.write(JSON.stringify(minted));
