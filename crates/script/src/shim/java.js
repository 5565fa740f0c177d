// The classes of Java's own library that scripts use. Where JavaScript has the same thing, that is what they give.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const { javaClass, mapProto, same, shown, set } = kit.java;
  const coding = kit.part('bytes');
  const classes = Object.create(null);

  // Called as a function it gives a text; made with `new`, an object that behaves like one.
  const asText = (value) => (Array.isArray(value) && value.every((one) => typeof one === 'number') ? coding.fromUtf8(value)
    : value instanceof Uint8Array ? coding.fromUtf8(value) : value === undefined ? '' : String(value));
  const JavaString = function (value) {
    return new.target === undefined ? asText(value) : Object(asText(value));
  };
  Object.assign(JavaString, {
    valueOf: asText,
    format(pattern, ...given) {
      let at = 0;
      return String(pattern).replace(/%(?:([0-9]+)\$)?([-0]?)([0-9]*)(?:\.([0-9]+))?([sdfxXnb%])/g, (_, place, flag, width, digits, kind) => {
        if (kind === '%') return '%';
        if (kind === 'n') return '\n';
        const value = place ? given[place - 1] : given[at++];
        let out = kind === 'd' ? String(Math.trunc(value)) : kind === 'f' ? Number(value).toFixed(digits ?? 6) : String(value);
        if (kind === 'x' || kind === 'X') out = Number(value).toString(16);
        if (kind === 'X') out = out.toUpperCase();
        const wide = Math.min(Number(width || 0), 1000);
        return flag === '-' ? out.padEnd(wide) : out.padStart(wide, flag === '0' ? '0' : ' ');
      });
    },
    join: (between, ...given) => (given.length === 1 && Array.isArray(given[0]) ? given[0] : given).map(String).join(between),
  });
  JavaString.prototype = String.prototype;
  classes['java.lang.String'] = JavaString;

  const number = (name, read, constants) => {
    const made = function (value) {
      return new.target === undefined ? read(value) : Object(read(value));
    };
    const bad = (value) => {
      throw new Error(`NumberFormatException: For input string: "${value}"`);
    };
    const parse = (value, radix) => {
      const trimmed = text(value);
      const whole = /^[+-]?[0-9a-z]+$/i.test(trimmed) ? parseInt(trimmed, radix ?? 10) : NaN;
      const found = name === 'Double' || name === 'Float' ? (trimmed.trim() === '' ? NaN : Number(trimmed)) : whole;
      return Number.isNaN(found) ? bad(value) : found;
    };
    Object.assign(made, constants, {
      valueOf: (value, radix) => (typeof value === 'number' ? read(value) : parse(value, radix)),
      [`parse${name === 'Integer' ? 'Int' : name}`]: parse,
      toString: (value, radix) => (value === undefined ? `class java.lang.${name}` : Number(value).toString(radix ?? 10)),
      compare: (a, b) => Math.sign(a - b),
      max: Math.max,
      min: Math.min,
      toHexString: (value) => (Number(value) >>> 0).toString(16),
      toBinaryString: (value) => (Number(value) >>> 0).toString(2),
    });
    made.prototype = Number.prototype;
    classes[`java.lang.${name}`] = hide(made, { name });
  };
  number('Integer', (value) => Math.trunc(Number(value)), { MAX_VALUE: 2147483647, MIN_VALUE: -2147483648 });
  number('Long', (value) => Math.trunc(Number(value)), { MAX_VALUE: Number.MAX_SAFE_INTEGER, MIN_VALUE: Number.MIN_SAFE_INTEGER });
  number('Double', Number, { MAX_VALUE: Number.MAX_VALUE, MIN_VALUE: Number.MIN_VALUE });
  number('Float', Number, {});

  const truth = (value) => String(value).toLowerCase() === 'true';
  const JavaBoolean = function (value) {
    return new.target === undefined ? truth(value) : Object(truth(value));
  };
  classes['java.lang.Boolean'] = Object.assign(JavaBoolean, { TRUE: true, FALSE: false, valueOf: truth, parseBoolean: truth, toString: String });
  JavaBoolean.prototype = Boolean.prototype;
  classes['java.lang.Math'] = Math;
  classes['java.lang.Object'] = javaClass(class JavaObject {});
  classes['java.lang.System'] = {
    currentTimeMillis: () => Date.now(),
    nanoTime: () => Date.now() * 1e6,
    lineSeparator: () => '\n',
    getProperty: () => null,
    getenv: () => null,
  };
  classes['java.lang.Character'] = {
    isDigit: (unit) => /^[0-9]$/.test(String(unit)),
    isLetter: (unit) => /^\p{L}$/u.test(String(unit)),
    isUpperCase: (unit) => /^\p{Lu}$/u.test(String(unit)),
    isLowerCase: (unit) => /^\p{Ll}$/u.test(String(unit)),
    isWhitespace: (unit) => /^\s$/.test(String(unit)),
    toString: String,
  };
  for (const name of ['Exception', 'RuntimeException', 'IllegalArgumentException', 'IllegalStateException', 'NullPointerException', 'Throwable']) {
    classes[`java.lang.${name}`] = javaClass(class extends Error {
      constructor(message) {
        super(text(message));
        this.name = name;
      }
      getMessage() {
        return this.message;
      }
      getCause() {
        return null;
      }
    });
  }

  class StringBuilder {
    constructor(value) {
      hide(this, { held: typeof value === 'number' ? '' : text(value) });
    }
    append(value) {
      this.held += String(value);
      return this;
    }
    insert(at, value) {
      this.held = this.held.slice(0, at) + String(value) + this.held.slice(at);
      return this;
    }
    reverse() {
      this.held = [...this.held].reverse().join('');
      return this;
    }
    deleteCharAt(at) {
      this.held = this.held.slice(0, at) + this.held.slice(at + 1);
      return this;
    }
    setLength(length) {
      this.held = this.held.slice(0, length);
    }
    charAt(at) {
      return this.held.charAt(at);
    }
    // `length()` of a legacy source is read as `length`, since texts have no such method.
    get length() {
      return this.held.length;
    }
    toString() {
      return this.held;
    }
    toJSON() {
      return this.held;
    }
  }
  classes['java.lang.StringBuilder'] = javaClass(StringBuilder);
  classes['java.lang.StringBuffer'] = classes['java.lang.StringBuilder'];

  // --- java.util ----------------------------------------------------------------------------------------------

  const ArrayList = function (values) {
    return typeof values === 'number' || values === undefined ? [] : [...values];
  };
  for (const name of ['ArrayList', 'LinkedList', 'Vector']) classes[`java.util.${name}`] = ArrayList;
  const HashMap = function (values) {
    const map = Object.create(mapProto);
    if (values !== null && typeof values === 'object') map.putAll(values);
    return map;
  };
  for (const name of ['HashMap', 'LinkedHashMap', 'TreeMap', 'Hashtable', 'concurrent.ConcurrentHashMap']) classes[`java.util.${name}`] = HashMap;
  const HashSet = function (values) {
    const made = set([]);
    hide(made, { add(value) {
      if (made.contains(value)) return false;
      made.push(value);
      return true;
    } });
    for (const value of Array.isArray(values) ? values : []) made.add(value);
    return made;
  };
  for (const name of ['HashSet', 'LinkedHashSet', 'TreeSet']) classes[`java.util.${name}`] = HashSet;
  const arrays = {
    asList: (...given) => (given.length === 1 && Array.isArray(given[0]) ? given[0] : given),
    equals: same,
    toString: (values) => (values === undefined ? 'class java.util.Arrays' : shown(values)),
    sort: (values) => void values.sort(),
    fill: (values, value) => void values.fill(value),
    copyOf: (values, length) => Array.from({ length }, (_, at) => values[at] ?? 0),
    copyOfRange: (values, from, to) => values.slice(from, to),
    stream: (values) => values,
  };
  classes['java.util.Arrays'] = arrays;
  const flat = (...given) => {
    const map = HashMap();
    for (let at = 0; at + 1 < given.length; at += 2) map.put(given[at], given[at + 1]);
    return map;
  };
  classes['java.util.List'] = { of: (...given) => given, copyOf: (values) => [...values] };
  classes['java.util.Set'] = { of: (...given) => HashSet(given) };
  classes['java.util.Map'] = { of: flat };
  classes['java.util.Collections'] = {
    singletonList: (value) => [value],
    singleton: (value) => set([value]),
    singletonMap: flat,
    emptyList: () => [],
    emptyMap: () => HashMap(),
    emptySet: () => set([]),
    unmodifiableList: (values) => values,
    unmodifiableMap: (values) => values,
    sort: (values) => void values.sort(),
    reverse: (values) => void values.reverse(),
  };
  classes['java.util.Objects'] = { equals: same, isNull: (value) => value === null || value === undefined, nonNull: (value) => value !== null && value !== undefined, toString: String };
  class Optional {
    constructor(value) {
      hide(this, { value });
    }
    static of(value) {
      return new Optional(value);
    }
    static ofNullable(value) {
      return new Optional(value ?? null);
    }
    static empty() {
      return new Optional(null);
    }
    isPresent() {
      return this.value !== null;
    }
    get() {
      return this.value;
    }
    orElse(other) {
      return this.value === null ? other : this.value;
    }
  }
  classes['java.util.Optional'] = javaClass(Optional);

  class UUID {
    constructor(value) {
      hide(this, { value });
    }
    static randomUUID() {
      return new UUID(kit.ask('uuid', null));
    }
    static fromString(value) {
      if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) throw new Error(`Invalid UUID string: ${value}`);
      return new UUID(text(value).toLowerCase());
    }
    toString() {
      return this.value;
    }
    toJSON() {
      return this.value;
    }
    equals(other) {
      return other instanceof UUID && other.value === this.value;
    }
  }
  classes['java.util.UUID'] = javaClass(UUID);
  // Java's classes may be called without `new`; JavaScript's `Date` is a text then.
  const JavaDate = function (...given) {
    return given.length === 0 ? new Date() : new Date(...given);
  };
  JavaDate.prototype = Date.prototype;
  JavaDate.from = (instant) => new Date(Number(instant));
  classes['java.util.Date'] = JavaDate;
  const random = (count) => coding.fromBase64(kit.ask('random', count));
  class Random {
    nextInt(from, to) {
      const [low, high] = to === undefined ? [0, from ?? 4294967296] : [from, to];
      const bytes = random(6);
      return low + Math.floor((bytes.reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 48) * (high - low));
    }
    nextBytes(into) {
      const bytes = random(into.length);
      for (let at = 0; at < into.length; at++) into[at] = bytes[at];
    }
    nextDouble() {
      return random(6).reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 48;
    }
    nextBoolean() {
      return random(1)[0] < 128;
    }
  }
  classes['java.util.Random'] = javaClass(Random);
  classes['java.security.SecureRandom'] = classes['java.util.Random'];
  const coder = (shape) => ({
    encode: (bytes) => coding.utf8(shape(coding.toBase64(bytes))),
    encodeToString: (bytes) => shape(coding.toBase64(bytes)),
    decode(value) {
      const bytes = coding.fromBase64(kit.isText(value) ? value : coding.fromUtf8(value));
      if (bytes === null) throw new Error('IllegalArgumentException: not base64');
      return [...bytes];
    },
    withoutPadding: () => coder((encoded) => shape(encoded).replace(/=+$/, '')),
  });
  const asIs = coder((encoded) => encoded);
  const forUrls = coder((encoded) => encoded.replace(/\+/g, '-').replace(/\//g, '_'));
  classes['java.util.Base64'] = { getEncoder: () => asIs, getDecoder: () => asIs, getUrlEncoder: () => forUrls, getUrlDecoder: () => forUrls, getMimeDecoder: () => asIs };
  classes['java.util.Locale'] = { ENGLISH: 'en', US: 'en-US', UK: 'en-GB', ROOT: '' };
  classes['java.util.TimeZone'] = { getTimeZone: (name) => name, getDefault: () => 'UTC' };
  const unit = (milliseconds) => ({ toMillis: (n) => n * milliseconds, toSeconds: (n) => Math.trunc((n * milliseconds) / 1000), toMinutes: (n) => Math.trunc((n * milliseconds) / 60000) });
  classes['java.util.concurrent.TimeUnit'] = { MILLISECONDS: unit(1), SECONDS: unit(1000), MINUTES: unit(60000), HOURS: unit(3600000), DAYS: unit(86400000) };

  // --- java.text ----------------------------------------------------------------------------------------

  const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
  const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  const pad = (value, width) => String(value).padStart(width, '0');
  // The letters that scripts use; in UTC, which is where servers live.
  const letters = {
    y: (date, n) => (n === 2 ? pad(date.getUTCFullYear() % 100, 2) : pad(date.getUTCFullYear(), n)),
    u: (date, n) => letters.y(date, n),
    M: (date, n) => (n >= 4 ? MONTHS[date.getUTCMonth()] : n === 3 ? MONTHS[date.getUTCMonth()].slice(0, 3) : pad(date.getUTCMonth() + 1, n)),
    d: (date, n) => pad(date.getUTCDate(), n),
    H: (date, n) => pad(date.getUTCHours(), n),
    h: (date, n) => pad(date.getUTCHours() % 12 || 12, n),
    m: (date, n) => pad(date.getUTCMinutes(), n),
    s: (date, n) => pad(date.getUTCSeconds(), n),
    S: (date, n) => pad(date.getUTCMilliseconds(), n),
    a: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
    E: (date, n) => (n >= 4 ? DAYS[date.getUTCDay()] : DAYS[date.getUTCDay()].slice(0, 3)),
    z: () => 'UTC',
    Z: () => '+0000',
    X: () => 'Z',
  };
  class SimpleDateFormat {
    constructor(pattern) {
      hide(this, { pattern: text(pattern) });
    }
    setTimeZone() {}
    setLenient() {}
    format(date) {
      const at = new Date(Number(date));
      return this.pattern.replace(/'([^']*)'|([A-Za-z])\2*/g, (run, quoted, letter) => {
        if (quoted !== undefined) return quoted || "'";
        if (!Object.hasOwn(letters, letter)) throw new Error(`the letter ${letter} of a date pattern is not supported`);
        return letters[letter](at, run.length);
      });
    }
    parse(value) {
      const fields = { y: 1970, u: null, M: 1, d: 1, H: 0, m: 0, s: 0, S: 0 };
      const order = [];
      const source = this.pattern.replace(/'([^']*)'|([A-Za-z])\2*|[^A-Za-z']/g, (run, quoted, letter) => {
        if (quoted !== undefined) return quoted.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        if (letter === undefined) return run.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
        order.push(letter);
        if (letter === 'X' || letter === 'Z' || letter === 'z') return '(Z|UTC|[+-][0-9:]{4,5})';
        if (letter === 'M' && run.length >= 3) return '([A-Za-z]+)';
        return run.length > 1 ? `([0-9]{${run.length}})` : '([0-9]+)';
      });
      const found = new RegExp(`^${source}`).exec(text(value));
      if (found === null) throw new Error(`ParseException: Unparseable date: "${value}"`);
      order.forEach((letter, at) => {
        const held = found[at + 1];
        fields[letter] = /^[0-9]+$/.test(held) ? Number(held) : letter === 'M' ? MONTHS.findIndex((one) => one.startsWith(held.slice(0, 3))) + 1 : held;
      });
      return new Date(Date.UTC(fields.u ?? fields.y, fields.M - 1, fields.d, fields.H, fields.m, fields.s, fields.S));
    }
  }
  classes['java.text.SimpleDateFormat'] = javaClass(SimpleDateFormat);

  // --- java.net, java.nio, java.security ----------------------------------------------------------------------

  const form = (value) => encodeURIComponent(text(value)).replace(/%20/g, '+').replace(/[!'()~]/g, (unit) => `%${unit.charCodeAt(0).toString(16).toUpperCase()}`);
  classes['java.net.URLEncoder'] = { encode: form };
  classes['java.net.URLDecoder'] = { decode: (value) => decodeURIComponent(text(value).replace(/\+/g, ' ')) };
  classes['java.nio.charset.StandardCharsets'] = { UTF_8: 'UTF-8', US_ASCII: 'US-ASCII', ISO_8859_1: 'ISO-8859-1' };
  class MessageDigest {
    constructor(algorithm) {
      hide(this, { algorithm, held: [] });
    }
    static getInstance(algorithm) {
      return new MessageDigest(text(algorithm));
    }
    update(bytes) {
      this.held.push(...bytes);
    }
    digest(bytes) {
      const data = [...this.held.splice(0), ...(bytes ?? [])];
      return [...coding.fromBase64(kit.ask('digest', { algorithm: this.algorithm, data: coding.toBase64(data) }))];
    }
  }
  classes['java.security.MessageDigest'] = javaClass(MessageDigest);
  class Mac {
    constructor(algorithm) {
      hide(this, { algorithm, key: null });
    }
    static getInstance(algorithm) {
      return new Mac(text(algorithm));
    }
    init(key) {
      this.key = key;
    }
    doFinal(bytes) {
      const hash = this.algorithm.replace(/^Hmac/i, '').replace(/^SHA-?/i, 'SHA-');
      return [...coding.fromBase64(kit.ask('hmac', { algorithm: hash, key: coding.toBase64(this.key.getEncoded()), data: coding.toBase64(bytes) }))];
    }
  }
  classes['javax.crypto.Mac'] = javaClass(Mac);
  class SecretKeySpec {
    constructor(bytes, algorithm) {
      hide(this, { bytes: [...bytes], algorithm: text(algorithm) });
    }
    getEncoded() {
      return this.bytes;
    }
    getAlgorithm() {
      return this.algorithm;
    }
  }
  classes['javax.crypto.spec.SecretKeySpec'] = javaClass(SecretKeySpec);
  return classes;
})
