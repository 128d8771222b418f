'use strict';

/**
 * The JavaScript end of the native engine: one per environment, shared by all sockets and listeners.
 *
 * Nothing crosses the border alone. What the IO thread has received arrives as a table of records and a block of
 * bytes, for all sockets at once; what is sent is collected in an outbox and handed over in one call, at the end of a
 * delivery or of the tick. Sockets and listeners are slots, small integers that both sides index their tables with.
 */

const { performance } = require('node:perf_hooks');

const { NativeEngine } = require('./native');
const { startTrace } = require('./trace');

const FastBuffer = Buffer[Symbol.species];

/** Words of a record: slot, meta, offset, length. Meta is kind | flags << 8 | detail << 16. */
const WORDS = 4;
const RECORDS = 1024;
const BLOCK = 64 * 1024;
/** What is left of a block below this is not worth a call. */
const BLOCK_REST = 2 * 1024;
const FLAG_LARGE = 1 << 8;
const FLAG_CHUNK = 1 << 9;
/** Messages up to this size are collected, larger ones cross by themselves. */
const OUTBOX_LIMIT = 16 * 1024;
const OUTBOX = 64 * 1024;
/** How long JavaScript is held by deliveries before timers and other IO get their turn, in milliseconds. */
const SLICE = readSlice(process.env.HYCO_WS_RS_SLICE);
/** Records are fetched in portions that are dealt with in so many milliseconds: those of a quiet socket wait for one. */
const PORTION = SLICE / 8;
/** The first portion, when it is not known yet how long listeners take. */
const FIRST_PORTION = 64;
/** While records are quickly dealt with, the clock is looked at ever more rarely: once in so many at last. */
const CLOCK_EVERY = 64;

/** After so many bytes of the IO thread's memory V8 is made to look which of it is garbage. */
const FOREIGN = 12 * 1024 * 1024;
const WEIGHT = 33 * 1024 * 1024;
/** Numbers that the engine keeps for each socket. */
const TALLY = 8;

const EMPTY = 0;
const BLOCK_FULL = 2;
const CHUNK = 3;

/** Kinds of records, as `src/socket/delivery.rs` numbers them. */
const Kind = Object.freeze({
  TEXT: 1,
  BINARY: 2,
  PING: 3,
  PONG: 4,
  CLOSE: 5,
  ERROR: 6,
  END: 7,
  CLOSED: 8,
  OPEN: 9,
  FAILED: 10,
  RESPONSE: 11,
  BODY: 12,
  BODY_END: 13,
  SENT: 14,
  FRAGMENTS: 15,
  LISTENER: 16,
  SHUT: 17
});

/** Bits of an outgoing frame's meta beside its opcode. */
const Frame = Object.freeze({ FIN: 16, RSV1: 32, COMPRESS: 64, MASK: 128, RECEIPT: 256 });

const NO_BYTES = Buffer.alloc(0);

/** @param {string} [text] Milliseconds; 4 if it is not a positive number */
function readSlice(text) {
  const given = Number(text);
  return given > 0 && given < Infinity ? given : 4;
}

/** Switches for tests, from `HYCO_WS_RS_TUNING`: comma-separated names, see CONTRIBUTING.md. */
function readTuning() {
  const words = new Set((process.env.HYCO_WS_RS_TUNING || '').split(','));
  return {
    outbox: !words.has('no-outbox'),
    directWrite: !words.has('no-direct-write'),
    directRead: !words.has('no-direct-read'),
    spin: !words.has('no-spin'),
    shortIo: words.has('short-io')
  };
}

