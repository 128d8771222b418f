'use strict';

// The least that a runtime has to do to be of use: a listener and senders, by WebSocket and by HTTP, through the embedded
// relay. Plain JavaScript without a test runner, because it also runs on Bun and Deno. Ends by itself: a process that stays
// has failed.

const assert = require('node:assert');
const { createHash, randomBytes } = require('node:crypto');
const { EventEmitter, once } = require('node:events');
const { readFileSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const MIB = 1024 * 1024;

const fixture = (name) => readFileSync(path.join(__dirname, '..', '__test__', 'fixtures', name), 'utf8');

const digest = (data) => createHash('sha256').update(data).digest('hex');

async function step(name, work) {
  await work();
  console.log(`ok  ${name}`);
}

/** An HTTP sender, as every runtime has one. */
async function request(url, { method = 'GET', body, headers, ca, onPart }) {
  const outgoing = (ca === undefined ? http : https).request(url, { method, headers, ca, agent: false });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  const parts = [];
  for await (const part of response) {
    parts.push(part);
    onPart?.();
  }
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) };
}

/** Answers `/echo`, `/headers` and `/events`; anything else fails. */
async function answer(req, res) {
  const { pathname } = new URL(req.url, 'http://relay');
  if (pathname === '/hyco/echo') return req.pipe(res);
  if (pathname === '/hyco/headers') {
    res.writeHead(201, 'Made', { 'Set-Cookie': ['a=1', 'b=2'], 'X-Asked': req.headers['x-asked'] });
    return res.end(`${req.method} ${req.url} of ${req.socket.remoteAddress}`);
  }
  if (pathname !== '/hyco/events') throw new Error('as asked');
  res.setHeader('Content-Type', 'text/event-stream');
  res.write('data: first\n\n');
  // The last waits until the first has arrived.
  heard.once('event', () => res.end('data: last\n\n'));
}

const heard = new EventEmitter();

async function runHttp(relay, server, ca) {
  const headers = { ServiceBusAuthorization: relay.createToken('hyco') };
  const ask = (target, options) =>
    request(`${relay.httpUri('hyco')}${target}`, {
      ...options,
      ca,
      headers: { ...headers, ...options?.headers }
    });
  const failures = [];
  server.on('request', answer);
  server.on('requestError', (error) => failures.push(error.message));

  await step('HTTP: status, headers and a small body', async () => {
    const { status, headers, body } = await ask('/headers?a=%20b', { headers: { 'X-Asked': 'yes' } });
    assert.deepStrictEqual(
      [status, String(headers['set-cookie']), headers['x-asked'], body.toString()],
      [201, 'a=1, b=2', 'yes', 'GET /hyco/headers?a=%20b of 127.0.0.1']
    );
  });
  await step('HTTP: bodies of 5 bytes and of 1 MiB, there and back', async () => {
    for (const sent of [Buffer.from('hello'), randomBytes(MIB)]) {
      const { status, body } = await ask('/echo', { method: 'POST', body: sent });
      assert.deepStrictEqual([status, body.length, digest(body)], [200, sent.length, digest(sent)]);
    }
  });
  await step('HTTP: an event stream', async () => {
    const { headers, body } = await ask('/events', { onPart: () => heard.emit('event') });
    assert.deepStrictEqual(
      [headers['content-type'], body.toString()],
      ['text/event-stream', 'data: first\n\ndata: last\n\n']
    );
  });
  await step('HTTP: 500 for a handler that fails', async () => {
    const { status } = await ask('/else');
    assert.deepStrictEqual([status, failures], [500, ['as asked']]);
  });
  await step('HTTP: an http.Server that is attached', async () => {
    server.attach(http.createServer((req, res) => res.end(`${req.baseUrl} ${req.url}`)));
    const { status, body } = await ask('/page?a=1');
    assert.deepStrictEqual([status, body.toString()], [200, '/hyco /page?a=1']);
  });
  await step('a WebSocket at ws on an attached http.Server', async () => {
    const httpServer = http.createServer();
    const wss = new WebSocket.Server({ server: httpServer });
    wss.on('connection', (peer) => peer.on('message', (data) => peer.send(`ws says ${data}`)));
    server.attach(httpServer);
    const socket = await WebSocket.connectRelayed(relay.sendUri('hyco'), {
      token: relay.createToken('hyco'),
      ca
    });
    socket.send('hello');
    const [data] = await once(socket, 'message');
    socket.close(4003);
    const [code] = await once(socket, 'close');
    assert.deepStrictEqual([data.toString(), code], ['ws says hello', 4003]);
  });
}

