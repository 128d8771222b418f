'use strict';

/** Hand-made WebSocket frames: no library that could be as wrong as what it tests. */

const zlib = require('node:zlib');

const Opcode = Object.freeze({ CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 });

/** What a compressed message ends with, and its frames leave out (RFC 7692 section 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/**
 * @param {number} opcode
 * @param {string|Uint8Array} [payload]
 * @param {object} [options]
 * @param {boolean} [options.fin=true]
 * @param {number} [options.rsv=0] 4 is RSV1
 * @param {Buffer} [options.mask]
 * @param {number|bigint} [options.length] Announced instead of the payload's own
 * @param {number} [options.field] The 7-bit length field, where it is not to be the shortest
 * @return {Buffer}
 */
function frame(opcode, payload = '', { fin = true, rsv = 0, mask, length, field } = {}) {
  const bytes = Buffer.from(payload);
  const announced = length ?? bytes.length;
  const short = field ?? (announced < 126 ? Number(announced) : announced < 65536 ? 126 : 127);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode, (mask ? 0x80 : 0) | short];
  const extended = Buffer.alloc(short === 126 ? 2 : short === 127 ? 8 : 0);
  if (short === 126) extended.writeUInt16BE(Number(announced));
  if (short === 127) extended.writeBigUInt64BE(BigInt(announced));
  if (mask) for (let i = 0; i < bytes.length; i++) bytes[i] ^= mask[i % 4];
  return Buffer.concat([Buffer.from(head), extended, mask ?? Buffer.alloc(0), bytes]);
}

const text = (payload, options) => frame(Opcode.TEXT, payload, options);
const binary = (payload, options) => frame(Opcode.BINARY, payload, options);
const more = (payload, options) => frame(Opcode.CONTINUATION, payload, options);
const ping = (payload, options) => frame(Opcode.PING, payload, options);
const pong = (payload, options) => frame(Opcode.PONG, payload, options);

/** @return {Buffer} A close frame; without a code it is empty */
function close(code, reason = '', options) {
  const head = Buffer.alloc(code === undefined ? 0 : 2);
  if (code !== undefined) head.writeUInt16BE(code);
  return frame(Opcode.CLOSE, Buffer.concat([head, Buffer.from(reason)]), options);
}

/** @return {Buffer} The payload of a compressed message; `dictionary` is the sender's window */
function deflate(payload, { windowBits = 15, dictionary } = {}) {
  const options = { windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  if (dictionary?.length > 0) options.dictionary = dictionary;
  const bytes = zlib.deflateRawSync(payload, options);
  return bytes.subarray(0, bytes.length - TAIL.length);
}

/** @return {Buffer} What `deflate()` was given */
function inflate(payload, dictionary) {
  const options = { finishFlush: zlib.constants.Z_SYNC_FLUSH };
  if (dictionary?.length > 0) options.dictionary = dictionary;
  return zlib.inflateRawSync(Buffer.concat([payload, TAIL]), options);
}

/** Takes bytes as they come, gives frames. */
class FrameReader {
  #bytes = Buffer.alloc(0);

  /**
   * @param {Buffer} chunk
   * @return {Array<{opcode: number, fin: boolean, rsv: number, key: ?Buffer, payload: Buffer}>}
   */
  push(chunk) {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const frames = [];
    for (let one = this.#take(); one !== null; one = this.#take()) frames.push(one);
    return frames;
  }

  /** @return {number} Bytes of a frame that is not complete */
  get rest() {
    return this.#bytes.length;
  }

  #take() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    const short = bytes[1] & 0x7f;
    const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
    const masked = (bytes[1] & 0x80) !== 0;
    const from = 2 + extended + (masked ? 4 : 0);
    if (bytes.length < from) return null;
    let length = short;
    if (short === 126) length = bytes.readUInt16BE(2);
    if (short === 127) length = Number(bytes.readBigUInt64BE(2));
    if (bytes.length < from + length) return null;
    const key = masked ? bytes.subarray(from - 4, from) : null;
    const payload = Buffer.from(bytes.subarray(from, from + length));
    if (key !== null) for (let i = 0; i < length; i++) payload[i] ^= key[i % 4];
    this.#bytes = bytes.subarray(from + length);
    return { opcode: bytes[0] & 15, fin: bytes[0] >= 0x80, rsv: (bytes[0] >> 4) & 7, key, payload };
  }
}

module.exports = { FrameReader, Opcode, binary, close, deflate, frame, inflate, more, ping, pong, text };
