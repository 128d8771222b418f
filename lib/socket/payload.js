'use strict';

/** What `send()`, `ping()` and `close()` take, and the bytes it stands for: the same rules as in ws. */

const { types } = require('node:util');

const { refusal } = require('../shared/caller');
const { NO_BYTES } = require('../engine/outbox');

const FastBuffer = Buffer[Symbol.species];

/**
 * The bytes of anything that `send()` accepts besides strings and blobs; views, not copies, where there are bytes.
 *
 * @param {*} data
 * @return {Buffer}
 * @throws {TypeError} for what `Buffer.from()` does not take
 */
function toBytes(data) {
  if (Buffer.isBuffer(data)) return data;
  if (data instanceof ArrayBuffer || types.isArrayBuffer(data)) return new FastBuffer(data);
  if (ArrayBuffer.isView(data)) return new FastBuffer(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.from(data);
}

/**
 * Blobs and files, of any implementation: they are read asynchronously.
 *
 * @param {*} value
 * @return {boolean}
 */
function isBlob(value) {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof value.arrayBuffer === 'function' &&
    typeof value.type === 'string' &&
    typeof value.stream === 'function' &&
    (value[Symbol.toStringTag] === 'Blob' || value[Symbol.toStringTag] === 'File')
  );
}

/**
 * @param {string|Buffer|Blob} data
 * @return {number} Its bytes on the wire
 */
function byteLength(data) {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : data.length;
}

/** Codes that a close frame may carry (RFC 6455 section 7.4). */
function isCloseCode(code) {
  if (code >= 1000 && code <= 1014) return code !== 1004 && code !== 1005 && code !== 1006;
  return code >= 3000 && code <= 4999;
}

/**
 * The payload of a close frame.
 *
 * @param {number} [code]
 * @param {string|Uint8Array} [reason]
 * @return {Buffer}
 * @throws {TypeError|RangeError} as ws does
 */
function closePayload(code, reason) {
  if (code === undefined) return NO_BYTES;
  if (typeof code !== 'number' || !isCloseCode(code)) {
    throw refusal(new TypeError('First argument must be a valid error code number'));
  }
  const length = reason === undefined || !reason.length ? 0 : Buffer.byteLength(reason);
  if (length > 123) throw refusal(new RangeError('The message must not be greater than 123 bytes'));
  const payload = Buffer.allocUnsafe(2 + length);
  payload.writeUInt16BE(code, 0);
  if (length === 0) return payload;
  if (typeof reason === 'string') payload.write(reason, 2);
  else if (types.isUint8Array(reason)) payload.set(reason, 2);
  else throw refusal(new TypeError('Second argument must be a string or a Uint8Array'));
  return payload;
}

module.exports = { byteLength, closePayload, isBlob, toBytes };
