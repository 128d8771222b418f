'use strict';

/**
 * A socket on the native engine: how it opens. Its life is kept in JavaScript, as ws keeps it there too, because it
 * depends on what user code does between two messages.
 */

const WebSocket = require('ws');

const { obey } = require('./abort');
const { nextTick } = require('../shared/clock');
const { fromReport, plainError } = require('../shared/errors');
const { finishDial, noteOffer, prepareRequest, prepareRedirect } = require('./dial');
const { ReceivingSocket, releaseHeld } = require('./receiving');
const { createRequest, createResponse } = require('./response');
const { DEFLATE } = require('./sending');
const { Mark, Sends, socketTraits } = require('./state');
const { socketStats } = require('./stats');

const { CONNECTING, OPEN, CLOSING, CLOSED } = WebSocket;

/** What a socket that dials by itself needs until it is open. */
class Dial {
  constructor() {
    /** What `prepareRequest()` made of the options; another one after a redirect. */
    this.request = undefined;
    /** What listeners get for it. */
    this.lookAlike = undefined;
    /** An answer that is not an upgrade, and its body. */
    this.exchange = undefined;
    this.redirects = 0;
  }
}

/** Takes the records of a slot whose socket has gone on without it. */
const NOBODY = { onRecord() {} };

class NativeSocket extends ReceivingSocket {
  /** @return {object} See `docs/api.md` */
  stats() {
    return socketStats(this);
  }

  /** The request of the opening handshake, while there is one; ws keeps it under this name. */
  get _req() {
    const dial = this._opening;
    if (this._readyState !== CONNECTING || !dial?.request) return null;
    return (dial.lookAlike ??= createRequest(this, dial.request, dial.redirects > 0));
  }

  // As ws does where its own engine does the work.
  set _req(request) {
    this._keep('_req', request);
  }

  _connect(address, protocols, options) {
    this._opening = new Dial();
    this._opening.request = prepareRequest(this, address, protocols, options);
    const { request } = this._opening;
    this._dial(request);
    if (request.options.signal !== undefined) obey(this, request.options.signal);
  }

  _dial(request) {
    this._applyTraits(socketTraits(request.options));
    if (request.failure !== undefined) return this._abort(request.failure);
    const slot = this._engine.open(this);
    try {
      const offer = this._engine.native.dial(slot, finishDial(request));
      if (offer) noteOffer(request, offer);
    } catch (error) {
      // The options did not make it across; nobody else will free the slot.
      this._engine.free(slot);
      throw error;
    }
    this._slot = slot;
    if (this._isReferenced) this._engine.ref();
  }

  _applyTraits(traits) {
    this._traits = traits;
    // ws's own name for it.
    this._closeTimeout = traits.closeTimeout;
  }

  /** Takes the place of a connection that the listener is accepting; see `acceptSocket()`. */
  _adopt(accept) {
    this._applyTraits(accept.traits);
    this._opening = accept;
    this._url = accept.address;
    this._slot = this._engine.open(this);
    this._engine.ref();
  }

  _dropSlot() {
    this._engine.free(this._slot);
    this._slot = -1;
    if (this._isReferenced) this._engine.unref();
  }

  _onOpen(report) {
    const { owner } = this._traits;
    // Nobody can have got at a socket that is being accepted.
    if (owner === undefined && this.listenerCount('upgrade') > 0) {
      this.emit('upgrade', createResponse(report.response));
      // The user may have closed the connection in the listener.
      if (this._readyState !== CONNECTING) return;
    }
    if (report.protocol) this._protocol = report.protocol;
    if (report.extensions) {
      this._extensions = { [DEFLATE]: report.extensions };
      this._sends = new Sends();
      this._sends.forgets = report.forgets === true;
    }
    this._marks |= report.secure ? Mark.OPENED | Mark.SECURE : Mark.OPENED;
    // A socket lives long, and what it was opened with has served: the sender's request, or our own.
    const { offer } = this._opening;
    this._opening = null;
    this._readyState = OPEN;
    if (owner === undefined) {
      this.emit('open');
      return;
    }
    // Code written for ws uses the socket at once, code written for hyco-ws waits for 'open': messages wait for both.
    this._held = [];
    try {
      owner.opened(offer, this);
    } finally {
      // A listener of 'connection' that throws must not hold the records, close included, for ever.
      nextTick(openAccepted, this);
    }
  }

