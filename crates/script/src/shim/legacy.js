// The bindings of legacy scripts, which were written for a JavaScript that lives inside Java: values have Java's
// methods beside JavaScript's, and classes are reached by their full names.
(function (kit) {
  'use strict';
  const { told, text, hide } = kit;
  const common = kit.part('common');
  const callbacks = kit.part('callbacks');
  const { adopt, set } = kit.part('values');
  const { answer, builders } = kit.part('classes');
  const { state } = common;

  // Texts from Java split and replace by regular expressions, which are texts too. JavaScript's own way of writing those is
  // left alone, and so is what is no regular expression.
  const own = { split: String.prototype.split, replaceAll: String.prototype.replaceAll };
  const asExpression = (value, flags) => {
    if (!kit.isText(value) || !/[\\^$.|?*+()[\]{}]/.test(value)) return null;
    try {
      return new RegExp(String(value), flags);
    } catch {
      return null;
    }
  };
  hide(String.prototype, {
    // Only what is escaped: a lone mark such as `.` is what JavaScript splits by.
    split(by, most) {
      const read = kit.isText(by) && by.includes('\\') && !this.includes(by) ? asExpression(by, '') : null;
      return Reflect.apply(own.split, this, [read ?? by, most]);
    },
    replaceAll(what, by) {
      const read = asExpression(what, 'g');
      return read === null ? Reflect.apply(own.replaceAll, this, [what, by]) : this.replace(read, by);
    },
  });
  const json = (value) => new (kit.part('forgerock')['org.forgerock.json.JsonValue'])(value);
  const nodeState = {
    get(key) {
      const found = state.get(text(key));
      return found === null ? null : json(found);
    },
    getObject(key) {
      const found = state.object(text(key));
      return found === null ? null : json(adopt(found, 0));
    },
    isDefined: (key) => state.isDefined(text(key)),
    keys: () => set(state.keys()),
    putShared(key, value) {
      state.stores.shared.put(key, value);
      return nodeState;
    },
    putTransient(key, value) {
      state.stores.transient.put(key, value);
      return nodeState;
    },
    mergeShared(values) {
      state.merge(state.stores.shared, adopt(values.getObject?.() ?? values, 0));
      return nodeState;
    },
    mergeTransient(values) {
      state.merge(state.stores.transient, adopt(values.getObject?.() ?? values, 0));
      return nodeState;
    },
    remove(key) {
      state.remove(text(key));
    },
  };

  // Request maps: lists of values by name, headers without regard to case.
  const folded = (entries, fold) => {
    const map = adopt({ ...entries }, 0);
    const read = (name) => kit.own(entries, fold(text(name))) ?? null;
    return hide(map, { get: read, getFirst: (name) => read(name)?.[0] ?? null, containsKey: (name) => read(name) !== null });
  };
  const asIs = (name) => name;

  kit.later('idRepository', () => {
    const { identities } = kit.part('world');
    const universal = (user) => identities.find(user)?.universalId ?? null;
    return {
      getAttribute(user, name) {
        const id = universal(user);
        return set(id === null ? [] : identities.attribute(id, name));
      },
      setAttribute: (user, name, values) => identities.set(universal(user) ?? text(user), name, kit.isText(values) ? [values] : values),
      addAttribute: (user, name, value) => identities.add(universal(user) ?? text(user), name, value),
      getIdentity: (user) => identities.seen(user, set),
    };
  });

  const httpClient = {
    send(request) {
      // Sent at once, as the futures of Java are; the answer waits.
      return kit.part('world').future(kit.part('forgerock').send(request));
    },
  };

  for (const [name, value] of Object.entries({ nodeState, httpClient })) kit.bind(name, value);
  kit.start(() => {
    for (const store of Object.values(state.stores)) adopt(store, 0);
    for (const [name, value] of Object.entries({
      sharedState: state.stores.shared, transientState: state.stores.transient, callbacks: callbacks.answers.map(answer),
      requestHeaders: folded(told.headers, (name) => name.toLowerCase()),
      requestParameters: folded(told.parameters, asIs), requestCookies: adopt({ ...told.cookies }, 0),
    })) kit.bind(name, value);
    if (told.existingSession !== null) kit.bind('existingSession', adopt(told.existingSession, 0));
  });

  kit.finish = () => {
    const action = kit.variable('action');
    if (action === undefined || action === null) return common.left(common.outcome());
    const what = typeof action === 'object' ? builders.get(action) : undefined;
    if (what === undefined) throw new TypeError('"action" holds something that is no Action');
    return common.left(what);
  };
  return kit;
})
