'use strict';

/**
 * The socket under `IncomingMessage` and `ServerResponse` of Node: as much of one as these use, without a connection of its
 * own. A whole `Duplex` would cost as much as both.
 */

const { SenderSocket } = require('./sender-socket');
const { clearTimeout, nextTick, setTimeout } = require('../shared/clock');
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
    this._idle = undefined;
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
    this.touch();
    return this[kExchange].answer.write(chunk, encoding, callback);
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
    if (this._idle !== undefined) clearTimeout(this._idle);
    nextTick(emitClose, this);
  }

  /** `timeout`, after so many milliseconds in which nothing comes or goes. */
  setTimeout(time, callback) {
    clearTimeout(this._idle);
    this._idle = undefined;
    if (time > 0 && !this.destroyed) this._idle = setTimeout(tellIdle, time, this).unref?.();
    if (typeof callback === 'function') this[time > 0 ? 'once' : 'off']('timeout', callback);
    return this;
  }

  /** Something comes or goes. */
  touch() {
    if (this._idle !== undefined) this._idle.refresh();
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }
}

/** As Node's server does: who does not handle it loses the connection. */
function tellIdle(socket) {
  const { req, res } = socket[kExchange];
  const handled = [
    !req.complete && req.emit('timeout', socket),
    res.emit('timeout', socket),
    socket.emit('timeout'),
    socket.server?.emit('timeout', socket)
  ];
  if (!handled.includes(true)) socket.destroy();
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
