'use strict';

/**
 * The socket class of relayed connections, and a general WebSocket client: ws's `WebSocket` in all that a program can
 * see, with its bytes handled by the native engine. The life of a socket is kept here, as ws keeps it in JavaScript
 * too, because it depends on what user code does between two messages.
 */

const WebSocket = require('ws');

const { addAsyncDispose } = require('./abort');
const { Frame, Kind, NO_BYTES, getEngine } = require('./engine');
const { fromReport, systemError } = require('./errors');
const { closePayload, isBlob, toBytes } = require('./payload');
const { prepareRequest, prepareRedirect } = require('./opening');
const { createRequest, createResponse } = require('./response');
const { SocketFacade } = require('./socket-facade');

const { CONNECTING, OPEN, CLOSING, CLOSED } = WebSocket;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
const DEFLATE = 'permessage-deflate';

const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
const CONTROL = Frame.FIN | Frame.MASK;
const WHOLE_TEXT = Opcode.TEXT | Frame.FIN | Frame.MASK;
const WHOLE_BINARY = Opcode.BINARY | Frame.FIN | Frame.MASK;

/** What a connection broke of, as `Closed` records number it. */
const CAUSES = [undefined, 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'];
const CLOSED_COMPRESSING = 'The socket was closed while data was being compressed';
const NODE_OPTIONS = ['agent', 'createConnection', 'finishRequest', 'lookup'];

/** Marks the construction of a socket for a connection that the listener accepts. */
const ACCEPTED = Symbol('accepted');

/** Takes the records of a slot whose socket has gone on without it. */
const NOBODY = { onRecord() {} };

class RelayedWebSocket extends WebSocket {
  /**
   * Opens a connection, as `new WebSocket()` of ws does.
   *
   * @param {string|URL} address `ws:`, `wss:`, `http:` or `https:`
   * @param {string|string[]|object} [protocols] Subprotocols, or the options
   * @param {object} [options] The client options of ws, and those of this package
   * @throws {SyntaxError} for an address or a subprotocol that is not valid
   */
  constructor(address, protocols, options) {
    if (needsNodeSocket(address, protocols, options)) {
      super(address, protocols, options);
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
    this._request = undefined;
    this._lookAlike = undefined;

    if (address === ACCEPTED) this._adopt(protocols);
    else this._connect(address, protocols, options);
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

  /** The request of the opening handshake, while there is one; ws keeps it under this name. */
  get _req() {
    if (this._engine === undefined) return this._nodeRequest;
    if (this._readyState !== CONNECTING || this._request === undefined) return null;
    return (this._lookAlike ??= createRequest(this, this._request));
  }

  set _req(request) {
    this._nodeRequest = request;
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

  /** Stops `message`, `ping`, `pong` and `close`; TCP pushes back to the sender. */
  pause() {
    if (this._engine === undefined) return super.pause();
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    this._paused = true;
    this._held ??= [];
    this._engine.native.pause(this._slot);
  }

  /** Goes on after `pause()`. */
  resume() {
    if (this._engine === undefined) return super.resume();
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    this._paused = this._stalled = false;
    this._engine.native.resume(this._slot);
    // As from a stream, what has been held comes with the next tick.
    process.nextTick(releaseHeld, this);
  }

  emitClose() {
    if (this._engine === undefined) return super.emitClose();
    this._readyState = CLOSED;
    this.emit('close', this._closeCode, this._closeMessage);
  }

  // --- opening -----------------------------------------------------------------------------------------------------

  _connect(address, protocols, options) {
    const request = prepareRequest(this, address, protocols, options);
    if (request !== null) this._dial(request);
  }

  _dial(request) {
    this._applyOptions(request.options);
    this._request = request;
    if (request.failure !== undefined) return this._abort(request.failure);
    this._slot = this._engine.open(this);
    if (this._referenced) this._engine.ref();
    try {
      this._engine.native.dial(this._slot, request.dial);
    } catch (error) {
      // The options did not make it across; nobody else will free the slot.
      this._dropSlot();
      throw error;
    }
  }

  _applyOptions(options) {
    this._closeTimeout = options.closeTimeout;
    this._autoPong = options.autoPong;
    this._maxPendingAutoPongs = options.maxPendingAutoPongs | 0;
    this._textAsString = options.textMessages === 'string';
    this._generateMask = options.generateMask;
    this._threshold = options.perMessageDeflate?.threshold ?? 1024;
    this._oneATurn = !options.allowSynchronousEvents;
  }

  /** Takes the place of a connection that the listener is accepting; see `acceptSocket()`. */
  _adopt(accept) {
    this._applyOptions(accept.options);
    this._accept = accept;
    this._url = accept.address;
    this._slot = this._engine.open(this);
    this._engine.ref();
  }

  _dropSlot() {
    this._engine.free(this._slot);
    this._slot = -1;
    if (this._referenced) this._engine.unref();
  }

  _onOpen(report) {
    const { response } = report;
    if (this.listenerCount('upgrade') > 0) {
      this.emit('upgrade', createResponse(response));
      // The user may have closed the connection in the listener.
      if (this._readyState !== CONNECTING) return;
    }
    if (report.protocol) this._protocol = report.protocol;
    if (report.extensions) {
      this._extensions = { [DEFLATE]: report.extensions };
      this._forgets = report.forgets;
    }
    const { local, remote, secure } = report;
    this._connection = { local, remote, secure, ended: false, gone: false };
    // A socket lives long, and its request has served.
    this._request = this._lookAlike = undefined;
    this._readyState = OPEN;
    if (this._accept === undefined) {
      this.emit('open');
      return;
    }
    // Code written for ws uses the socket at once, code written for hyco-ws waits for 'open': messages wait for both.
    this._held = [];
    try {
      this._accept.onOpen(this, response);
    } finally {
      // A listener of 'connection' that throws must not hold the records, close included, for ever.
      process.nextTick(openAccepted, this);
    }
  }

  _onFailed(report) {
    if (this._readyState !== CONNECTING) return;
    if (report.handshake === undefined) {
      this._fail(this._isRelayed() ? fromReport(report.error) : plainError(report.error));
      return;
    }
    if (this.listenerCount('upgrade') > 0) {
      this.emit('upgrade', createResponse(report.response));
      if (this._readyState !== CONNECTING) return;
    }
    this._abort(report.handshake);
  }

  _isRelayed() {
    return this._accept !== undefined || this._request.options.relay === true;
  }

  _onResponse(report) {
    if (this._readyState !== CONNECTING) return;
    const { status } = report.response;
    if (this._accept !== undefined) {
      this._engine.native.terminate(this._slot);
      return this._fail(fromReport(report.error));
    }
    const location = this._request.options.followRedirects && redirectTarget(report.response);
    if (location) return this._redirect(location);

    if (this.listenerCount('unexpected-response') === 0) {
      this._engine.native.terminate(this._slot);
      const error = this._isRelayed()
        ? fromReport(report.error)
        : new Error(`Unexpected server response: ${status}`);
      return this._abort(error);
    }
    const response = createResponse(report.response, {
      read: () => this._slot >= 0 && this._engine.native.resume(this._slot),
      stall: () => this._slot >= 0 && this._engine.native.pause(this._slot),
      destroy: () => this._slot >= 0 && this._engine.native.terminate(this._slot)
    });
    this._exchange = response;
    this._engine.native.readBody(this._slot);
    this.emit('unexpected-response', this._req, response);
  }

  _redirect(location) {
    this._abandonSlot();
    if (++this._redirects > this._request.options.maxRedirects) {
      return this._abort(new Error('Maximum redirects exceeded'));
    }
    const request = prepareRedirect(this, this._request, location);
    if (request === null) return;
    this._request = request;
    this._lookAlike = undefined;
    const lookAlike = this._req;
    process.nextTick(() => lookAlike.emit('socket', this._nodeSocket));
    this.emit('redirect', this.url, lookAlike);
    if (this._readyState === CONNECTING && !lookAlike.destroyed) this._dial(request);
  }

  _abandonSlot() {
    const slot = this._slot;
    this._engine.owners[slot] = NOBODY;
    this._engine.native.terminate(slot);
    this._slot = -1;
    if (this._referenced) this._engine.unref();
  }

  /** Gives up the attempt to connect: `error` and `close` follow with the next tick. */
  _abort(reason) {
    this._readyState = CLOSING;
    const error = typeof reason === 'string' ? new Error(reason) : reason;
    if (this._slot >= 0) this._engine.native.terminate(this._slot);
    process.nextTick(failSocket, this, error);
  }

  /** Gives up the attempt to connect with `error`, whoever dials. */
  _abandon(error) {
    if (this._engine !== undefined) this._abort(error);
    else this._nodeRequest?.destroy(error);
  }

  /** `request.destroy()` of an unexpected response or a redirect, or `request.abort()`: that one is no error. */
  _giveUp(error) {
    if (this._readyState !== CONNECTING) return;
    if (this._exchange !== null) {
      // The answer is there already: only its body is given up, and what becomes of the socket is the user's.
      this._exchange._dump();
      if (this._slot >= 0) this._engine.native.terminate(this._slot);
      return;
    }
    if (error !== null) this._abort(error);
    else if (this._slot >= 0) this._engine.native.terminate(this._slot);
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

  _fail(error) {
    this._readyState = CLOSING;
    this._errorEmitted = true;
    if (this._accept !== undefined) {
      this._readyState = CLOSED;
      this._accept.onFail(error);
      return;
    }
    this.emit('error', error);
    this.emitClose();
  }

  // --- sending -----------------------------------------------------------------------------------------------------

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

  // --- receiving ---------------------------------------------------------------------------------------------------

  /** One record from the engine. */
  onRecord(kind, detail, payload) {
    if (kind <= Kind.BINARY && this._held === null && !this._oneATurn) {
      this._onMessage(kind, payload);
      return;
    }
    if (kind === Kind.CLOSED) this._leaveSlot(payload);
    if (this._held !== null && kind !== Kind.SENT && kind !== Kind.SHUT) {
      // The end of the connection is seen at once where only the messages before it have to wait for their turn.
      if (kind === Kind.END && this._oneATurn && !this._paused) this._onEnd();
      this._held.push(kind, detail, payload);
      if (this._oneATurn && !this._stalled && this._slot >= 0) {
        // They come faster than one a turn is handled: no more of them for now.
        this._stalled = true;
        this._engine.native.pause(this._slot);
      }
      if (kind === Kind.CLOSED && this._paused) setImmediate(releaseHeld, this);
      return;
    }
    this._handle(kind, detail, payload);
    if (this._oneATurn && kind <= Kind.PONG) {
      this._held ??= [];
      setImmediate(releaseHeld, this);
    }
  }

  _handle(kind, detail, payload) {
    switch (kind) {
      case Kind.TEXT:
      case Kind.BINARY:
        this._onMessage(kind, payload);
        break;
      case Kind.PING:
        this._onPing(payload);
        break;
      case Kind.PONG:
        this.emit('pong', payload);
        break;
      case Kind.CLOSE:
        this._onCloseFrame(detail, payload);
        break;
      case Kind.ERROR:
        this._onProtocolError(JSON.parse(payload));
        break;
      case Kind.END:
        this._onEnd();
        break;
      case Kind.CLOSED:
        this._onClosed(detail);
        break;
      case Kind.OPEN:
        if (this._readyState === CONNECTING) this._onOpen(JSON.parse(payload));
        break;
      case Kind.FAILED:
        this._onFailed(JSON.parse(payload));
        break;
      case Kind.RESPONSE:
        this._onResponse(JSON.parse(payload));
        break;
      case Kind.BODY:
        this._exchange.push(payload);
        break;
      case Kind.BODY_END:
        this._exchange.complete = true;
        this._exchange.push(null);
        break;
      case Kind.SENT:
        this._onSent(payload);
        break;
      case Kind.SHUT:
        this._connection.ended = true;
        this._facade?._end();
        break;
      case Kind.FRAGMENTS:
        this._fragments = payload;
        break;
    }
  }

  _onMessage(kind, payload) {
    if (kind === Kind.TEXT) {
      this.emit('message', this._textAsString ? payload.toString() : payload, false);
    } else if (this._binaryType === 'nodebuffer') {
      this._fragments = null;
      this.emit('message', payload, true);
    } else {
      this.emit('message', this._asBinaryType(payload), true);
    }
  }

  _asBinaryType(data) {
    const fragments = this._fragments;
    this._fragments = null;
    switch (this._binaryType) {
      case 'arraybuffer':
        if (data.byteLength === data.buffer.byteLength) return data.buffer;
        return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
      case 'blob':
        return new Blob([data]);
      case 'fragments':
        return fragments === null ? (data.length === 0 ? [] : [data]) : cut(data, fragments);
      default:
        return data;
    }
  }

  _onPing(payload) {
    if (this._autoPong && this._readyState === OPEN) {
      if (this._maxPendingAutoPongs > 0 && this._pendingAutoPongs >= this._maxPendingAutoPongs) {
        this.terminate();
      } else {
        this._pendingAutoPongs++;
        this.pong(payload, true, () => this._pendingAutoPongs--);
      }
    }
    this.emit('ping', payload);
  }

  _onCloseFrame(code, reason) {
    this._closeFrameReceived = true;
    this._closeCode = code;
    // A copy, for the reason must not keep the block alive that it arrived in.
    if (reason.length > 0) this._closeMessage = Buffer.from(reason);
    if (code === 1005) this.close();
    else this.close(code, this._closeMessage);
  }

  _onProtocolError(report) {
    const error = new (report.range ? RangeError : Error)(report.message);
    error.code = report.code;
    if (report.errno !== undefined && report.errno !== null) error.errno = report.errno;
    this._protocolError = true;
    this.close(report.status);
    if (this._errorEmitted) return;
    this._errorEmitted = true;
    this.emit('error', error);
  }

  /** The peer has ended its side: ours follows once everything is written. */
  _onEnd() {
    this._readyState = CLOSING;
    if (this._slot < 0) return;
    this._engine.flush();
    this._engine.native.shutdown(this._slot);
  }

  _onSent(count) {
    // What was being compressed when the socket was terminated counts as lost.
    if (this._terminated && this._extensions[DEFLATE] !== undefined) return;
    // As a Node stream does it: with `null` rather than nothing.
    callAll(this._callbacks.splice(0, count), () => null);
  }

  /** The native side of the connection is gone; `unwritten` bytes of it were never taken by the kernel. */
  _leaveSlot(unwritten) {
    this._slot = -1;
    this._closeFrameSent = this._closeQueued && unwritten === 0;
    if (this._referenced) this._engine.unref();
  }

  /** @param {number} cause What broke the connection, an index of `CAUSES` */
  _onClosed(cause) {
    if (this._exchange !== null && !this._exchange.complete) {
      this._exchange.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    }
    // An attempt that failed or was given up has said so already.
    if (this._connection === null) return;
    this._readyState = CLOSING;
    this._connection.gone = true;
    this._facade?._close(CAUSES[cause]);
    // In a tick of its own: whoever waited for our side to end hears of that first.
    process.nextTick(failCallbacks, this);
  }
}

/** As ws's accessor: enumerable on the prototype. */
Object.defineProperty(RelayedWebSocket.prototype, 'bufferedAmount', { enumerable: true });

function openAccepted(socket) {
  if (socket._readyState !== CLOSED) socket.emit('open');
  releaseHeld(socket);
}

/** Nothing more will be written: every callback that still waits is told so, in order, and then comes `close`. */
function failCallbacks(socket) {
  const waiting = socket._callbacks;
  socket._callbacks = [];
  const compressed = socket._extensions[DEFLATE] !== undefined;
  const makeError = () => (compressed ? new Error(CLOSED_COMPRESSING) : streamDestroyed());
  callAll(waiting, makeError, () => socket.emitClose());
}

function failSocket(socket, error) {
  socket._fail(error);
}

/** Dispatches what was held, until something holds again. Once the connection is gone a pause holds nothing back. */
function releaseHeld(socket) {
  const held = socket._held;
  if (held === null || (socket._paused && socket._slot >= 0)) return;
  socket._held = null;
  let next = 0;
  let apart = false;
  try {
    while (next < held.length && socket._held === null && !apart) {
      const at = next;
      next += 3;
      apart = socket._oneATurn && held[at] <= Kind.PONG;
      socket._handle(held[at], held[at + 1], held[at + 2]);
    }
  } finally {
    if (next < held.length || apart) {
      held.splice(0, next);
      socket._held = socket._held === null ? held : held.concat(socket._held);
      setImmediate(releaseHeld, socket);
    } else if (socket._stalled && socket._held === null) {
      socket._stalled = false;
      if (socket._slot >= 0) socket._engine.native.resume(socket._slot);
    }
  }
}

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

/** Calls back, with errors or without, and then `next`. A callback that throws must not cost the others their turn. */
function callAll(callbacks, makeError, next, from = 0) {
  let at = from;
  let threw = true;
  try {
    while (at < callbacks.length) {
      const callback = callbacks[at++];
      if (typeof callback !== 'function') continue;
      callback(makeError());
    }
    threw = false;
  } finally {
    if (threw) process.nextTick(callAll, callbacks, makeError, next, at);
  }
  next?.();
}

/** What a Node stream tells those whose write it will not do any more. */
function streamDestroyed() {
  const error = new Error('Cannot call write after a stream was destroyed');
  error.code = 'ERR_STREAM_DESTROYED';
  return error;
}

/** A failed dial as ws reports it: Node's errors, with no code where Node has none. */
function plainError(report) {
  if (report.system) return systemError(report.message, report.system);
  return new Error(report.message);
}

addAsyncDispose(RelayedWebSocket.prototype);

/** Options that stand for Node's own network objects: with one of them, ws's engine does the work. */
function needsNodeSocket(address, protocols, options) {
  if (address === ACCEPTED) return false;
  // The inert instance that servers and subclasses begin with.
  if (address === null) return true;
  const given =
    typeof protocols === 'object' && protocols !== null && !Array.isArray(protocols) ? protocols : options;
  if (given && NODE_OPTIONS.some((name) => given[name])) return true;
  return (address instanceof URL ? address.protocol : String(address)).startsWith('ws+unix:');
}

function notOpen(socket) {
  const state = socket._readyState;
  return new Error(`WebSocket is not open: readyState ${state} (${STATES[state]})`);
}

function byteLength(data) {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isBlob(data) ? data.size : data.length;
}

function redirectTarget({ status, headers }) {
  if (status < 300 || status >= 400) return undefined;
  return headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
}

/** Views of a message's frames; `lengths` are 32-bit little-endian numbers. */
function cut(data, lengths) {
  const frames = [];
  let from = 0;
  for (let i = 0; i < lengths.length; i += 4) {
    const to = from + lengths.readUInt32LE(i);
    frames.push(data.subarray(from, to));
    from = to;
  }
  return frames;
}

/**
 * Makes the socket of an offered connection and dials its rendezvous.
 *
 * @param {object} listener The listener's handle
 * @param {number} offerId
 * @param {object} accept
 * @param {string} accept.address
 * @param {string} [accept.protocol]
 * @param {string[]} accept.headers Further header lines of the dial
 * @param {object} accept.options Socket options of the server
 * @param {function(RelayedWebSocket, object): void} accept.onOpen Runs when the socket is OPEN, before its `open`
 * @param {function(Error): void} accept.onFail Runs if the rendezvous fails; the socket emits nothing then
 * @return {RelayedWebSocket}
 */
function acceptSocket(listener, offerId, accept) {
  const socket = new RelayedWebSocket(ACCEPTED, accept);
  try {
    listener.accept(offerId, socket, accept);
  } catch (error) {
    socket._dropSlot();
    throw error;
  }
  return socket;
}

module.exports = { RelayedWebSocket, acceptSocket };
