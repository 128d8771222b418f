'use strict';

/**
 * The sending half of a socket over the native engine: `send()`, `ping()`, `pong()`, `close()` and what they have to
 * wait for. A subclass opens the connection (`_abort()`) and receives.
 */

const WebSocket = require('ws');

const { callAll } = require('./callbacks');
const { Frame, NO_BYTES, getEngine } = require('./engine');
const { closePayload, isBlob, toBytes } = require('./payload');
const { SocketFacade } = require('./socket-facade');

const { CONNECTING, OPEN, CLOSING, CLOSED } = WebSocket;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
const DEFLATE = 'permessage-deflate';

const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
const CONTROL = Frame.FIN | Frame.MASK;
const WHOLE_TEXT = Opcode.TEXT | Frame.FIN | Frame.MASK;
const WHOLE_BINARY = Opcode.BINARY | Frame.FIN | Frame.MASK;

class SendingSocket extends WebSocket {
  /**
   * @param {Array} [nodeArguments] What ws's own engine is to be constructed with, where it has to do the work
   */
  constructor(nodeArguments) {
    if (nodeArguments !== undefined) {
      super(...nodeArguments);
      return;
    }
    super(null, undefined, { autoPong: false });
    this._isServer = false;
    this._bufferedAmount = 0;
    this._redirects = 0;
    this._slot = -1;
    this._engine = getEngine();
    this._facade = null;
    // What is known of the connection once it is open.
    this._connection = null;
    this._referenced = true;

    // Records that have to wait: while paused, before an accepted socket's 'open', between two macrotasks.
    this._held = null;
    this._stalled = false;
    this._fragments = null;
    this._callbacks = [];
    // Sends that wait for a blob to be read.
    this._sending = null;
    this._firstFragment = true;
    this._compress = false;
    // Without context take-over, small messages are not worth compressing.
    this._forgets = false;
    // Bytes of messages that went to the compressor and have not been reported as sent: like callbacks, they must not
    // depend on how fast another thread is.
    this._compressing = 0;
    this._pendingAutoPongs = 0;
    this._protocolError = false;
    this._closeQueued = false;
    this._terminated = false;
    this._exchange = null;
    this._accept = undefined;
    // Who has accepted the connection.
    this._owner = undefined;
    this._request = undefined;
    this._lookAlike = undefined;
    // What the connection had carried when it closed.
    this._lastTally = undefined;
  }

  get bufferedAmount() {
    if (this._engine === undefined) return super.bufferedAmount;
    if (this._slot < 0) return this._bufferedAmount + this._compressing;
    this._engine.flush();
    return Math.max(this._engine.native.bufferedAmount(this._slot), this._compressing) + this._bufferedAmount;
  }

  /** What programs touch of the network socket behind a WebSocket; `null` until there is one. */
  get _socket() {
    if (this._engine === undefined) return this._nodeSocket;
    if (this._connection === null) return null;
    return (this._facade ??= new SocketFacade(this, this._connection));
  }

  // The base class assigns it: `null` when it constructs, and Node's socket where it is the engine.
  set _socket(socket) {
    this._nodeSocket = socket;
  }

  /**
   * Sends a message.
   *
   * @param {*} data
   * @param {{binary?: boolean, compress?: boolean, fin?: boolean, mask?: boolean}} [options]
   * @param {function(Error=): void} [cb] Called when the kernel has the bytes
   */
  send(data, options, cb) {
    if (this._engine === undefined) return super.send(data, options, cb);
    if (this._readyState === CONNECTING) throw notOpen(this);
    if (typeof options === 'function') {
      cb = options;
      options = undefined;
    }
    if (typeof data === 'number') data = data.toString();
    if (this._readyState !== OPEN) return this._sendAfterClose(data, cb);

    if (
      options === undefined &&
      this._firstFragment &&
      this._sending === null &&
      this._extensions[DEFLATE] === undefined &&
      this._generateMask === undefined
    ) {
      // The common case: a whole message, masked, not compressed.
      if (typeof data === 'string') this._frame(WHOLE_TEXT, data, cb);
      else if (data instanceof Uint8Array) this._frame(WHOLE_BINARY, data, cb);
      else if (!isBlob(data)) this._frame(WHOLE_BINARY, data ? toBytes(data) : NO_BYTES, cb);
      else this._sendWith(data, { binary: true, compress: false, fin: true, mask: true }, cb);
      return;
    }

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
    if (this._engine === undefined) return super.ping(data, mask, cb);
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
    if (this._engine === undefined) return super.pong(data, mask, cb);
    this._control(Opcode.PONG, data, mask, cb);
  }