  _onFailed({ error, response }) {
    if (this._readyState !== CONNECTING) return;
    if (response === undefined) {
      this._fail(this._isRelayed() ? fromReport(error) : plainError(error));
      return;
    }
    // It was an upgrade, but not to what was asked for.
    if (this.listenerCount('upgrade') > 0) {
      this.emit('upgrade', createResponse(response));
      if (this._readyState !== CONNECTING) return;
    }
    this._abort(error.message);
  }

  _isRelayed() {
    return this._traits.owner !== undefined || this._opening.request.options.relay !== undefined;
  }

  _onResponse(report) {
    if (this._readyState !== CONNECTING) return;
    const { status } = report.response;
    if (this._traits.owner !== undefined) {
      this._engine.native.terminate(this._slot);
      return this._fail(fromReport(report.error));
    }
    const { options } = this._opening.request;
    const location = options.followRedirects && redirectTarget(report.response);
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
    this._opening.exchange = response;
    this._engine.native.readBody(this._slot);
    this.emit('unexpected-response', this._req, response);
  }

  _redirect(location) {
    this._abandonSlot();
    const dial = this._opening;
    if (++dial.redirects > dial.request.options.maxRedirects) {
      return this._abort(new Error('Maximum redirects exceeded'));
    }
    let request;
    try {
      request = prepareRedirect(this, dial.request, location);
    } catch (error) {
      // An option that only the new address makes use of.
      return this._abort(error);
    }
    if (request === null) return;
    dial.request = request;
    dial.lookAlike = undefined;
    const lookAlike = this._req;
    nextTick(() => lookAlike.emit('socket', null));
    this.emit('redirect', this.url, lookAlike);
    if (this._readyState !== CONNECTING || lookAlike.destroyed) return;
    try {
      this._dial(request);
    } catch (error) {
      this._abort(error);
    }
  }

  _abandonSlot() {
    const slot = this._slot;
    this._engine.owners[slot] = NOBODY;
    this._engine.native.terminate(slot);
    this._slot = -1;
    if (this._isReferenced) this._engine.unref();
  }

  /** Gives up the attempt to connect: `error` and `close` follow with the next tick. */
  _abort(reason) {
    this._readyState = CLOSING;
    const error = typeof reason === 'string' ? new Error(reason) : reason;
    if (this._slot >= 0) this._engine.native.terminate(this._slot);
    nextTick(failSocket, this, error);
  }

  /** `request.destroy()` of an unexpected response or a redirect, or `request.abort()`: that one is no error. */
  _giveUp(error) {
    if (this._readyState !== CONNECTING) return;
    const { exchange } = this._opening;
    if (exchange !== undefined) {
      // The answer is there already: only its body is given up, and what becomes of the socket is the user's.
      exchange._dump();
      if (this._slot >= 0) this._engine.native.terminate(this._slot);
      return;
    }
    if (error !== null) this._abort(error);
    else if (this._slot >= 0) this._engine.native.terminate(this._slot);
  }

  _fail(error) {
    this._readyState = CLOSING;
    this._errorEmitted = true;
    const { owner } = this._traits;
    if (owner !== undefined) {
      this._readyState = CLOSED;
      owner.fail(this._opening.offer, error);
      return;
    }
    this.emit('error', error);
    this.emitClose();
  }
}

function openAccepted(socket) {
  if (socket._readyState !== CLOSED) socket.emit('open');
  releaseHeld(socket);
}

function failSocket(socket, error) {
  socket._context.runInAsyncScope(socket._fail, socket, error);
}

function redirectTarget({ status, headers }) {
  if (status < 300 || status >= 400) return undefined;
  return headers.find(([name]) => name.toLowerCase() === 'location')?.[1];
}

module.exports = { NativeSocket };
