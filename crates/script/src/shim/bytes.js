// Bytes and their encodings.
(function (kit) {
  'use strict';
  const { ask, text } = kit;

  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const toBase64 = (bytes) => {
    let out = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const left = bytes.length - at;
      const three = ((bytes[at] & 255) << 16) | (((bytes[at + 1] ?? 0) & 255) << 8) | ((bytes[at + 2] ?? 0) & 255);
      out += DIGITS[three >> 18] + DIGITS[(three >> 12) & 63];
      out += left > 1 ? DIGITS[(three >> 6) & 63] : '=';
      out += left > 2 ? DIGITS[three & 63] : '=';
    }
    return out;
  };
  const values = Object.create(null);
  for (let at = 0; at < 64; at++) values[DIGITS[at]] = at;
  values['-'] = 62;
  values._ = 63;
  // Standard or URL digits, with or without padding; null when it is neither.
  const fromBase64 = (encoded) => {
    const digits = text(encoded).replace(/[\r\n]/g, '').replace(/={1,2}$/, '');
    if (digits.length % 4 === 1) return null;
    const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
    let [held, bits, at] = [0, 0, 0];
    for (const digit of digits) {
      const six = values[digit];
      if (six === undefined) return null;
      held = ((held << 6) | six) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        bytes[at++] = (held >> bits) & 255;
      }
    }
    return bytes;
  };
  const utf8 = (string) => fromBase64(ask('utf8', text(string)));
  const fromUtf8 = (bytes) => ask('fromUtf8', toBase64(bytes));
  const toBytes = (data) => {
    if (kit.isText(data)) return utf8(data);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (data !== null && typeof data === 'object' && typeof data.length === 'number') return data;
    throw new TypeError('neither text nor bytes');
  };
  const url = (encoded) => encoded.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

  return { toBase64, fromBase64, utf8, fromUtf8, toBytes, url };
})
