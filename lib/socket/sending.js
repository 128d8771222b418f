'use strict';

/**
 * The sending half of a socket over the native engine: `send()`, `ping()`, `pong()`, `close()` and what they have to
 * wait for. A subclass opens the connection (`_abort()`) and receives.
 */

const WebSocket = require('ws');

const { atCaller, refusal } = require('../shared/caller');
const { nextTick } = require('../shared/clock');
const { Context, bindCallback } = require('../shared/context');
const { getEngine } = require('../engine/engine');
const { NO_BYTES } = require('../engine/outbox');
const { inTurn } = require('./blobs');
const { byteLength, closePayload, isBlob, toBytes } = require('./payload');
const { Frame } = require('../engine/records');
const { SocketFacade } = require('./facade');
const { Mark, NO_EXTENSIONS, NO_TRAITS, Sends } = require('./state');

const { CONNECTING, OPEN, CLOSING, CLOSED } = WebSocket;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
const DEFLATE = 'permessage-deflate';

const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
const CONTROL = Frame.FIN | Frame.MASK;
const WHOLE_TEXT = Opcode.TEXT | Frame.FIN | Frame.MASK;
const WHOLE_BINARY = Opcode.BINARY | Frame.FIN | Frame.MASK;

class SendingSocket extends WebSocket {
  // Out of sight of whatever lists the properties of a socket, for there are tokens in them, and the program's own stores.
  /** What the opening needs, until the socket is open. */
  #opening = null;
  #url;
  #context;

  constructor() {
    super(null, undefined, { autoPong: false });
    this._isServer = false;
    this._extensions = NO_EXTENSIONS;
    this._bufferedAmount = 0;
    this._slot = -1;
    this._context = new Context();
    this._traits = NO_TRAITS;
    this._marks = 0;
    // An idle socket is to be small: what follows is made when it is needed.
    this._facade = null;
    // Records that have to wait: while paused, before an accepted socket's 'open', between two macrotasks.
    this._held = null;
    this._fragments = null;
    this._callbacks = null;
    this._sends = null;
    this._pendingAutoPongs = 0;
    // What is known of the connection when it has closed.
    this._left = null;
  }

  /** The engine, which all sockets share; `undefined` where ws's own engine does the work. */
  get _engine() {
    return this._slot === undefined ? undefined : getEngine();
  }

  get _opening() {
    return #opening in this ? this.#opening : null;
  }

  set _opening(opening) {
    this.#opening = opening;
  }

  get _context() {
    return this.#context;
  }

  set _context(context) {
    this.#context = context;
  }

  get _url() {
    return #url in this ? this.#url : undefined;
  }