class Engine {
  constructor() {
    const tuning = readTuning();
    this.native = new NativeEngine(() => this.drain(), tuning);
    this.collects = tuning.outbox;

    this.owners = [];
    this.freeSlots = [];
    this.references = 0;

    this.table = new Uint32Array(RECORDS * WORDS);
    this.lendBlock();
    this.chunkBytes = this.blockBytes;
    this.chunkBase = 0;
    this.at = 0;
    this.count = 0;
    this.portion = FIRST_PORTION;
    this.fetched = 0;
    this.ended = EMPTY;
    this.continuing = false;
    this.woken = false;
    this.foreign = 0;

    this.outTable = new Uint32Array(RECORDS * WORDS);
    this.outBlock = Buffer.allocUnsafeSlow(OUTBOX);
    this.outUsed = 0;
    this.outCount = 0;
    this.corked = false;
    this.ticking = false;
    this.endTick = () => {
      this.ticking = false;
      this.flush();
    };

    /** The numbers of the socket that was asked last, or has just closed: see `socket-stats.js`. */
    this.tally = new Float64Array(TALLY);
    /** The addresses of the socket that has just closed. */
    this.addresses = '';

    process.once('exit', () => this.flush());
    startTrace(this);
  }

  /**
   * Reserves a slot for `owner`, whose `onRecord(kind, detail, payload)` gets the slot's records. The slot is free
   * again after its `CLOSED` record.
   *
   * @param {{onRecord: function(number, number, Buffer|number): void}} owner
   * @return {number}
   */
  open(owner) {
    const slot = this.freeSlots.length > 0 ? this.freeSlots.pop() : this.owners.length;
    this.owners[slot] = owner;
    return slot;
  }

  /** Gives a slot back that has had its last record, or never had one. */
  free(slot) {
    this.owners[slot] = undefined;
    this.freeSlots.push(slot);
  }

  /** Keeps the event loop alive until as many `unref()` calls. */
  ref() {
    if (this.references++ === 0) this.native.ref();
  }

  unref() {
    if (--this.references === 0) this.native.unref();
  }

  /** A new block for small payloads; the old one lives as long as the views that were cut out of it. */
  lendBlock() {
    this.block = Buffer.allocUnsafeSlow(BLOCK);
    // Asking a view for its buffer is slow enough to be seen in a profile.
    this.blockBytes = this.block.buffer;
    this.blockUsed = 0;
  }

  /**
   * Dispatches what the IO thread has queued, for at most `SLICE` milliseconds; the rest follows in the next turn of
   * the event loop. A listener that throws ends the turn, and nothing is lost by it.
   */
  drain() {
    if (this.continuing) {
      this.woken = true;
      return;
    }
    let looked = performance.now();
    const until = looked + SLICE;
    let stride = 1;
    let look = 1;
    let finished = false;
    this.corked = this.collects;
    try {
      for (;;) {
        while (this.at < this.count) {
          this.dispatch(this.at++ * WORDS);
          if (--look > 0) continue;
          const now = performance.now();
          if (now > until) return;
          stride = now - looked < SLICE / 16 ? Math.min(stride * 2, CLOCK_EVERY) : 1;
          look = stride;
          looked = now;
        }
        // Nothing was left when these were fetched; whatever came since has woken us, now or in a later call.
        const more = this.ended !== EMPTY || this.woken || this.count === 0;
        const now = performance.now();
        if (more) this.fetch(now);
        else this.at = this.count = 0;
        if (this.count === 0 && this.ended === EMPTY) {
          finished = true;
          return;
        }
        if (now > until) return;
      }
    } finally {
      this.corked = false;
      this.flush();
      if (!finished) {
        this.continuing = true;
        setImmediate(() => {
          this.continuing = false;
          this.drain();
        });
      }
    }
  }

  /** Fetches the next portion of records. Apart from `drain()`, which is optimized together with what it dispatches to. */
  fetch(now) {
    const dealt = this.count;
    this.at = this.count = 0;
    this.woken = false;
    if (this.ended === CHUNK) {
      // Where the runtime allows it these are the IO thread's own bytes, not a copy.
      const chunk = this.native.takeChunk();
      this.chunkBytes = chunk.buffer;
      this.chunkBase = chunk.byteOffset;
      this.countForeign(chunk.byteLength);
    } else if (this.ended === BLOCK_FULL || BLOCK - this.blockUsed < BLOCK_REST) {
      this.lendBlock();
    }
    // Answers do not wait for what is dealt with next.
    this.flush();
    if (now - this.fetched > PORTION && dealt > 0) this.portion = (this.portion + 1) >>> 1;
    else if (dealt === this.portion) this.portion = Math.min(dealt * 2, RECORDS);
    this.fetched = now;
    // used * 8192 + count * 4 + how it ended
    const result = this.native.drain(this.table, this.block, this.blockUsed, this.portion);
    this.ended = result & 3;
    this.count = (result >>> 2) & 0x7ff;
    this.base = this.blockUsed;
    this.blockUsed += result >>> 13;
  }

