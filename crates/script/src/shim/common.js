// What both generations share: the state, what an action carries, and what is left of both.
(function (kit) {
  'use strict';
  const { told, text } = kit;

  const stores = { shared: null, transient: null, secure: null };
  // In which they are looked through.
  const order = [];
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

  kit.later('logger', () => kit.part('logger'));
  for (const name of ['secrets', 'systemEnv', 'openidm']) kit.later(name, () => kit.part('world')[name]);
  kit.start(() => {
    [stores.shared, stores.transient, stores.secure] = [told.shared, told.transient, told.secure];
    order.push(stores.transient, stores.secure, stores.shared);
    for (const [name, value] of Object.entries({
      realm: told.realm, scriptName: told.scriptName, resumedFromSuspend: told.resumed, cookieName: told.cookieName,
      nodeName: told.node, clientIp: told.clientIp,
    })) kit.bind(name, value);
  });

  return {
    state, withEffects, outcome, left,
    get RESUME() {
      return told.resumeUri;
    },
  };
})
