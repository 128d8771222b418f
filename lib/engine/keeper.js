'use strict';

/** Keeps the process alive for the owner of a slot: until it is closed, or does so no more by its own will. */
class Keeper {
  #engine;
  #referenced = true;
  #closed = false;

  /** @param {import('./engine').Engine} engine */
  constructor(engine) {
    this.#engine = engine;
    engine.ref();
  }

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

  /** @return {boolean} Whether it is the first time */
  close() {
    if (this.#closed) return false;
    this.#closed = true;
    if (this.#referenced) this.#engine.unref();
    return true;
  }
}

module.exports = { Keeper };
