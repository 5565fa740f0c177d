// Values as legacy scripts know them: Java's methods on JavaScript's texts, numbers, dates, lists and objects.
(function (kit) {
  'use strict';
  const { text, hide } = kit;

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
    // As `for each` of Rhino goes through it.
    [Symbol.iterator]() {
      return Object.values(this)[Symbol.iterator]();
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
    collect(how) {
      return how(this);
    },
    anyMatch(check) {
      return this.some((one) => check(one));
    },
    allMatch(check) {
      return this.every((one) => check(one));
    },
    removeAll(values) {
      const kept = this.filter((one) => !values.some((value) => same(one, value)));
      const fewer = kept.length < this.length;
      this.length = 0;
      for (const one of kept) this.push(one);
      return fewer;
    },
    subList(from, to) {
      return this.slice(from, to);
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
      return [...kit.part('bytes').utf8(this)];
    },
    toCharArray() {
      return charArray(this);
    },
    strip() {
      return this.trim();
    },
    compareToIgnoreCase(other) {
      return this.toLowerCase().compareTo(String(other).toLowerCase());
    },
    subSequence(from, to) {
      return this.substring(from, to);
    },
    contentEquals(other) {
      return String(this) === String(other);
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
      return kit.part('time')['java.time.Instant'].ofEpochMilli(this.getTime());
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

  return { same, shown, hash, mapProto, adopt, charArray, set };
})
