'use strict';

/** The JavaScript handle of a native listener: a slot of the engine whose records are the listener's events. */

const { getEngine } = require('./engine');
const { deflateOffer, socketLimits } = require('./opening');
const { tlsContext } = require('./tls-context');

class ListenerHandle {
  #engine = getEngine();
  #slot;
  #owner;
  #referenced = true;
  #closed = false;
  #last = {};

  constructor(config, owner) {
    this.#owner = owner;
    const secure = /^(wss|https|sb):/i.test(config.uri);
    const { keepAlive, tls, sockets, ...rest } = config;
    const options = {
      ...rest,
      proxy: config.proxy ?? undefined,
      keepAlive: keepAlive ? { ...keepAlive, pong: keepAlive.mode === 'pong' } : undefined,
      tls: secure ? tlsContext(tls ?? {}) : undefined,
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

  /** @private One event, from the engine. */
  onRecord(kind, detail, payload) {
    const event = JSON.parse(payload);
    if (event.type === 'closed') {
      this.#last = this.stats();
      this.#closed = true;
      this.#engine.native.releaseListener(this.#slot);
      this.#engine.free(this.#slot);
      if (this.#referenced) this.#engine.unref();
    }
    this.#owner.onListenerEvent(event);
  }

  /**
   * Dials the rendezvous of an offer.
   *
   * @param {number} offerId
   * @param {import('./relayed-socket').RelayedWebSocket} socket Whose slot the connection gets
   * @param {{protocol?: string, headers: string[]}} accept
   * @throws {Error} If the offer is gone or a header line is not one
   */
  accept(offerId, socket, { protocol, headers }) {
    const lines = headers.length > 0 ? headers : undefined;
    if (this.#engine.native.acceptOffer(this.#slot, offerId, socket._slot, protocol, lines)) return;
    throw Object.assign(new Error('The offer has expired'), { code: 'ERR_HYCO_TIMEOUT' });
  }

  reject(offerId, status, reason) {
    this.#engine.native.rejectOffer(this.#slot, offerId, status, reason);
  }

  /** Forgets an offer without a word to the relay. */
  drop(offerId) {
    this.#engine.native.discardOffer(this.#slot, offerId);
  }

  provideToken(token) {
    this.#engine.native.provideToken(this.#slot, String(token));
  }

  failToken(message) {
    this.#engine.native.failToken(this.#slot, message);
  }

  updateToken(token) {
    this.#engine.native.updateToken(this.#slot, token);
  }

  /** Names the delay of an announced retry, in milliseconds. */
  retryIn(delay, channel) {
    this.#engine.native.retryIn(this.#slot, channel, delay);
  }

  /** Takes the channels down; offers that are undecided after `drain` milliseconds are rejected with 503. */
  close(drain = 0) {
    this.#engine.native.closeListener(this.#slot, drain);
  }

  stats() {
    return this.#closed ? this.#last : JSON.parse(this.#engine.native.listenerStats(this.#slot));
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
 * @param {{onListenerEvent: function(object): void}} owner
 * @return {ListenerHandle}
 */
function openListener(config, owner) {
  return new ListenerHandle(config, owner);
}

module.exports = { openListener };
