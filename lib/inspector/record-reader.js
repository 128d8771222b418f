'use strict';

const { abortError } = require('../shared/errors');

/** One reader of a recorder, at its own pace. A generator could not be ended while somebody waits for its next value. */
class RecordReader {
  #recorder;
  #kinds;
  #signal;
  #batch = [];
  #at = 0;
  /** Calls of `next()` that have no record yet. */
  #pending = [];
  #ended = false;
  #error;
  #onAbort;

  /** @private for the recorder: the number of the last record that was read, and whether one was */
  after;
  begun;

  constructor({ after, kinds, signal, recorder }) {
    this.after = after;
    // Who says where to go on has been here before.
    this.begun = after > 0;
    this.#recorder = recorder;
    this.#kinds = kinds && new Set(kinds);
    this.#signal = signal;
    if (signal === undefined) return;
    this.#onAbort = () => this.#end(abortError(signal));
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  next() {
    if (this.#at < this.#batch.length) return Promise.resolve({ value: this.#take(), done: false });
    if (this.#ended) return this.#last();
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#recorder.wait(this);
    });
  }

  return(value) {
    this.#end();
    return Promise.resolve({ value, done: true });
  }

  throw(error) {
    this.#end();
    return Promise.reject(error);
  }

  /** @private */
  deliver(records) {
    this.#batch = this.#kinds ? records.filter(({ kind }) => this.#kinds.has(kind)) : records;
    this.#at = 0;
    while (this.#pending.length > 0 && this.#at < this.#batch.length) {
      this.#pending.shift().resolve({ value: this.#take(), done: false });
    }
    if (this.#pending.length > 0) this.#recorder.wait(this);
  }

  /** @private */
  end(error) {
    this.#end(error);
  }

  #take() {
    const record = this.#batch[this.#at++];
    if (this.#at === this.#batch.length) [this.#batch, this.#at] = [[], 0];
    return record;
  }

  /** What is left at the end: an error, once. */
  #last() {
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
  }

  #end(error) {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    [this.#batch, this.#at] = [[], 0];
    this.#recorder.leave(this);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    for (const { resolve, reject } of this.#pending.splice(0)) this.#last().then(resolve, reject);
  }
}

module.exports = { RecordReader };
