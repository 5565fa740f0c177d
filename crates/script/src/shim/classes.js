// The classes that legacy scripts reach by their full names: `Action` and the callbacks here, those of Java and of AM's
// libraries in parts of their own.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const common = kit.part('common');
  const callbacks = kit.part('callbacks');
  const { state } = common;
  const values = kit.part('values');
  const { charArray } = values;

  // Rhino lets a Java class be called without `new`, and shows `getX()` and `setX(v)` as the property `x`.
  const beans = (prototype) => {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const [, how, rest] = /^(get|is)([A-Z].*)$/.exec(name) ?? [];
      const property = how && rest[0].toLowerCase() + rest.slice(1);
      const member = Object.getOwnPropertyDescriptor(prototype, name).value;
      if (!property || property in prototype || typeof member !== 'function' || member.length > 0) continue;
      const set = prototype[`set${rest}`];
      Object.defineProperty(prototype, property, {
        get: member,
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
    HiddenValueCallback: { getValue: '', setValue: '' },
  };
  const constants = {
    TextOutputCallback: callbacks.message,
    SuspendedTextOutputCallback: callbacks.message,
    ConfirmationCallback: {
      ...callbacks.message, UNSPECIFIED_OPTION: -1, YES_NO_OPTION: 0, YES_NO_CANCEL_OPTION: 1, OK_CANCEL_OPTION: 2, YES: 0, NO: 1, CANCEL: 2, OK: 3,
    },
  };
  const capital = (name) => name[0].toUpperCase() + name.slice(1);
  const index = (answer) => Number(answer.$.input['']) || 0;
  const more = {
    PasswordCallback: {
      getPassword() {
        const value = this.$.input[''];
        return value === null || value === undefined ? null : charArray(value);
      },
      clearPassword() {
        this.$.input[''] = '';
      },
    },
    ChoiceCallback: {
      getSelectedIndexes() {
        return [index(this)];
      },
    },
    ConfirmationCallback: {
      getSelectedIndex() {
        return index(this);
      },
      setSelectedIndex(value) {
        this.$.input[''] = value;
      },
    },
    KbaCreateCallback: {
      getSelectedQuestion() {
        return this.$.input.question ?? null;
      },
      getSelectedAnswer() {
        return this.$.input.answer ?? null;
      },
    },
    ValidatedCreateUsernameCallback: { getUsername() { return this.$.input['']; } },
    ValidatedCreatePasswordCallback: { getPassword() { return charArray(this.$.input['']); } },
    TermsAndConditionsCallback: { isAccepted() { return this.getValue(); } },
    ConsentMappingCallback: { isAccepted() { return this.getValue(); } },
    ReCaptchaCallback: { getResult() { return this.getValue(); } },
    SelectIdPCallback: { getProvider() { return this.getValue(); } },
    IdPCallback: {
      getToken() {
        return this.$.input.token ?? null;
      },
      getTokenType() {
        return this.$.input.token_type ?? null;
      },
    },
  };
  // Made when it is first asked for: a script uses two or three of thirty.
  const callbackClass = (type) => {
    const build = callbacks.build[type];
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
    if (Object.hasOwn(more, type)) hide(proto, more[type]);
    return Object.assign(javaClass(made), constants[type]);
  };
  const callbackClasses = Object.create(null);
  const classOf = (type) => (callbackClasses[type] ??= callbackClass(type));

  const answer = (submitted) => {
    if (!Object.hasOwn(callbacks.build, submitted.type)) return submitted;
    const made = Object.create(classOf(submitted.type).prototype);
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
      // A parameter of Java's type for texts: Rhino makes one of whatever is given.
      if (outcome === undefined || outcome === null) throw new TypeError('an outcome is a text');
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
  named[`${NODE}.NodeProcessException`] = javaClass(class NodeProcessException extends Error {
    constructor(message) {
      super(text(message));
      this.name = 'NodeProcessException';
    }
    getMessage() {
      return this.message;
    }
  });
  const JAVAX = ['NameCallback', 'PasswordCallback', 'TextInputCallback', 'TextOutputCallback', 'ChoiceCallback', 'ConfirmationCallback', 'LanguageCallback'];
  const OWN = ['com.sun.identity.authentication.callbacks', 'com.sun.identity.authentication.spi', 'org.forgerock.openam.authentication.callbacks'];
  // The callbacks of a package. Most live in one of three; scripts name the right one, and the others do no harm.
  const callbacksOf = (name) => {
    if (name === 'javax.security.auth.callback') return JAVAX;
    if (name === NODE) return ['SuspendedTextOutputCallback'];
    return OWN.includes(name) ? Object.keys(callbacks.build).filter((type) => !JAVAX.includes(type)) : [];
  };

  // Parts that hold classes, each evaluated when one of its packages is first asked for.
  const WHERE = [
    [/^java\.(time|util\.(Gregorian)?Calendar)/, 'time'],
    [/^(java|javax\.crypto)\./, 'java'],
    [/^(java\.(util|net|math)|com\.google\.common\.collect)\./, 'util'],
    [/^org\.forgerock\.(http|json\.JsonValue|util)/, 'forgerock'],
    [/^(org\.forgerock\.(json\.jose|secrets)|javax\.crypto)\./, 'jose'],
  ];
  kit.java = { ...values, javaClass, beans };
  const lookup = (name) => {
    if (name in named) return named[name];
    if (!isClass(name)) return undefined;
    const [place, type] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1)];
    if (Object.hasOwn(callbacks.build, type) && callbacksOf(place).includes(type)) return classOf(type);
    for (const [pattern, part] of WHERE) {
      if (pattern.test(name)) {
        const found = kit.part(part)[name];
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  const PACKAGES = ['java.lang', 'java.util', 'java.util.regex', 'java.util.stream', 'java.util.concurrent', 'java.time', 'java.time.temporal', 'java.time.format', 'java.text', 'java.math', 'java.net', 'java.security', 'java.nio.charset', 'javax.crypto', 'javax.crypto.spec', 'org.forgerock.json', 'org.forgerock.http.protocol', 'org.forgerock.util.encode', 'org.forgerock.json.jose', 'org.forgerock.secrets', 'com.google.common.collect'];
  const inside = (name) => {
    const from = `${name}.`;
    const own = Object.keys(named).filter((one) => one.startsWith(from) && !one.slice(from.length).includes('.'));
    const others = PACKAGES.some((one) => one === name || one.startsWith(from) || name.startsWith(`${one}.`))
      ? WHERE.filter(([pattern]) => pattern.test(from) || pattern.test(name)).flatMap(([, part]) => Object.keys(kit.part(part)))
        .filter((one) => one.startsWith(from) && !one.slice(from.length).includes('.'))
      : [];
    return [...own, ...callbacksOf(name).map((type) => from + type), ...others];
  };

  // A package or an unknown class: both are names until they are used. An unknown class says so when it is.
  const nameOf = new WeakMap();
  const isClass = (name) => /^[A-Z]/.test(name.slice(name.lastIndexOf('.') + 1));
  const unknown = (name) => {
    throw new ReferenceError(`the Java class ${name} is not available to scripts`);
  };
  const packages = Object.create(null);
  // Where one thing stands for several classes, each name has its own, so that each is imported under its name.
  const aliases = Object.create(null);
  const resolve = (name) => {
    if (name in aliases) return aliases[name];
    const found = lookup(name);
    if (found !== undefined) {
      const first = nameOf.get(found) ?? name;
      const one = first === name ? found : (aliases[name] = new kit.Proxy(found, {}));
      nameOf.set(one, name);
      return one;
    }
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
  // The short name of a class, for those that are imported as values. `resolve` has given out each of them.
  const simple = (value) => {
    const name = nameOf.get(value);
    return name === undefined ? undefined : name.slice(name.lastIndexOf('.') + 1);
  };

  // What is imported into the global scope hides nothing that is there: `String` stays JavaScript's.
  const free = (target, name) => target !== kit.global || !(name in target);
  const importInto = (target, given) => {
    for (const one of given) {
      const name = nameOf.get(one);
      if (name !== undefined && !isClass(name)) {
        for (const full of inside(name)) {
          const short = full.slice(full.lastIndexOf('.') + 1);
          if (free(target, short)) hide(target, { [short]: resolve(full) });
        }
      } else {
        const short = simple(one);
        if (short === undefined) throw new TypeError('only Java classes and packages can be imported');
        if (free(target, short)) hide(target, { [short]: one });
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
  // The way of another engine to name a class.
  kit.bind('Java', { type: (name) => resolve(text(name)), from: (values) => [...values], to: (values) => values });
  kit.bind('JavaImporter', JavaImporter);
  kit.bind('importClass', (...given) => void importInto(kit.global, given));
  kit.bind('importPackage', (...given) => void importInto(kit.global, given));

  return { answer, builders };
})
