'use strict';

/**
 * Brings relayed WebSockets to a web server. It is asked first: its answer, the subprotocol of its choice or a refusal, is
 * what the sender gets. Then bytes go both ways.
 */

const http = require('node:http');
const https = require('node:https');
const { pipeline } = require('node:stream');

const { bareHost } = require('../shared/address');
const { nextTick } = require('../shared/clock');
const { withCode } = require('../shared/errors');
const { redact } = require('../shared/redact');
const { verifyClient } = require('../listener/verdict');
const { causeOf, statusOf } = require('./target-failure');
const { proxiedPath } = require('./proxied-path');
const { requestHeaders } = require('./proxied-headers');

/** The longest wait for a target's verdict: after 20 seconds the listener turns a sender away by itself. */
const MOST_PATIENCE = 15_000;

class HttpUpgrades {
  /**
   * @param {URL} url Of the target
   * @param {object} settings As for `HttpRequests`, and
   * @param {function} [settings.verifyClient] the program's own say, which comes first
   * @param {import('node:events').EventEmitter} tunnel Where `connect`, `disconnect` and `refused` are emitted
   */
  constructor(url, settings, tunnel) {
    this.url = url;
    this.settings = settings;
    this.tunnel = tunnel;
    this.client = url.protocol === 'https:' ? https : http;
    this.opened = 0;
    this.open = 0;
    this.refused = 0;
  }

  /**
   * @param {import('node:http').IncomingMessage} req
   * @param {import('node:stream').Duplex} stream The sender's side
   */
  handle(req, stream) {
    stream.on('error', () => {});
    verifyClient(
      this.settings,
      req,
      (isWelcome, status, reason) => {
        if (stream.destroyed) return;
        if (isWelcome) this.dial(req, stream);
        else this.refuse(req, stream, status || 401, reason, refusal(`refused by verifyClient`));
      },
      (error) => {
        this.refuse(req, stream, 500, undefined, error);
        // It stays an uncaught exception, as it is for a listener.
        nextTick(() => {
          throw error;
        });
      }
    );
  }

  dial(req, stream) {
    const { client, settings, url } = this;
    const { connection, hostHeader, targetTimeout } = settings;
    const path = proxiedPath(url.pathname, req.url);
    if (path === undefined) {
      return this.refuse(req, stream, 400, undefined, refusal('The path leads out of the target'));
    }
    const headers = requestHeaders(req, { authority: url.host, hostHeader, hasBody: false });
    headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
    const timeout = Math.min(targetTimeout || MOST_PATIENCE, MOST_PATIENCE);
    const { hostname, port } = url;
    const where = { ...connection, agent: false, hostname: bareHost(hostname), port };
    let outgoing;
    try {
      outgoing = client.request({ ...where, method: 'GET', path, headers, timeout });
    } catch (error) {
      return this.refuse(req, stream, 400, undefined, error);
    }
    // The sender need not wait to the end.
    const leave = () => outgoing.destroy();
    stream.once('close', leave);
    outgoing.on('timeout', () => {
      outgoing.destroy(withCode(new Error(`The target was silent for ${timeout} ms`), 'ERR_HYCO_TIMEOUT'));
    });
    outgoing.on('error', (error) => {
      if (!stream.destroyed) this.refuse(req, stream, statusOf(error), undefined, causeOf(error));
    });
    outgoing.on('response', (response) => {
      const { statusCode: status, statusMessage } = response;
      // Whatever its body is, it does not cross the relay.
      response.destroy();
      const error = refusal(`The target answered ${status} ${statusMessage}`);
      if (status >= 300) this.refuse(req, stream, status, statusMessage, error);
      else this.refuse(req, stream, 502, undefined, error);
    });
    outgoing.on('upgrade', (response, socket, head) => {
      stream.off('close', leave);
      const flaw = flawOf(response, req);
      if (flaw !== undefined) {
        socket.destroy();
        return this.refuse(req, stream, 502, undefined, refusal(`The target answered 101 with ${flaw}`));
      }
      this.join(req, stream, response, socket, head);
    });
    outgoing.end();
  }

  join(req, stream, response, socket, head) {
    const { tunnel } = this;
    socket.on('error', () => {});
    socket.setTimeout(0);
    socket.setNoDelay(true);
    if (stream.destroyed) return void socket.destroy();
    if (head.length > 0) socket.unshift(head);
    const protocol = response.headers['sec-websocket-protocol'];
    const line = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
    const info = { ...this.infoOf(req), protocol };
    let isOpen = false;
    // Called when the sender has been met, and not before.
    stream.write(`HTTP/1.1 101 Switching Protocols\r\n${line}\r\n`, (error) => {
      if (error || stream.destroyed) return;
      isOpen = true;
      this.opened++;
      this.open++;
      tunnel.emit('connect', info);
    });
    pipeline(socket, stream, () => {});
    pipeline(stream, socket, () => {});
    stream.once('close', () => {
      if (!isOpen) return;
      this.open--;
      tunnel.emit('disconnect', info);
    });
  }

  refuse(req, stream, status, reason, error) {
    this.refused++;
    const text = reason || http.STATUS_CODES[status] || '';
    if (!stream.destroyed) stream.end(`HTTP/1.1 ${status} ${text}\r\n\r\n`, 'latin1');
    this.tunnel.emit('refused', error, { ...this.infoOf(req), statusCode: Number(status) });
  }

  infoOf({ id, socket, url }) {
    return { id, path: redact(url.replace(/\?.*/s, '')), remoteAddress: socket.remoteAddress };
  }

  stats() {
    const { open, opened, refused } = this;
    return { open, opened, refused };
  }
}

/** @return {string|undefined} What the sender could not take, or would wait for in vain */
function flawOf({ headers }, req) {
  const offered = (req.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const chosen = headers['sec-websocket-protocol'];
  if (!/^websocket$/i.test(headers.upgrade)) return 'another protocol';
  if (headers['sec-websocket-extensions'] !== undefined) return 'an extension that was not offered';
  if (chosen !== undefined && !offered.includes(chosen)) return 'a subprotocol that was not offered';
  return undefined;
}

function refusal(text) {
  return withCode(new Error(text), 'ERR_HYCO_REFUSED');
}

module.exports = { HttpUpgrades };