/** @param {{cert: string, key: string}} [tls] For wss:// instead of ws:// */
async function run(tls) {
  const relay = await RelayEmulator.start({ tls });
  console.log(`    ${relay.sendUri()}`);
  const credentials = { keyName: relay.keyName, key: relay.key };
  const trust = tls && { ca: tls.cert };
  const server = new WebSocket.RelayedServer({ server: relay.listenUri(), ...credentials, tls: trust });
  const connect = (path, token = relay.createToken('hyco')) =>
    WebSocket.relayedConnect(relay.sendUri(path), { token, ...trust });
  server.on('connection', (socket, request) => {
    const code = new URL(request.url, 'ws://relay').searchParams.get('close');
    if (code !== null) return socket.close(Number(code), 'as asked');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await step('the listener is online', () => once(server, 'listening'));

  const socket = connect();
  await step('the sender is connected', () => once(socket, 'open'));
  const ask = async (data) => {
    const answer = once(socket, 'message');
    socket.send(data);
    return answer;
  };
  await step('text', async () => {
    const [data, isBinary] = await ask('grüße 🙂');
    assert.deepStrictEqual([data.toString(), isBinary], ['grüße 🙂', false]);
  });
  await step('binary', async () => {
    const [data, isBinary] = await ask(Buffer.from([0, 1, 254, 255]));
    assert.deepStrictEqual([Buffer.from(data).toString('hex'), isBinary], ['0001feff', true]);
  });
  await step('1 MiB', async () => {
    const payload = randomBytes(MIB);
    const [data] = await ask(payload);
    assert.deepStrictEqual([data.length, digest(data)], [MIB, digest(payload)]);
  });
  await step('1,000 messages in order', async () => {
    const received = [];
    const all = new Promise((resolve) => {
      const read = (data) => {
        received.push(Number(data.toString()));
        if (received.length < 1_000) return;
        socket.off('message', read);
        resolve();
      };
      socket.on('message', read);
    });
    for (let number = 0; number < 1_000; number++) socket.send(String(number));
    await all;
    assert.deepStrictEqual(received, [...received.keys()]);
  });
  await step('the sender closes with 4001', async () => {
    const [accepted] = server.clients;
    const closed = once(accepted, 'close');
    socket.close(4001, 'enough');
    const [code, reason] = await closed;
    assert.deepStrictEqual([code, reason.toString()], [4001, 'enough']);
  });
  await step('the listener closes with 4002', async () => {
    const [code, reason] = await once(connect('hyco?close=4002'), 'close');
    assert.deepStrictEqual([code, reason.toString()], [4002, 'as asked']);
  });
  await step('a stream ends with its connection', async () => {
    const third = connect();
    const stream = WebSocket.createWebSocketStream(third, { encoding: 'utf8' });
    stream.write('through a stream');
    const [text] = await once(stream, 'data');
    const closed = once(third, 'close');
    stream.end();
    await closed;
    assert.strictEqual(text, 'through a stream');
  });
  await step('a wrong token is refused', async () => {
    const [error] = await once(connect('hyco', 'no token'), 'error');
    assert.deepStrictEqual([error.code, error.statusCode], ['ERR_HYCO_UNAUTHORIZED', 401]);
  });
  await runHttp(relay, server, tls?.cert);

  await server.close();
  await relay.close();
  console.log('ok  everything is closed');
}

async function main() {
  await run();
  await run({ cert: fixture('loopback-cert.pem'), key: fixture('loopback-key.pem') });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
