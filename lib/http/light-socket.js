'use strict';

/**
 * The socket under `IncomingMessage` and `ServerResponse` of Node: as much of one as these use, without a connection of its
 * own. A whole `Duplex` would cost as much as both.
 */

const { SenderSocket } = require('./sender-socket');
const { nextTick } = require('../shared/clock');
const { showOnly } = require('../shared/shown');

const kExchange = Symbol('hyco-ws-rs.exchange');

/** `end()` of a response writes to it, and nobody reads it. */
const WRITABLE_STATE = { corked: 0 };

/** Bytes of a body that wait for the program before reading stops. */
const READABLE_HIGH_WATER = 256 * 1024;

class LightSocket extends SenderSocket {
  /**
   * @param {import('./exchange').Exchange} exchange
   * @param {import('./request-record').RequestRecord} record
   * @param {object} [server] The `http.Server` that the request goes to
   */
  constructor(exchange, record, server) {
    super(record.remoteAddress, record.port, record.secure);
    this.readable = this.writable = true;
    this.server = server;
    this[kExchange] = exchange;
    /** Node's own names. */
    this._httpMessage = null;
    this._writableState = WRITABLE_STATE;
    this._hadError = false;
    this._paused = false;
  }

  /** Always: otherwise Node would cork it for each write, and uncork it in the next tick. */
  get writableCorked() {
    return 1;
  }

  cork() {}

  uncork() {}

  get readableHighWaterMark() {
    return READABLE_HIGH_WATER;
  }

  get writableHighWaterMark() {
    return this[kExchange].answer.highWaterMark;
  }

  get writableLength() {
    return this[kExchange].answer.pending;
  }

  write(chunk, encoding, callback) {
    if (typeof encoding === 'function') [encoding, callback] = [undefined, encoding];
    return this[kExchange].answer.write(this._httpMessage, chunk, encoding, callback);
  }

  /** Node's request wants more of its body. */
  resume() {
    this[kExchange].resume();
    return this;
  }

  pause() {
    this[kExchange].pause();
    return this;
  }

  end() {
    return this.destroy();
  }

  destroySoon() {
    return this.destroy();
  }

  /** Gives the exchange up, if it is still under way. */
  destroy(error) {
    if (this.destroyed) return this;
    this._hadError = Boolean(error);
    this.close();
    this[kExchange].abandon();
    return this;
  }

  /** There is nothing left to be done with it. */
  close() {
    if (this.destroyed) return;
    this.destroyed = true;
    this.readable = this.writable = false;
    nextTick(emitClose, this);
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

function emitClose(socket) {
  socket.emit('close', socket._hadError);
}

showOnly(LightSocket.prototype, ({ remoteAddress, remotePort, encrypted, destroyed }) => ({
  remoteAddress,
  remotePort,
  encrypted,
  destroyed
}));

module.exports = { LightSocket, kExchange };
