'use strict';

const { RecordReader } = require('./record-reader.js');
const { check, listOf, readTable } = require('../shared/checks');
const { clearTimeout, now, setTimeout } = require('../shared/clock');

/** Records that are read at a time. */
const BATCH = 256;
/** Milliseconds between two readings, at least; and so many times what a reading took, or less while the process is quiet. */
const PACE = 20;
const REST = 19;
const QUIET_REST = 3;
/** How much of a processor all its threads have used since the last reading where it is quiet. */
const QUIET = 0.3;

const RECORDS = {
  since: [0, check.integer(0, Number.MAX_SAFE_INTEGER)],
  kinds: [undefined, listOf(check.word)],
  signal: [undefined, check.signal]
};
/**
 * Gives the records of a store to whoever wants them. Until somebody asks nothing is read, redacted or brought over from
 * Rust; then it is done in batches, which have a twentieth of the event loop's time at most, or a quarter while it is quiet.
 */
class Recorder {
  #store;
  #redact;
  /** Who has read everything, or has not read for a while, and waits: `{ after, deliver(), end() }`. */
  #waiting = new Set();
  #timer;
  /** The last reading: when it ended, how long it took, and what the process had used of processors by then. */
  #last = { end: -Infinity, took: 0, used: 0 };
  #closed = false;
  /** The last batch, for the next reader who is at the same place. */
  #memo = { after: -1, records: [] };

  /**
   * @param {{read: function, arm: function, onWake: function}} store See `RecordRing`
   * @param {function(object): object} redact See `createRedaction()`
   */
  constructor(store, redact) {
    this.#store = store;
    this.#redact = redact;
    store.onWake = () => this.#schedule();
  }

  /**
   * What is kept, then what comes, until the end.
   *
   * @param {object} [options]
   * @param {number} [options.since=0] only what comes behind the record of this number
   * @param {string[]} [options.kinds] only these
   * @param {AbortSignal} [options.signal] ends it with an `AbortError`
   * @return {AsyncIterableIterator<object>}
   */
  records(options) {
    const { since, kinds, signal } = readTable(RECORDS, check.object(options ?? {}, 'options'), 'options.');
    return new RecordReader({ after: since, kinds, signal, recorder: this });
  }

  /** There will be no more records: readers get what is kept, and end. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#schedule();
  }

  /** @private for readers */
  wait(follower) {
    this.#waiting.add(follower);
    this.#schedule();
  }

  /** @private for readers */
  leave(follower) {
    this.#waiting.delete(follower);
  }

  #schedule() {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    try {
      const after = Math.min(...[...this.#waiting].map((follower) => follower.after));
      if (!this.#closed && !this.#store.arm(after)) return;
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#sleep(QUIET_REST);
  }

  /** Reads when so many times what the last reading took have passed. */
  #sleep(rest) {
    const { end, took } = this.#last;
    const left = this.#closed ? 0 : Math.max(0, end + Math.max(PACE, took * rest) - now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (rest === REST || this.#closed || this.#isQuiet()) this.#serve();
      else this.#sleep(REST);
    }, left);
    // Records to come are no reason for a process to go on; those that are kept at the end have their readers.
    if (!this.#closed) this.#timer.unref();
  }

  #isQuiet() {
    const { end, used } = this.#last;
    return processorTime() - used < QUIET * (now() - end);
  }

  #serve() {
    const began = now();
    const served = [];
    try {
      for (const follower of this.#waiting) {
        const records = this.#read(follower);
        if (records.length > 0 || this.#closed) served.push([follower, records]);
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    for (const [follower] of served) this.#waiting.delete(follower);
    try {
      for (const [follower, records] of served) {
        if (records.length > 0) follower.deliver(records);
        else follower.end();
      }
    } finally {
      const end = now();
      this.#last = { end, took: end - began, used: processorTime() };
      this.#schedule();
    }
  }

  /** The store is of no more use: whoever waits learns why. */
  #fail(error) {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const follower of waiting) follower.end(error);
  }

  /** The next batch of a follower, who is told how many records came and went before they could be read. */
  #read(follower) {
    const { after } = follower;
    if (this.#memo.after !== after) {
      const records = this.#store.read(after, BATCH).map((record) => this.#redact(record));
      if (records.length === 0) return [];
      this.#memo = { after, records };
    }
    const { records } = this.#memo;
    follower.after = records.at(-1).seq;
    const lost = follower.after - after - records.length;
    const begun = follower.begun;
    follower.begun = true;
    // What was gone before somebody came is not lost.
    if (lost === 0 || !begun) return records;
    return [Object.freeze({ seq: after, time: records[0].time, kind: 'lost', count: lost }), ...records];
  }
}

/** Milliseconds that all threads of the process have used. The relay's is among them: while it works, it is not hindered. */
function processorTime() {
  const { system, user } = process.cpuUsage();
  return (system + user) / 1000;
}

module.exports = { Recorder };