  /**
   * V8 collects young buffers when it allocates one and they have 32 MiB together; otherwise it sees only at 64 MiB what
   * they hold, and then marks the whole heap. Both are too late for the processor's caches: memory that comes back
   * sooner is several times as fast. So from time to time we make one that weighs enough, and let go of it.
   */
  countForeign(length) {
    this.foreign += length;
    if (this.foreign < FOREIGN) return;
    this.foreign = 0;
    try {
      // Of this size it is always mapped, and nobody ever touches it: it costs no memory.
      new ArrayBuffer(WEIGHT);
      new ArrayBuffer(1);
    } catch {
      // Where even addresses are rationed V8 goes by its own measure.
      this.foreign = -Infinity;
    }
  }

  /** A payload that crosses as a buffer of its own, the IO thread's memory where the runtime allows that. */
  takeLarge(length) {
    this.countForeign(length);
    return this.native.takeLarge();
  }

  dispatch(row) {
    const { table } = this;
    const slot = table[row];
    const meta = table[row + 1];
    const length = table[row + 3];
    const kind = meta & 0xff;
    let payload;
    if (kind === Kind.SENT || kind === Kind.CLOSED) payload = length;
    else if (length === 0) payload = NO_BYTES;
    else if (meta & FLAG_CHUNK) {
      payload = new FastBuffer(this.chunkBytes, this.chunkBase + table[row + 2], length);
    } else if (meta & FLAG_LARGE) payload = this.takeLarge(length);
    else payload = new FastBuffer(this.blockBytes, this.base + table[row + 2], length);

    const owner = this.owners[slot];
    if (kind === Kind.CLOSED) {
      // What is in the outbox for this slot must not reach the next socket that gets it.
      this.flush();
      this.addresses = this.native.addresses(slot);
      payload += this.native.release(slot, this.tally);
      this.free(slot);
    }
    if (owner !== undefined) owner.onRecord(kind, meta >>> 16, payload);
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
    const bound = isString ? data.length * 3 : data.length;
    if (bound > OUTBOX_LIMIT) {
      this.flush();
      this.native.send(slot, meta, isString ? Buffer.from(data) : data);
      return;
    }
    if (this.outUsed + bound > OUTBOX || this.outCount === RECORDS) this.flush();
    const { outTable } = this;
    const row = this.outCount++ * WORDS;
    const offset = this.outUsed;
    let length = bound;
    if (isString) length = bound === 0 ? 0 : this.outBlock.write(data, offset, 'utf8');
    else this.outBlock.set(data, offset);
    outTable[row] = slot;
    outTable[row + 1] = meta;
    outTable[row + 2] = offset;
    outTable[row + 3] = length;
    this.outUsed = offset + length;

    if (this.corked || this.ticking) return;
    // The first of a tick goes out at once, for latency; the others wait for the tick to end and go out together.
    this.flush();
    if (this.collects) {
      this.ticking = true;
      process.nextTick(this.endTick);
    }
  }

  /** Hands over what has been collected. */
  flush() {
    if (this.outCount === 0) return;
    const count = this.outCount;
    this.outCount = this.outUsed = 0;
    this.native.flush(this.outTable, this.outBlock, count);
  }
}

let engine;

/** The environment's engine; it starts with its first use. */
function getEngine() {
  return (engine ??= new Engine());
}

module.exports = { Frame, Kind, NO_BYTES, getEngine };
