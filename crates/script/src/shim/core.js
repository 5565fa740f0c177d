// The first part of every engine. Evaluates to a function that gets the two doors of the sandbox and returns the kit on
// which the other parts build. Nothing of the kit is reachable from the script except through what a part defines as a
// global on purpose. An engine is built before it is known for what script: what depends on that is done by `begin`.
(function (door, part) {
  'use strict';
  const { parse, stringify } = JSON;
  const { defineProperty, getOwnPropertyNames, getPrototypeOf } = Object;
  const global = globalThis;

  const hide = (target, members) => {
    for (const name of Reflect.ownKeys(members)) {
      const member = Object.getOwnPropertyDescriptor(members, name);
      member.enumerable = false;
      defineProperty(target, name, member);
    }
    return target;
  };

  const parts = Object.create(null);
  const beginnings = [];
  const kit = {
    // What the script is told, once it has begun.
    told: {},
    // What a part does as soon as that is there.
    start: (work) => void beginnings.push(work),
    begin(told) {
      Object.assign(kit.told, parse(told));
      for (const work of beginnings) work();
    },
    global,
    parse,
    stringify,
    hide,
    Proxy: global.Proxy,
    // Asks the host; its refusals are errors that a script can catch.
    ask(what, details) {
      const answer = parse(door(what, stringify(details)));
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value;
    },
    // Bindings are ordinary variables to a script: it may declare and assign them.
    bind(name, value) {
      defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
    },
    // A binding that is made when it is first looked at.
    later(name, make) {
      let made = false;
      let value;
      defineProperty(global, name, {
        get() {
          if (!made) [made, value] = [true, make()];
          return value;
        },
        set(other) {
          [made, value] = [true, other];
        },
        configurable: true,
        enumerable: false,
      });
    },
    // Another part of the shim, by name; evaluated when first asked for.
    part(name) {
      if (!(name in parts)) parts[name] = part('shim', name)(kit);
      return parts[name];
    },
    library: (name) => part('library', name),
    // A property under any name, `__proto__` included.
    set(target, name, value) {
      if (name === '__proto__') defineProperty(target, name, { value, writable: true, configurable: true, enumerable: true });
      else target[name] = value;
    },
    own: (target, name) => (Object.hasOwn(target, name) ? target[name] : undefined),
    // A result may also be declared with `const` or `let`, which makes no property of the global object.
    variable(name) {
      if (name === 'action') return typeof action === 'undefined' ? undefined : action;
      return typeof outcome === 'undefined' ? undefined : outcome;
    },
    text: (value) => (value === null || value === undefined ? '' : String(value)),
    isText: (value) => typeof value === 'string' || value instanceof String,
  };

  // No code from strings: the context cannot compile. What is left of the doors says so plainly.
  const refuse = function () {
    throw new EvalError('code from strings is not available to scripts');
  };
  for (const made of [function () {}, function* () {}, async function () {}, async function* () {}]) {
    defineProperty(getPrototypeOf(made), 'constructor', { value: refuse });
  }
  hide(global, { Function: refuse, eval: refuse });
  // `instanceof Function` goes on working.
  refuse.prototype = getPrototypeOf(refuse);
  for (const name of ['Proxy', 'SharedArrayBuffer', 'Atomics', 'gc', 'navigator', 'queueMicrotask', 'Iterator', 'performance']) {
    delete global[name];
  }

  // Setting one of these twice loses the first value inside the engine, which then cannot be taken apart: its assertion
  // would end the whole process.
  for (const name of ['prepareStackTrace', 'stackTraceLimit']) delete Error[name];

  // Work inside one native call is not interrupted. These bound what could take far longer than the limit of time.
  const MOST = 1000000;
  const few = (list) => {
    if (list.length > MOST) throw new RangeError('the list is too long');
  };
  const { apply } = Reflect;
  const guard = (prototype, names, check) => {
    for (const name of names) {
      const native = prototype[name];
      if (native === undefined) continue;
      const guarded = { [name](...given) {
        check(this, given);
        return apply(native, this, given);
      } }[name];
      // What else the property and the function are, they stay.
      defineProperty(guarded, 'length', { value: native.length });
      defineProperty(prototype, name, { value: guarded });
    }
  };
  const array = Array.prototype;
  guard(array, ['copyWithin', 'fill', 'flat', 'join', 'reverse', 'shift', 'splice', 'toReversed', 'toSpliced', 'unshift', 'with', 'slice', 'findLast', 'findLastIndex', 'at'],
    (list) => {
      // What is no array may answer with another length at each look.
      if (!Array.isArray(list) && typeof list === 'object' && Object.getOwnPropertyDescriptor(list, 'length')?.value === undefined) {
        throw new TypeError('not a list');
      }
      few(list);
    });
  guard(array, ['concat'], (list, given) => {
    few(list);
    for (const one of given) {
      if (Array.isArray(one)) few(one);
      else if (one !== null && typeof one === 'object' && one[Symbol.isConcatSpreadable] !== undefined) throw new TypeError('not a list');
    }
  });
  // Comparing in JavaScript can be interrupted between two long texts; the native order cannot.
  const byText = (a, b) => {
    const [x, y] = [String(a), String(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  };
  for (const name of ['sort', 'toSorted']) {
    const native = array[name];
    hide(array, { [name](order) {
      few(this);
      return apply(native, this, [order === undefined ? byText : order]);
    } });
  }
  const typed = getPrototypeOf(Uint8Array.prototype);
  guard(typed, ['sort', 'toSorted'], few);
  const sized = (value) => (typeof value === 'string' || value instanceof String ? value.length : 64);
  // A search costs at worst the product of both lengths.
  const search = (text, given) => {
    if (sized(text) * sized(given[0]) > 1e9) throw new RangeError('the search is too long');
  };
  guard(String.prototype, ['indexOf', 'lastIndexOf', 'includes', 'split', 'replaceAll', 'replace'], search);
  // Each match costs the length of what takes its place, also when there is no memory left for it.
  const substitute = (text, by) => {
    if (typeof by === 'string' && sized(text) * by.length > 1e8) throw new RangeError('the replacement is too long');
  };
  guard(String.prototype, ['replaceAll'], (text, given) => substitute(text, given[1]));
  guard(RegExp.prototype, [Symbol.replace], (_, given) => substitute(given[0], given[1]));
  guard(String.prototype, ['normalize', 'localeCompare'], (text, given) => {
    if (sized(text) > 65536 || sized(given[0]) > 65536) throw new RangeError('the text is too long');
  });
  const iterators = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));
  for (const name of getOwnPropertyNames(iterators)) delete iterators[name];

  kit.finish = () => {
    throw new Error('no generation was chosen');
  };
  return kit;
})
