'use strict';

// Options that only Node's own network objects know move a socket to ws's engine: they do what they say.

const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');
const path = require('node:path');
const { inspect } = require('node:util');

const WebSocket = require('ws');

const { RelayedWebSocket, WebSocketServer, relayedConnect } = require('..');

const pem = (name) => readFileSync(path.join(__dirname, 'fixtures', `loopback-${name}.pem`), 'utf8');

/** `openssl pkcs12 -export -in loopback-cert.pem -inkey loopback-key.pem -passout pass:word -out loopback.p12` */
const PFX = readFileSync(path.join(__dirname, 'fixtures', 'loopback.p12'));

let server;
let url;
let seen;
beforeAll(async () => {
  const options = {
    cert: pem('cert'),
    key: pem('key'),
    ca: pem('cert'),
    requestCert: true,
    rejectUnauthorized: false
  };
  server = https.createServer(options);
  new WebSocketServer({ server }).on('connection', (socket, request) => {
    const token = request.headers.servicebusauthorization;
    seen.push({ authorized: request.socket.authorized, token });
    socket.on('message', (data) => socket.send(data));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `wss://127.0.0.1:${server.address().port}`;
});
beforeEach(() => {
  seen = [];
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

test('checkServerIdentity decides', async () => {
  const asked = [];
  const refused = new RelayedWebSocket(url, {
    ca: pem('cert'),
    checkServerIdentity(host, certificate) {
      asked.push([host, typeof certificate.fingerprint256]);
      return new Error('not this one');
    }
  });
  const [error] = await once(refused, 'error');
  expect(error.message).toBe('not this one');
  expect(asked).toEqual([['127.0.0.1', 'string']]);
});

test('ciphers are those of the connection', async () => {
  const cipher = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384';
  const socket = new RelayedWebSocket(url, { ca: pem('cert'), ciphers: cipher, maxVersion: 'TLSv1.2' });
  await once(socket, 'open');
  expect(cipher).toContain(socket._socket.getCipher().name);
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('hello');
  socket.close();
  await once(socket, 'close');
});

test('pfx is read by OpenSSL: key, certificate and pass phrase', async () => {
  const socket = new RelayedWebSocket(url, { ca: pem('cert'), pfx: PFX, passphrase: 'word' });
  await once(socket, 'open');
  expect(seen).toEqual([{ authorized: true, token: undefined }]);
  socket.close();
  await once(socket, 'close');
  const locked = new RelayedWebSocket(url, { pfx: PFX, passphrase: 'wrong' });
  expect((await once(locked, 'error'))[0].message).toBe('mac verify failure');
});

test.each([
  ['proxy', 'http://127.0.0.1:1'],
  ['keepAlive', true],
  ['maxBufferedAmount', 4],
  ['highWaterMark', 4],
  ['textMessages', 'string']
])('%s beside pfx is a TypeError that names both', (name, value) => {
  const options = { ca: pem('cert'), pfx: PFX, passphrase: 'word', [name]: value };
  for (const make of [() => new RelayedWebSocket(url, options), () => relayedConnect(url, options)]) {
    expect(make).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }));
    expect(make).toThrow(new RegExp(`options\\.${name}.*"pfx"`));
  }
});

test('what says no more than the default is no obstacle', async () => {
  const off = { proxy: false, keepAlive: false, maxBufferedAmount: 0, textMessages: 'buffer' };
  const socket = new RelayedWebSocket(url, { ca: pem('cert'), pfx: PFX, passphrase: 'word', ...off });
  await once(socket, 'open');
  socket.terminate();
});

const LATE = 'wss://127.0.0.1/$hc/hyco?sb-hc-action=connect';
const late = (token, options) => {
  const address = new URL(LATE);
  address.port = new URL(url).port;
  return relayedConnect(address.href, { token, ca: pem('cert'), ...options });
};

test.each([
  ['pfx', { pfx: PFX, passphrase: 'word' }],
  ['agent', { agent: new https.Agent() }]
])("the request of ws's engine waits for a late token: %s", async (name, options) => {
  const socket = late(() => new Promise((resolve) => setImmediate(resolve, 'a late token')), options);
  await once(socket, 'open');
  expect(seen).toEqual([{ authorized: name === 'pfx', token: 'a late token' }]);
  socket.terminate();
});

test("a token that does not come is the error of ws's engine, too", async () => {
  const socket = late(() => Promise.reject(new Error('no')), { pfx: PFX, passphrase: 'word' });
  const [error] = await once(socket, 'error');
  expect(error.code).toBe('ERR_HYCO_TOKEN');
  expect(seen).toEqual([]);
});

test('finishRequest has its say after the token', async () => {
  const finishRequest = (request) => {
    expect(request.getHeader('ServiceBusAuthorization')).toBe('a late token');
    request.end();
  };
  const socket = late(() => Promise.resolve('a late token'), { finishRequest });
  await once(socket, 'open');
  socket.terminate();
});

test.each([
  ["ws's engine", { agent: new https.Agent() }],
  ['the native engine', {}]
])('a program sees one class, derives from it and patches it: %s', async (_, options) => {
  class Loud extends RelayedWebSocket {
    calls = [];

    send(data, ...rest) {
      super.send(`${data}!`, ...rest);
    }

    emitClose() {
      this.calls.push('emitClose');
      super.emitClose();
    }
  }
  const patched = jest.spyOn(RelayedWebSocket.prototype, 'close');
  const socket = new Loud(url, { ca: pem('cert'), ...options });
  expect(socket).toBeInstanceOf(RelayedWebSocket);
  expect(Object.getPrototypeOf(socket)).toBe(Loud.prototype);
  await once(socket, 'open');
  socket.send('hello', () => socket.calls.push('sent'));
  expect(String((await once(socket, 'message'))[0])).toBe('hello!');
  socket.close(1000);
  await once(socket, 'close');
  expect(socket.calls).toEqual(['sent', 'emitClose']);
  expect(patched).toHaveBeenCalledWith(1000);
  patched.mockRestore();

  const plain = new RelayedWebSocket(url, { ca: pem('cert'), ...options });
  expect(plain.constructor).toBe(RelayedWebSocket);
  expect(inspect(plain)).toMatch(/^RelayedWebSocket \{/);
  await once(plain, 'open');
  plain.terminate();
  await once(plain, 'close');
});

test("what is patched in ws's own class counts for sockets on its engine", async () => {
  const patched = jest.spyOn(WebSocket.prototype, 'close');
  try {
    const socket = new RelayedWebSocket(url, { ca: pem('cert'), family: 4 });
    await once(socket, 'open');
    socket.close(1000);
    await once(socket, 'close');
    expect(patched.mock.contexts).toContain(socket);
  } finally {
    patched.mockRestore();
  }
});
