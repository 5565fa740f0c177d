// java.time and Calendar: points in time, which legacy scripts reckon with in UTC or at a fixed distance from it. Rules of
// places, which change by law, are not here: whoever names one is told so.
(function (kit) {
  'use strict';
  const { text, hide } = kit;
  const { javaClass } = kit.java;
  const classes = Object.create(null);
  const SimpleDateFormat = () => kit.part('java')['java.text.SimpleDateFormat'];
  const raise = (what) => {
    throw new Error(`DateTimeException: ${what}`);
  };

  const UNITS = { MILLIS: 1, SECONDS: 1000, MINUTES: 60000, HOURS: 3600000, HALF_DAYS: 43200000, DAYS: 86400000, WEEKS: 604800000 };
  const MONTHS_OF = { MONTHS: 1, YEARS: 12, DECADES: 120 };
  const chrono = {};
  const toString = (name) => ({ toString: () => name, name: () => name });
  for (const [name, milliseconds] of Object.entries(UNITS)) {
    chrono[name] = { milliseconds, between: (a, b) => Math.trunc((Number(b) - Number(a)) / milliseconds), ...toString(name) };
  }
  // Whole ones: the day of the month decides whether the last one is over.
  const monthsBetween = (from, to) => {
    const [a, b] = [new Date(Number(from)), new Date(Number(to))];
    const months = (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth();
    const rest = Number(to) - addMonths(Number(from), months);
    return months > 0 && rest < 0 ? months - 1 : months < 0 && rest > 0 ? months + 1 : months;
  };
  // The last day of the month where it has no such day.
  const addMonths = (at, months) => {
    const date = new Date(at);
    const day = date.getUTCDate();
    date.setUTCDate(1);
    date.setUTCMonth(date.getUTCMonth() + months);
    const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
    date.setUTCDate(Math.min(day, last));
    return date.getTime();
  };
  for (const [name, months] of Object.entries(MONTHS_OF)) {
    chrono[name] = { months, between: (a, b) => Math.trunc(monthsBetween(a, b) / months), ...toString(name) };
  }
  classes['java.time.temporal.ChronoUnit'] = chrono;

  class Duration {
    constructor(milliseconds) {
      hide(this, { milliseconds });
    }
    static between(a, b) {
      return new Duration(Number(b) - Number(a));
    }
    static of(amount, unit) {
      return new Duration(amount * (unit.milliseconds ?? raise('a unit without a fixed length')));
    }
    plus(other) {
      return new Duration(this.milliseconds + other.milliseconds);
    }
    toMillis() {
      return this.milliseconds;
    }
    getSeconds() {
      return Math.trunc(this.milliseconds / 1000);
    }
    toSeconds() {
      return this.getSeconds();
    }
    toMinutes() {
      return Math.trunc(this.milliseconds / 60000);
    }
    toHours() {
      return Math.trunc(this.milliseconds / 3600000);
    }
    toDays() {
      return Math.trunc(this.milliseconds / 86400000);
    }
    isNegative() {
      return this.milliseconds < 0;
    }
    isZero() {
      return this.milliseconds === 0;
    }
    compareTo(other) {
      return Math.sign(this.milliseconds - other.milliseconds);
    }
    valueOf() {
      return this.milliseconds;
    }
  }
  for (const [name, milliseconds] of Object.entries(UNITS)) Duration[`of${name[0]}${name.slice(1).toLowerCase()}`] = (n) => new Duration(n * milliseconds);
  Duration.ZERO = new Duration(0);
  classes['java.time.Duration'] = javaClass(Duration);

  // `Z`, `+01:00`, `UTC+2`, or a name that says UTC: minutes east.
  class Zone {
    constructor(name) {
      const [, sign, hours, minutes] = /^(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?$/.exec(name) ?? [];
      const known = /^(Z|UTC|GMT|Etc\/(UTC|GMT)|Europe\/UTC)$/i.test(name);
      if (sign === undefined && !known) raise(`the rules of the time zone ${name} are not available to scripts, only UTC and fixed offsets are`);
      const distance = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
      hide(this, { id: name, offset: sign === '-' ? -distance : distance });
    }
    getId() {
      return this.id;
    }
    getTotalSeconds() {
      return this.offset * 60;
    }
    toString() {
      return this.id;
    }
  }
  const UTC = new Zone('Z');
  const zoneOf = (given) => (given instanceof Zone ? given : given === undefined || given === null ? UTC : new Zone(text(given)));
  const zones = { of: zoneOf, systemDefault: () => UTC, ofHours: (hours) => new Zone(`${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`), UTC };
  classes['java.time.ZoneId'] = zones;
  classes['java.time.ZoneOffset'] = zones;

  const DAYS = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'];
  const MONTHS = ['JANUARY', 'FEBRUARY', 'MARCH', 'APRIL', 'MAY', 'JUNE', 'JULY', 'AUGUST', 'SEPTEMBER', 'OCTOBER', 'NOVEMBER', 'DECEMBER'];
  const named = (names, value, at) => ({ ...toString(names[at]), getValue: () => value, equals: (other) => String(other) === names[at] });
  classes['java.time.DayOfWeek'] = Object.fromEntries(DAYS.map((name, at) => [name, named(DAYS, at || 7, at)]));
  classes['java.time.Month'] = Object.fromEntries(MONTHS.map((name, at) => [name, named(MONTHS, at + 1, at)]));

  // What all of them can do. `at` is the point in time, `local` the same moved as the clocks of its zone are.
  class Temporal {
    constructor(at, zone) {
      if (!Number.isFinite(at)) raise('not a point in time');
      hide(this, { at, zone: zone ?? UTC });
    }
    get local() {
      return new Date(this.at + this.zone.offset * 60000);
    }
    like(at) {
      return Reflect.construct(this.constructor, [at, this.zone]);
    }
    plus(amount, unit) {
      if (unit?.months !== undefined) return this.like(addMonths(this.at, amount * unit.months));
      return this.like(this.at + (unit === undefined ? Number(amount) : amount * unit.milliseconds));
    }
    minus(amount, unit) {
      return unit === undefined ? this.like(this.at - Number(amount)) : this.plus(-amount, unit);
    }
    until(other, unit) {
      return unit.between(this, other);
    }
    truncatedTo(unit) {
      const moved = this.zone.offset * 60000;
      return this.like(Math.floor((this.at + moved) / unit.milliseconds) * unit.milliseconds - moved);
    }
    isBefore(other) {
      return this.at < Number(other);
    }
    isAfter(other) {
      return this.at > Number(other);
    }
    isEqual(other) {
      return this.at === Number(other);
    }
    equals(other) {
      return other instanceof Temporal && this.at === other.at;
    }
    compareTo(other) {
      return Math.sign(this.at - Number(other));
    }
    toEpochMilli() {
      return this.at;
    }
    getEpochSecond() {
      return Math.floor(this.at / 1000);
    }
    toEpochSecond() {
      return this.getEpochSecond();
    }
    toInstant() {
      return new classes['java.time.Instant'](this.at);
    }
    format(formatter) {
      return formatter.format(this);
    }
    valueOf() {
      return this.at;
    }
    toJSON() {
      return this.toString();
    }
  }
  for (const name of ['Millis', 'Seconds', 'Minutes', 'Hours', 'Days', 'Weeks', 'Months', 'Years']) {
    const unit = chrono[name.toUpperCase()];
    hide(Temporal.prototype, {
      [`plus${name}`](n) {
        return this.plus(n, unit);
      },
      [`minus${name}`](n) {
        return this.plus(-n, unit);
      },
    });
  }

  class Instant extends Temporal {
    static now() {
      return new Instant(Date.now());
    }
    static ofEpochMilli(at) {
      return new Instant(Number(at));
    }
    static ofEpochSecond(at) {
      return new Instant(Number(at) * 1000);
    }
    static parse(value) {
      return new Instant(Date.parse(text(value)));
    }
    atZone(zone) {
      return new classes['java.time.ZonedDateTime'](this.at, zoneOf(zone));
    }
    atOffset(zone) {
      return this.atZone(zone);
    }
    toString() {
      return new Date(this.at).toISOString().replace('.000Z', 'Z');
    }
  }
  classes['java.time.Instant'] = javaClass(Instant);

  const reads = { Year: 'getUTCFullYear', DayOfMonth: 'getUTCDate', Hour: 'getUTCHours', Minute: 'getUTCMinutes', Second: 'getUTCSeconds' };
  class Dated extends Temporal {
    getMonthValue() {
      return this.local.getUTCMonth() + 1;
    }
    getMonth() {
      return classes['java.time.Month'][MONTHS[this.local.getUTCMonth()]];
    }
    getDayOfWeek() {
      return classes['java.time.DayOfWeek'][DAYS[this.local.getUTCDay()]];
    }
    getDayOfYear() {
      return Math.floor((this.local - Date.UTC(this.local.getUTCFullYear(), 0, 1)) / UNITS.DAYS) + 1;
    }
    getNano() {
      return this.local.getUTCMilliseconds() * 1e6;
    }
    getZone() {
      return this.zone;
    }
    getOffset() {
      return this.zone;
    }
    toEpochDay() {
      return Math.floor(this.local / UNITS.DAYS);
    }
    toLocalDate() {
      return new classes['java.time.LocalDate'](Math.floor(this.local / UNITS.DAYS) * UNITS.DAYS);
    }
    toLocalDateTime() {
      return new classes['java.time.LocalDateTime'](this.local.getTime());
    }
    atStartOfDay(zone) {
      const day = Math.floor(this.local / UNITS.DAYS) * UNITS.DAYS;
      return zone === undefined ? new classes['java.time.LocalDateTime'](day) : new classes['java.time.LocalDateTime'](day).atZone(zone);
    }
    atTime(hour, minute, second) {
      return new classes['java.time.LocalDateTime'](this.local.getTime() + hour * UNITS.HOURS + (minute ?? 0) * UNITS.MINUTES + (second ?? 0) * 1000);
    }
    // The clock of that zone shows what this one does.
    atZone(zone) {
      const there = zoneOf(zone);
      return new classes['java.time.ZonedDateTime'](this.local.getTime() - there.offset * 60000, there);
    }
    atOffset(zone) {
      return this.atZone(zone);
    }
    toInstant(zone) {
      return new Instant(zone === undefined ? this.at : this.local.getTime() - zoneOf(zone).offset * 60000);
    }
    toEpochSecond(zone) {
      return this.toInstant(zone).getEpochSecond();
    }
    withZoneSameInstant(zone) {
      return new classes['java.time.ZonedDateTime'](this.at, zoneOf(zone));
    }
    withOffsetSameInstant(zone) {
      return this.withZoneSameInstant(zone);
    }
  }
  for (const [name, read] of Object.entries(reads)) {
    hide(Dated.prototype, { [`get${name}`]() {
      return this.local[read]();
    } });
    hide(Dated.prototype, { [`with${name}`](value) {
      const local = this.local;
      local[read.replace('get', 'set')](value);
      return this.like(local.getTime() - this.zone.offset * 60000);
    } });
  }
  const iso = (date) => date.toISOString().replace(/(\.[0-9]*?)0*Z$/, '$1').replace(/\.$/, '');
  // Which part of an ISO text is its date and time, and which its zone.
  const read = (value, day) => {
    const [, date, time, zone] = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9:.]+))?(Z|[+-][0-9]{2}:?[0-9]{2})?(?:\[.*\])?$/.exec(text(value)) ?? raise(`Text '${value}' could not be parsed`);
    if (time === undefined && !day) raise(`Text '${value}' could not be parsed`);
    const place = zoneOf(zone);
    return [Date.parse(`${date}T${time === undefined ? '00:00' : time}Z`) - place.offset * 60000, place];
  };
  const dated = (name, show, shape) => {
    const kind = class extends Dated {
      static now(zone) {
        const place = zoneOf(zone?.zone ?? (zone instanceof Zone || kit.isText(zone) ? zone : undefined));
        return new kind(shape.floor(Date.now() + (shape.local ? place.offset * 60000 : 0)), shape.local ? UTC : place);
      }
      static of(...given) {
        const zone = shape.local ? UTC : zoneOf(given.pop());
        const [year, month, day, hour, minute, second, nano] = given;
        const at = Date.UTC(year, Number(month?.getValue?.() ?? month) - 1, day, hour ?? 0, minute ?? 0, second ?? 0, Math.trunc((nano ?? 0) / 1e6));
        return new kind(at - zone.offset * 60000, zone);
      }
      static parse(value, formatter) {
        const [at, zone] = formatter === undefined || formatter.pattern === null ? read(value, shape.day) : [formatter.parse(value).at, formatter.zone];
        return shape.local ? new kind(shape.floor(at + zone.offset * 60000), UTC) : new kind(at, zone);
      }
      static ofInstant(instant, zone) {
        const place = zoneOf(zone);
        return shape.local ? new kind(shape.floor(Number(instant) + place.offset * 60000), UTC) : new kind(Number(instant), place);
      }
      static ofEpochSecond(seconds) {
        return new kind(Number(seconds) * 1000, UTC);
      }
      static ofEpochDay(days) {
        return new kind(Number(days) * UNITS.DAYS, UTC);
      }
      toString() {
        return show(this);
      }
    };
    classes[`java.time.${name}`] = javaClass(kind);
  };
  const same = (at) => at;
  const offset = (zone) => (zone.offset === 0 ? 'Z' : `${zone.offset < 0 ? '-' : '+'}${new Date(Math.abs(zone.offset) * 60000).toISOString().slice(11, 16)}`);
  dated('LocalDate', (one) => one.local.toISOString().slice(0, 10), { local: true, day: true, floor: (at) => Math.floor(at / UNITS.DAYS) * UNITS.DAYS });
  dated('LocalDateTime', (one) => iso(one.local), { local: true, floor: same });
  dated('ZonedDateTime', (one) => iso(one.local) + offset(one.zone), { local: false, floor: same });
  dated('OffsetDateTime', (one) => iso(one.local) + offset(one.zone), { local: false, floor: same });

  class DateTimeFormatter {
    constructor(pattern, zone, show) {
      hide(this, { pattern, zone: zone ?? UTC, moved: zone !== undefined, show });
    }
    static ofPattern(pattern) {
      return new DateTimeFormatter(text(pattern));
    }
    withZone(zone) {
      return new DateTimeFormatter(this.pattern, zoneOf(zone), this.show);
    }
    withLocale() {
      return this;
    }
    format(temporal) {
      const place = this.moved ? this.zone : temporal.zone;
      const local = new Date(temporal.at + place.offset * 60000);
      return this.show === undefined ? new (SimpleDateFormat())(this.pattern).format(local) : this.show(local, place);
    }
    parse(value) {
      if (this.pattern === null) return new Instant(read(value, true)[0]);
      return new Instant(new (SimpleDateFormat())(this.pattern).parse(value).getTime() - this.zone.offset * 60000);
    }
    toString() {
      return text(this.pattern);
    }
  }
  const shown = (show) => new DateTimeFormatter(null, undefined, show);
  Object.assign(DateTimeFormatter, {
    ISO_DATE: shown((local) => local.toISOString().slice(0, 10)),
    ISO_DATE_TIME: shown((local, zone) => iso(local) + offset(zone)),
    ISO_LOCAL_DATE_TIME: shown((local) => iso(local)),
    ISO_INSTANT: shown((local, zone) => `${iso(new Date(local - zone.offset * 60000))}Z`),
    BASIC_ISO_DATE: new DateTimeFormatter('yyyyMMdd'),
    RFC_1123_DATE_TIME: new DateTimeFormatter("EEE, dd MMM yyyy HH:mm:ss 'GMT'"),
  });
  Object.assign(DateTimeFormatter, { ISO_LOCAL_DATE: DateTimeFormatter.ISO_DATE, ISO_OFFSET_DATE_TIME: DateTimeFormatter.ISO_DATE_TIME, ISO_ZONED_DATE_TIME: DateTimeFormatter.ISO_DATE_TIME });
  classes['java.time.format.DateTimeFormatter'] = javaClass(DateTimeFormatter);

  const clock = { millis: () => Date.now(), instant: () => Instant.now(), zone: UTC };
  classes['java.time.Clock'] = { systemUTC: () => clock, systemDefaultZone: () => clock };
  classes['java.time.Period'] = { ofDays: (n) => new Duration(n * UNITS.DAYS), ofWeeks: (n) => new Duration(n * UNITS.WEEKS) };

  // --- java.util.Calendar -------------------------------------------------------------------------------------

  const FIELDS = { YEAR: 1, MONTH: 2, DATE: 5, DAY_OF_MONTH: 5, DAY_OF_YEAR: 6, DAY_OF_WEEK: 7, HOUR: 10, HOUR_OF_DAY: 11, MINUTE: 12, SECOND: 13, MILLISECOND: 14 };
  const PARTS = { 1: 'FullYear', 2: 'Month', 5: 'Date', 11: 'Hours', 12: 'Minutes', 13: 'Seconds', 14: 'Milliseconds' };
  const STEPS = { 3: UNITS.WEEKS, 5: UNITS.DAYS, 6: UNITS.DAYS, 7: UNITS.DAYS, 10: UNITS.HOURS, 11: UNITS.HOURS, 12: UNITS.MINUTES, 13: 1000, 14: 1 };
  class Calendar {
    constructor() {
      hide(this, { date: new Date() });
    }
    static getInstance() {
      return new Calendar();
    }
    get(field) {
      if (field === 7) return this.date.getUTCDay() + 1;
      if (field === 10) return this.date.getUTCHours() % 12;
      if (field === 6) return Math.floor((this.date - Date.UTC(this.date.getUTCFullYear(), 0, 1)) / UNITS.DAYS) + 1;
      return this.date[`getUTC${PARTS[field] ?? raise(`no field ${field} of a Calendar`)}`]();
    }
    set(...given) {
      if (given.length === 2) this.date[`setUTC${PARTS[given[0]] ?? raise(`no field ${given[0]} of a Calendar`)}`](given[1]);
      else {
        this.date.setUTCFullYear(given[0], given[1], given[2]);
        if (given.length > 3) this.date.setUTCHours(given[3], given[4] ?? 0, given[5] ?? this.date.getUTCSeconds());
      }
    }
    add(field, amount) {
      const months = field === 1 ? 12 : field === 2 ? 1 : 0;
      const at = this.date.getTime();
      this.date.setTime(months ? addMonths(at, amount * months) : at + amount * (STEPS[field] ?? raise(`no field ${field} of a Calendar`)));
    }
    getTime() {
      return new Date(this.date);
    }
    setTime(date) {
      this.date.setTime(Number(date));
    }
    getTimeInMillis() {
      return this.date.getTime();
    }
    setTimeInMillis(at) {
      this.date.setTime(Number(at));
    }
    setTimeZone() {}
    before(other) {
      return this.date < other.date;
    }
    after(other) {
      return this.date > other.date;
    }
    toInstant() {
      return new Instant(this.date.getTime());
    }
    valueOf() {
      return this.date.getTime();
    }
  }
  Object.assign(Calendar, FIELDS, { WEEK_OF_YEAR: 3 }, Object.fromEntries(MONTHS.map((name, at) => [name, at])), Object.fromEntries(DAYS.map((name, at) => [name, at + 1])));
  classes['java.util.Calendar'] = javaClass(Calendar);
  classes['java.util.GregorianCalendar'] = classes['java.util.Calendar'];
  return classes;
})
