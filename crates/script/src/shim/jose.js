// org.forgerock.json.jose and org.forgerock.secrets: tokens signed and encrypted under a shared secret, or signed by a
// private key.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const { javaClass, mapProto, adopt } = kit.java;
  const coding = kit.part('bytes');
  const classes = Object.create(null);
  const refuse = (what) => {
    throw new Error(`${what} is not supported`);
  };

  const names = (values) => Object.fromEntries(values.map((name) => [name, { name: () => name, getAlgorithm: () => name, toString: () => name }]));
  classes['org.forgerock.json.jose.jws.JwsAlgorithm'] = names(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512']);
  classes['org.forgerock.json.jose.jwe.JweAlgorithm'] = { ...names(['A128KW', 'A192KW', 'A256KW', 'RSA_OAEP', 'RSA_OAEP_256']), DIRECT: { toString: () => 'dir' } };
  classes['org.forgerock.json.jose.jwe.EncryptionMethod'] = names(['A128CBC_HS256', 'A192CBC_HS384', 'A256CBC_HS512', 'A128GCM', 'A192GCM', 'A256GCM']);

  class SecretBuilder {
    constructor() {
      hide(this, { key: null });
    }
    secretKey(key) {
      this.key = key;
      return this;
    }
    signingKey(key) {
      return this.secretKey(key);
    }
    stableId() {
      return this;
    }
    expiresIn() {
      return this;
    }
    expiresAt() {
      return this;
    }
  }
  classes['org.forgerock.secrets.SecretBuilder'] = javaClass(SecretBuilder);
  const bytesOf = (key) => {
    const held = key?.getEncoded?.() ?? key?.key?.getEncoded?.() ?? key?.bytes;
    if (held === undefined || held === null) throw new TypeError('a key without bytes');
    return held;
  };
  // A private key is a JWK, which is signed with as a whole.
  const jwkOf = (key) => key?.jwk ?? key?.key?.jwk ?? null;
  class Key {
    constructor(builder) {
      const jwk = jwkOf(builder);
      hide(this, { jwk, bytes: jwk === null ? bytesOf(builder) : [] });
    }
  }
  for (const name of ['SigningKey', 'VerificationKey', 'DataEncryptionKey', 'DataDecryptionKey']) classes[`org.forgerock.secrets.keys.${name}`] = javaClass(class extends Key {});
  class JWK {
    constructor(given) {
      const value = given?.getObject?.() ?? given;
      hide(this, { jwk: kit.isText(value) ? kit.parse(String(value)) : { ...value } });
    }
    static parse(given) {
      return new JWK(given);
    }
    getKeyId() {
      return this.jwk.kid ?? null;
    }
    getAlgorithm() {
      return this.jwk.alg ?? null;
    }
    private() {
      if (typeof this.jwk.d !== 'string') throw new TypeError('the JWK has no private key');
      return { jwk: this.jwk };
    }
    toRSAPrivateKey() {
      return this.private();
    }
    toECPrivateKey() {
      return this.private();
    }
    toString() {
      return kit.stringify(this.jwk);
    }
  }
  for (const name of ['RsaJWK', 'EcJWK', 'JWK']) classes[`org.forgerock.json.jose.jwk.${name}`] = javaClass(JWK);

  class Handler {
    constructor(key) {
      const jwk = jwkOf(key);
      hide(this, { jwk, key: jwk === null ? coding.toBase64(Array.isArray(key) ? key : bytesOf(key)) : '' });
    }
  }
  const Signing = javaClass(Handler);
  const HANDLERS = 'org.forgerock.json.jose.jws.handlers';
  for (const name of ['SecretHmacSigningHandler', 'HmacSigningHandler', 'SecretRSASigningHandler', 'RSASigningHandler', 'SecretECDSASigningHandler', 'ECDSASigningHandler']) classes[`${HANDLERS}.${name}`] = Signing;
  classes['org.forgerock.json.jose.jws.SigningManager'] = javaClass(class SigningManager {
    newHmacSigningHandler(key) {
      return new Signing(key);
    }
    newRsaSigningHandler(key) {
      return new Signing(key);
    }
    newSigningHandler(key) {
      return new Signing(key);
    }
  });

  const seconds = (date) => (date === null || date === undefined ? null : Math.floor(Number(date) / 1000));
  const date = (value) => (typeof value === 'number' ? new Date(value * 1000) : null);
  const TIMES = { iat: 'IssuedAtTime', exp: 'ExpirationTime', nbf: 'NotBeforeTime' };
  const TEXTS = { iss: 'Issuer', sub: 'Subject', jti: 'JwtId' };
  class JwtClaimsSet {
    constructor(claims) {
      hide(this, { claims: Object.create(mapProto) });
      if (claims !== undefined && claims !== null) this.setClaims(claims.getObject?.() ?? claims);
    }
    setClaims(claims) {
      for (const key of Object.keys(claims)) this.setClaim(key, claims[key]);
    }
    setClaim(name, value) {
      this.claims.put(name, value instanceof Date ? seconds(value) : value?.getObject?.() ?? value);
    }
    claim(name, value) {
      this.setClaim(name, value);
      return this;
    }
    getClaim(name) {
      return this.claims.get(name);
    }
    get(name) {
      return new (kit.part('forgerock')['org.forgerock.json.JsonValue'])(this.claims.get(name));
    }
    isDefined(name) {
      return this.claims.containsKey(name);
    }
    keys() {
      return this.claims.keySet();
    }
    addAudience(value) {
      this.claims.put('aud', [...this.getAudience(), text(value)]);
    }
    setAudience(values) {
      this.claims.put('aud', [].concat(values));
    }
    getAudience() {
      return [].concat(this.claims.get('aud') ?? []);
    }
    toJsonValue() {
      return new (kit.part('forgerock')['org.forgerock.json.JsonValue'])(this.claims);
    }
    build() {
      return kit.stringify(this.claims);
    }
    toString() {
      return kit.stringify(this.claims);
    }
    toJSON() {
      return this.claims;
    }
  }
  for (const [claim, name] of Object.entries(TIMES)) {
    hide(JwtClaimsSet.prototype, {
      [`set${name}`](value) {
        this.claims.put(claim, seconds(value));
      },
      [`get${name}`]() {
        return date(this.claims.get(claim));
      },
    });
  }
  for (const [claim, name] of Object.entries(TEXTS)) {
    hide(JwtClaimsSet.prototype, {
      [`set${name}`](value) {
        this.claims.put(claim, text(value));
      },
      [`get${name}`]() {
        return this.claims.get(claim);
      },
    });
  }
  classes['org.forgerock.json.jose.jwt.JwtClaimsSet'] = javaClass(JwtClaimsSet);

  // Headers, one call each; `done` goes back to what they are the headers of.
  const headers = (of) => {
    const header = {
      header: (name, value) => {
        kit.set(of.header, text(name), value);
        return header;
      },
      done: () => of,
    };
    for (const name of ['alg', 'enc', 'zip', 'kid', 'typ', 'cty', 'jku', 'x5t']) header[name] = (value) => header.header(name, text(value));
    return header;
  };
  const handled = (handler) => {
    if (!(handler instanceof Handler)) refuse('signing without a handler');
    return handler;
  };
  const signed = (handler, header, what) => {
    const { alg, ...others } = header;
    return kit.ask('sign', { algorithm: alg ?? (handler.jwk === null ? 'HS256' : 'RS256'), key: handler.key, jwk: handler.jwk ?? {}, header: others, ...what });
  };
  const sealed = (key, header, content) => {
    const { alg, enc, ...others } = header;
    if (alg !== undefined && alg !== 'dir') refuse(`encrypting with ${alg}`);
    return kit.ask('encrypt', { enc: text(enc).replace('_', '-'), key: coding.toBase64(bytesOf(key)), header: others, content });
  };
  class SignedBuilder {
    constructor(handler) {
      hide(this, { handler: handled(handler), header: { typ: 'JWT' }, set: null });
    }
    headers() {
      return headers(this);
    }
    claims(claims) {
      this.set = claims;
      return this;
    }
    asJwt() {
      return this;
    }
    build() {
      return signed(this.handler, this.header, { claims: this.set });
    }
    encrypt(key) {
      return new EncryptedBuilder(key, { typ: 'JWT', cty: 'JWT' }, () => this.build());
    }
    toString() {
      return this.build();
    }
  }
  class EncryptedBuilder {
    constructor(key, header, content) {
      hide(this, { key, header, content });
    }
    headers() {
      return headers(this);
    }
    claims(claims) {
      this.content = () => kit.stringify(claims);
      return this;
    }
    asJwt() {
      return this;
    }
    build() {
      return sealed(this.key, this.header, this.content());
    }
    signedWith(handler, algorithm) {
      const outer = { typ: 'JWT', cty: 'JWE', alg: text(algorithm) };
      const build = () => signed(handled(handler), outer, { payload: this.build() });
      return { build, asJwt: () => ({ build }), headers: () => headers({ header: outer, build, asJwt: () => ({ build }) }), toString: build };
    }
    toString() {
      return this.build();
    }
  }
  const claimsOf = (content) => classes['org.forgerock.json.jose.jwt.JwtClaimsSet'](kit.parse(content));
  const piecesOf = (token, count) => {
    const pieces = text(token).split('.');
    if (pieces.length !== count) throw new Error(`not a right number of dots, ${count} expected`);
    return (at) => coding.fromUtf8(coding.fromBase64(pieces[at]) ?? []);
  };
  // What is inside of an encrypted token is known when it was decrypted.
  class Reconstructed {
    constructor(token, count) {
      const piece = piecesOf(token, count);
      hide(this, { token: text(token), header: adopt(kit.parse(piece(0)), 0), inner: null, set: null, piece });
    }
    verify(handler) {
      if (handled(handler).jwk !== null) refuse('verifying with anything but a shared secret');
      return kit.ask('verify', { token: this.signature(), key: handler.key }).valid;
    }
    signature() {
      return this.token;
    }
    open(token, key) {
      this.inner = kit.ask('decrypt', { token, key: coding.toBase64(bytesOf(key)) }).content;
    }
    getClaimsSet() {
      if (this.set === null) throw new Error('the JWT has not been decrypted');
      return this.set;
    }
    getHeader() {
      return this.header;
    }
    build() {
      return this.token;
    }
    toString() {
      return this.token;
    }
  }
  class SignedJwt extends Reconstructed {
    constructor(token) {
      super(token, 3);
      this.set = claimsOf(this.piece(1));
    }
  }
  class EncryptedJwt extends Reconstructed {
    constructor(token) {
      super(token, 5);
    }
    decrypt(key) {
      this.open(this.token, key);
      this.set = claimsOf(this.inner);
    }
  }
  class SignedThenEncryptedJwt extends Reconstructed {
    constructor(token) {
      super(token, 5);
    }
    decrypt(key) {
      this.open(this.token, key);
      this.set = claimsOf(piecesOf(this.inner, 3)(1));
    }
    signature() {
      if (this.inner === null) throw new Error('the JWT has not been decrypted');
      return this.inner;
    }
  }
  class EncryptedThenSignedJwt extends Reconstructed {
    constructor(token) {
      super(token, 3);
    }
    decrypt(key) {
      this.open(this.piece(1), key);
      this.set = claimsOf(this.inner);
    }
  }
  const JWS = 'org.forgerock.json.jose.jws';
  kit.java.beans(Reconstructed.prototype);
  for (const made of [SignedJwt, EncryptedJwt, SignedThenEncryptedJwt, EncryptedThenSignedJwt]) classes[`${JWS}.${made.name}`] = javaClass(made);
  for (const name of ['EncryptedJwt', 'SignedThenEncryptedJwt']) classes[`org.forgerock.json.jose.jwe.${name}`] = classes[`${JWS}.${name}`];
  classes['org.forgerock.json.jose.builders.JwtBuilderFactory'] = javaClass(class JwtBuilderFactory {
    jws(handler) {
      return new SignedBuilder(handler);
    }
    jwe(key) {
      return new EncryptedBuilder(key, { typ: 'JWT' }, () => '{}');
    }
    claims() {
      return new classes['org.forgerock.json.jose.jwt.JwtClaimsSet']();
    }
    reconstruct(token, kind) {
      return new kind(token);
    }
  });
  return classes;
})