  set _url(url) {
    if (#url in this) this.#url = url;
    else this._keep('_url', url);
  }

  get bufferedAmount() {
    const compressing = this._sends === null ? 0 : this._sends.compressing;
    if (this._slot < 0) return this._bufferedAmount + compressing;
    this._engine.flush();
    return Math.max(this._engine.native.bufferedAmount(this._slot), compressing) + this._bufferedAmount;
  }

  /** What programs touch of the network socket behind a WebSocket; `null` until there is one. */
  get _socket() {
    if (!(this._marks & Mark.OPENED)) return null;
    return (this._facade ??= new SocketFacade(this, {
      secure: (this._marks & Mark.SECURE) !== 0,
      ended: (this._marks & Mark.ENDED) !== 0,
      gone: (this._marks & Mark.GONE) !== 0
    }));
  }

  // The base class assigns `null` when it constructs, and Node's socket where its own engine does the work.
  set _socket(socket) {
    if (socket !== null) this._keep('_socket', socket);
  }

  /** Keeps what ws's own engine keeps under a name that is an accessor here. */
  _keep(name, value) {
    Object.defineProperty(this, name, { value, configurable: true, writable: true });
  }

  /** Both ends of the connection, as `local remote`, each `host:port` or empty. */
  get _addresses() {
    return this._left === null ? this._engine.native.addresses(this._slot) : this._left.addresses;
  }

  /**
   * Sends a message.
   *
   * @param {*} data
   * @param {{binary?: boolean, compress?: boolean, fin?: boolean, mask?: boolean}} [options]
   * @param {function(Error=): void} [cb] Called when the kernel has the bytes
   */
  send(data, options, cb) {
    // The usual is apart, so that V8 optimizes it with what it calls: a whole message, masked, not compressed, and nobody
    // waits for it.
    if (
      options === undefined &&
      cb === undefined &&
      this._readyState === OPEN &&
      this._sends === null &&
      this._traits.generateMask === undefined
    ) {
      if (typeof data === 'string') {
        this._engine.send(this._slot, WHOLE_TEXT, data);
        return;
      }
      if (data instanceof Uint8Array && data.length > 0) {
        this._engine.send(this._slot, WHOLE_BINARY, data);
        return;
      }
    }
    this._sendAny(data, options, cb);
  }

  _sendAny(data, options, cb) {
    if (this._readyState === CONNECTING) throw atCaller(refusal(notOpen(this)), SendingSocket.prototype.send);
    if (typeof options === 'function') {
      cb = options;
      options = undefined;
    }
    if (typeof data === 'number') data = data.toString();
    if (this._readyState !== OPEN) return this._sendAfterClose(data, cb);
    cb = bindCallback(cb);

    const settings = { binary: typeof data !== 'string', mask: true, compress: true, fin: true, ...options };
    if (this._extensions[DEFLATE] === undefined) settings.compress = false;
    this._sendWith(data || NO_BYTES, settings, cb);
  }

  /**
   * Sends a ping.
   *
   * @param {*} [data] At most 125 bytes
   * @param {boolean} [mask=true]
   * @param {function(Error=): void} [cb]
   */
  ping(data, mask, cb) {
    this._control(Opcode.PING, data, mask, cb);
  }

  /**
   * Sends a pong.
   *
   * @param {*} [data] At most 125 bytes
   * @param {boolean} [mask=true]
   * @param {function(Error=): void} [cb]
   */
  pong(data, mask, cb) {
    this._control(Opcode.PONG, data, mask, cb);
  }

  /**
   * Starts the closing handshake.
   *
   * @param {number} [code]
   * @param {string|Uint8Array} [reason] At most 123 bytes
   */
  close(code, reason) {
    switch (this._readyState) {
      case CLOSED:
        return;
      case CONNECTING:
        return this._abort('WebSocket was closed before the connection was established');
      case CLOSING:
        return this._finishClosing();
    }
    const payload = closePayload(code, reason);
    let late = false;
    inTurn(this, payload, () => {
      this._frame(Opcode.CLOSE | CONTROL, payload);
      this._marks |= Mark.CLOSE_QUEUED;
      if (late) this._finishClosing();
    });
    late = true;
    this._readyState = CLOSING;
    this._engine.closing(this._slot, this._closeTimeout, this._hasFinished());
  }

  /** Drops the connection without a closing handshake. */
  terminate() {
    if (this._readyState === CLOSED) return;
    if (this._readyState === CONNECTING) {
      return this._abort('WebSocket was closed before the connection was established');
    }
    this._readyState = CLOSING;
    this._marks |= Mark.TERMINATED;
    this._engine.flush();
    this._engine.native.terminate(this._slot);
  }

  emitClose() {
    this._readyState = CLOSED;
    this._traits.owner?.closed(this);
    // ws keeps one empty reason for all sockets: programs get their own.
    this.emit('close', this._closeCode, this._closeMessage.length > 0 ? this._closeMessage : Buffer.alloc(0));
  }

  /**
   * Hands one frame to the engine, and remembers then what is to become of it: masks of the program's and data that
   * cannot be read throw, and nothing has happened.
   */
  _frame(meta, data, cb) {
    const compressed = (meta & Frame.COMPRESS) !== 0;
    const awaited = compressed || typeof cb === 'function';
    if (awaited) meta |= Frame.RECEIPT;
    const length = compressed ? byteLength(data) : 0;
    if (this._traits.generateMask !== undefined && meta & Frame.MASK) {
      const key = Buffer.alloc(4);
      this._traits.generateMask(key);
      this._engine.sendKeyed(this._slot, meta, data, key.readUInt32BE(0));
    } else {
      this._engine.send(this._slot, meta, data);
    }
    if (awaited) (this._callbacks ??= []).push(compressed ? this._countCompressing(length, cb) : cb);
  }

  /** What was lost in the compressor stays in `bufferedAmount`, as in ws. */
  _countCompressing(length, cb) {
    const sends = this._sends;
    sends.compressing += length;
    return (error) => {
      if (!error) sends.compressing -= length;
      if (typeof cb === 'function') cb(error);
    };
  }

  _sendWith(data, settings, cb) {
    const blob = isBlob(data);
    const bytes = blob || typeof data === 'string' ? data : toBytes(data);
    let { compress } = settings;
    let opcode = settings.binary ? Opcode.BINARY : Opcode.TEXT;
    let rsv1 = compress;
    if (compress || !settings.fin) this._sends ??= new Sends();
    const sends = this._sends;
    if (sends !== null && !sends.fresh) {
      compress = sends.compress;
      rsv1 = false;
      opcode = Opcode.CONTINUATION;
    } else if (sends !== null) {
      if (compress && sends.forgets) rsv1 = byteLength(bytes) >= this._traits.threshold;
      compress = rsv1;
    }

    let meta = opcode;
    if (settings.fin) meta |= Frame.FIN;
    if (settings.mask) meta |= Frame.MASK;
    if (compress) meta |= Frame.COMPRESS;
    if (rsv1) meta |= Frame.RSV1;
    inTurn(this, bytes, (payload) => this._frame(meta, payload, cb), cb);
    if (sends === null) return;
    sends.compress = compress;
    sends.fresh = Boolean(settings.fin);
  }

  _control(opcode, data, mask, cb) {
    if (this._readyState === CONNECTING) throw refusal(notOpen(this));
    if (typeof data === 'function') {
      cb = data;
      data = mask = undefined;
    } else if (typeof mask === 'function') {
      cb = mask;
      mask = undefined;
    }
    if (typeof data === 'number') data = data.toString();
    if (this._readyState !== OPEN) return this._sendAfterClose(data, cb);
    cb = bindCallback(cb);

    const payload = typeof data === 'string' || isBlob(data) ? data : toBytes(data || NO_BYTES);
    if (byteLength(payload) > 125) {
      throw refusal(new RangeError('The data size must not be greater than 125 bytes'));
    }
    const meta = opcode | Frame.FIN | (mask === undefined || mask ? Frame.MASK : 0);
    inTurn(this, payload, (bytes) => this._frame(meta, bytes, cb), cb);
  }

  _sendAfterClose(data, cb) {
    if (data) this._bufferedAmount += isBlob(data) ? data.size : toBytes(data).length;
    if (cb) nextTick(cb, notOpen(this));
  }

  /** A socket has one error at most. */
  _emitError(error) {
    if (this._errorEmitted) return;
    this._errorEmitted = true;
    this.emit('error', error);
  }

  /** Whether both close frames have gone, or ours after a protocol error. */
  _hasFinished() {
    if (!(this._marks & Mark.CLOSE_QUEUED)) return false;
    return this._closeFrameReceived || (this._marks & Mark.PROTOCOL_ERROR) !== 0;
  }

  /** Ends our side once it has nothing more to say. */
  _finishClosing() {
    if (this._hasFinished()) this._engine.end(this._slot);
  }

  /** Ends our side of the connection without a close frame, as `_socket.end()` does. */
  _endWriting() {
    if (this._slot >= 0) this._engine.end(this._slot);
  }

  /** Whether this socket keeps the process alive. */
  get _isReferenced() {
    return !(this._marks & Mark.UNREFERENCED);
  }

  _reference(wanted) {
    if (this._isReferenced === wanted) return;
    this._marks ^= Mark.UNREFERENCED;
    if (this._slot < 0) return;
    if (wanted) this._engine.ref();
    else this._engine.unref();
  }
}

function notOpen(socket) {
  const state = socket._readyState;
  return new Error(`WebSocket is not open: readyState ${state} (${STATES[state]})`);
}

module.exports = { DEFLATE, SendingSocket };
