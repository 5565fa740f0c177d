// Classes of Java's library that few scripts use: regular expressions, addresses, large numbers, and Guava's collections.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const { javaClass, adopt, mapProto, set, same } = kit.java;
  const classes = Object.create(null);

  // --- java.util.regex ----------------------------------------------------------------------------------------

  const FLAGS = { CASE_INSENSITIVE: 2, MULTILINE: 8, DOTALL: 32, UNICODE_CASE: 64 };
  const expression = (source, flags, how) =>
    new RegExp(source, `${how}${flags & 2 ? 'i' : ''}${flags & 8 ? 'm' : ''}${flags & 32 ? 's' : ''}`);
  class Matcher {
    constructor(pattern, value) {
      hide(this, { pattern, held: text(value), found: null, from: 0 });
    }
    matches() {
      this.found = expression(`^(?:${this.pattern.source})$`, this.pattern.bits, '').exec(this.held);
      return this.found !== null;
    }
    lookingAt() {
      this.found = expression(`^(?:${this.pattern.source})`, this.pattern.bits, '').exec(this.held);
      return this.found !== null;
    }
    find() {
      const search = expression(this.pattern.source, this.pattern.bits, 'g');
      search.lastIndex = this.from;
      this.found = this.from > this.held.length ? null : search.exec(this.held);
      if (this.found !== null) this.from = this.found.index + Math.max(this.found[0].length, 1);
      return this.found !== null;
    }
    get last() {
      if (this.found === null) throw new Error('IllegalStateException: No match found');
      return this.found;
    }
    group(which) {
      return (kit.isText(which) ? this.last.groups?.[which] : this.last[which ?? 0]) ?? null;
    }
    groupCount() {
      return expression(`${this.pattern.source}|`, this.pattern.bits, '').exec('').length - 1;
    }
    start() {
      return this.last.index;
    }
    end() {
      return this.last.index + this.last[0].length;
    }
    replaceAll(by) {
      return this.held.replace(expression(this.pattern.source, this.pattern.bits, 'g'), text(by));
    }
    replaceFirst(by) {
      return this.held.replace(expression(this.pattern.source, this.pattern.bits, ''), text(by));
    }
    reset(value) {
      if (value !== undefined) this.held = text(value);
      this.found = null;
      this.from = 0;
      return this;
    }
  }
  const Matched = javaClass(Matcher);
  class Pattern {
    constructor(source, bits) {
      expression(source, bits, '');
      hide(this, { source, bits });
    }
    static compile(source, flags) {
      return new Pattern(text(source), flags ?? 0);
    }
    static matches(source, value) {
      return Pattern.compile(source).matcher(value).matches();
    }
    static quote(value) {
      return text(value).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    }
    matcher(value) {
      return new Matched(this, value);
    }
    pattern() {
      return this.source;
    }
    split(value) {
      return text(value).split(expression(this.source, this.bits, ''));
    }
    toString() {
      return this.source;
    }
  }
  classes['java.util.regex.Pattern'] = Object.assign(javaClass(Pattern), FLAGS);
  classes['java.util.regex.Matcher'] = Matched;

  // --- java.net -----------------------------------------------------------------------------------------------

  class URI {
    constructor(value) {
      const parts = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/(?:([^@/?#]*)@)?(\[[^\]]*\]|[^:/?#]*)(?::([0-9]+))?)?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/i.exec(text(value));
      if (parts === null || /\s/.test(value)) throw new Error(`URISyntaxException: ${value}`);
      hide(this, { value: text(value), parts });
    }
    static create(value) {
      return new URI(value);
    }
    getScheme() {
      return this.parts[1] ?? null;
    }
    getProtocol() {
      return this.getScheme();
    }
    getUserInfo() {
      return this.parts[2] ?? null;
    }
    getHost() {
      return this.parts[3] ?? null;
    }
    getPort() {
      return this.parts[4] === undefined ? -1 : Number(this.parts[4]);
    }
    getPath() {
      return decodeURIComponent(this.parts[5]);
    }
    getRawPath() {
      return this.parts[5];
    }
    getQuery() {
      return this.parts[6] === undefined ? null : decodeURIComponent(this.parts[6]);
    }
    getRawQuery() {
      return this.parts[6] ?? null;
    }
    getFragment() {
      return this.parts[7] ?? null;
    }
    getAuthority() {
      const [, , user, host, port] = this.parts;
      return host === undefined ? null : `${user === undefined ? '' : `${user}@`}${host}${port === undefined ? '' : `:${port}`}`;
    }
    toURI() {
      return this;
    }
    toURL() {
      return this;
    }
    toString() {
      return this.value;
    }
    toJSON() {
      return this.value;
    }
  }
  classes['java.net.URI'] = javaClass(URI);
  classes['java.net.URL'] = classes['java.net.URI'];

  // --- java.math ----------------------------------------------------------------------------------------------

  const whole = (value) => value?.big ?? BigInt(value);
  class BigInteger {
    constructor(value, radix) {
      const digits = text(value);
      const read = radix === undefined || radix === 10 ? BigInt(digits) : [...digits].reduce((sum, digit) => sum * BigInt(radix) + BigInt(parseInt(digit, radix)), 0n);
      hide(this, { big: typeof value === 'bigint' ? value : read });
    }
    static valueOf(value) {
      return new BigInteger(value);
    }
    negate() {
      return new BigInteger(-this.big);
    }
    pow(n) {
      if (!(n >= 0 && n <= 4096)) throw new RangeError('the exponent is too large');
      return new BigInteger(this.big ** BigInt(n));
    }
    mod(other) {
      const divisor = whole(other);
      return new BigInteger(((this.big % divisor) + divisor) % divisor);
    }
    compareTo(other) {
      return this.big < whole(other) ? -1 : this.big > whole(other) ? 1 : 0;
    }
    equals(other) {
      return other instanceof BigInteger && other.big === this.big;
    }
    intValue() {
      return Number(BigInt.asIntN(32, this.big));
    }
    longValue() {
      return Number(this.big);
    }
    valueOf() {
      return Number(this.big);
    }
    toString(radix) {
      return this.big.toString(radix ?? 10);
    }
    toJSON() {
      return Number(this.big);
    }
  }
  for (const [name, work] of Object.entries({
    add: (a, b) => a + b, subtract: (a, b) => a - b, multiply: (a, b) => a * b, divide: (a, b) => a / b, remainder: (a, b) => a % b,
    xor: (a, b) => a ^ b, and: (a, b) => a & b, or: (a, b) => a | b,
  })) hide(BigInteger.prototype, { [name](other) {
    return new BigInteger(work(this.big, whole(other)));
  } });
  Object.assign(BigInteger, { ZERO: new BigInteger(0), ONE: new BigInteger(1), TEN: new BigInteger(10) });
  classes['java.math.BigInteger'] = javaClass(BigInteger);

  // --- java.util ----------------------------------------------------------------------------------------------

  class StringTokenizer {
    constructor(value, marks) {
      const between = [...text(marks ?? ' \t\n\r\f')];
      const tokens = [''];
      for (const letter of text(value)) {
        if (between.includes(letter)) tokens.push('');
        else tokens[tokens.length - 1] += letter;
      }
      hide(this, { tokens: tokens.filter((token) => token !== '') });
    }
    hasMoreTokens() {
      return this.tokens.length > 0;
    }
    nextToken() {
      if (this.tokens.length === 0) throw new Error('NoSuchElementException');
      return this.tokens.shift();
    }
    countTokens() {
      return this.tokens.length;
    }
  }
  classes['java.util.StringTokenizer'] = javaClass(StringTokenizer);
  class SimpleEntry {
    constructor(key, value) {
      hide(this, { held: [key, value] });
    }
    getKey() {
      return this.held[0];
    }
    getValue() {
      return this.held[1];
    }
    toString() {
      return `${this.held[0]}=${this.held[1]}`;
    }
  }
  classes['java.util.AbstractMap.SimpleEntry'] = javaClass(SimpleEntry);
  classes['java.util.AbstractMap.SimpleImmutableEntry'] = classes['java.util.AbstractMap.SimpleEntry'];
  classes['java.util.stream.Collectors'] = {
    toList: () => (values) => [...values],
    toSet: () => (values) => unique(values),
    joining: (between, before, after) => (values) => `${before ?? ''}${[...values].join(between ?? '')}${after ?? ''}`,
  };

  // --- com.google.common.collect ------------------------------------------------------------------------------

  const unique = (values) => {
    const made = [];
    for (const value of values) if (!made.some((one) => same(one, value))) made.push(value);
    return set(made);
  };
  const flat = (...given) => {
    const map = Object.create(mapProto);
    for (let at = 0; at + 1 < given.length; at += 2) map.put(given[at], given[at + 1]);
    return map;
  };
  const lists = (make) => ({
    of: (...given) => make(given),
    copyOf: (values) => make([...values]),
    builder() {
      const held = [];
      const builder = {
        add(...values) {
          held.push(...values);
          return builder;
        },
        addAll(values) {
          held.push(...values);
          return builder;
        },
        build: () => make(held),
      };
      return builder;
    },
  });
  const GUAVA = 'com.google.common.collect';
  classes[`${GUAVA}.ImmutableList`] = lists((values) => values);
  classes[`${GUAVA}.ImmutableSet`] = lists(unique);
  classes[`${GUAVA}.ImmutableMap`] = {
    of: flat,
    copyOf: (values) => adopt({ ...values }, 0),
    builder() {
      const map = flat();
      const builder = {
        put(key, value) {
          map.put(key, value);
          return builder;
        },
        putAll(values) {
          map.putAll(values);
          return builder;
        },
        build: () => map,
      };
      return builder;
    },
  };
  classes[`${GUAVA}.Lists`] = { newArrayList: (...given) => (given.length === 1 && Array.isArray(given[0]) ? [...given[0]] : given) };
  classes[`${GUAVA}.Maps`] = { newHashMap: (values) => flat(...Object.entries(values ?? {}).flat()) };
  classes[`${GUAVA}.Sets`] = { newHashSet: (...given) => unique(given.length === 1 && Array.isArray(given[0]) ? given[0] : given) };
  return classes;
})
