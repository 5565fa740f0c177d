// What both generations share: the log, HTTP, identities, secrets, variables, bytes, and what is left of the state.
(function (kit) {
  'use strict';
  const { ask, told, text } = kit;

  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const toBase64 = (bytes) => {
    let out = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const left = bytes.length - at;
      const three = ((bytes[at] & 255) << 16) | (((bytes[at + 1] ?? 0) & 255) << 8) | ((bytes[at + 2] ?? 0) & 255);
      out += DIGITS[three >> 18] + DIGITS[(three >> 12) & 63];
      out += left > 1 ? DIGITS[(three >> 6) & 63] : '=';
      out += left > 2 ? DIGITS[three & 63] : '=';
    }
    return out;
  };
  const values = Object.create(null);
  for (let at = 0; at < 64; at++) values[DIGITS[at]] = at;
  values['-'] = 62;
  values._ = 63;
  // Standard or URL digits, with or without padding; null when it is neither.
  const fromBase64 = (encoded) => {
    const digits = text(encoded).replace(/[\r\n]/g, '').replace(/={1,2}$/, '');
    if (digits.length % 4 === 1) return null;
    const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
    let [held, bits, at] = [0, 0, 0];
    for (const digit of digits) {
      const six = values[digit];
      if (six === undefined) return null;
      held = ((held << 6) | six) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes[at++] = (held >> bits) & 255;
      }
    }
    return bytes;
  };
  const utf8 = (string) => fromBase64(ask('utf8', text(string)));
  const fromUtf8 = (bytes) => ask('fromUtf8', toBase64(bytes));
  const toBytes = (data) => {
    if (kit.isText(data)) return utf8(data);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (data !== null && typeof data === 'object' && typeof data.length === 'number') return data;
    throw new TypeError('neither text nor bytes');
  };
  const url = (encoded) => encoded.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

  // `{}` in the text stands for the values after it, as in slf4j.
  const line = (level, [message, ...rest]) => {
    let shown = text(message);
    for (const value of rest) {
      if (value instanceof Error) shown += `: ${value}`;
      else shown = shown.includes('{}') ? shown.replace('{}', () => String(value)) : shown;
    }
    ask('log', { level, text: shown });
  };
  const logger = {};
  for (const [name, level] of Object.entries({
    trace: 'trace', debug: 'debug', message: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error',
  })) {
    logger[name] = (...given) => line(level, given);
    logger[`${name}Enabled`] = () => true;
    logger[`is${name[0].toUpperCase()}${name.slice(1)}Enabled`] = () => true;
  }

  const secrets = {
    getGenericSecret(id) {
      const bytes = fromBase64(ask('secret', text(id)));
      return { getAsUtf8: () => fromUtf8(bytes), getAsBytes: () => bytes };
    },
  };

  const convert = {
    Integer: Number, Long: Number, Double: Number, Float: Number, Number, int: Number,
    Boolean: (value) => value === 'true',
    String: (value) => value,
  };
  const systemEnv = {
    getProperty(name, preset, kind) {
      const found = ask('property', text(name));
      if (found === null) return preset === undefined ? null : preset;
      const wanted = kind === undefined ? '' : text(kind.name ?? kind).split('.').pop();
      return Object.hasOwn(convert, wanted) ? convert[wanted](found) : found;
    },
  };

  // One exchange. What the allow-list refuses is an error; a server that is away is the status that a gateway gives.
  const exchange = ({ method, uri, headers, body }) => {
    const answer = ask('http', { method: text(method || 'GET'), uri: text(uri), headers, body: body ?? null });
    return answer.failed === undefined ? answer : { status: 502, reason: 'Bad Gateway', headers: [], body: '', failed: answer.failed };
  };

  // A name may come as it was taken out of the state: as a JSON value around it.
  const plain = (value) => text(value?.getObject?.() ?? value);
  const identities = {
    find: (user) => ask('identity', plain(user)),
    attribute: (user, name) => ask('attribute', { user: text(user), name: text(name) }),
    set: (user, name, values) => ask('setAttribute', { user: text(user), name: text(name), values: Array.from(values, text) }),
    add: (user, name, value) => ask('addAttribute', { user: text(user), name: text(name), values: [text(value)] }),
  };

  // Everything is done at once, so what is to follow follows at once. It cannot be the script's undoing: elsewhere it runs
  // when the script is over.
  const future = (answer) => {
    const follow = (visit) => {
      let next;
      try {
        next = typeof visit === 'function' ? visit(answer) : answer;
      } catch (error) {
        line('error', [`what was to follow an answer failed: ${error}`]);
      }
      return future(next);
    };
    const get = () => answer;
    return {
      get, getOrThrow: get, getOrThrowUninterruptibly: get, then: follow, thenOnResult: follow, thenAlways: follow, thenAsync: follow,
      thenCatch: () => future(answer), thenOnException: () => future(answer), thenFinally: follow, isDone: () => true,
    };
  };

  // What IDM refuses is an error with the exception of Java's side in it.
  const openidm = {};
  for (const method of ['create', 'read', 'update', 'patch', 'delete', 'query', 'action']) {
    openidm[method] = (...given) => {
      const { value, failed } = ask('openidm', { method, arguments: given.map((one) => (one === undefined ? null : one)) });
      if (failed === undefined) return value;
      const error = new Error(failed.message);
      error.javaException = {
        getCode: () => failed.code,
        getReason: () => failed.reason,
        getMessage: () => failed.message,
        getDetail: () => null,
        isServerError: () => failed.code >= 500,
        toString: () => failed.message,
      };
      throw error;
    };
  }

  const stores = { shared: told.shared, transient: told.transient, secure: told.secure };
  const order = [stores.transient, stores.secure, stores.shared];
  const CONTAINER = 'objectAttributes';
  const isMap = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  const merge = (into, from, depth) => {
    if (depth > 64) throw new RangeError('the object is too deep');
    for (const key of Object.keys(from)) {
      const old = kit.own(into, key);
      if (isMap(old) && isMap(from[key])) merge(old, from[key], depth + 1);
      else kit.set(into, key, from[key]);
    }
    return into;
  };
  const state = {
    stores,
    get(key) {
      const store = order.find((one) => Object.hasOwn(one, key));
      return store === undefined ? null : store[key];
    },
    isDefined: (key) => order.some((one) => Object.hasOwn(one, key)),
    keys: () => [...new Set(order.flatMap(Object.keys))],
    // The maps of all stores under this key as one; transient wins.
    object(key) {
      const found = [stores.shared, stores.secure, stores.transient].map((one) => kit.own(one, key)).filter(isMap);
      return found.length === 0 ? null : found.reduce((whole, one) => merge(whole, kit.parse(kit.stringify(one)), 0), {});
    },
    put(store, key, value) {
      kit.set(store, text(key), value === undefined ? null : value);
    },
    merge(store, values) {
      for (const key of Object.keys(values)) {
        const old = kit.own(store, key);
        if (key === CONTAINER && isMap(old) && isMap(values[key])) {
          merge(old, values[key], 0);
          continue;
        }
        if (key !== CONTAINER) for (const one of order) if (one !== store) delete one[key];
        kit.set(store, key, values[key]);
      }
    },
    remove(key) {
      for (const one of order) delete one[key];
    },
  };

  // What an action may carry beside its outcome, under the names that both generations use.
  const effects = {
    sessionProperties: {}, removedSessionProperties: [], identified: null, errorMessage: null, lockoutMessage: null,
    maxSessionMinutes: null, maxIdleMinutes: null, header: null, description: null, stage: null,
  };
  const withEffects = (target) => {
    const say = (name, write) => {
      target[name] = function (...given) {
        write(...given);
        return this;
      };
    };
    const minutes = (value) => {
      const read = Number(value);
      if (!Number.isSafeInteger(read)) throw new TypeError('minutes are a whole number');
      return read;
    };
    say('putSessionProperty', (name, value) => {
      kit.set(effects.sessionProperties, text(name), text(value));
      effects.removedSessionProperties = effects.removedSessionProperties.filter((one) => one !== text(name));
    });
    say('removeSessionProperty', (name) => {
      delete effects.sessionProperties[text(name)];
      effects.removedSessionProperties.push(text(name));
    });
    say('withMaxSessionTime', (value) => (effects.maxSessionMinutes = minutes(value)));
    say('withMaxIdleTime', (value) => (effects.maxIdleMinutes = minutes(value)));
    say('withErrorMessage', (value) => (effects.errorMessage = text(value)));
    say('withLockoutMessage', (value) => (effects.lockoutMessage = text(value)));
    say('withHeader', (value) => (effects.header = text(value)));
    say('withDescription', (value) => (effects.description = text(value)));
    say('withStage', (value) => (effects.stage = text(value)));
    say('withIdentifiedUser', (name) => (effects.identified = { agent: false, name: text(name) }));
    say('withIdentifiedAgent', (name) => (effects.identified = { agent: true, name: text(name) }));
    return target;
  };

  const RESUME = told.resumeUri;
  const audit = () => {
    const detail = kit.global.auditEntryDetail;
    return detail === undefined || detail === null ? null : detail;
  };
  kit.bind('auditEntryDetail', null);
  const outcome = () => {
    const left = kit.variable('outcome');
    if (left === undefined || left === null) return null;
    if (!kit.isText(left)) throw new TypeError('"outcome" holds something that is no text');
    return { goTo: String(left) };
  };
  const left = (action) => kit.stringify({ action, effects, stores, audit: audit() });

  for (const [name, value] of Object.entries({
    logger, secrets, systemEnv, realm: told.realm, scriptName: told.scriptName, resumedFromSuspend: told.resumed,
    cookieName: told.cookieName, nodeName: told.node, clientIp: told.clientIp,
  })) kit.bind(name, value);

  return {
    toBase64, fromBase64, utf8, fromUtf8, toBytes, url, exchange, future, identities, openidm, state, effects, withEffects, RESUME,
    outcome, left,
  };
})
