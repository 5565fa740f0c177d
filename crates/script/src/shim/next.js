// The bindings of next-generation scripts.
(function (kit) {
  'use strict';
  const { told, text, hide } = kit;
  const common = kit.part('common');
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
  // Lists that also have what a Java list has.
  const list = (values) => hide(values, {
    get: (at) => values[at] ?? null,
    size: () => values.length,
    isEmpty: () => values.length === 0,
    contains: (value) => values.includes(value),
    toArray: () => [...values],
    toString: () => `[${values.join(', ')}]`,
  });

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

  const idRepository = { getIdentity: (user) => kit.part('world').identities.seen(user, list) };

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

  for (const [name, value] of Object.entries({ nodeState, action, require, idRepository })) kit.bind(name, value);
  // What most scripts use none of, in parts of their own.
  kit.next = { sent, list, named };
  for (const [part, names] of [['asking', ['callbacksBuilder', 'callbacks']], ['tools', ['httpClient', 'utils', 'jwtAssertion', 'jwtValidator', 'locales', 'journey']]]) {
    for (const name of names) kit.later(name, () => kit.part(part)[name]);
  }
  kit.later('requestHeaders', () => named(told.headers, (name) => name.toLowerCase()));
  kit.later('requestParameters', () => named(told.parameters, same));
  kit.later('requestCookies', () => named(told.cookies, same));
  kit.start(() => {
    kit.bind('properties', told.properties);
    if (told.existingSession !== null) kit.bind('existingSession', named(told.existingSession, same));
  });

  kit.finish = () => {
    if (chosen !== null) return common.left(chosen);
    if (sent.length > 0) return common.left({ send: sent });
    return common.left(common.outcome());
  };
  return kit;
})
