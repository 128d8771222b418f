'use strict';

/**
 * The receiving half of a socket over the native engine: from the engine's records to ws's events, in ws's order. A
 * subclass handles the records of the opening.
 */

const WebSocket = require('ws');

const { callAll, streamDestroyed } = require('./callbacks');
const { nextTick, setImmediate } = require('../shared/clock');
const { frameError, lostByFault, withCode } = require('../shared/errors');
const { CAUSES, Kind } = require('../engine/records');
const { DEFLATE, SendingSocket } = require('./sending');
const { Mark } = require('./state');

const { CONNECTING, OPEN, CLOSING, CLOSED } = WebSocket;
// Constants: a property look-up for each message is measurable.
const { BINARY } = Kind;
const FastBuffer = Buffer[Symbol.species];

/** Stands for an `OPEN` record without payload. */
const PLAIN = Object.freeze({});
const CLOSED_COMPRESSING = 'The socket was closed while data was being compressed';

class ReceivingSocket extends SendingSocket {
  /** Stops `message`, `ping`, `pong` and `close`; TCP pushes back to the sender. */
  pause() {
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    this._paused = true;
    this._held ??= [];
    this._engine.native.pause(this._slot);
  }

  /** Goes on after `pause()`. */
  resume() {
    if (this._readyState === CONNECTING || this._readyState === CLOSED) return;
    this._paused = false;
    this._marks &= ~Mark.STALLED;
    this._engine.native.resume(this._slot);
    // As from a stream, what has been held comes with the next tick.
    nextTick(releaseHeld, this);
  }

  /** Holds what comes until the code behind an `await` has looked at the socket. Not `pause()`, which is the program's. */
  _holdForATurn() {
    this._held ??= [];
    setImmediate(releaseHeld, this);
  }

  /** One record from the engine. */
  onRecord(kind, detail, payload) {
    const { oneATurn } = this._traits;
    if (kind <= BINARY && this._held === null && !oneATurn) {
      this._onMessage(kind, payload);
      return;
    }
    if (kind === Kind.CLOSED) this._leaveSlot(payload);
    if (this._held !== null && kind !== Kind.SENT && kind !== Kind.SHUT) {
      // The end of the connection is seen at once where only the messages before it have to wait for their turn.
      if (kind === Kind.END && oneATurn && !this._paused) this._onEnd();
      this._held.push(kind, detail, keep(payload));
      if (oneATurn && !(this._marks & Mark.STALLED) && this._slot >= 0) {
        // They come faster than one a turn is handled: no more of them for now.
        this._marks |= Mark.STALLED;
        this._engine.native.pause(this._slot);
      }
      if (kind === Kind.CLOSED && this._paused) setImmediate(releaseHeld, this);
      return;
    }
    this._handle(kind, detail, payload);
    if (oneATurn && kind <= Kind.PONG) {
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
        if (this._readyState === CONNECTING) this._onOpen(payload.length > 0 ? JSON.parse(payload) : PLAIN);
        break;
      case Kind.FAILED:
        this._onFailed(JSON.parse(payload));
        break;
      case Kind.RESPONSE:
        this._onResponse(JSON.parse(payload));
        break;
      case Kind.BODY:
        this._opening.exchange.push(keep(payload));
        break;
      case Kind.BODY_END:
        this._opening.exchange.complete = true;
        this._opening.exchange.push(null);
        break;
      case Kind.SENT:
        this._onSent(payload);
        break;
      case Kind.SHUT:
        this._marks |= Mark.ENDED;
        this._facade?._end();
        break;
      case Kind.FRAGMENTS:
        this._fragments = keep(payload);
        break;
      case Kind.LOST:
        this._onLost();
        break;
    }
  }

  _onMessage(kind, payload) {
    const isBinary = kind === BINARY;
    let data = payload;
    if (isBinary ? this._binaryType !== 'nodebuffer' : this._traits.textAsString) {
      try {
        data = isBinary ? this._asBinaryType(payload) : payload.toString();
      } catch (error) {
        // Longer than V8's strings can be, or there is no memory for it.
        return this._breakOff(error);
      }
    }
    if (isBinary) this._fragments = null;
    this.emit('message', data, isBinary);
  }

  _asBinaryType(data) {
    const fragments = this._fragments;
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
    const { autoPong, maxPendingAutoPongs } = this._traits;
    if (autoPong && this._readyState === OPEN) {
      if (maxPendingAutoPongs > 0 && this._pendingAutoPongs >= maxPendingAutoPongs) {
        this.terminate();
      } else {
        this._react(() => this.pong(payload, true, () => this._pendingAutoPongs--));
        this._pendingAutoPongs++;
      }
    }
    this.emit('ping', payload);
  }

