'use strict';

/**
 * An answer on its way to the engine: collected until it ends, and then given in one call; or given as it comes, once it is
 * too long for that, is flushed, is an event stream or has not ended in time.
 */

const { nextTick } = require('../shared/clock');
const { withCode } = require('../shared/errors');

/** Bytes of a body that is given in one call: what the engine sends on a control channel (`MAX_INLINE` there). */
const MOST_COLLECTED = 64 * 1024;
/** Bytes that may be on their way before `write()` says false, and at which it says true again. */
const HIGH_WATER = 256 * 1024;
const LOW_WATER = 128 * 1024;

const COLLECTING = 0;
const STREAMING = 1;
const ENDED = 2;
const DONE = 3;
const LOST = 4;

const EVENT_STREAM = /\r\ncontent-type:[ \t]*text\/event-stream/i;

class Answer {
  /** @param {import('./exchange').Exchange} exchange Whose `onDrain()` and `onFinish()` are called */
  constructor(exchange) {
    this.exchange = exchange;
    this.number = exchange.number;
    this.native = exchange.requests.native;
    this.patience = exchange.requests.patience;
    this.state = COLLECTING;
    /** Status line and header lines, as Node has made them. */
    this.head = undefined;
    this.pieces = undefined;
    /** Bytes of the body so far. */
    this.bytes = 0;
    /** And of those, what the kernel has taken. */
    this.sent = 0;
    this.needsDrain = false;
    this.isWaiting = false;
    /** What is to be called when so many bytes are sent, in turn. */
    this.marks = undefined;
    this.callbacks = undefined;
  }

  /** Bytes that are not sent yet. */
  get pending() {
    return this.bytes - this.sent;
  }

  get highWaterMark() {
    return HIGH_WATER;
  }

  /** Whether nothing of it has been handed over. */
  get isWithheld() {
    return this.state === COLLECTING;
  }

  /** Whether its end is still to come. */
  get isOpen() {
    return this.state <= STREAMING;
  }

  /** The head, as Node has made it: known before anything is written. */
  begins(head) {
    this.head = head ?? undefined;
  }

  /**
   * What Node's response writes to its socket.
   *
   * @param {string|Uint8Array} chunk
   * @param {string} [encoding]
   * @param {function(Error=): void} [callback]
   * @return {boolean} Whether there is room for more
   */
  write(chunk, encoding, callback) {
    if (this.state > STREAMING) {
      if (callback) nextTick(callback, streamDestroyed());
      return false;
    }
    // Somebody writes to the socket past the response, and that is not HTTP.
    if (this.head === undefined) {
      if (callback) nextTick(callback);
      return true;
    }
    if (chunk.length > 0) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding || 'utf8') : chunk;
      this.bytes += bytes.length;
      if (this.state === STREAMING) this.native.writeAnswer(this.number, bytes);
      else if (this.pieces === undefined) this.pieces = [bytes];
      else this.pieces.push(bytes);
    }
    if (callback) this.remember(callback);
    if (this.state === COLLECTING) {
      if (this.bytes > MOST_COLLECTED) this.begin();
      else if (!this.isWaiting) this.wait();
    }
    const { pending } = this;
    if (pending < HIGH_WATER) return true;
    this.needsDrain = true;
    const { maxBufferedAmount } = this.exchange.requests.settings;
    if (maxBufferedAmount > 0 && pending > maxBufferedAmount) this.exchange.giveUp(pending);
    return false;
  }

  /** The first of it is there: its end may be near. */
  wait() {
    this.isWaiting = true;
    if (this.isEventStream()) this.begin();
    else this.patience.add(this);
  }

  /** The short question first: it is asked of each answer. */
  isEventStream() {
    return this.head.includes('event-stream') && EVENT_STREAM.test(this.head);
  }

  remember(callback) {
    if (this.callbacks === undefined) {
      this.callbacks = [callback];
      this.marks = [this.bytes];
    } else {
      this.callbacks.push(callback);
      this.marks.push(this.bytes);
    }
  }

  /** Has head and body go out as they come from now on. Where there is no body there is nothing to come. */
  begin() {
    if (this.state !== COLLECTING || this.head === undefined || !this.exchange.res._hasBody) return;
    this.state = STREAMING;
    this.patience.delete(this);
    this.native.beginAnswer(this.number, this.head);
    const { pieces } = this;
    this.pieces = undefined;
    pieces?.forEach((piece) => this.native.writeAnswer(this.number, piece));
  }

  /** Nothing more comes. */
  end() {
    if (this.state === STREAMING) {
      this.state = ENDED;
      this.native.endAnswer(this.number);
      // As Node does where nothing is on its way any more; otherwise the last of it tells.
      if (this.sent === this.bytes) nextTick(finish, this);
    } else if (this.state === COLLECTING) {
      this.state = ENDED;
      this.patience.delete(this);
      const { pieces } = this;
      this.pieces = undefined;
      this.native.respond(this.number, this.head, pieces?.length > 1 ? Buffer.concat(pieces) : pieces?.[0]);
      this.sent = this.bytes;
      nextTick(finish, this);
    }
  }

  /** The kernel has taken so many bytes of the body. */
  onSent(count) {
    // What was given in one counts as sent.
    this.sent = Math.min(this.sent + count, this.bytes);
    if (this.state === ENDED && this.sent === this.bytes) return finish(this);
    this.callBack();
    if (this.needsDrain && this.pending <= LOW_WATER) {
      this.needsDrain = false;
      this.exchange.onDrain();
    }
  }

  /** All of it is out. */
  onEnd() {
    this.sent = this.bytes;
    if (this.state === ENDED) finish(this);
  }

  callBack() {
    const { callbacks, marks } = this;
    if (callbacks === undefined) return;
    let count = 0;
    while (count < marks.length && marks[count] <= this.sent) count++;
    if (count === 0) return;
    marks.splice(0, count);
    for (const callback of callbacks.splice(0, count)) callback();
  }

  /** Nothing more of it can be sent. */
  lose() {
    this.state = LOST;
    this.patience.delete(this);
    this.pieces = undefined;
    const { callbacks } = this;
    this.callbacks = this.marks = undefined;
    if (callbacks !== undefined) nextTick(fail, callbacks);
  }
}

/** Of what was waited for the end is the last. */
function finish(answer) {
  const { callbacks } = answer;
  if (answer.state !== ENDED) return;
  answer.state = DONE;
  answer.callbacks = answer.marks = undefined;
  try {
    callbacks?.forEach((callback) => callback());
  } finally {
    answer.exchange.onFinish();
  }
}

function streamDestroyed() {
  return withCode(new Error('Cannot call write after a stream was destroyed'), 'ERR_STREAM_DESTROYED');
}

function fail(callbacks) {
  const error = streamDestroyed();
  for (const callback of callbacks) callback(error);
}

module.exports = { Answer };
