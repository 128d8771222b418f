'use strict';

// TLS settings belong to the socket that was made with them, however long it waits and whatever others do meanwhile.

const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');
const path = require('node:path');

const { RelayedServer, RelayedWebSocket, WebSocketServer, relayedConnect } = require('..');
const { tlsContext } = require('../lib/tls-context');

const pem = (name, kind) => readFileSync(path.join(__dirname, 'fixtures', `${name}-${kind}.pem`), 'utf8');
const cert = pem('loopback', 'cert');
const other = pem('contoso', 'cert');

let server;
let url;
let requests;
beforeEach(async () => {
  requests = [];
  server = https.createServer({ cert, key: pem('loopback', 'key') });
  server.on('upgrade', (request) => requests.push(request.headers.servicebusauthorization));
  new WebSocketServer({ server });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `wss://127.0.0.1:${server.address().port}/$hc/hyco?sb-hc-action=connect`;
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

/** Many settings of somebody else, all of them careless: more than are kept for the next socket. */
function others() {
  for (let count = 1; count <= 80; count++) {
    tlsContext({ ca: Array(count).fill(cert), rejectUnauthorized: false });
  }
}

const ended = (socket) =>
  new Promise((resolve) => {
    socket.on('error', resolve);
    socket.on('open', () => resolve('open'));
  });

test('a sender whose token comes late is as strict as it was made', async () => {
  let answer;
  const token = () => new Promise((resolve) => (answer = resolve));
  const strict = relayedConnect(url, { token, ca: other });
  others();
  answer('a token');
  expect(await ended(strict)).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(requests).toEqual([]);
});

test('and as trusting', async () => {
  let answer;
  const token = () => new Promise((resolve) => (answer = resolve));
  const trusting = relayedConnect(url, { token, ca: cert });
  for (let count = 1; count <= 80; count++) tlsContext({ ca: Array(count).fill(other) });
  answer('a token');
  expect(await ended(trusting)).toBe('open');
  expect(requests).toEqual(['a token']);
  trusting.terminate();
});

test('after a redirect, too', async () => {
  const first = https.createServer({ cert: other, key: pem('contoso', 'key') });
  first.on('upgrade', (request, socket) =>
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${url}\r\nContent-Length: 0\r\n\r\n`)
  );
  first.listen(0, '127.0.0.1');
  await once(first, 'listening');
  const strict = new RelayedWebSocket(`wss://127.0.0.1:${first.address().port}`, {
    ca: other,
    servername: 'g1.servicebus.windows.net',
    followRedirects: true
  });
  strict.on('redirect', others);
  const error = await ended(strict);
  first.close();
  first.closeAllConnections();
  expect(error).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(requests).toEqual([]);
});

test('the same settings are one context, and others are not', () => {
  const context = tlsContext({ ca: cert });
  expect(tlsContext({ ca: Buffer.from(cert) })).toBe(context);
  expect(tlsContext({ ca: cert, rejectUnauthorized: false })).not.toBe(context);
  expect(tlsContext({ ca: other })).not.toBe(context);
});

test.each([
  [{ ca: 'no PEM' }, 'ca'],
  [{ ca: cert, cert: 'no PEM', key: 'no PEM' }, 'cert'],
  [{ ca: cert, cert, key: 'no PEM' }, 'key'],
  [{ ca: cert, minVersion: 'SSLv3' }, 'SSLv3']
])('settings that cannot be used are a TypeError: %#', (settings, named) => {
  for (const make of [
    () => new RelayedWebSocket(url, settings),
    () => relayedConnect(url, settings),
    () => tlsContext(settings)
  ]) {
    expect(make).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }));
    expect(make).toThrow(named);
  }
});

test('a key of another certificate has the code of OpenSSL', () => {
  const settings = { ca: cert, cert, key: pem('contoso', 'key') };
  for (const make of [
    () => new RelayedWebSocket(url, settings),
    () => new RelayedServer({ server: url, token: 'a token', tls: settings })
  ]) {
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' }));
    expect(make).toThrow(/^error:05800074:x509 certificate routines::key values mismatch$/);
  }
});

test('what is no context is not taken for one', () => {
  const { NativeEngine } = require('../lib/native');
  const engine = new NativeEngine(() => {}, {
    directWrite: true,
    directRead: true,
    spin: true,
    shortIo: false
  });
  const limits = { maxPayload: 0, maxFragments: 0, skipUtf8: false, highWater: 1, maxBacklog: 0 };
  const dial = { secure: true, host: '127.0.0.1', port: 1, target: '/', head: '', protocols: [], limits };
  for (const tls of [0, {}, engine, Object.create(Object.getPrototypeOf(tlsContext({ ca: cert })))]) {
    expect(() => engine.dial(0, { ...dial, handshakeTimeout: 0, tls })).toThrow();
  }
});
