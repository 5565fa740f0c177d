// Classes of AM's own libraries: HTTP messages, JSON values and base64.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const { javaClass, mapProto, adopt, set, same } = kit.java;
  const coding = kit.part('bytes');
  const classes = Object.create(null);

  // --- org.forgerock.http.protocol ----------------------------------------------------------------------------

  class Headers {
    constructor(pairs) {
      hide(this, { pairs });
    }
    add(name, value) {
      this.pairs.push([text(name), text(value)]);
    }
    put(name, value) {
      this.remove(name);
      for (const one of Array.isArray(value) ? value : [value]) this.add(name, one);
    }
    addAll(headers) {
      for (const [name, values] of Object.entries(headers)) for (const value of [].concat(values)) this.add(name, value);
    }
    remove(name) {
      const known = text(name).toLowerCase();
      for (let at = this.pairs.length - 1; at >= 0; at--) if (this.pairs[at][0].toLowerCase() === known) this.pairs.splice(at, 1);
    }
    all(name) {
      return this.pairs.filter(([known]) => known.toLowerCase() === text(name).toLowerCase()).map(([, value]) => value);
    }
    get(name) {
      const values = this.all(name);
      if (values.length === 0) return null;
      return { getValues: () => values, getFirstValue: () => values[0], values, firstValue: values[0], toString: () => values.join(', ') };
    }
    getFirst(name) {
      return this.all(name)[0] ?? null;
    }
    keySet() {
      return set([...new Set(this.pairs.map(([name]) => name))]);
    }
    containsKey(name) {
      return this.all(name).length > 0;
    }
    asMapOfHeaders() {
      const map = Object.create(mapProto);
      for (const [name] of this.pairs) kit.set(map, name, this.all(name));
      return map;
    }
    toString() {
      return this.asMapOfHeaders().toString();
    }
  }
  class Entity {
    constructor(body) {
      hide(this, { body });
    }
    setString(value) {
      this.body = value === null || value === undefined ? null : text(value);
    }
    setJson(value) {
      this.body = kit.stringify(value);
    }
    setBytes(bytes) {
      this.body = coding.fromUtf8(bytes);
    }
    getString() {
      return text(this.body);
    }
    getJson() {
      return adopt(kit.parse(text(this.body)), 0);
    }
    getBytes() {
      return [...coding.utf8(text(this.body))];
    }
    isEmpty() {
      return text(this.body) === '';
    }
    toString() {
      return text(this.body);
    }
  }
  class Message {
    constructor(body, headers) {
      hide(this, { held: { headers: new classes[`${HTTP}.Headers`](headers), entity: new classes[`${HTTP}.Entity`](body) } });
    }
    getHeaders() {
      return this.held.headers;
    }
    getEntity() {
      return this.held.entity;
    }
    setEntity(value) {
      if (value instanceof classes[`${HTTP}.Entity`]) this.held.entity = value;
      else if (kit.isText(value) || value === null || value === undefined) this.held.entity.setString(value);
      else if (value instanceof Uint8Array) this.held.entity.setBytes(value);
      else this.held.entity.setJson(value);
      return this;
    }
    addHeaders(...headers) {
      for (const header of headers) this.held.headers.add(header.name, header.value);
      return this;
    }
    close() {}
  }
  const HTTP = 'org.forgerock.http.protocol';
  class Request extends Message {
    constructor() {
      super(null, []);
      Object.assign(this.held, { method: 'GET', uri: '' });
    }
    getMethod() {
      return this.held.method;
    }
    setMethod(value) {
      this.held.method = text(value);
      return this;
    }
    getUri() {
      return this.held.uri;
    }
    setUri(value) {
      this.held.uri = text(value);
      return this;
    }
    setForm(values) {
      this.held.headers.put('Content-Type', 'application/x-www-form-urlencoded');
      this.held.entity.setString(Object.entries(values).flatMap(([name, all]) => [].concat(all).map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one)}`)).join('&'));
    }
  }
  class Status {
    constructor(code, reason) {
      hide(this, { held: { code, reason } });
    }
    getCode() {
      return this.held.code;
    }
    getReasonPhrase() {
      return this.held.reason;
    }
    isSuccessful() {
      return this.held.code >= 200 && this.held.code < 300;
    }
    isRedirection() {
      return this.held.code >= 300 && this.held.code < 400;
    }
    isClientError() {
      return this.held.code >= 400 && this.held.code < 500;
    }
    isServerError() {
      return this.held.code >= 500;
    }
    toString() {
      return `[Status: ${this.held.code} ${this.held.reason}]`;
    }
  }
  class Response extends Message {
    constructor(answer) {
      super(answer.body, answer.headers);
      hide(this, { answer });
    }
    getStatus() {
      return new classes[`${HTTP}.Status`](this.answer.status, this.answer.reason);
    }
    getCause() {
      return this.answer.failed === undefined ? null : new Error(this.answer.failed);
    }
  }
  classes[`${HTTP}.Headers`] = javaClass(Headers);
  classes[`${HTTP}.Entity`] = javaClass(Entity);
  classes[`${HTTP}.Status`] = javaClass(Status);
  kit.java.beans(Message.prototype);
  classes[`${HTTP}.Request`] = javaClass(Request);
  const Answer = javaClass(Response);
  hide(classes, { send(request) {
    if (!(request instanceof Request)) throw new TypeError('httpClient.send takes a Request');
    const { method, uri, headers, entity } = request.held;
    return new Answer(kit.part('world').exchange({ method, uri, headers: headers.pairs, body: entity.body }));
  } });

  // --- org.forgerock.json.JsonValue ---------------------------------------------------------------------------

  class JsonValue {
    constructor(value) {
      hide(this, { value: value instanceof JsonValue ? value.value : value === undefined ? null : adopt(value, 0) });
    }
    static json(value) {
      return new classes[JSON_VALUE](value);
    }
    static object(...fields) {
      const map = Object.create(mapProto);
      for (const [name, value] of fields) map.put(name, value);
      return map;
    }
    static field(name, value) {
      return [text(name), value];
    }
    static array(...values) {
      return values;
    }
    as(kind, right) {
      if (this.value === null) return null;
      if (!right(this.value)) throw new TypeError(`the JSON value is not ${kind}`);
      return this.value;
    }
    asString() {
      return this.as('a text', kit.isText);
    }
    asInteger() {
      const held = this.as('a number', (value) => typeof value === 'number');
      return held === null ? null : Math.trunc(held);
    }
    asLong() {
      return this.asInteger();
    }
    asDouble() {
      return this.as('a number', (value) => typeof value === 'number');
    }
    asNumber() {
      return this.asDouble();
    }
    asBoolean() {
      return this.as('a boolean', (value) => typeof value === 'boolean');
    }
    asMap() {
      return this.as('a map', (value) => typeof value === 'object' && !Array.isArray(value));
    }
    asList() {
      return this.as('a list', Array.isArray);
    }
    asCollection() {
      return this.asList();
    }
    asSet() {
      return set(this.asList());
    }
    getObject() {
      return this.value;
    }
    isNull() {
      return this.value === null;
    }
    isNotNull() {
      return this.value !== null;
    }
    isString() {
      return kit.isText(this.value);
    }
    isNumber() {
      return typeof this.value === 'number';
    }
    isBoolean() {
      return typeof this.value === 'boolean';
    }
    isMap() {
      return this.value !== null && typeof this.value === 'object' && !Array.isArray(this.value);
    }
    isList() {
      return Array.isArray(this.value);
    }
    isCollection() {
      return this.isList();
    }
    isDefined(key) {
      return this.value !== null && typeof this.value === 'object' && Object.hasOwn(this.value, text(key));
    }
    get(key) {
      return new classes[JSON_VALUE](this.isDefined(key) ? this.value[text(key)] : null);
    }
    put(key, value) {
      this.value.put(key, value instanceof JsonValue ? value.value : value);
      return this;
    }
    add(...given) {
      if (given.length === 2) this.put(...given);
      else this.value.push(given[0]);
      return this;
    }
    remove(key) {
      this.value.remove(key);
    }
    defaultTo(other) {
      return this.value === null ? new classes[JSON_VALUE](other) : this;
    }
    required() {
      if (this.value === null) throw new TypeError('the JSON value is required');
      return this;
    }
    keys() {
      return set(this.value === null || typeof this.value !== 'object' ? [] : Object.keys(this.value));
    }
    size() {
      return this.value === null || typeof this.value !== 'object' ? 0 : Object.keys(this.value).length;
    }
    contains(value) {
      return Object.values(this.value ?? {}).some((one) => same(one, value));
    }
    iterator() {
      return Object.values(this.value ?? {}).map((one) => new classes[JSON_VALUE](one)).iterator();
    }
    copy() {
      return new classes[JSON_VALUE](kit.parse(kit.stringify(this.value)));
    }
    equals(other) {
      return same(this.value, other?.value);
    }
    toString() {
      return kit.stringify(this.value);
    }
    toJSON() {
      return this.value;
    }
  }
  const JSON_VALUE = 'org.forgerock.json.JsonValue';
  classes[JSON_VALUE] = javaClass(JsonValue);
  classes['org.forgerock.json.JsonValueFunctions'] = {};

  // --- org.forgerock.util.encode ------------------------------------------------------------------------------

  const decode = (value) => {
    const bytes = coding.fromBase64(value);
    return bytes === null ? null : [...bytes];
  };
  classes['org.forgerock.util.encode.Base64'] = { encode: (bytes) => coding.toBase64(coding.toBytes(bytes)), decode };
  classes['org.forgerock.util.encode.Base64url'] = { encode: (bytes) => coding.url(coding.toBase64(coding.toBytes(bytes))), decode };
  return classes;
})
