'use strict';

/**
 * The JavaScript end of the native engine: one per environment, shared by all sockets and listeners.
 *
 * Nothing crosses the border alone. What the IO thread has received arrives as a table of records and a block of
 * bytes, for all sockets at once; what is sent is collected in the outbox. Sockets and listeners are slots, small integers
 * that both sides index their tables with.
 */

const { now, setImmediate } = require('../shared/clock');
const { runOutside } = require('../shared/context');
const { flushAtExit } = require('./exit');
const { countForeign } = require('./foreign');
const { NativeEngine } = require('../shared/native');
const { Outbox } = require('./outbox');
const { BLOCK, End, Flag, Kind, WORDS } = require('./records');
const { startTrace } = require('./trace');
const { SLICE, readTuning } = require('./tuning');

// Constants: a property look-up for each message is measurable.
const { CHUNK, LARGE } = Flag;
const { PONG } = Kind;

const FastBuffer = Buffer[Symbol.species];

const RECORDS = 1024;
/** What is left of a block below this is not worth a call. */
const BLOCK_REST = 2 * 1024;
/** Records are fetched in portions that are dealt with in so many milliseconds: those of a quiet socket wait for one. */
const PORTION = SLICE / 8;
/** The first portion, when it is not known yet how long listeners take. */
const FIRST_PORTION = 64;
/** While records are quickly dealt with, the clock is looked at ever more rarely: once in so many at last. */
const CLOCK_EVERY = 64;

/** Numbers that the engine keeps for each socket. */
const TALLY = 8;
/** In the place of a payload that nobody is to see: without bytes most records say all by their kind. */
const NOTHING = new FastBuffer();

/** In the place of a chunk that could not be taken: as little can be cut out of it as out of one that is gone. */
const NO_CHUNK = new ArrayBuffer(1);
structuredClone(NO_CHUNK, { transfer: [NO_CHUNK] });

class Engine extends Outbox {
  constructor() {
    const tuning = readTuning();
    // Otherwise deliveries would run in the context of whoever came first, and keep what it holds for ever.
    super(
      runOutside(() => new NativeEngine(() => this.drain(), tuning)),
      tuning.outbox
    );

    this.owners = [];
    this.freeSlots = [];
    this.references = 0;

    this.table = new Uint32Array(RECORDS * WORDS);
    /** The small payloads of the current portion, once more: no program ever sees this memory. */
    this.intake = Buffer.allocUnsafeSlow(BLOCK);
    this.taken = 0;
    this.lendBlock();
    this.base = 0;
    this.chunkBytes = this.blockBytes;
    this.chunkBase = 0;
    this.at = 0;
    this.count = 0;
    this.portion = FIRST_PORTION;
    this.fetched = 0;
    this.ended = End.EMPTY;
    this.failing = false;
    this.continuing = false;
    this.woken = false;
    // When the clock is looked at next, and what it said last.
    this.look = 1;
    this.stride = 1;
    this.looked = 0;
    this.until = 0;

    /** The numbers of the socket that was asked last, or has just closed: see `lib/socket/stats.js`. */
    this.tally = new Float64Array(TALLY + 1);
    /** The addresses of the socket that has just closed. */
    this.addresses = '';

    flushAtExit(this);
    startTrace(this);
  }

  /**
   * Reserves a slot for `owner`, whose `onRecord(kind, detail, payload)` gets the slot's records, in its context. The
   * slot is free again after its `CLOSED` record.
   *
   * @param {{_context?: import('../shared/context').Context, onRecord: function(number, number, Buffer|number): void}} owner
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
    if (this.references === 0) this.native.ref();
    this.references++;
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
    this.looked = now();
    this.until = this.looked + SLICE;
    this.stride = this.look = 1;
    let finished = false;
    this.corked = this.collects;
    try {
      for (;;) {
        while (this.at < this.count) {
          const slot = this.table[this.at * WORDS];
          const context = this.owners[slot]?._context;
          const goesOn =
            context === undefined
              ? this.dispatchRun(slot)
              : context.runInAsyncScope(this.dispatchRun, this, slot);
          if (!goesOn) return;
        }
        // Nothing was left when these were fetched; whatever came since has woken us, now or in a later call.
        const more = this.ended !== End.EMPTY || this.woken || this.count === 0;
        const time = now();
        if (more) this.fetch(time);
        else this.at = this.count = 0;
        if (this.count === 0 && this.ended === End.EMPTY) {
          finished = true;
          return;
        }
        if (time > this.until) return;
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

  /** Dispatches the next records as long as they are of one slot; false when the slice is over. */
  dispatchRun(slot) {
    const { table } = this;
    let { look } = this;
    do {
      this.dispatch(this.at++ * WORDS);
      if (--look > 0) continue;
      const time = now();
      if (time > this.until) return false;
      this.stride = time - this.looked < SLICE / 16 ? Math.min(this.stride * 2, CLOCK_EVERY) : 1;
      look = this.stride;
      this.looked = time;
    } while (this.at < this.count && table[this.at * WORDS] === slot);
    this.look = look;
    return true;
  }

