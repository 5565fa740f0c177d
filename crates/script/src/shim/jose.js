// org.forgerock.json.jose and org.forgerock.secrets: signed tokens under a shared secret.
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
  classes['org.forgerock.json.jose.jws.JwsAlgorithm'] = names(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512']);
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
  class Key {
    constructor(builder) {
      hide(this, { bytes: bytesOf(builder) });
    }
  }
  for (const name of ['SigningKey', 'VerificationKey', 'DataEncryptionKey', 'DataDecryptionKey']) classes[`org.forgerock.secrets.keys.${name}`] = javaClass(class extends Key {});

  class HmacHandler {
    constructor(key) {
      hide(this, { key: coding.toBase64(Array.isArray(key) ? key : bytesOf(key)) });
    }
  }
  const Hmac = javaClass(HmacHandler);
  classes['org.forgerock.json.jose.jws.handlers.SecretHmacSigningHandler'] = Hmac;
  classes['org.forgerock.json.jose.jws.handlers.HmacSigningHandler'] = Hmac;
  classes['org.forgerock.json.jose.jws.SigningManager'] = javaClass(class SigningManager {
    newHmacSigningHandler(key) {
      return new Hmac(key);
    }
    newSigningHandler(key) {
      return new Hmac(key);
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

  // Claims built by the builder: the same claims, one call each.
  class SignedBuilder {
    constructor(handler) {
      if (!(handler instanceof HmacHandler)) refuse('signing with anything but a shared secret');
      hide(this, { handler, header: { typ: 'JWT' }, set: null });
    }
    headers() {
      const done = () => this;
      const header = {
        alg: (algorithm) => {
          this.header.alg = text(algorithm);
          return header;
        },
        header: (name, value) => {
          kit.set(this.header, text(name), value);
          return header;
        },
        done,
      };
      for (const name of ['kid', 'typ', 'cty', 'jku', 'x5t']) header[name] = (value) => header.header(name, text(value));
      return header;
    }
    claims(claims) {
      this.set = claims;
      return this;
    }
    asJwt() {
      return this;
    }
    build() {
      const { alg, ...header } = this.header;
      return kit.ask('sign', { algorithm: alg ?? 'HS256', key: this.handler.key, header, claims: this.set });
    }
    encrypt() {
      return refuse('encrypting a JWT');
    }
  }
  class SignedJwt {
    constructor(token) {
      const pieces = text(token).split('.');
      if (pieces.length !== 3) throw new Error('not a right number of dots, 3 expected');
      const read = (piece) => kit.parse(coding.fromUtf8(coding.fromBase64(piece) ?? []));
      hide(this, { token: text(token), header: adopt(read(pieces[0]), 0), set: classes['org.forgerock.json.jose.jwt.JwtClaimsSet'](read(pieces[1])) });
    }
    verify(handler) {
      if (!(handler instanceof HmacHandler)) refuse('verifying with anything but a shared secret');
      return kit.ask('verify', { token: this.token, key: handler.key }).valid;
    }
    getClaimsSet() {
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
  const JWS = 'org.forgerock.json.jose.jws';
  classes[`${JWS}.SignedJwt`] = javaClass(SignedJwt);
  // They may be imported and passed on; opening one is what is refused.
  classes[`${JWS}.EncryptedThenSignedJwt`] = javaClass(class EncryptedThenSignedJwt {
    constructor() {
      refuse('an encrypted JWT');
    }
  });
  classes['org.forgerock.json.jose.jwe.SignedThenEncryptedJwt'] = javaClass(class SignedThenEncryptedJwt {
    constructor() {
      refuse('an encrypted JWT');
    }
  });
  classes['org.forgerock.json.jose.builders.JwtBuilderFactory'] = javaClass(class JwtBuilderFactory {
    jws(handler) {
      return new SignedBuilder(handler);
    }
    jwe() {
      return refuse('encrypting a JWT');
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
