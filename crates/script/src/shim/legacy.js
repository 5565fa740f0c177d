// The bindings of legacy scripts, which were written for a JavaScript that lives inside Java: values have Java's
// methods beside JavaScript's, and classes are reached by their full names.
(function (kit) {
  'use strict';
  const { told, text, hide } = kit;
  const common = kit.part('common');
  const callbacks = kit.part('callbacks');
  const { state } = common;

  // --- values -------------------------------------------------------------------------------------------------

  const same = (a, b) => {
    if (a === b) return true;
    if (kit.isText(a) && kit.isText(b)) return String(a) === String(b);
    if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false;
    if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((one, at) => same(one, b[at]));
    if (a instanceof Number || a instanceof Boolean || a instanceof Date) return a.valueOf() === b.valueOf();
    return false;
  };
  // As Java prints values inside of collections.
  const shown = (value) => (Array.isArray(value) ? `[${value.map(shown).join(', ')}]` : String(value));
  const hash = (value) => {
    let code = 0;
    for (const unit of String(value).split('')) code = (Math.imul(31, code) + unit.charCodeAt(0)) | 0;
    return code;
  };
  const iterator = (values) => {
    let at = 0;
    return {
      hasNext: () => at < values.length,
      next() {
        if (at >= values.length) throw new Error('NoSuchElementException');
        return values[at++];
      },
      [Symbol.iterator]: () => values[Symbol.iterator](),
    };
  };

  // Maps are objects whose prototype has the methods: properties and `get` see the same values.
  const mapProto = hide(Object.create(Object.prototype), {
    get(key) {
      return kit.own(this, text(key)) ?? null;
    },
    getOrDefault(key, other) {
      return Object.hasOwn(this, text(key)) ? this[text(key)] : other;
    },
    put(key, value) {
      const old = kit.own(this, text(key)) ?? null;
      kit.set(this, text(key), adopt(value === undefined ? null : value, 0));
      return old;
    },
    putIfAbsent(key, value) {
      return Object.hasOwn(this, text(key)) ? this[text(key)] : this.put(key, value);
    },
    putAll(values) {
      for (const key of Object.keys(values)) this.put(key, values[key]);
    },
    remove(key) {
      const old = kit.own(this, text(key)) ?? null;
      delete this[text(key)];
      return old;
    },
    clear() {
      for (const key of Object.keys(this)) delete this[key];
    },
    containsKey(key) {
      return Object.hasOwn(this, text(key));
    },
    containsValue(value) {
      return Object.values(this).some((one) => same(one, value));
    },
    keySet() {
      return Object.keys(this);
    },
    values() {
      return Object.values(this);
    },
    entrySet() {
      return Object.entries(this).map(([key, value]) => ({ key, value, getKey: () => key, getValue: () => value }));
    },
    size() {
      return Object.keys(this).length;
    },
    isEmpty() {
      return Object.keys(this).length === 0;
    },
    forEach(visit) {
      for (const [key, value] of Object.entries(this)) visit(key, value);
    },
    toString() {
      return `{${Object.entries(this).map(([key, value]) => `${key}=${shown(value)}`).join(', ')}}`;
    },
  });
  // Gives what a script or the state holds the methods of maps, all the way down.
  const adopt = (value, depth) => {
    if (value === null || typeof value !== 'object') return value;
    if (depth > 64) throw new RangeError('the object is too deep');
    if (Array.isArray(value)) {
      for (const one of value) adopt(one, depth + 1);
    } else if (Object.getPrototypeOf(value) === Object.prototype && Object.isExtensible(value)) {
      Object.setPrototypeOf(value, mapProto);
      for (const one of Object.values(value)) adopt(one, depth + 1);
    }
    return value;
  };

  const list = {
    get(at) {
      if (!(at >= 0 && at < this.length)) throw new RangeError(`Index ${at} out of bounds for length ${this.length}`);
      return this[at];
    },
    set(at, value) {
      const old = this.get(at);
      this[at] = value;
      return old;
    },
    add(...given) {
      if (given.length === 2) this.splice(given[0], 0, given[1]);
      else this.push(given[0]);
      return true;
    },
    addAll(values) {
      for (const value of values) this.add(value);
      return true;
    },
    remove(which) {
      const at = typeof which === 'number' ? which : this.findIndex((one) => same(one, which));
      const [gone] = at < 0 ? [] : this.splice(at, 1);
      return typeof which === 'number' ? gone : at >= 0;
    },
    clear() {
      this.length = 0;
    },
    size() {
      return this.length;
    },
    isEmpty() {
      return this.length === 0;
    },
    contains(value) {
      return this.some((one) => same(one, value));
    },
    containsAll(values) {
      return values.every((value) => this.contains(value));
    },
    iterator() {
      return iterator(this);
    },
    toArray() {
      return [...this];
    },
    stream() {
      return this;
    },
    equals(other) {
      return same(this, other);
    },
  };
  hide(Array.prototype, list);

  hide(String.prototype, {
    equals(other) {
      return kit.isText(other) && String(this) === String(other);
    },
    equalsIgnoreCase(other) {
      return kit.isText(other) && this.toLowerCase() === String(other).toLowerCase();
    },
    isEmpty() {
      return this.length === 0;
    },
    isBlank() {
      return this.trim().length === 0;
    },
    contains(part) {
      return this.includes(String(part));
    },
    compareTo(other) {
      return this < other ? -1 : this > other ? 1 : 0;
    },
    hashCode() {
      return hash(this);
    },
    matches(pattern) {
      return new RegExp(`^(?:${pattern})$`).test(this);
    },
    replaceFirst(pattern, by) {
      return this.replace(new RegExp(pattern), by);
    },
    getBytes() {
      return [...common.utf8(this)];
    },
    toCharArray() {
      return charArray(this);
    },
    intern() {
      return String(this);
    },
  });
  hide(Number.prototype, {
    equals(other) {
      return Number(this) === Number(other);
    },
    compareTo(other) {
      return Math.sign(this - other);
    },
    intValue() {
      return Math.trunc(this);
    },
    longValue() {
      return Math.trunc(this);
    },
    doubleValue() {
      return Number(this);
    },
  });
  hide(Boolean.prototype, {
    equals(other) {
      return this.valueOf() === Boolean(other?.valueOf());
    },
    booleanValue() {
      return this.valueOf();
    },
  });
  hide(Date.prototype, {
    before(other) {
      return this.getTime() < other.getTime();
    },
    after(other) {
      return this.getTime() > other.getTime();
    },
    compareTo(other) {
      return Math.sign(this.getTime() - other.getTime());
    },
    equals(other) {
      return other instanceof Date && this.getTime() === other.getTime();
    },
    toInstant() {
      return kit.part('java')['java.time.Instant'].ofEpochMilli(this.getTime());
    },
  });

  // A char is a text to `+` and `==`, and a number to `String.fromCharCode`.
  const charProto = hide(Object.create(String.prototype), {
    [Symbol.toPrimitive](hint) {
      const unit = String.prototype.valueOf.call(this);
      return hint === 'number' ? unit.charCodeAt(0) : unit;
    },
  });
  class CharArray extends Array {
    static get [Symbol.species]() {
      return Array;
    }
    toString() {
      return this.map(String).join('');
    }
    toJSON() {
      return this.toString();
    }
  }
  const charArray = (value) => {
    const chars = new CharArray();
    for (const unit of String(value).split('')) chars.push(Object.setPrototypeOf(Object(unit), charProto));
    return chars;
  };
  // A set prints as Java prints one.
  const set = (values) => hide([...values], {
    toString() {
      return shown(this);
    },
  });

  // --- classes ------------------------------------------------------------------------------------------------

  // Rhino lets a Java class be called without `new`, and shows `getX()` and `setX(v)` as the property `x`.
  const beans = (prototype) => {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const [, how, rest] = /^(get|is)([A-Z].*)$/.exec(name) ?? [];
      const property = how && rest[0].toLowerCase() + rest.slice(1);
      if (!property || property in prototype || prototype[name].length > 0) continue;
      const set = prototype[`set${rest}`];
      Object.defineProperty(prototype, property, {
        get: prototype[name],
        set: set && function (value) {
          set.call(this, value);
        },
        configurable: true,
      });
    }
    return prototype;
  };
  const javaClass = (made) => {
    const callable = function (...given) {
      return Reflect.construct(made, given, new.target === undefined || new.target === callable ? made : new.target);
    };
    for (const name of Object.getOwnPropertyNames(made)) {
      if (!['length', 'prototype', 'name'].includes(name)) Object.defineProperty(callable, name, Object.getOwnPropertyDescriptor(made, name));
    }
    callable.prototype = beans(made.prototype);
    return callable;
  };

  // `built` of a callback holds its wire form, so that a script can neither see nor forge it by accident.
  const built = new WeakMap();
  const getters = {
    NameCallback: { getName: '', setName: '' },
    PasswordCallback: { setPassword: '' },
    TextInputCallback: { getText: '', setText: '' },
    ChoiceCallback: { },
    ConfirmationCallback: { },
    HiddenValueCallback: { getValue: '', setValue: '' },
  };
  const constants = {
    TextOutputCallback: callbacks.message,
    SuspendedTextOutputCallback: callbacks.message,
    ConfirmationCallback: {
      ...callbacks.message, UNSPECIFIED_OPTION: -1, YES_NO_OPTION: 0, YES_NO_CANCEL_OPTION: 1, OK_CANCEL_OPTION: 2, YES: 0, NO: 1, CANCEL: 2, OK: 3,
    },
  };
  const callbackClasses = Object.create(null);
  const capital = (name) => name[0].toUpperCase() + name.slice(1);
  for (const [type, build] of Object.entries(callbacks.build)) {
    const made = class {
      constructor(...given) {
        built.set(this, build(...given));
        const wire = built.get(this);
        this.$ = { type: wire.type, output: Object.fromEntries(wire.output), input: Object.fromEntries(wire.input) };
        hide(this, { $: this.$ });
      }
    };
    const proto = made.prototype;
    hide(proto, {
      getValue() {
        return callbacks.valueOf(this.$) ?? null;
      },
      toString() {
        return type;
      },
    });
    for (const [name, input] of Object.entries(getters[type] ?? {})) {
      hide(proto, name.startsWith('get')
        ? { [name]() { return this.$.input[input] ?? null; } }
        : { [name](value) { this.$.input[input] = text(value); } });
    }
    // Every output has its getter; a sample shows which there are.
    const sample = Object.fromEntries(build().output);
    for (const name of Object.keys(sample)) {
      const getter = `get${capital(name)}`;
      if (!(getter in proto)) hide(proto, { [getter]() { return this.$.output[name] ?? null; } });
    }
    callbackClasses[type] = javaClass(made);
    Object.assign(callbackClasses[type], constants[type]);
  }
  const more = (type, members) => beans(hide(callbackClasses[type].prototype, members));
  const index = (answer) => Number(answer.$.input['']) || 0;
  more('PasswordCallback', {
    getPassword() {
      const value = this.$.input[''];
      return value === null || value === undefined ? null : charArray(value);
    },
    clearPassword() {
      this.$.input[''] = '';
    },
  });
  more('ChoiceCallback', {
    getSelectedIndexes() {
      return [index(this)];
    },
  });
  more('ConfirmationCallback', {
    getSelectedIndex() {
      return index(this);
    },
    setSelectedIndex(value) {
      this.$.input[''] = value;
    },
  });
  more('KbaCreateCallback', {
    getSelectedQuestion() {
      return this.$.input.question ?? null;
    },
    getSelectedAnswer() {
      return this.$.input.answer ?? null;
    },
  });
  more('ValidatedCreateUsernameCallback', { getUsername() { return this.$.input['']; } });
  more('ValidatedCreatePasswordCallback', { getPassword() { return charArray(this.$.input['']); } });
  more('TermsAndConditionsCallback', { isAccepted() { return this.getValue(); } });
  more('ConsentMappingCallback', { isAccepted() { return this.getValue(); } });
  more('ReCaptchaCallback', { getResult() { return this.getValue(); } });
  more('SelectIdPCallback', { getProvider() { return this.getValue(); } });
  more('IdPCallback', {
    getToken() {
      return this.$.input.token ?? null;
    },
    getTokenType() {
      return this.$.input.token_type ?? null;
    },
  });
  const answer = (submitted) => {
    const known = callbackClasses[submitted.type];
    if (known === undefined) return submitted;
    const made = Object.create(known.prototype);
    return hide(made, { $: submitted });
  };

  const builders = new WeakMap();
  class ActionBuilder {
    constructor(what) {
      builders.set(this, what);
    }
    build() {
      return this;
    }
    replaceSharedState(values) {
      for (const key of Object.keys(state.stores.shared)) delete state.stores.shared[key];
      state.stores.shared.putAll(values.getObject?.() ?? values);
      return this;
    }
    replaceTransientState(values) {
      for (const key of Object.keys(state.stores.transient)) delete state.stores.transient[key];
      state.stores.transient.putAll(values.getObject?.() ?? values);
      return this;
    }
    withUniversalId(id) {
      return this.withIdentifiedUser(id?.orElse?.(null) ?? id);
    }
    withIdentifiedIdentity(user) {
      return this.withIdentifiedUser(user?.getName?.() ?? user);
    }
  }
  common.withEffects(ActionBuilder.prototype);
  const wires = (given) => {
    const all = given.length === 1 && Array.isArray(given[0]) ? given[0] : given;
    return Array.from(all, (one) => {
      const wire = built.get(one);
      if (wire === undefined) throw new TypeError('only callbacks can be sent');
      return wire;
    });
  };
  const Action = {
    goTo(outcome) {
      if (!kit.isText(outcome)) throw new TypeError('an outcome is a text');
      return new ActionBuilder({ goTo: String(outcome) });
    },
    send: (...given) => new ActionBuilder({ send: wires(given) }),
    suspend(handler, duration) {
      const made = typeof handler === 'function' ? handler(common.RESUME) : handler;
      const wire = built.get(made);
      const message = wire === undefined ? text(made) : Object.fromEntries(wire.output).message;
      const minutes = duration === undefined || duration === null ? null : Number(duration.toMinutes?.() ?? duration);
      return new ActionBuilder({ suspend: { message, minutes } });
    },
  };

  const NODE = 'org.forgerock.openam.auth.node.api';
  const named = Object.create(null);
  named[`${NODE}.Action`] = Action;
  named[`${NODE}.SharedStateConstants`] = { USERNAME: 'username', PASSWORD: 'password', REALM: 'realm', AUTH_LEVEL: 'authLevel', ONE_TIME_PASSWORD: 'oneTimePassword', EMAIL_ADDRESS: 'emailAddress', OBJECT_ATTRIBUTES: 'objectAttributes' };
  const JAVAX = ['NameCallback', 'PasswordCallback', 'TextInputCallback', 'TextOutputCallback', 'ChoiceCallback', 'ConfirmationCallback', 'LanguageCallback'];
  const NODE_CALLBACKS = ['SuspendedTextOutputCallback'];
  for (const [type, made] of Object.entries(callbackClasses)) {
    // Most live in one of three packages; scripts name the right one, and the others do no harm.
    if (JAVAX.includes(type)) named[`javax.security.auth.callback.${type}`] = made;
    else for (const from of ['com.sun.identity.authentication.callbacks', 'com.sun.identity.authentication.spi', 'org.forgerock.openam.authentication.callbacks']) named[`${from}.${type}`] = made;
    if (NODE_CALLBACKS.includes(type)) named[`${NODE}.${type}`] = made;
  }

  // Parts that hold classes, each evaluated when one of its packages is first asked for.
  const WHERE = [
    [/^(java|javax\.crypto)\./, 'java'],
    [/^org\.forgerock\.(http|json\.JsonValue|util)/, 'forgerock'],
    [/^(org\.forgerock\.(json\.jose|secrets)|javax\.crypto)\./, 'jose'],
  ];
  const tools = { same, shown, hash, iterator, mapProto, adopt, charArray, set, javaClass, beans, Action, NODE };
  kit.java = tools;
  const lookup = (name) => {
    if (name in named) return named[name];
    if (!isClass(name)) return undefined;
    for (const [pattern, part] of WHERE) {
      if (pattern.test(name)) {
        const found = kit.part(part)[name];
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  const PACKAGES = ['java.lang', 'java.util', 'java.time', 'java.time.temporal', 'java.text', 'java.net', 'java.security', 'java.nio.charset', 'javax.crypto', 'javax.crypto.spec', 'org.forgerock.json', 'org.forgerock.http.protocol', 'org.forgerock.util.encode', 'org.forgerock.json.jose', 'org.forgerock.secrets'];
  const inside = (name) => {
    const from = `${name}.`;
    const own = Object.keys(named).filter((one) => one.startsWith(from) && !one.slice(from.length).includes('.'));
    const others = PACKAGES.some((one) => one === name || one.startsWith(from) || name.startsWith(`${one}.`))
      ? WHERE.filter(([pattern]) => pattern.test(from) || pattern.test(name)).flatMap(([, part]) => Object.keys(kit.part(part)))
        .filter((one) => one.startsWith(from) && !one.slice(from.length).includes('.'))
      : [];
    return [...own, ...others];
  };

  // A package or an unknown class: both are names until they are used. An unknown class says so when it is.
  const nameOf = new WeakMap();
  const isClass = (name) => /^[A-Z]/.test(name.slice(name.lastIndexOf('.') + 1));
  const unknown = (name) => {
    throw new ReferenceError(`the Java class ${name} is not available to scripts`);
  };
  const packages = Object.create(null);
  const resolve = (name) => {
    const found = lookup(name);
    if (found !== undefined) return found;
    if (name in packages) return packages[name];
    const proxy = new kit.Proxy(function () {}, {
      get(_, key) {
        if (typeof key === 'symbol' || key === 'toJSON') return undefined;
        if (key === 'toString') return () => `[JavaPackage ${name}]`;
        return isClass(name) ? unknown(name) : resolve(`${name}.${key}`);
      },
      has: () => true,
      set: () => unknown(name),
      apply: () => unknown(name),
      construct: () => unknown(name),
      getPrototypeOf: () => null,
    });
    nameOf.set(proxy, name);
    packages[name] = proxy;
    return proxy;
  };
  // Class by value, for those that are imported as values.
  const simple = (value) => {
    const name = nameOf.get(value) ?? classNames().get(value);
    return name === undefined ? undefined : name.slice(name.lastIndexOf('.') + 1);
  };
  let byValue = null;
  const classNames = () => {
    if (byValue === null || byValue.parts !== loaded()) {
      byValue = new Map(Object.entries(named).map(([name, made]) => [made, name]));
      for (const part of WHERE.map(([, one]) => one)) {
        if (!has(part)) continue;
        for (const [name, made] of Object.entries(kit.part(part))) if (!byValue.has(made)) byValue.set(made, name);
      }
      byValue.parts = loaded();
    }
    return byValue;
  };
  const has = (part) => kit.loaded.has(part);
  const loaded = () => kit.loaded.size;

  const importInto = (target, given) => {
    for (const one of given) {
      const name = nameOf.get(one);
      if (name !== undefined && !isClass(name)) {
        for (const full of inside(name)) hide(target, { [full.slice(full.lastIndexOf('.') + 1)]: resolve(full) });
      } else {
        const short = simple(one);
        if (short === undefined) throw new TypeError('only Java classes and packages can be imported');
        hide(target, { [short]: one });
      }
    }
    return target;
  };
  const JavaImporter = function (...given) {
    const importer = importInto({}, given);
    return hide(importer, {
      importPackage: (...names) => void importInto(importer, names),
      importClass: (...names) => void importInto(importer, names),
    });
  };
  for (const root of ['java', 'javax', 'org', 'com', 'sun', 'net']) kit.bind(root, resolve(root));
  kit.bind('Packages', new kit.Proxy({}, { get: (_, key) => (typeof key === 'symbol' ? undefined : resolve(key)) }));
  kit.bind('JavaImporter', JavaImporter);
  kit.bind('importClass', (...given) => void importInto(kit.global, given));
  kit.bind('importPackage', (...given) => void importInto(kit.global, given));

  // --- bindings -----------------------------------------------------------------------------------------------

  for (const store of Object.values(state.stores)) adopt(store, 0);
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

  const { identities } = common;
  const universal = (user) => identities.find(user)?.universalId ?? null;
  const idRepository = {
    getAttribute(user, name) {
      const id = universal(user);
      return set(id === null ? [] : identities.attribute(id, name));
    },
    setAttribute: (user, name, values) => identities.set(universal(user) ?? text(user), name, kit.isText(values) ? [values] : values),
    addAttribute: (user, name, value) => identities.add(universal(user) ?? text(user), name, value),
    getIdentity(user) {
      const found = identities.find(user);
      if (found === null) return null;
      const changes = [];
      return {
        getName: () => found.name,
        getUniversalId: () => found.universalId,
        getAttributeValues: (name) => set(identities.attribute(found.universalId, name)),
        setAttribute: (name, values) => void changes.push(['set', name, kit.isText(values) ? [values] : values]),
        addAttribute: (name, value) => void changes.push(['add', name, value]),
        store() {
          for (const [how, name, value] of changes.splice(0)) identities[how](found.universalId, name, value);
        },
      };
    },
  };

  const httpClient = {
    send(request) {
      const get = () => kit.part('forgerock').send(request);
      // Sent at once, as the futures of Java are; the answer waits.
      const answered = get();
      return { get: () => answered, getOrThrow: () => answered, getOrThrowUninterruptibly: () => answered };
    },
  };

  for (const [name, value] of Object.entries({
    sharedState: state.stores.shared, transientState: state.stores.transient, nodeState, idRepository, httpClient,
    callbacks: callbacks.answers.map(answer), openidm: common.openidm,
    requestHeaders: folded(told.headers, (name) => name.toLowerCase()),
    requestParameters: folded(told.parameters, asIs), requestCookies: adopt({ ...told.cookies }, 0),
  })) kit.bind(name, value);
  if (told.existingSession !== null) kit.bind('existingSession', adopt(told.existingSession, 0));

  kit.finish = () => {
    const action = kit.variable('action');
    if (action === undefined || action === null) return common.left(common.outcome());
    const what = typeof action === 'object' ? builders.get(action) : undefined;
    if (what === undefined) throw new TypeError('"action" holds something that is no Action');
    return common.left(what);
  };
  return kit;
})
