'use strict';

/** The request of a relayed sender, as `connection` listeners and `verifyClient` get it. */

const { EventEmitter } = require('node:events');
const { IncomingMessage } = require('node:http');
const { isIP } = require('node:net');

const { redact, redactHeaders } = require('../shared/redact');
const { showOnly } = require('../shared/shown');

/** What programs read of `request.socket`: the sender as the relay sees it. There is no such socket in this process. */
class SenderSocket {
  /**
   * @param {{address?: string, port?: number}} [endpoint]
   * @param {boolean} secure
   */
  constructor(endpoint, secure) {
    this.remoteAddress = endpoint?.address;
    this.remotePort = endpoint?.port;
    const family = isIP(endpoint?.address ?? '');
    this.remoteFamily = family === 0 ? undefined : `IPv${family}`;
    this.encrypted = secure;
    this.readable = this.writable = false;
    this.destroyed = false;
  }

  address() {
    return {};
  }

  /** There is nothing here to time out, to tune or to destroy. */
  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  destroy() {
    return this;
  }

  end() {
    return this;
  }
}

// An emitter that has no use for its constructor: what that sets up, the first listener sets up too.
Object.setPrototypeOf(SenderSocket.prototype, EventEmitter.prototype);

/**
 * A real `http.IncomingMessage`, so that code written for ws finds all it knows: `url`, `headers`, `rawHeaders`,
 * `headersDistinct`, `socket`. It is a finished stream with no body.
 *
 * - `url`: path and query without `/$hc` and the `sb-hc-*` parameters
 * - `id`: the tracking id of this connection
 * - `relay`: `{ id, host }`, the tracking id and the relay's gateway that the connection runs through
 */
class RelayedRequest extends IncomingMessage {
  /**
   * @param {object} accept As it stands in the control message
   * @param {string} accept.address
   * @param {string} [accept.id]
   * @param {string[]} [accept.connectHeaders] Names and values in turn, as in `rawHeaders`
   * @param {{address: string, port: number}} [accept.remoteEndpoint]
   * @param {string} target Path and query as the program sees them
   * @param {string} host Of the address, with its port where that is not the scheme's own
   */
  constructor(accept, target, host) {
    const { address, id } = accept;
    super(new SenderSocket(accept.remoteEndpoint, /^(wss|https):/i.test(address)));
    this.method = 'GET';
    this.url = target;
    this.httpVersion = '1.1';
    this.httpVersionMajor = 1;
    this.httpVersionMinor = 1;

    const lines = accept.connectHeaders ?? [];
    this.rawHeaders = lines;
    // Node's own joining rules; the method has no public name.
    this._addHeaderLines(lines, lines.length);

    this.id = id;
    this.relay = Object.freeze({ id, host });
    this.complete = true;
    this._read = endBody;
  }
}

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

/** There is no body: whoever reads finds its end. */
function endBody() {
  this.push(null);
}

/**
 * Whether the sender sent a header; asking for `headers` would make an object of them all.
 *
 * @param {RelayedRequest} request
 * @param {string} name In lower case
 * @return {boolean}
 */
function hasHeader({ rawHeaders }, name) {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at].length === name.length && rawHeaders[at].toLowerCase() === name) return true;
  }
  return false;
}

module.exports = { RelayedRequest, hasHeader };