  /** Fetches the next portion of records. Apart from `drain()`, which is optimized together with what it dispatches to. */
  fetch(time) {
    const dealt = this.count;
    this.at = this.count = 0;
    this.woken = false;
    if (this.ended === End.CHUNK) this.fetchChunk();
    if (
      this.ended === End.BLOCK_FULL ||
      BLOCK - this.blockUsed < BLOCK_REST ||
      this.blockBytes.byteLength === 0
    ) {
      this.lendBlock();
    }
    // Answers do not wait for what is dealt with next.
    this.flush();
    if (time - this.fetched > PORTION && dealt > 0) this.portion = (this.portion + 1) >>> 1;
    else if (dealt === this.portion) this.portion = Math.min(dealt * 2, RECORDS);
    this.fetched = time;
    let result;
    try {
      // Bytes in the block, then eleven bits for the count of records and two for why it ended.
      result = this.calls.drain(this.table, this.intake, this.block, this.blockUsed, this.portion);
      this.failing = false;
    } catch (error) {
      // Nothing was taken. It was a fault of ours, and once more is worth a try.
      if (this.failing) throw error;
      this.failing = true;
      result = End.TABLE_FULL;
    }
    this.ended = result & 3;
    this.count = (result >>> 2) & 0x7ff;
    this.taken = result >>> 13;
    this.base = this.blockUsed;
    this.blockUsed += this.taken;
  }

  /** Takes the bytes that the next records lie in: the IO thread's own, where the runtime allows it, not a copy. */
  fetchChunk() {
    try {
      const chunk = this.native.takeChunk();
      this.chunkBytes = chunk.buffer;
      this.chunkBase = chunk.byteOffset;
      countForeign(chunk.byteLength);
    } catch {
      this.chunkBytes = NO_CHUNK;
    }
  }

  dispatch(row) {
    const { table } = this;
    const meta = table[row + 1];
    const kind = meta & 0xff;
    const offset = table[row + 2];
    const length = table[row + 3];
    const owner = this.owners[table[row]];
    // Small messages are what there may be a lot of: V8 optimizes this with its callers and with what it calls. (Where
    // the constructor may throw, in a `try`, it takes half as long again.)
    if (kind <= PONG && length > 0 && (meta & LARGE) === 0 && owner !== undefined) {
      const inChunk = (meta & CHUNK) !== 0;
      const memory = inChunk ? this.chunkBytes : this.blockBytes;
      // A listener may have transferred it.
      if (memory.byteLength > 0) {
        const start = inChunk ? this.chunkBase : this.base;
        owner.onRecord(kind, 0, new FastBuffer(memory, start + offset, length));
        return;
      }
    }
    this.dispatchOther(row);
  }

  dispatchOther(row) {
    const { table } = this;
    const slot = table[row];
    const meta = table[row + 1];
    const kind = meta & 0xff;
    let payload;
    if (kind === Kind.SENT || kind === Kind.CLOSED) payload = table[row + 3];
    else payload = this.payloadOf(meta, table[row + 2], table[row + 3]);

    const owner = this.owners[slot];
    if (kind === Kind.CLOSED) {
      // What is in the outbox for this slot must not reach the next socket that gets it.
      this.flush();
      this.addresses = this.calls.release(slot, this.tally);
      payload += this.tally[TALLY];
      this.free(slot);
    }
    if (owner === undefined) return;
    if (kind === Kind.LOST || payload === undefined) this.lose(slot, owner);
    else if (payload !== null) owner.onRecord(kind, meta >>> 16, payload);
    // Lengths of frames that are lost are nobody's: the next message would be cut by them.
    else if (kind > Kind.BINARY && kind !== Kind.FRAGMENTS) {
      owner.onRecord(kind, meta >>> 16, noBytes(kind));
    }
  }

  /**
   * The bytes of a record: `undefined` where we have lost them, and `null` where the socket's own listener has, for it
   * has transferred what it got of the same chunk. Then whatever else was in there is lost with it, as in ws.
   */
  payloadOf(meta, offset, length) {
    if ((meta & LARGE) !== 0) return this.takeLarge(offset);
    if (length === 0) return noBytes(meta & 0xff);
    if ((meta & CHUNK) === 0) return this.cutBlock(offset, length);
    if (this.chunkBytes === NO_CHUNK) return undefined;
    if (this.chunkBytes.byteLength > 0) {
      return new FastBuffer(this.chunkBytes, this.chunkBase + offset, length);
    }
    warnOfTransfer();
    return null;
  }

  cutBlock(offset, length) {
    if (this.blockBytes.byteLength === 0) {
      // A listener has transferred it just now, and what others are still to get must not go with it.
      this.lendBlock();
      this.intake.copy(this.block, 0, 0, this.taken);
      this.base = 0;
      this.blockUsed = this.taken;
    }
    return new FastBuffer(this.blockBytes, this.base + offset, length);
  }

  /** A payload that crosses as a buffer of its own, the IO thread's memory where the runtime allows that. */
  takeLarge(number) {
    try {
      const payload = this.native.takeLarge(number);
      countForeign(payload.byteLength);
      return payload;
    } catch {
      return undefined;
    }
  }

  /** Records of the slot are missing. What comes after a gap is of no use to anybody, but for the end of it. */
  lose(slot, owner) {
    this.owners[slot] = new Ending(owner);
    owner.onRecord(Kind.LOST, 0, NOTHING);
  }
}

/** In the place of an owner some of whose records are missing. */
class Ending {
  constructor(owner) {
    this.owner = owner;
    this._context = owner._context;
  }

  onRecord(kind, detail, payload) {
    if (kind > Kind.PONG && kind !== Kind.FRAGMENTS && kind !== Kind.LOST) {
      this.owner.onRecord(kind, detail, payload);
    }
  }
}

/** What a program gets is its own. */
function noBytes(kind) {
  return kind <= PONG ? new FastBuffer() : NOTHING;
}

let warned = false;

function warnOfTransfer() {
  if (warned) return;
  warned = true;
  process.emitWarning(
    'Messages were lost, for a listener transferred the buffer of an earlier one, which they shared: transfer a copy',
    { code: 'HYCO_WS_RS_TRANSFERRED' }
  );
}

let engine;

/** The environment's engine; it starts with its first use. */
function getEngine() {
  return (engine ??= new Engine());
}

module.exports = { getEngine };
