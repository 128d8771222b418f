'use strict';

/**
 * Starts a native listener and receives its records. What the listener is told, it is told through `native`, at any time:
 * one that has ended has nothing left to do.
 */

const { Context } = require('../shared/context');
const { getEngine } = require('../engine/engine');
const { proxiesFor } = require('../engine/environment');
const { Keeper } = require('../engine/keeper');
const { deflateOffer, keepAliveOf, socketLimits } = require('../engine/native-options');
const native = require('../shared/native');
const { OfferRecord } = require('./offer-record');
const { Kind } = require('../engine/records');
const { tlsContext } = require('../engine/tls-context');

class ListenerHandle {
  #engine = getEngine();
  #slot;
  #owner;
  #keeper;

  /**
   * Starts a listener.
   *
   * @param {object} config What `NativeListener` takes, with TLS settings as ws has them under `tls`, and the options of
   *     the sockets under `sockets`
   * @param {{context: Context, onOffer: function(OfferRecord): void, onListenerEvent: function(object): void,
   *     onRequestRecord: function(number, number, Buffer): void}} owner
   */
  constructor(config, owner) {
    this._context = owner.context;
    this.#owner = owner;
    this.#slot = this.#engine.open(this);
    try {
      this.native = new native.NativeListener(this.#engine.native, this.#slot, nativeOptions(config));
    } catch (error) {
      this.#engine.free(this.#slot);
      throw error;
    }
    this.#keeper = new Keeper(this.#engine);
  }

  /** @private One record, from the engine. Events come in a context of their own: each may be about another sender. */
  onRecord(kind, detail, payload) {
    // Each exchange is the context of its own records.
    if (kind >= Kind.REQUEST) return this.#owner.onRequestRecord(kind, detail, payload);
    new Context().runInAsyncScope(this.#tell, this, kind, payload);
  }

  #tell(kind, payload) {
    if (kind === Kind.OFFER) return this.#owner.onOffer(new OfferRecord(payload));
    const lost = kind === Kind.LOST;
    const event = lost ? { type: 'closed' } : JSON.parse(payload);
    if (event.type === 'closed') {
      if (!this.#keeper.close()) return;
      // Where events are missing, others may follow: the listener has to end, and nobody else gets that slot.
      if (lost) this.native.close(false);
      else this.#engine.free(this.#slot);
    }
    this.#owner.onListenerEvent(event);
  }

  /** Keeps the process alive while the listener is up. */
  ref() {
    this.#keeper.ref();
  }

  unref() {
    this.#keeper.unref();
  }
}

function nativeOptions({ tls, sockets, ...rest }) {
  const secure = /^wss:/i.test(rest.uri);
  return {
    ...rest,
    proxy: proxiesFor(rest.proxy),
    keepAlive: keepAliveOf(rest),
    tls: secure ? tlsContext(tls ?? {}, 'options.tls.') : undefined,
    serverName: tls?.servername,
    limits: socketLimits(sockets),
    deflate: deflateOffer(sockets)
  };
}

module.exports = { ListenerHandle };
