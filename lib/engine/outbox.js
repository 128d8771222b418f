'use strict';

/**
 * What is sent in a turn is collected, and handed over to the IO thread in one call, at the end of a delivery or of the
 * tick.
 */

const { nextTick } = require('../shared/clock');
const { callsOf } = require('../shared/native');
const { Frame, WORDS } = require('./records');

/** The length of a typed array itself: a program may have given its object another. */
const lengthOf = Function.prototype.call.bind(
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length').get
);

const ROWS = 1024;
const BYTES = 64 * 1024;
/** Messages up to this size are collected, larger ones cross by themselves. */
const LIMIT = 16 * 1024;
/** The most that fits a word of the table. */
const MOST = 2 ** 32 - 1;

/** For sending only: what a program gets is always its own. */
const NO_BYTES = Buffer.alloc(0);

class Outbox {
  /**
   * @param {NativeEngine} native
   * @param {boolean} collects
   */
  constructor(native, collects) {
    this.native = native;
    /** Of it, what every delivery needs: `drain`, `flush` and `release`. */
    this.calls = callsOf(native);
    this.collects = collects;
    this.outTable = new Uint32Array(ROWS * WORDS);
    this.outBlock = Buffer.allocUnsafeSlow(BYTES);
    this.outUsed = 0;
    this.outCount = 0;
    /** During a delivery, which flushes by itself. */
    this.corked = false;
    this.ticking = false;
    this.endTick = () => {
      this.ticking = false;
      this.flush();
    };
  }

  /**
   * Sends a frame. The payload is copied, so the caller may reuse it at once.
   *
   * @param {number} slot
   * @param {number} meta Opcode and `Frame` bits
   * @param {string|Uint8Array} data
   */
  send(slot, meta, data) {
    const isString = typeof data === 'string';
    // A UTF-16 unit takes at most three bytes.
    const bound = isString ? data.length * 3 : lengthOf(data);
    if (bound > LIMIT) {
      this.flush();
      this.native.send(slot, meta, isString ? Buffer.from(data) : data);
      return;
    }
    if (this.outUsed + bound > BYTES || this.outCount === ROWS) this.flush();
    const { outTable } = this;
    const offset = this.outUsed;
    let length = bound;
    // Of nothing there is nothing to copy, and nothing can be copied out of a detached view.
    if (isString) length = bound === 0 ? 0 : this.outBlock.write(data, offset, 'utf8');
    else if (bound > 0) this.outBlock.set(data, offset);
    const row = this.outCount++ * WORDS;
    outTable[row] = slot;
    outTable[row + 1] = meta;
    outTable[row + 2] = offset;
    outTable[row + 3] = length;
    this.outUsed = offset + length;
    if (!this.corked && !this.ticking) this.begin();
  }

  /**
   * Begins the closing handshake, behind what was sent: the peer has `limit` milliseconds for it.
   *
   * @param {number} slot
   * @param {number} limit
   * @param {boolean} end Whether our side ends with that
   */
  closing(slot, limit, end) {
    this.add(slot, end ? Frame.CLOSING | Frame.END : Frame.CLOSING, Math.min(Math.max(limit, 0), MOST));
  }

  /** Ends our side of the connection, behind what was sent. */
  end(slot) {
    this.add(slot, Frame.END, 0);
  }

  /** Adds a row without bytes. */
  add(slot, meta, number) {
    if (this.outCount === ROWS) this.flush();
    const { outTable } = this;
    const row = this.outCount++ * WORDS;
    outTable[row] = slot;
    outTable[row + 1] = meta;
    outTable[row + 2] = number;
    outTable[row + 3] = 0;
    if (!this.corked && !this.ticking) this.begin();
  }

  /** Something has come into the empty outbox. */
  begin() {
    // The first of a tick goes out at once, for latency; the others wait for the tick to end and go out together.
    this.flush();
    if (this.collects) {
      this.ticking = true;
      nextTick(this.endTick);
    }
  }

  /** Sends a frame under a masking key of the program's. */
  sendKeyed(slot, meta, data, key) {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.flush();
    this.native.sendKeyed(slot, meta, bytes.length > 0 ? bytes : NO_BYTES, key);
  }

  /** Hands over what has been collected. */
  flush() {
    if (this.outCount === 0) return;
    this.calls.flush(this.outTable, this.outBlock, this.outCount);
    this.outCount = this.outUsed = 0;
  }
}

module.exports = { NO_BYTES, Outbox };
