'use strict';

/** The JavaScript handle of a native listener: a slot of the engine whose records are the listener's events. */

const { Context } = require('../shared/context');
const { getEngine } = require('../engine/engine');
const { proxiesFor } = require('../engine/environment');
const { deflateOffer, socketLimits } = require('../socket/dial');
const { Kind } = require('../engine/records');
const { tlsContext } = require('../engine/tls-context');

class ListenerHandle {
  #engine = getEngine();
  #slot;
  #owner;
  #referenced = true;
  #closed = false;
  #last = {};

  constructor(config, owner) {
    this._context = owner.context;
    this.#owner = owner;
    const secure = /^(wss|https|sb):/i.test(config.uri);
    const { keepAlive, tls, sockets, ...rest } = config;
    const options = {
      ...rest,
      proxy: proxiesFor(config.proxy),
      keepAlive: keepAlive ? { ...keepAlive, pong: keepAlive.mode === 'pong' } : undefined,
      tls: secure ? tlsContext(tls ?? {}, 'options.tls.') : undefined,
      serverName: tls?.servername,
      limits: socketLimits(sockets),
      deflate: sockets.perMessageDeflate ? deflateOffer(sockets.perMessageDeflate) : undefined
    };
    this.#slot = this.#engine.open(this);
    try {
      this.#engine.native.listen(this.#slot, options);
    } catch (error) {
      this.#engine.free(this.#slot);
      throw error;
    }
    this.#engine.ref();
  }

  /** @private One event, from the engine, in a context of its own: each may be about another sender. */
  onRecord(kind, detail, payload) {
    new Context().runInAsyncScope(this.#tell, this, kind, payload);
  }

  #tell(kind, payload) {
    const lost = kind === Kind.LOST;
    const event = lost ? { type: 'closed' } : JSON.parse(payload);
    if (event.type === 'closed') {
      // Where events are missing, others may follow: nobody else gets that slot.
      if (!this.#closed) this.#leave(!lost);
      else return;
    }
    this.#owner.onListenerEvent(event);
  }

  #leave(free) {
    this.#last = this.stats();
    this.#closed = true;
    this.#engine.native.releaseListener(this.#slot);
    if (free) this.#engine.free(this.#slot);
    if (this.#referenced) this.#engine.unref();
  }

  /** Calls the engine, unless the listener is closed: the slot may be another's then. */
  #call(name, ...args) {
    return this.#closed ? undefined : this.#engine.native[name](this.#slot, ...args);
  }

  /**
   * Dials the rendezvous of an offer.
   *
   * @param {number} offerId
   * @param {import('../socket/socket').RelayedWebSocket} socket Whose slot the connection gets
   * @param {{protocol?: string, headers: string[]}} accept
   * @throws {Error} If the offer is gone or a header line is not one
   */
  accept(offerId, socket, { protocol, headers }) {
    const lines = headers.length > 0 ? headers : undefined;
    if (this.#call('acceptOffer', offerId, socket._slot, protocol, lines)) return;
    throw Object.assign(new Error('The offer has expired'), { code: 'ERR_HYCO_TIMEOUT' });
  }

  reject(offerId, status, reason) {
    this.#call('rejectOffer', offerId, status, reason);
  }

  /** Answers a `host` event: whether its host may be dialled. */
  admitHost(question, admitted) {
    this.#call('admitHost', question, admitted);
  }

  provideToken(token) {
    this.#call('provideToken', String(token));
  }

  failToken(message) {
    this.#call('failToken', message);
  }

  updateToken(token) {
    this.#call('updateToken', token);
  }

  /** Names the delay of an announced retry, in milliseconds. */
  retryIn(delay, channel) {
    this.#call('retryIn', channel, delay);
  }

  /** Takes the channels down; offers that are undecided after `drain` milliseconds are rejected with 503. */
  close(drain = 0) {
    this.#call('closeListener', drain);
  }

  stats() {
    return this.#closed ? this.#last : JSON.parse(this.#call('listenerStats'));
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
}

/**
 * Starts a listener.
 *
 * @param {object} config What `NativeEngine.listen()` takes, with TLS settings as ws has them under `tls`, and the
 *     options of the sockets under `sockets`
 * @param {{context: Context, onListenerEvent: function(object): void}} owner
 * @return {ListenerHandle}
 */
function openListener(config, owner) {
  return new ListenerHandle(config, owner);
}

module.exports = { openListener };
