// The bindings of next-generation scripts.
(function (kit) {
  'use strict';
  const { told, text, hide } = kit;
  const common = kit.part('common');
  const callbacks = kit.part('callbacks');
  const { state } = common;

  // Maps and lists come with the methods of Java's: scripts use either way.
  const shaped = (value) => (value !== null && typeof value === 'object' ? kit.part('values').adopt(value, 0) : value);
  const nodeState = {
    get: (key) => shaped(state.get(text(key))),
    getObject: (key) => shaped(state.object(text(key))),
    isDefined: (key) => state.isDefined(text(key)),
    keys: () => kit.part('values').set(state.keys()),
    putShared(key, value) {
      state.put(state.stores.shared, key, value);
      return nodeState;
    },
    putTransient(key, value) {
      state.put(state.stores.transient, key, value);
      return nodeState;
    },
    mergeShared(values) {
      state.merge(state.stores.shared, values);
      return nodeState;
    },
    mergeTransient(values) {
      state.merge(state.stores.transient, values);
      return nodeState;
    },
    remove(key) {
      state.remove(text(key));
    },
  };

  let chosen = null;
  const action = common.withEffects({
    goTo(outcome) {
      // A parameter of Java's type for texts: Rhino makes one of whatever is given.
      if (outcome === undefined || outcome === null) throw new TypeError('an outcome is a text');
      chosen = { goTo: String(outcome) };
      return action;
    },
    suspend(message, handler, minutes) {
      if (typeof handler === 'function') handler(common.RESUME);
      chosen = { suspend: { message: text(message), minutes: minutes === undefined || minutes === null ? null : Number(minutes) } };
      return action;
    },
  });

  const sent = [];
  const callbacksBuilder = {};
  const renamed = { ValidatedCreateUsernameCallback: 'validatedUsernameCallback', ValidatedCreatePasswordCallback: 'validatedPasswordCallback' };
  for (const [name, build] of Object.entries(callbacks.build)) {
    const add = (...given) => {
      sent.push(build(...given));
    };
    // AM spells some of these with two capitals; both spellings work.
    for (const known of [name[0].toLowerCase() + name.slice(1), name, renamed[name]]) if (known) callbacksBuilder[known] = add;
  }
  callbacksBuilder.idPCallback = callbacksBuilder.IdPCallback;

  // Lists that also have what a Java list has.
  const list = (values) => hide(values, {
    get: (at) => values[at] ?? null,
    size: () => values.length,
    isEmpty: () => values.length === 0,
    contains: (value) => values.includes(value),
    toArray: () => [...values],
    toString: () => `[${values.join(', ')}]`,
  });
  const answered = { isEmpty: () => callbacks.answers.length === 0, size: () => callbacks.answers.length };
  for (const type of Object.keys(callbacks.build)) {
    const ofType = () => callbacks.answers.filter((answer) => answer.type === type);
    answered[`get${type}s`] = () => list(ofType().map(callbacks.valueOf));
  }
  answered.getValidatedUsernameCallbacks = answered.getValidatedCreateUsernameCallbacks;
  answered.getValidatedPasswordCallbacks = answered.getValidatedCreatePasswordCallbacks;
  answered.getIdpCallbacks = answered.getIdPCallbacks;
  // By id and, for those who count, by position.
  answered.getHiddenValueCallbacks = () => {
    const hidden = callbacks.answers.filter((answer) => answer.type === 'HiddenValueCallback');
    const found = list(hidden.map(callbacks.valueOf));
    for (const answer of hidden) if (!(answer.output.id in found)) hide(found, { [answer.output.id]: callbacks.valueOf(answer) });
    const byId = (id) => hidden.find((answer) => answer.output.id === text(id));
    return hide(found, { get: (id) => {
      const answer = byId(id);
      return answer === undefined ? found[id] ?? null : callbacks.valueOf(answer);
    } });
  };

  // Request maps: lists of values by name, headers without regard to case.
  const named = (entries, fold) => hide({ ...entries }, {
    get: (name) => {
      const held = kit.own(entries, fold(text(name)));
      return held === undefined ? null : Array.isArray(held) ? list([...held]) : held;
    },
    containsKey: (name) => Object.hasOwn(entries, fold(text(name))),
    keySet: () => list(Object.keys(entries)),
    isEmpty: () => Object.keys(entries).length === 0,
  });
  const same = (name) => name;

  const identity = (user) => {
    const found = common.identities.find(user);
    if (found === null) return null;
    const changes = [];
    return {
      getName: () => found.name,
      getUniversalId: () => found.universalId,
      getAttributeValues: (name) => list(common.identities.attribute(found.universalId, name)),
      setAttribute: (name, values) => void changes.push(['set', name, kit.isText(values) ? [values] : values]),
      addAttribute: (name, value) => void changes.push(['add', name, value]),
      // Changes wait until they are stored.
      store() {
        for (const [how, name, value] of changes.splice(0)) common.identities[how](found.universalId, name, value);
      },
    };
  };

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
      const answer = common.exchange({ method: options.method, uri, headers, body: body === undefined || body === null ? null : text(body) });
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
      return common.future(response);
    },
  };

  const { toBytes, toBase64, fromBase64, fromUtf8 } = common;
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
    base64url: digits(common.url),
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
      for (const wanted of told.languages.map(fold)) {
        const found = known.find((name) => fold(name) === wanted) ?? known.find((name) => fold(name).split('-')[0] === wanted.split('-')[0]);
        if (found !== undefined) return texts[found];
      }
      return known.length === 0 ? null : texts[known[0]];
    },
  };
  const journey = {
    name: () => told.journey.name,
    identityResource: () => told.journey.resource,
    innerJourney: () => told.journey.innerOnly,
    mustRun: () => told.journey.mustRun,
  };

  const libraries = Object.create(null);
  const require = (name) => {
    const key = text(name);
    if (!(key in libraries)) {
      const library = { exports: {} };
      // Known before it is run, so that two libraries may ask for each other.
      libraries[key] = library;
      kit.library(key).call(undefined, library.exports, library, require);
    }
    return libraries[key].exports;
  };

  for (const [name, value] of Object.entries({
    nodeState, action, callbacksBuilder, callbacks: answered, httpClient, utils, jwtAssertion, jwtValidator, require, locales, journey,
    openidm: common.openidm, idRepository: { getIdentity: identity },
    requestHeaders: named(told.headers, (name) => name.toLowerCase()),
    requestParameters: named(told.parameters, same), requestCookies: named(told.cookies, same), properties: told.properties,
  })) kit.bind(name, value);
  if (told.existingSession !== null) kit.bind('existingSession', named(told.existingSession, same));

  kit.finish = () => {
    if (chosen !== null) return common.left(chosen);
    if (sent.length > 0) return common.left({ send: sent });
    return common.left(common.outcome());
  };
  return kit;
})
