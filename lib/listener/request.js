'use strict';

/** The request of a relayed sender, as `connection` listeners and `verifyClient` get it. */

const { IncomingMessage } = require('node:http');

const { SenderSocket } = require('../http/sender-socket');
const { redact, redactHeaders } = require('../shared/redact');
const { showOnly } = require('../shared/shown');

/** Whether headers are made when somebody looks at them. */
let headersCanWait = true;

/** The offer, until then. */
const kRecord = Symbol('hyco-ws-rs.record');
const kLines = Symbol('hyco-ws-rs.lines');

/**
 * A real `http.IncomingMessage`, so that code written for ws finds all it knows: `url`, `headers`, `rawHeaders`,
 * `headersDistinct`, `socket`. It is a finished stream with no body.
 *
 * - `url`: path and query without `/$hc` and the `sb-hc-*` parameters
 * - `id`: the tracking id of this connection
 * - `relay`: `{ id, host }`, the tracking id and the relay's gateway that the connection runs through
 */
class RelayedRequest extends IncomingMessage {
  /** @param {import('./offer-record').OfferRecord} record */
  constructor(record) {
    const { address, trackingId, host } = record;
    super(new SenderSocket(record.remoteAddress, record.port, /^wss:/i.test(address)));
    this.method = 'GET';
    this.url = record.target;
    this.httpVersion = '1.1';
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;
    this.id = trackingId;
    this.relay = Object.freeze({ id: trackingId, host });
    this[kRecord] = record;
    if (!headersCanWait) this._makeHeaders();
    this.complete = true;
  }

  /** There is no body: whoever reads finds its end. */
  _read() {
    this.push(null);
  }

  /** Most programs never look at them. */
  _makeHeaders() {
    const record = this[kRecord];
    if (record === undefined) return;
    this[kRecord] = undefined;
    const lines = record.headerLines();
    this.rawHeaders = lines;
    // Node's own joining rules; the method has no public name, and takes what is complete for trailers.
    const { complete } = this;
    this.complete = false;
    this._addHeaderLines(lines, lines.length);
    this.complete = complete;
  }

  get rawHeaders() {
    this._makeHeaders();
    return this[kLines];
  }

  set rawHeaders(lines) {
    this._makeHeaders();
    this[kLines] = lines;
  }

  get headers() {
    this._makeHeaders();
    return super.headers;
  }

  set headers(headers) {
    this._makeHeaders();
    super.headers = headers;
  }

  get headersDistinct() {
    this._makeHeaders();
    return super.headersDistinct;
  }

  set headersDistinct(headers) {
    this._makeHeaders();
    super.headersDistinct = headers;
  }
}

// Where they are properties of each request, as under some runtimes, nothing tells that they are looked at.
const probe = new RelayedRequest({ headerLines: () => [] });
headersCanWait = !['rawHeaders', 'headers', 'headersDistinct'].some((name) => Object.hasOwn(probe, name));

showOnly(
  RelayedRequest.prototype,
  ({ method, url, id, headers, socket }) => ({
    method,
    url: redact(url ?? ''),
    id,
    remoteAddress: socket?.remoteAddress,
    remotePort: socket?.remotePort,
    headers: redactHeaders(headers ?? {})
  }),
  'RelayedRequest'
);

module.exports = { RelayedRequest };
