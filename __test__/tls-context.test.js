'use strict';

// TLS settings belong to the socket that was made with them, however long it waits and whatever others do meanwhile.

const { createPrivateKey } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');
const path = require('node:path');

const { RelayedServer, RelayedWebSocket, WebSocketServer, relayedConnect } = require('..');
const { tlsContext } = require('../lib/engine/tls-context');

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

const encrypt = () =>
  createPrivateKey(pem('loopback', 'key')).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'the right one'
  });

/** One key in 256 has a padding that a wrong passphrase finds to be right; OpenSSL's code is another then. */
function saysBadDecrypt(key) {
  return ['hush-hush', ''].every((passphrase) => {
    try {
      createPrivateKey({ key, passphrase });
    } catch (error) {
      return error.code === 'ERR_OSSL_BAD_DECRYPT';
    }
    return false;
  });
}

let encrypted = encrypt();
while (!saysBadDecrypt(encrypted)) encrypted = encrypt();

/** What ws makes of it, and the option that a listener names. */
const UNUSABLE = [
  [{ ca: 'no PEM' }, 'ca', undefined],
  [{ ca: cert, cert: 'no PEM', key: pem('loopback', 'key') }, 'cert', 'ERR_OSSL_PEM_NO_START_LINE'],
  [{ ca: cert, cert, key: 'no PEM' }, 'key', 'ERR_OSSL_UNSUPPORTED'],
  [{ ca: cert, cert, key: pem('contoso', 'key') }, 'key', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'],
  [{ ca: cert, cert, key: encrypted, passphrase: 'hush-hush' }, 'passphrase', 'ERR_OSSL_BAD_DECRYPT'],
  [{ ca: cert, cert, key: encrypted }, 'passphrase', 'ERR_OSSL_BAD_DECRYPT'],
  [{ ca: cert, minVersion: 'SSLv3' }, 'minVersion', 'ERR_TLS_INVALID_PROTOCOL_VERSION'],
  [{ ca: cert, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, 'minVersion', undefined]
];

test.each(UNUSABLE)('a listener names what it cannot use: %#', (settings, name) => {
  const server = url.replace('connect', 'listen');
  const make = () => new RelayedServer({ server, token: 'a token', tls: settings });
  expect(make).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }));
  expect(make).toThrow(`"options.tls.${name}"`);
  expect(make).not.toThrow('hush');
});

test.each(UNUSABLE)(
  'to a socket it is an error event, with the code that ws has: %#',
  async (settings, name, code) => {
    const late = { ...settings, token: () => new Promise(() => {}) };
    for (const make of [
      () => new RelayedWebSocket(url, settings),
      () => relayedConnect(url, settings),
      () => relayedConnect(url, late)
    ]) {
      const socket = make();
      expect(socket.readyState).not.toBe(RelayedWebSocket.OPEN);
      const closed = once(socket, 'close').catch(() => {});
      const error = await ended(socket);
      await closed;
      expect(error.code).toBe(code ?? 'ERR_INVALID_ARG_VALUE');
      if (code === undefined) {
        expect([error.name, error.message]).toEqual([
          'TypeError',
          expect.stringContaining(`"options.${name}"`)
        ]);
      }
      expect(error.stack).not.toContain('hush');
    }
    expect(requests).toEqual([]);
  }
);

test('what is no context is not taken for one', () => {
  const { NativeEngine } = require('../lib/shared/native');
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
