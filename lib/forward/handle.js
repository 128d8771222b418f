'use strict';

const { Context } = require('../shared/context');
const { NativeHandle } = require('../engine/native-handle');

/** Starts a native forwarder and receives its events. */
class ForwarderHandle extends NativeHandle {
  #tell;

  /**
   * @param {function(object, number): object} make Makes the native forwarder, of the native engine and the slot
   * @param {function(object): void} tell Gets each event; the last one is `closed`
   */
  constructor(make, tell) {
    super(new Context(), make);
    this.#tell = tell;
  }

  /** @private One record, from the engine. Each event may be about another peer, and has a context of its own. */
  onRecord(kind, detail, payload) {
    const event = this.readEvent(kind, payload);
    if (event !== undefined) new Context().runInAsyncScope(this.#tell, undefined, event);
  }
}

module.exports = { ForwarderHandle };
