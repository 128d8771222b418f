'use strict';

/** The native listener's side of HTTP requests, for tests of `lib/http`: packs records, and notes what it is asked. */

const BODY = 1;
const WHOLE = 2;
const SECURE = 4;

/** A record as `src/node/packed_record.rs` packs it. */
function packRequest({
  number = 1,
  port = 50_000,
  body,
  secure = true,
  method = 'GET',
  target = '/hyco/x?y=1',
  trackingId = 't1_G1',
  host = 'ns.test',
  remoteAddress = '203.0.113.7',
  headers = ['Host', 'ns.test', 'Accept', '*/*']
} = {}) {
  const first = [target, host, trackingId, remoteAddress];
  const texts = [...first, ...headers];
  const flags = (body ? BODY : 0) | (body === 'whole' ? WHOLE : 0) | (secure ? SECURE : 0);
  const numbers = [
    number % 2 ** 32,
    Math.floor(number / 2 ** 32),
    port,
    flags,
    0,
    method.length,
    texts.length
  ];
  const record = Buffer.alloc(4 * numbers.length);
  numbers.forEach((value, index) => record.writeUInt32LE(value, 4 * index));
  const lengths = texts.map(({ length }) =>
    String.fromCharCode(length & 127, (length >> 7) & 127, length >> 14)
  );
  return Buffer.concat([record, Buffer.from(method + lengths.join('') + texts.join(''))]);
}

/** The payload of a record about the exchange `number`. */
function packNumber(number, rest = Buffer.alloc(0)) {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(number % 2 ** 32, 0);
  head.writeUInt32LE(Math.floor(number / 2 ** 32), 4);
  return Buffer.concat([head, rest]);
}

/** Notes each call as `[name, number, ...]`, with bytes as text. */
class FakeNative {
  constructor() {
    this.calls = [];
    for (const name of [
      'respond',
      'beginAnswer',
      'writeAnswer',
      'endAnswer',
      'cutAnswer',
      'flowBody',
      'dialRequest'
    ]) {
      this[name] = (...args) => {
        this.calls.push([
          name,
          ...args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg).toString() : arg))
        ]);
        return true;
      };
    }
  }

  /** The calls of one name. */
  of(name) {
    return this.calls.filter(([called]) => called === name);
  }
}

module.exports = { FakeNative, packNumber, packRequest };
