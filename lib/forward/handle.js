'use strict';

/** Starts a native forwarder and receives its events. */

const { Context } = require('../shared/context');
const { getEngine } = require('../engine/engine');
const { Keeper } = require('../engine/keeper');
const { Kind } = require('../engine/records');

class ForwarderHandle {
  #engine = getEngine();
  #slot;
  #tell;
  #keeper;

  /**
   * @param {function(object, number): object} make Makes the native forwarder, of the native engine and the slot
   * @param {function(object): void} tell Gets each event; the last one is `closed`
   */
  constructor(make, tell) {
    this._context = new Context();
    this.#tell = tell;
    this.#slot = this.#engine.open(this);
    try {
      this.native = make(this.#engine.native, this.#slot);
    } catch (error) {
      this.#engine.free(this.#slot);
      throw error;
    }
    this.#keeper = new Keeper(this.#engine);
  }

  /** @private One record, from the engine. Each event may be about another peer, and has a context of its own. */
  onRecord(kind, detail, payload) {
    const lost = kind === Kind.LOST;
    const event = lost ? { type: 'closed' } : JSON.parse(payload);
    if (event.type === 'closed') {
      if (!this.#keeper.close()) return;
      // Where events are missing others may follow, and nobody else gets that slot.
      if (lost) this.native.close(false);
      else this.#engine.free(this.#slot);
    }
    new Context().runInAsyncScope(this.#tell, undefined, event);
  }

  /** Keeps the process alive until the end. */
  ref() {
    this.#keeper.ref();
  }

  unref() {
    this.#keeper.unref();
  }
}

module.exports = { ForwarderHandle };
