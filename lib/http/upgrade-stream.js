'use strict';

const { Duplex } = require('node:stream');
const { STATUS_CODES } = require('node:http');

const { Bridge } = require('./bridge');
const { familyOf } = require('./sender-socket');
const { showOnly } = require('../shared/shown');

/** Bytes that the head of a program's answer may have. */
const MOST_HEAD = 64 * 1024;
const HEAD_END = '\r\n\r\n';

/**
 * The socket that listeners of `upgrade` get: first they write the head of an answer to it. If that is 101, the rendezvous is
 * dialled, and what follows are the frames of a WebSocket.
 */
class UpgradeStream extends Duplex {
  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {object} verdict
   * @param {function(string|undefined): void} verdict.accept The program's answer is 101, with that subprotocol
   * @param {function(number, string): void} verdict.refuse It is another status, with that text; or there is none
   */
  constructor({ socket }, verdict) {
    super();
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.remoteFamily = familyOf(socket.remoteAddress);
    this.encrypted = socket.encrypted;
    this._verdict = verdict;
    /** What has come of the head, until it is there. */
    this._head = '';
    this._isAnswered = false;
    /** Whether the program has said no, and ends it by itself. */
    this._isRefused = false;
    /** What waits for the sender's connection: bytes, and the callback of their `write()`. */
    this._waiting = undefined;
    this._bridge = undefined;
  }

  _read() {
    this._bridge?.resume();
  }

  _write(chunk, encoding, callback) {
    if (this._bridge !== undefined) return this._bridge.write(chunk, callback);
    // After a refusal: the body of the answer, for which there is no place.
    if (this._isAnswered) return callback();
    this._head += chunk.latin1Slice();
    const end = this._head.indexOf(HEAD_END);
    if (end < 0) {
      if (this._head.length > MOST_HEAD) this._fail(new Error('The head of the answer is too long'));
      return callback();
    }
    const rest = Buffer.from(this._head.slice(end + HEAD_END.length), 'latin1');
    const { status, reason, protocol } = readHead(this._head.slice(0, end));
    this._head = '';
    this._isAnswered = true;
    if (status === 101) {
      this._waiting = { rest, callback };
      this._verdict.accept(protocol);
    } else {
      this._isRefused = true;
      this._verdict.refuse(status, reason);
      this._endReading();
      callback();
    }
  }

  _final(callback) {
    if (this._bridge !== undefined) this._bridge.end();
    this._refuseSilently();
    callback();
  }

  _destroy(error, callback) {
    this._refuseSilently();
    this._bridge?.drop();
    callback(error);
  }

  /** Whoever ends it without an answer leaves the sender waiting. */
  _refuseSilently() {
    if (this._isAnswered) return;
    this._isAnswered = this._isRefused = true;
    this._verdict.refuse(500, STATUS_CODES[500]);
    this._endReading();
  }

  /** Nothing comes any more: `end` and `close` follow although nobody reads, as with a socket. */
  _endReading() {
    if (this.destroyed) return;
    this.push(null);
    this.read(0);
  }

  /** What the program has written makes no sense. A socket would not tell it, so only who listens is told. */
  _fail(error) {
    this.destroy(this.listenerCount('error') > 0 ? error : undefined);
  }

  /** The sender is met. */
  _join(socket) {
    const { rest, callback } = this._waiting;
    this._waiting = undefined;
    try {
      if (!this.destroyed) this._bridge = new Bridge(this, socket);
    } catch (error) {
      this._fail(error);
    }
    if (this._bridge === undefined) return socket.terminate();
    if (rest.length > 0) this._bridge.write(rest, callback);
    else callback();
  }

  /** The sender cannot be met any more. */
  _lose() {
    this._isAnswered = true;
    this.destroy();
  }

  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  ref() {
    return this;
  }

  unref() {
    return this;
  }

  address() {
    return {};
  }
}

showOnly(UpgradeStream.prototype, ({ remoteAddress, remotePort, encrypted, destroyed }) => ({
  remoteAddress,
  remotePort,
  encrypted,
  destroyed
}));

/** @param {string} head Without its end */
function readHead(head) {
  const [first, ...lines] = head.split('\r\n');
  const [, status, reason] = /^HTTP\/1\.\d (\d{3}) ?(.*)$/.exec(first) ?? [];
  const line = lines.find((each) => /^sec-websocket-protocol:/i.test(each));
  return {
    // What is not HTTP cannot be passed on.
    status: status === undefined ? 500 : Number(status),
    reason: reason ?? STATUS_CODES[500],
    protocol: line?.slice(line.indexOf(':') + 1).trim() || undefined
  };
}

module.exports = { UpgradeStream };
