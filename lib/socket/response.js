'use strict';

/** The server's answer as `upgrade` and `unexpected-response` listeners get it: a real `http.IncomingMessage`. */

const { ClientRequest, IncomingMessage, OutgoingMessage } = require('node:http');

const { markSent } = require('./dial');
const { withCode } = require('../shared/errors');
const { redact, redactHeaders } = require('../shared/redact');
const { showOnly } = require('../shared/shown');

const { nextTick } = require('../shared/clock');

/**
 * @param {{version: string, status: number, reason: string, headers: Array<[string, string]>}} head
 * @param {{read: function(): void, stall: function(): void, destroy: function(): void}} [body] Where the response has
 *     one: how to ask for more of it, to hold it back, and to give it up
 * @return {IncomingMessage}
 */
function createResponse(head, body) {
  const response = new IncomingMessage(null);
  response.statusCode = head.status;
  response.statusMessage = head.reason;
  response.httpVersion = head.version;
  response.httpVersionMajor = 1;
  response.httpVersionMinor = Number(head.version.slice(2));
  const lines = head.headers.flat();
  response.rawHeaders = lines;
  // Node's own joining rules; without the method (it has no public name) `headers` would stay empty.
  response._addHeaderLines(lines, lines.length);
  if (body === undefined) {
    response.complete = true;
    response.push(null);
    return response;
  }
  const push = response.push.bind(response);
  response.push = (chunk) => {
    const goesOn = push(chunk);
    if (!goesOn && chunk !== null) body.stall();
    return goesOn;
  };
  response._read = body.read;
  response._destroy = (error, callback) => {
    body.destroy();
    IncomingMessage.prototype._destroy.call(response, error, callback);
  };
  return response;
}

/** An instance of `ClientRequest` by its prototype, for those who check; nothing of its own machinery is behind it. */
function LookAlike() {}
LookAlike.prototype = Object.create(ClientRequest.prototype);
showOnly(
  LookAlike.prototype,
  (request) => ({
    method: request.method,
    host: request.host,
    path: redact(request.path),
    headers: redactHeaders(request.getHeaders?.() ?? {}),
    destroyed: request.destroyed
  }),
  'ClientRequest'
);

/**
 * What `redirect` and `unexpected-response` listeners get in place of an `http.ClientRequest`: enough to see what was
 * asked for, to change the headers of what goes out next, and to give the attempt up. The headers are kept by Node's own
 * code, which checks them as it does for any request.
 *
 * @param {import('./socket').RelayedWebSocket} socket
 * @param {object} prepared What `prepareRequest()` made
 * @param {boolean} redirected Whether it follows a redirect
 * @return {EventEmitter}
 */
function createRequest(socket, prepared, redirected) {
  const { dial, headers } = prepared;
  const request = Reflect.construct(OutgoingMessage, [], LookAlike);
  for (const { name, value } of headers.values()) request.setHeader(name, value);
  const destroy = (error) => {
    if (request.destroyed) return request;
    request.destroyed = true;
    socket._giveUp(error ?? withCode(new Error('socket hang up'), 'ECONNRESET'));
    return request;
  };
  // Node's older way of it: before there is a network socket it ends without an error, so that ws hears nothing of it.
  let early = redirected;
  request.once('socket', () => (early = false));
  const abort = () => {
    if (request.destroyed) return;
    request.aborted = true;
    nextTick(() => request.emit('abort'));
    if (!early) return void destroy();
    request.destroyed = true;
    socket._giveUp(null);
  };
  const members = {
    method: 'GET',
    protocol: dial.secure ? 'https:' : 'http:',
    host: dial.host,
    path: dial.target,
    destroyed: false,
    aborted: false,
    destroy,
    abort
  };
  for (const [name, value] of Object.entries(members)) {
    Object.defineProperty(request, name, { value, configurable: true, enumerable: true, writable: true });
  }
  prepared.lookAlike = request;
  if (prepared.sent) markSent(request);
  return request;
}

module.exports = { createRequest, createResponse };
