'use strict';

/** One relayed request and its answer, from the record that brings it to its end. It is the context of its events. */

const { Answer } = require('./answer');
const { nextTick, now } = require('../shared/clock');
const { Context } = require('../shared/context');
const { RelayError, withCode } = require('../shared/errors');
const { LightSocket, kExchange } = require('./light-socket');
const { RelayedHttpRequest, RelayedHttpResponse, drain } = require('./messages');

class Exchange extends Context {
  /**
   * @param {import('./requests').Requests} requests Those of the listener
   * @param {import('./request-record').RequestRecord} record
   * @param {object} [server] The `http.Server` that it goes to
   */
  constructor(requests, record, server) {
    super();
    this.requests = requests;
    this.startedAt = now();
    this.number = record.id;
    this.answer = new Answer(this);
    this.socket = new LightSocket(this, record, server);
    this.req = new RelayedHttpRequest(this.socket, record);
    this.res = new RelayedHttpResponse(this.req, this.socket);
    // Its listeners stay on a response whose class is another.
    this.res.on('prefinish', endAnswer);
    this.bodyEnded = !record.hasBody;
    /** Whether the rest of the body comes only while somebody reads. */
    this.streams = record.hasBody && !record.isWhole;
    this.flows = false;
    this.answered = false;
    this.aborter = undefined;
    /** What the handler has thrown. */
    this.fault = undefined;
    /** Why no answer can reach the sender any more. */
    this.failure = undefined;
    if (this.bodyEnded) endBody(this.req);
  }

  /** For programs: aborted when no answer can reach the sender any more. */
  get signal() {
    if (this.aborter === undefined) {
      this.aborter = new AbortController();
      if (this.failure !== undefined) this.aborter.abort(this.failure);
    }
    return this.aborter.signal;
  }

  /** A piece of the body. */
  onBody(chunk, isLast) {
    if (this.bodyEnded) return;
    const { req } = this;
    this.socket.touch();
    const wanted = chunk.length === 0 || req.destroyed || req.push(chunk);
    if (isLast) {
      this.bodyEnded = true;
      if (!req.destroyed) endBody(req);
      this.check();
    } else if (!wanted) {
      this.pause();
    }
  }

  resume() {
    if (!this.streams || this.flows || this.bodyEnded) return;
    this.flows = true;
    this.requests.native.flowBody(this.number, true);
  }

  pause() {
    if (!this.flows || this.bodyEnded) return;
    this.flows = false;
    this.requests.native.flowBody(this.number, false);
  }

  onDrain() {
    drain(this.res);
    if (this.socket.listenerCount('drain') > 0) this.socket.emit('drain');
  }

  /** The answer is out, and `finish` was emitted. */
  onFinish() {
    const { req, res, socket } = this;
    this.answered = true;
    if (res.socket === socket) res.detachSocket(socket);
    nextTick(closeResponse, res);
    this.requests.onAnswered(this);
    // As in Node: what nobody has looked at is thrown away, and the next request is behind it.
    if (!req._consuming && !req._readableState.resumeScheduled) req._dump();
    else if (req.destroyed) this.resume();
    this.check();
  }

  /** Over, once both directions are. */
  check() {
    if (!this.answered || !this.bodyEnded) return;
    this.requests.forget(this);
    this.socket.close();
  }

  /** The engine: nothing of it can reach the sender any more. */
  lose(error) {
    this.requests.forget(this);
    this.fail(error);
  }

  /** The program gives it up: by `destroy()` of request, response or socket. */
  abandon() {
    const { answer, bodyEnded, number, requests } = this;
    if (answer.isOpen) {
      // Of what is out already only a cut is true; a body that is not read to its end blocks the rendezvous.
      if (answer.isWithheld && (bodyEnded || !this.streams)) requests.refuse(this, 500);
      else requests.native.cutAnswer(number);
      requests.forget(this);
      this.fail(this.fault ?? withCode(new Error('aborted'), 'ECONNRESET'));
    } else if (!bodyEnded) {
      // The answer is on its way, and the rest of the body in the way of the next request.
      this.resume();
    }
  }

  /**
   * The same where the program's handler has failed.
   *
   * @return {boolean} Whether there was anything to give up
   */
  breakOff(error) {
    if (!this.answer.isOpen) return false;
    this.fault = error;
    this.socket.destroy();
    return true;
  }

  /** So many bytes wait for a sender that does not read, and the program goes on all the same. */
  giveUp(pending) {
    const text = `${pending} bytes wait for the sender, which are more than maxBufferedAmount`;
    this.breakOff(new RelayError(text, { code: 'ERR_HYCO_LIMIT' }));
  }

  fail(error) {
    if (this.failure !== undefined) return;
    const { answer, answered, aborter, req, socket } = this;
    this.failure = error;
    const isOpen = answer.isOpen || !answered;
    answer.lose();
    this.bodyEnded = true;
    aborter?.abort(error);
    req.destroy(withCode(new Error('aborted'), 'ECONNRESET'));
    socket.close();
    if (isOpen) this.requests.onLost(this, error);
  }
}

/** The program has ended its response. */
function endAnswer() {
  this.socket[kExchange].answer.end();
}

/** Node's way to end a request. */
function endBody(req) {
  req.complete = true;
  req.push(null);
}

/** Node's server does it for a response. */
function closeResponse(res) {
  if (res._closed) return;
  res.destroyed = true;
  res._closed = true;
  res.emit('close');
}

module.exports = { Exchange };
