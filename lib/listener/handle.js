'use strict';

/**
 * Starts a native listener and receives its records. What the listener is told, it is told through `native`, at any time:
 * one that has ended has nothing left to do.
 */

const { Context } = require('../shared/context');
const { proxiesFor } = require('../engine/environment');
const { NativeHandle } = require('../engine/native-handle');
const { deflateOffer, keepAliveOf, socketLimits } = require('../engine/native-options');
const native = require('../shared/native');
const { OfferRecord } = require('./offer-record');
const { Kind } = require('../engine/records');
const { tlsContext } = require('../engine/tls-context');

class ListenerHandle extends NativeHandle {
  #owner;

  /**
   * Starts a listener.
   *
   * @param {object} config What `NativeListener` takes, with TLS settings as ws has them under `tls`, and the options of
   *     the sockets under `sockets`
   * @param {{context: Context, onOffer: function(OfferRecord): void, onListenerEvent: function(object): void,
   *     onRequestRecord: function(number, number, Buffer): void}} owner
   */
  constructor(config, owner) {
    super(owner.context, (engine, slot) => new native.NativeListener(engine, slot, nativeOptions(config)));
    this.#owner = owner;
  }

  /** @private One record, from the engine. Events come in a context of their own: each may be about another sender. */
  onRecord(kind, detail, payload) {
    // Each exchange is the context of its own records.
    if (kind >= Kind.REQUEST) return this.#owner.onRequestRecord(kind, detail, payload);
    new Context().runInAsyncScope(this.#tell, this, kind, payload);
  }

  #tell(kind, payload) {
    if (kind === Kind.OFFER) return this.#owner.onOffer(new OfferRecord(payload));
    const event = this.readEvent(kind, payload);
    if (event !== undefined) this.#owner.onListenerEvent(event);
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