  _onCloseFrame(code, reason) {
    this._closeFrameReceived = true;
    this._closeCode = code;
    // A copy, for the reason must not keep the block alive that it arrived in.
    if (reason.length > 0) this._closeMessage = keep(reason);
    this._react(() => (code === 1005 ? this.close() : this.close(code, this._closeMessage)));
  }

  _onProtocolError(report) {
    this._marks |= Mark.PROTOCOL_ERROR;
    this._react(() => this.close(report.status));
    this._emitError(frameError(report));
  }

  /** What we do by ourselves may throw, too, by a `generateMask` of the program's: that ends the connection. */
  _react(act) {
    try {
      act();
    } catch (error) {
      this._breakOff(error);
    }
  }

  _breakOff(error) {
    this.terminate();
    this._emitError(error);
  }

  /** A fault of ours has cost records of this connection: nothing can be relied on that might still come. */
  _onLost() {
    const error = lostByFault('connection');
    if (this._readyState === CONNECTING) this._abort(error);
    else if (this._readyState !== CLOSED) this._breakOff(error);
  }

  /** The peer has ended its side: ours follows once everything is written. */
  _onEnd() {
    this._readyState = CLOSING;
    // With the closing handshake done it has been told so.
    if (this._slot >= 0 && !this._hasFinished()) this._engine.end(this._slot);
  }

  _onSent(count) {
    // What was being compressed when the socket was terminated counts as lost.
    if (this._marks & Mark.TERMINATED && this._extensions[DEFLATE] !== undefined) return;
    // As a Node stream does it: with `null` rather than nothing.
    callAll(this._callbacks.splice(0, count), () => null);
  }

  /** The native side of the connection is gone; `unwritten` bytes of it were never taken by the kernel. */
  _leaveSlot(unwritten) {
    this._slot = -1;
    const { tally, addresses } = this._engine;
    this._traits.owner?.carried.add(tally);
    if (this._marks & Mark.OPENED) this._left = { tally: numbersOf(tally), addresses };
    this._closeFrameSent = (this._marks & Mark.CLOSE_QUEUED) !== 0 && unwritten === 0;
    if (this._isReferenced) this._engine.unref();
  }

  /** @param {number} cause What broke the connection, an index of `CAUSES` */
  _onClosed(cause) {
    const exchange = this._opening?.exchange;
    if (exchange !== undefined && !exchange.complete) {
      exchange.destroy(withCode(new Error('aborted'), 'ECONNRESET'));
    }
    // An attempt that failed or was given up has said so already.
    if (!(this._marks & Mark.OPENED)) return;
    this._readyState = CLOSING;
    this._marks |= Mark.GONE;
    this._facade?._close(CAUSES[cause]);
    // In a tick of its own: whoever waited for our side to end hears of that first.
    nextTick(failCallbacks, this);
  }
}

/** A copy of a tally: of this size the slice of a typed array takes ten times as long. */
function numbersOf(tally) {
  return [tally[0], tally[1], tally[2], tally[3], tally[4], tally[5], tally[6], tally[7]];
}

/** Nothing more will be written: every callback that still waits is told so, in order, and then comes `close`. */
function failCallbacks(socket) {
  const waiting = socket._callbacks ?? [];
  socket._callbacks = null;
  const compressed = socket._extensions[DEFLATE] !== undefined;
  const makeError = () => (compressed ? new Error(CLOSED_COMPRESSING) : streamDestroyed());
  callAll(waiting, makeError, () => socket.emitClose());
}

/**
 * A payload that outlives its record. Others lie in the same memory, and whose they are may give it away meanwhile: what
 * is kept is a copy, unless it has its memory for itself.
 */
function keep(payload) {
  if (typeof payload === 'number' || payload.byteLength === payload.buffer.byteLength) return payload;
  return new FastBuffer(payload);
}

/** Dispatches what was held, whoever has let go of it, in the context of its socket. */
function releaseHeld(socket) {
  socket._context.runInAsyncScope(release, undefined, socket);
}

/** Until something holds again. Once the connection is gone a pause holds nothing back. */
function release(socket) {
  const held = socket._held;
  if (held === null || (socket._paused && socket._slot >= 0)) return;
  socket._held = null;
  let next = 0;
  let apart = false;
  try {
    while (next < held.length && socket._held === null && !apart) {
      const at = next;
      next += 3;
      apart = socket._traits.oneATurn && held[at] <= Kind.PONG;
      socket._handle(held[at], held[at + 1], held[at + 2]);
    }
  } finally {
    if (next < held.length || apart) {
      held.splice(0, next);
      socket._held = socket._held === null ? held : held.concat(socket._held);
      setImmediate(releaseHeld, socket);
    } else if (socket._marks & Mark.STALLED && socket._held === null) {
      socket._marks &= ~Mark.STALLED;
      if (socket._slot >= 0) socket._engine.native.resume(socket._slot);
    }
  }
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

module.exports = { ReceivingSocket, releaseHeld };
