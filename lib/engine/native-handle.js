'use strict';

const { getEngine } = require('./engine');
const { Kind } = require('./records');

/**
 * Owns something native that tells by events what happens, of which `closed` is the last, and the slot that they come by.
 * Until then it keeps the process alive.
 */
class NativeHandle {
  #engine = getEngine();
  #slot;
  #referenced = true;
  #closed = false;

  /**
   * @param {import('../shared/context').Context} context Of its records
   * @param {function(object, number): object} make Makes it, of the native engine and the slot
   */
  constructor(context, make) {
    this._context = context;
    this.#slot = this.#engine.open(this);
    try {
      this.native = make(this.#engine.native, this.#slot);
    } catch (error) {
      this.#engine.free(this.#slot);
      throw error;
    }
    this.#engine.ref();
  }

  /** @return {object|undefined} The event of a record; nothing behind the end */
  readEvent(kind, payload) {
    const lost = kind === Kind.LOST;
    const event = lost ? { type: 'closed' } : JSON.parse(payload);
    if (event.type !== 'closed') return event;
    if (this.#closed) return undefined;
    this.#closed = true;
    // Where events are missing, others may follow: it has to end, and nobody else gets that slot.
    if (lost) this.native.close(false);
    else this.#engine.free(this.#slot);
    if (this.#referenced) this.#engine.unref();
    return event;
  }

  /** Keeps the process alive until the end, which it does from the start. */
  ref() {
    if (this.#referenced) return;
    this.#referenced = true;
    if (!this.#closed) this.#engine.ref();
  }

  unref() {
    if (!this.#referenced) return;
    this.#referenced = false;
    if (!this.#closed) this.#engine.unref();
  }
}

module.exports = { NativeHandle };
