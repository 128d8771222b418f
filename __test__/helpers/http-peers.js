'use strict';

// Senders of HTTP, and a listener that follows the protocol by hand: they share no code with what they test.

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');

const { dial, tls } = require('./emulator-peers.js');

/**
 * Sends a request and gives the whole response, `{ status, reason, headers, rawHeaders, body, socket }`.
 *
 * @param {import('../../emulator.js').RelayEmulator} relay
 * @param {string} [path] And query
 * @param {object} [options]
 * @param {?string} [options.token] In ServiceBusAuthorization; null for none
 * @param {Buffer|string|Array} [options.body] Pieces of it are written one by one
 * @param {http.Agent} [options.agent] Without one each request has a connection of its own
 */
function ask(relay, path, options = {}) {
  return new Promise((resolve, reject) => {
    const sent = begin(relay, path, options, (response) => {
      // Later it belongs to the agent again.
      const { socket } = response;
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode: status, statusMessage: reason, headers, rawHeaders } = response;
        resolve({ status, reason, headers, rawHeaders, body: Buffer.concat(chunks), socket });
      });
    });
    sent.on('error', reject);
    for (const piece of [].concat(options.body ?? [])) sent.write(piece);
    sent.end();
  });
}

/** Begins a request whose body the caller writes. */
function begin(relay, path, { token, method = 'GET', headers, agent = false } = {}, onResponse) {
  const own = token === null ? {} : { ServiceBusAuthorization: token ?? relay.createToken('') };
  const { request } = relay.secure ? https : http;
  const all = { method, headers: { ...own, ...headers }, agent, ca: tls.cert };
  return request(relay.httpUri(path), all, onResponse);
}

/** An agent with one connection that is kept. */
function keeping(relay) {
  return new (relay.secure ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
}

/** A sender without a library: `until(pattern)` gives all that came, once that matches; `all` does at the end. */
function raw(relay, text = '') {
  const socket = net.connect(relay.port, '127.0.0.1');
  let got = '';
  let waiting = [];
  const check = () => {
    waiting = waiting.filter(({ pattern, resolve }) => !pattern.test(got) || resolve(got));
  };
  socket.setEncoding('latin1').on('data', (data) => {
    got += data;
    check();
  });
  socket.until = (pattern) =>
    new Promise((resolve) => {
      waiting.push({ pattern, resolve });
      check();
    });
  socket.all = new Promise((resolve) => {
    socket.on('error', (error) => {
      socket.failure = error.code;
    });
    socket.on('close', () => resolve(got));
  });
  socket.write(text, 'latin1');
  return socket;
}

/** A request head, with what every one has. */
function headOf(relay, line, ...lines) {
  const own = [`Host: ${relay.address}`, `ServiceBusAuthorization: ${relay.createToken('')}`];
  return [line, ...own, ...lines, '', ''].join('\r\n');
}

/** The next request on a channel, `{ request, body, channel }`: the control channel, or where a short form led. */
async function take(channel) {
  const [text, binary] = await channel.messages.next();
  if (binary) throw new Error('a body without a request');
  const { request } = JSON.parse(text.toString());
  if (request.method === undefined) {
    const leg = await dial(request.address, [], { maxPayload: 0 });
    return { ...(await take(leg)), short: request };
  }
  let body = null;
  if (request.body) {
    const [data, isBinary] = await channel.messages.next();
    if (!isBinary) throw new Error('a text instead of a body');
    body = data;
  }
  return { request, body, channel };
}

/** The text of a response. */
function responseTo(request, { status = 200, reason = '', headers = {}, body = false } = {}) {
  const response = {
    requestId: request.id,
    statusCode: status,
    statusDescription: reason,
    responseHeaders: headers,
    body
  };
  return JSON.stringify({ response });
}

/** Answers where the request came from. */
function respond({ request, channel }, { body, ...rest } = {}) {
  channel.send(responseTo(request, { ...rest, body: body !== undefined }));
  if (body !== undefined) channel.send(Buffer.from(body));
}

/** Opens the rendezvous of a request that came on the control channel. */
async function rendezvous({ request }) {
  return { request, channel: await dial(request.address, [], { maxPayload: 0 }) };
}

module.exports = { ask, begin, headOf, keeping, raw, rendezvous, respond, responseTo, take };