  /**
   * Starts the closing handshake.
   *
   * @param {number} [code]
   * @param {string|Uint8Array} [reason] At most 123 bytes
   */
  close(code, reason) {
    if (this._engine === undefined) return super.close(code, reason);
    switch (this._readyState) {
      case CLOSED:
        return;
      case CONNECTING:
        return this._abort('WebSocket was closed before the connection was established');
      case CLOSING:
        return this._finishClosing();
    }
    const payload = closePayload(code, reason);
    this._readyState = CLOSING;
    this._enqueue(payload, () => {
      this._closeQueued = true;
      this._frame(Opcode.CLOSE | CONTROL, payload);
      this._finishClosing();
    });
    // Behind the frame: a limit of nearly nothing must not overtake it.
    this._engine.flush();
    this._engine.native.closeWithin(this._slot, this._closeTimeout);
  }

  /** Drops the connection without a closing handshake. */
  terminate() {
    if (this._engine === undefined) return super.terminate();
    if (this._readyState === CLOSED) return;
    if (this._readyState === CONNECTING) {
      return this._abort('WebSocket was closed before the connection was established');
    }
    this._readyState = CLOSING;
    this._terminated = true;
    this._engine.flush();
    this._engine.native.terminate(this._slot);
  }

  emitClose() {
    if (this._engine === undefined) return super.emitClose();
    this._readyState = CLOSED;
    this._owner?.closed(this);
    this.emit('close', this._closeCode, this._closeMessage);
  }

  /** Puts one frame into the outbox. */
  _frame(meta, data, cb) {
    if (meta & Frame.COMPRESS) cb = this._countCompressing(byteLength(data), cb);
    if (typeof cb === 'function') {
      meta |= Frame.RECEIPT;
      this._callbacks.push(cb);
    }
    if (this._generateMask !== undefined && meta & Frame.MASK) {
      const key = Buffer.alloc(4);
      this._generateMask(key);
      this._engine.flush();
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      this._engine.native.sendKeyed(this._slot, meta, bytes, key.readUInt32BE(0));
      return;
    }
    this._engine.send(this._slot, meta, data);
  }

  /** What was lost in the compressor stays in `bufferedAmount`, as in ws. */
  _countCompressing(length, cb) {
    this._compressing += length;
    return (error) => {
      if (!error) this._compressing -= length;
      if (typeof cb === 'function') cb(error);
    };
  }

  _sendWith(data, settings, cb) {
    const blob = isBlob(data);
    const bytes = blob || typeof data === 'string' ? data : toBytes(data);
    let { compress } = settings;
    let opcode = settings.binary ? Opcode.BINARY : Opcode.TEXT;
    let rsv1 = compress;
    if (this._firstFragment) {
      this._firstFragment = false;
      if (compress && this._forgets) {
        rsv1 = byteLength(bytes) >= this._threshold;
      }
      this._compress = compress = rsv1;
    } else {
      compress = this._compress;
      rsv1 = false;
      opcode = Opcode.CONTINUATION;
    }
    if (settings.fin) this._firstFragment = true;

    let meta = opcode;
    if (settings.fin) meta |= Frame.FIN;
    if (settings.mask) meta |= Frame.MASK;
    if (compress) meta |= Frame.COMPRESS;
    if (rsv1) meta |= Frame.RSV1;
    this._enqueue(bytes, (payload) => this._frame(meta, payload, cb), cb);
  }

