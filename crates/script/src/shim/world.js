// What a script may ask of the world: identities, HTTP, secrets, variables, IDM.
(function (kit) {
  'use strict';
  const { ask, text } = kit;
  const { fromBase64, fromUtf8 } = kit.part('bytes');

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
    // As scripts see one; `collected` makes of several values what theirs have. Changes wait until they are stored.
    seen(user, collected) {
      const found = identities.find(user);
      if (found === null) return null;
      const changes = [];
      return {
        getName: () => found.name,
        getUniversalId: () => found.universalId,
        getAttributeValues: (name) => collected(identities.attribute(found.universalId, name)),
        setAttribute: (name, values) => void changes.push(['set', name, kit.isText(values) ? [values] : values]),
        addAttribute: (name, value) => void changes.push(['add', name, value]),
        store() {
          for (const [how, name, value] of changes.splice(0)) identities[how](found.universalId, name, value);
        },
      };
    },
  };

  // Everything is done at once, so what is to follow follows at once. It cannot be the script's undoing: elsewhere it runs
  // when the script is over.
  const future = (answer) => {
    const follow = (visit) => {
      let next;
      try {
        next = typeof visit === 'function' ? visit(answer) : answer;
      } catch (error) {
        kit.part('logger').error(`what was to follow an answer failed: ${error}`);
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

  return { secrets, systemEnv, exchange, identities, future, openidm };
})
