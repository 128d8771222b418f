'use strict';

/**
 * Passes relayed HTTP requests on to a web server, and its answers back: as they come, both ways. Node's own client does
 * the local side.
 */

const http = require('node:http');
const https = require('node:https');
const { pipeline } = require('node:stream');

const { bareHost } = require('../shared/address');
const { clearTimeout, now, setTimeout } = require('../shared/clock');
const { withCode } = require('../shared/errors');
const { redact } = require('../shared/redact');
const { causeOf, statusOf } = require('./target-failure');
const { proxiedPath } = require('./proxied-path');
const { requestHeaders, responseHeaders } = require('./proxied-headers');

/** For so many milliseconds the head of an answer waits for its body: most are short, and both then go as one. */
const HEAD_PATIENCE = 50;

/** Methods that do no more when they come twice. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);

class HttpRequests {
  /**
   * @param {URL} url Of the target
   * @param {object} settings
   * @param {string} [settings.hostHeader]
   * @param {number} settings.targetTimeout
   * @param {object} settings.connection What Node's client takes about its connections
   * @param {import('node:events').EventEmitter} tunnel Where `answered` is emitted
   */
  constructor(url, { connection, hostHeader, targetTimeout }, tunnel) {
    this.url = url;
    this.hostHeader = hostHeader;
    this.timeout = targetTimeout;
    this.tunnel = tunnel;
    this.client = url.protocol === 'https:' ? https : http;
    this.agent = new this.client.Agent({ ...connection, keepAlive: true });
    this.requests = 0;
    this.failed = 0;
    /** Those that have no answer yet, or not all of it. */
    this.open = 0;
  }

  /**
   * @param {import('node:http').IncomingMessage} req Its `url` is without the path of the hybrid connection
   * @param {import('node:http').ServerResponse} res
   */
  handle(req, res) {
    const passage = new Passage(this, req, res);
    this.requests++;
    this.open++;
    res.once('close', () => {
      this.open--;
      passage.end();
    });
    passage.start();
  }

  stats() {
    const { failed, open, requests } = this;
    return { requests, open, failed };
  }

  close() {
    this.agent.destroy();
  }
}

/** One request on its way. */
class Passage {
  constructor(requests, req, res) {
    this.requests = requests;
    this.req = req;
    this.res = res;
    this.startedAt = now();
    /** @type {http.ClientRequest|undefined} */
    this.outgoing = undefined;
    this.error = undefined;
    this.retried = false;
    const { headers } = req;
    this.hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  }

  start() {
    const { req } = this;
    const path = proxiedPath(this.requests.url.pathname, req.url);
    // CONNECT would be a tunnel to wherever the sender likes.
    if (path === undefined || req.method === 'CONNECT') {
      return this.refuse(400, withCode(new Error('The path leads out of the target'), 'ERR_HYCO_REFUSED'));
    }
    this.send(path);
  }

  send(path) {
    const { req, requests } = this;
    const { agent, client, hostHeader, timeout, url } = requests;
    const headers = requestHeaders(req, { authority: url.host, hostHeader });
    if (req.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
    const { hostname, port } = url;
    let outgoing;
    try {
      // The whole of the address is the operator's; of the request there is what `proxiedPath()` lets through.
      const { method } = req;
      outgoing = client.request({
        agent,
        hostname: bareHost(hostname),
        port,
        method,
        path,
        headers,
        timeout
      });
    } catch (error) {
      // Characters that no request can have.
      return this.refuse(400, error);
    }
    this.outgoing = outgoing;
    // For as long as nothing moves, the connecting included.
    outgoing.on('timeout', () => {
      outgoing.destroy(withCode(new Error(`The target was silent for ${timeout} ms`), 'ERR_HYCO_TIMEOUT'));
    });
    outgoing.on('response', (response) => this.answer(response));
    outgoing.on('error', (error) => this.onError(error, path));
    // Node has nothing to say where nobody wants it, and the sender would wait.
    outgoing.on('upgrade', (response, socket) => {
      socket.destroy();
      this.refuse(502, withCode(new Error('The target changed the protocol unasked'), 'ERR_HYCO_PROTOCOL'));
    });
    if (this.hasBody) this.upload(outgoing);
    else outgoing.end();
  }

  upload(outgoing) {
    const { req } = this;
    req.pipe(outgoing);
    // A body that its sender breaks off must not look whole.
    req.once('close', () => req.complete || outgoing.destroy());
    // And one that the target does not want is in the way of the sender's next request.
    outgoing.once('close', () => {
      req.unpipe(outgoing);
      req.resume();
    });
  }

  answer(response) {
    const { outgoing, res } = this;
    if (res.destroyed) return void outgoing.destroy();
    // From here on it is for the sender and the relay to wait or not: an event stream may be silent for long.
    outgoing.setTimeout(0);
    try {
      for (const [name, value] of responseHeaders(response)) res.setHeader(name, value);
      res.writeHead(response.statusCode, response.statusMessage);
    } catch (error) {
      outgoing.destroy();
      return this.refuse(502, error);
    }
    if (/^text\/event-stream/i.test(response.headers['content-type'])) res.flushHeaders();
    else this.hurry(response);
    pipeline(response, res, (error) => {
      // Its sender has left, or the target has: what is out already can only be cut.
      if (error) {
        this.error ??= error;
        outgoing.destroy();
      }
    });
  }

  /** Who waits for the head alone gets it, a little later. */
  hurry(response) {
    const timer = setTimeout(() => this.res.flushHeaders(), HEAD_PATIENCE);
    const done = () => clearTimeout(timer);
    response.once('data', done).once('close', done);
  }

  onError(error, path) {
    const { outgoing, res } = this;
    // What the target had sent is being passed on, and its end is told there.
    if (res.headersSent || res.destroyed) return void (this.error ??= error);
    // The target had closed a connection that was kept for the next request, before it saw this one.
    // Or it has seen it, and nobody wants to have ordered twice.
    const again = REPEATABLE.has(this.req.method) && !this.hasBody && !this.retried;
    if (outgoing.reusedSocket && error.code === 'ECONNRESET' && again) {
      this.retried = true;
      return this.send(path);
    }
    this.refuse(statusOf(error), error);
  }

  /** An answer of our own, which says nothing of the target to strangers. */
  refuse(status, error) {
    const { res } = this;
    this.error = causeOf(error);
    if (res.destroyed) return;
    for (const name of res.getHeaderNames()) res.removeHeader(name);
    res.writeHead(status, http.STATUS_CODES[status], { 'Content-Type': 'text/plain' });
    res.end(`${http.STATUS_CODES[status]}\n`);
  }

  /** The response is over, in one way or the other. */
  end() {
    const { error, outgoing, req, requests, res, startedAt } = this;
    const complete = res.writableFinished;
    // Where the sender has left, nobody wants the rest.
    if (!complete) outgoing?.destroy();
    const failure =
      error ?? (complete ? undefined : withCode(new Error('The sender has left'), 'ERR_HYCO_DISCONNECTED'));
    if (failure !== undefined) requests.failed++;
    const { tunnel } = requests;
    if (tunnel.listenerCount('answered') === 0) return;
    const { id, method, socket, url } = req;
    const info = {
      id,
      method,
      path: redact(url.replace(/\?.*/s, '')),
      remoteAddress: socket.remoteAddress,
      statusCode: res.headersSent ? res.statusCode : undefined,
      duration: now() - startedAt
    };
    tunnel.emit('answered', info, failure);
  }
}

module.exports = { HttpRequests };