  _control(opcode, data, mask, cb) {
    if (this._readyState === CONNECTING) throw notOpen(this);
    if (typeof data === 'function') {
      cb = data;
      data = mask = undefined;
    } else if (typeof mask === 'function') {
      cb = mask;
      mask = undefined;
    }
    if (typeof data === 'number') data = data.toString();
    if (this._readyState !== OPEN) return this._sendAfterClose(data, cb);

    const payload = typeof data === 'string' || isBlob(data) ? data : toBytes(data || NO_BYTES);
    if (byteLength(payload) > 125) {
      throw new RangeError('The data size must not be greater than 125 bytes');
    }
    const meta = opcode | Frame.FIN | (mask === undefined || mask ? Frame.MASK : 0);
    this._enqueue(payload, (bytes) => this._frame(meta, bytes, cb), cb);
  }

  /** Calls `write` with the payload: now, or behind the blobs that are still being read. */
  _enqueue(payload, write, cb) {
    const blob = isBlob(payload);
    if (this._sending === null && !blob) return write(payload);
    // The caller may reuse its buffer at once, so what has to wait is copied.
    if (!blob && typeof payload !== 'string') payload = Buffer.from(payload);
    this._bufferedAmount += byteLength(payload);
    const idle = this._sending === null;
    this._sending ??= [];
    this._sending.push({ payload, write, cb });
    if (idle) this._sendNext();
  }

  _sendNext() {
    while (this._sending !== null) {
      const next = this._sending[0];
      if (next === undefined) {
        this._sending = null;
        return;
      }
      if (isBlob(next.payload)) {
        next.payload.arrayBuffer().then(
          (content) => process.nextTick(blobRead, this, next, Buffer.from(content)),
          (error) => process.nextTick(blobFailed, this, error)
        );
        return;
      }
      this._sending.shift();
      this._bufferedAmount -= byteLength(next.payload);
      next.write(next.payload);
    }
  }

  _sendAfterClose(data, cb) {
    if (data) this._bufferedAmount += isBlob(data) ? data.size : toBytes(data).length;
    if (cb) process.nextTick(cb, notOpen(this));
  }

  /** Ends our side once both close frames have gone, or ours after a protocol error. */
  _finishClosing() {
    if (this._closeQueued && (this._closeFrameReceived || this._protocolError)) {
      this._engine.flush();
      this._engine.native.shutdown(this._slot);
    }
  }

  /** Ends our side of the connection without a close frame, as `_socket.end()` does. */
  _endWriting() {
    this._engine.flush();
    if (this._slot >= 0) this._engine.native.shutdown(this._slot);
  }

  /** Whether this socket keeps the process alive. */
  _reference(wanted) {
    if (this._referenced === wanted) return;
    this._referenced = wanted;
    if (this._slot < 0) return;
    if (wanted) this._engine.ref();
    else this._engine.unref();
  }
}

/** As ws's accessor: enumerable on the prototype. */
Object.defineProperty(SendingSocket.prototype, 'bufferedAmount', { enumerable: true });

function blobRead(socket, entry, bytes) {
  if (socket._slot < 0 || socket._terminated) {
    return failSending(socket, () => new Error('The socket was closed while the blob was being read'));
  }
  socket._bufferedAmount += bytes.length - entry.payload.size;
  entry.payload = bytes;
  socket._sendNext();
}

function blobFailed(socket, error) {
  failSending(socket, () => error);
  if (socket._readyState === CLOSED) return;
  if (socket._readyState === OPEN) {
    socket._readyState = CLOSING;
    socket._engine.native.closeWithin(socket._slot, socket._closeTimeout);
  }
  socket._endWriting();
  if (socket._errorEmitted) return;
  socket._errorEmitted = true;
  socket.emit('error', error);
}

/** Gives up what waits for a blob, and behind it. */
function failSending(socket, makeError) {
  const waiting = socket._sending.map(({ cb }) => cb);
  socket._sending = null;
  callAll(waiting, makeError);
}

function notOpen(socket) {
  const state = socket._readyState;
  return new Error(`WebSocket is not open: readyState ${state} (${STATES[state]})`);
}

function byteLength(data) {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : data.length;
}

module.exports = { DEFLATE, SendingSocket };
