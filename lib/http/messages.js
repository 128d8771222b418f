'use strict';

/**
 * Request and response as handlers get them: Node's own classes. Frameworks put other prototypes under both objects, so
 * what has to last is a property of theirs.
 */

const { IncomingMessage, ServerResponse } = require('node:http');

const { nextTick } = require('../shared/clock');
const { kExchange } = require('./light-socket');
const { redact, redactHeaders } = require('../shared/redact');
const { showOnly } = require('../shared/shown');

/** Where a request came through, and whether anybody still waits for its answer. */
class RequestRelay {
  #exchange;

  constructor(exchange, { trackingId, host }) {
    /** The tracking id. */
    this.id = trackingId;
    /** The relay's host. */
    this.host = host;
    this.#exchange = exchange;
  }

  /** Aborted when no answer can reach the sender any more. */
  get signal() {
    return this.#exchange.signal;
  }
}

/** A request that came through the relay. */
class RelayedHttpRequest extends IncomingMessage {
  /**
   * @param {import('./light-socket').LightSocket} socket
   * @param {import('./request-record').RequestRecord} record
   */
  constructor(socket, record) {
    super(socket);
    this.method = record.method;
    this.url = record.target;
    this.httpVersion = '1.1';
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    const { headers } = record;
    // Node's own rules of joining; the method has no public name.
    this._addHeaderLines(headers, headers.length);
    this.id = record.trackingId;
    this.relay = new RequestRelay(socket[kExchange], record);
  }

  get signal() {
    return this.relay.signal;
  }
}

showOnly(
  RelayedHttpRequest.prototype,
  ({ method, url, id, headers, socket, complete }) => ({
    method,
    url: redact(url ?? ''),
    id,
    remoteAddress: socket?.remoteAddress,
    remotePort: socket?.remotePort,
    headers: redactHeaders(headers ?? {}),
    complete
  }),
  'RelayedHttpRequest'
);

/** Its answer. */
class RelayedHttpResponse extends ServerResponse {
  /**
   * @param {RelayedHttpRequest} req
   * @param {import('./light-socket').LightSocket} socket
   */
  constructor(req, socket) {
    super(req);
    this.id = req.id;
    this.shouldKeepAlive = false;
    this.writeHead = writeHead;
    this._send = send;
    this.flushHeaders = flushHeaders;
    this.writeContinue = this.writeProcessing = writeNothing;
    this.writeEarlyHints = writeNoHints;
    this.assignSocket(socket);
  }
}

showOnly(
  RelayedHttpResponse.prototype,
  (res) => ({
    id: res.id,
    statusCode: res.statusCode,
    headersSent: Boolean(res._header),
    writableEnded: Boolean(res.finished)
  }),
  'RelayedHttpResponse'
);

/** Node would write the body in chunks; the relay frames it by itself. */
function writeHead(...args) {
  ServerResponse.prototype.writeHead.apply(this, args);
  this.chunkedEncoding = false;
  return this;
}

/** Node would put head and body into one text, of which the relay wants two. */
function send(chunk, encoding, callback) {
  if (!this._headerSent) {
    this._headerSent = true;
    this.socket?.[kExchange].answer.begins(this._header);
  }
  return this._writeRaw(chunk, encoding, callback);
}

function flushHeaders() {
  ServerResponse.prototype.flushHeaders.call(this);
  this.socket?.[kExchange].answer.begin();
}

/** The protocol has no interim responses. */
function writeNothing(callback) {
  if (typeof callback === 'function') nextTick(callback);
}

function writeNoHints(hints, callback) {
  writeNothing(callback);
}

/** Node's own symbol: whether a response owes its writer a `drain`. */
const kNeedDrain = Object.getOwnPropertySymbols(new ServerResponse({ method: 'GET' })).find(
  ({ description }) => description === 'kNeedDrain'
);

/** There is room again. */
function drain(res) {
  if (res.finished) return;
  // Without this no further `pipe()` would begin.
  if (kNeedDrain !== undefined) res[kNeedDrain] = false;
  res.emit('drain');
}

module.exports = { RelayedHttpRequest, RelayedHttpResponse, drain };
