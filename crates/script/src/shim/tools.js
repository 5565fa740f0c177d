// What next-generation scripts have for HTTP, encodings, cryptography and JWTs.
(function (kit) {
  'use strict';
  const { text } = kit;
  const coding = kit.part('bytes');
  const { named } = kit.next;

  const httpClient = {
    send(uri, options = {}) {
      const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name, text(value)]);
      const has = (name) => headers.some(([known]) => known.toLowerCase() === name);
      if (options.token) headers.push(['Authorization', `Bearer ${options.token}`]);
      let { body } = options;
      if (options.form) {
        body = Object.entries(options.form).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
        if (!has('content-type')) headers.push(['Content-Type', 'application/x-www-form-urlencoded']);
      } else if (body !== undefined && body !== null && !kit.isText(body)) {
        body = kit.stringify(body);
        if (!has('content-type')) headers.push(['Content-Type', 'application/json']);
      }
      const answer = kit.part('world').exchange({ method: options.method, uri, headers, body: body === undefined || body === null ? null : text(body) });
      const received = {};
      for (const [name, value] of answer.headers) (received[name.toLowerCase()] ??= []).push(value);
      const response = {
        status: answer.status,
        statusText: answer.reason,
        ok: answer.status >= 200 && answer.status < 300,
        headers: named(received, (name) => name.toLowerCase()),
        text: () => answer.body,
        json: () => kit.parse(answer.body),
        formData: () => Object.fromEntries(answer.body.split('&').map((pair) => pair.split('=').map((piece) => decodeURIComponent(piece.replace(/\+/g, ' '))))),
      };
      return kit.part('world').future(response);
    },
  };

  const { toBytes, toBase64, fromBase64, fromUtf8 } = coding;
  const decoded = (value) => {
    const bytes = fromBase64(value);
    if (bytes === null) throw new TypeError('not base64');
    return bytes;
  };
  const digits = (shape) => ({
    encode: (data) => shape(toBase64(toBytes(data))),
    decode: (value) => fromUtf8(decoded(value)),
    decodeToBytes: decoded,
  });
  const unsupported = (what) => () => {
    throw new Error(`${what} is not supported`);
  };
  const utils = {
    base64: digits((encoded) => encoded),
    base64url: digits(coding.url),
    crypto: {
      randomUUID: () => kit.ask('uuid', null),
      getRandomValues(array) {
        const bytes = fromBase64(kit.ask('random', array.length));
        for (let at = 0; at < array.length; at++) array[at] = bytes[at];
        return array;
      },
      subtle: {
        digest: (algorithm, data) => fromBase64(kit.ask('digest', { algorithm: text(algorithm?.name ?? algorithm), data: toBase64(toBytes(data)) })),
        sign(algorithm, key, data) {
          if (text(algorithm?.name ?? algorithm).toUpperCase() !== 'HMAC') unsupported('signing other than HMAC')();
          const hash = text(algorithm?.hash?.name ?? algorithm?.hash ?? 'SHA-256');
          return fromBase64(kit.ask('hmac', { algorithm: hash, key: toBase64(toBytes(key)), data: toBase64(toBytes(data)) }));
        },
        verify(algorithm, key, data, signature) {
          return kit.ask('equal', [toBase64(this.sign(algorithm, key, data)), toBase64(toBytes(signature))]);
        },
      },
    },
    types: {
      stringToBytes: (value) => toBytes(text(value)),
      bytesToString: (bytes) => fromUtf8(bytes),
      bytesToBase64: (bytes) => toBase64(bytes),
      base64ToBytes: decoded,
    },
  };
  for (const name of ['encrypt', 'decrypt', 'generateKey', 'importKey', 'exportKey', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey']) {
    utils.crypto.subtle[name] = unsupported(`utils.crypto.subtle.${name}`);
  }

  const now = () => Math.floor(Date.now() / 1000);
  const jwtAssertion = {
    generateJwt(options) {
      if (options.jwtType !== undefined && options.jwtType !== 'SIGNED') unsupported(`a JWT of type ${options.jwtType}`)();
      const minutes = Number(options.validityMinutes ?? 5);
      const claims = { iss: options.issuer, sub: options.subject, aud: options.audience, iat: now(), exp: now() + minutes * 60, jti: kit.ask('uuid', null), ...options.claims };
      const header = { typ: options.type ?? 'JWT' };
      // A private key is a JWK, as an object or as text; a shared secret is base64.
      const given = options.privateKey ?? options.signingKey;
      const jwk = kit.isText(given) && String(given).trim().startsWith('{') ? kit.parse(String(given)) : given;
      if (!kit.isText(jwk) && jwk !== null && typeof jwk === 'object') {
        if (jwk.kid !== undefined) header.kid = jwk.kid;
        return kit.ask('sign', { algorithm: text(options.jwsAlgorithm ?? jwk.alg ?? 'RS256'), jwk, header, claims });
      }
      return kit.ask('sign', { algorithm: text(options.jwsAlgorithm ?? 'HS256'), key: text(given), header, claims });
    },
  };
  const jwtValidator = {
    validateJwtClaims(options) {
      const read = kit.ask('verify', { token: text(options.jwtToken ?? options.jwt), key: text(options.signingKey) });
      const { claims } = read;
      const audience = [].concat(claims.aud ?? []);
      if (!read.valid) throw new Error('the signature of the JWT is wrong');
      if (!(typeof claims.exp === 'number' && claims.exp > now())) throw new Error('the JWT has expired');
      if (claims.nbf !== undefined && !(claims.nbf <= now())) throw new Error('the JWT is not valid yet');
      if (options.issuer !== undefined && claims.iss !== options.issuer) throw new Error('the JWT is from another issuer');
      if (options.subject !== undefined && claims.sub !== options.subject) throw new Error('the JWT is about another subject');
      if (options.audience !== undefined && !audience.includes(options.audience)) throw new Error('the JWT is for another audience');
      return claims;
    },
  };

  // The best of the languages that the client asked for, else the first text.
  const locales = {
    getLocalizedMessage(texts) {
      const known = Object.keys(texts);
      const fold = (name) => name.toLowerCase().replace('_', '-');
      for (const wanted of kit.told.languages.map(fold)) {
        const found = known.find((name) => fold(name) === wanted) ?? known.find((name) => fold(name).split('-')[0] === wanted.split('-')[0]);
        if (found !== undefined) return texts[found];
      }
      return known.length === 0 ? null : texts[known[0]];
    },
  };
  const journey = {
    name: () => kit.told.journey.name,
    identityResource: () => kit.told.journey.resource,
    innerJourney: () => kit.told.journey.innerOnly,
    mustRun: () => kit.told.journey.mustRun,
  };

  return { httpClient, utils, jwtAssertion, jwtValidator, locales, journey };
})
