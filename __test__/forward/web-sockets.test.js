'use strict';

// WebSockets through the relay to a web server on a port.

const { once } = require('node:events');
const http = require('node:http');

const WebSocket = require('ws');

const { forward, relayedConnect } = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { Queue } = require('../helpers/emulator-peers.js');

let relay;
let tunnel;
let httpServer;
const sockets = [];
const connections = [];

beforeEach(async () => {
  relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
  httpServer = http.createServer((req, res) => res.writeHead(404).end());
  httpServer.on('connection', (socket) => connections.push(socket));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await tunnel?.close({ timeout: 0 });
  tunnel = undefined;
  await relay.close({ force: true });
  for (const socket of connections.splice(0)) socket.destroy();
  await new Promise((resolve) => httpServer.close(resolve));
});

/** A tunnel to a server with ws on it, whose peers come one by one. */
async function open(options, wsOptions) {
  const peers = new Queue();
  if (wsOptions !== null) {
    const wss = new WebSocket.Server({ server: httpServer, ...wsOptions });
    wss.on('connection', (socket, request) => peers.push([keep(socket), request]));
  }
  if (!httpServer.listening) await once(httpServer.listen(0, '127.0.0.1'), 'listening');
  const { keyName, key } = relay;
  const target = `http://127.0.0.1:${httpServer.address().port}/base`;
  tunnel = await forward(target, { server: relay.listenUri(), keyName, key, ...options });
  // Some may come when the test is over.
  const events = (tunnel.events = new Queue());
  for (const name of ['connect', 'disconnect', 'refused']) {
    tunnel.on(name, (...args) => events.push([name, ...args]));
  }
  return peers;
}

function keep(socket) {
  sockets.push(socket);
  socket.messages = new Queue();
  socket.on('message', (data, isBinary) => socket.messages.push([String(data), isBinary]));
  socket.closed = new Promise((resolve) =>
    socket.on('close', (code, reason) => resolve([code, String(reason)]))
  );
  socket.failed = new Promise((resolve) => socket.on('error', resolve));
  return socket;
}

const connect = (path = '', options) => keep(relayedConnect(relay.sendUri(`hyco${path}`), options));

test('text and bytes go both ways, and the target is told who came', async () => {
  const peers = await open();
  const sender = connect('/chat?room=1', {
    headers: { Cookie: 'a=b', 'X-Forwarded-For': '6.6.6.6', Origin: 'https://app.test' }
  });
  const [peer, { url, headers }] = await peers.next();
  expect(url).toBe('/base/chat?room=1');
  expect(headers).toMatchObject({
    host: `127.0.0.1:${httpServer.address().port}`,
    cookie: 'a=b',
    origin: 'https://app.test',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': relay.address
  });
  expect(headers).not.toHaveProperty('sec-websocket-extensions');
  // Before the sender has been met.
  peer.send('welcome');
  expect(await sender.messages.next()).toEqual(['welcome', false]);
  sender.send('text ü');
  sender.send(Buffer.from('bytes'));
  sender.send('');
  expect(await peer.messages.next()).toEqual(['text ü', false]);
  expect(await peer.messages.next()).toEqual(['bytes', true]);
  expect(await peer.messages.next()).toEqual(['', false]);
  const info = { id: expect.any(String), path: '/chat', remoteAddress: '127.0.0.1', protocol: undefined };
  expect(await tunnel.events.next()).toEqual(['connect', info]);
  expect(tunnel.stats().forwarded.webSockets).toEqual({ open: 1, opened: 1, refused: 0 });
  sender.close(1000);
  await peer.closed;
  expect(await tunnel.events.next()).toEqual(['disconnect', info]);
  expect(tunnel.stats().forwarded.webSockets).toEqual({ open: 0, opened: 1, refused: 0 });
});

test.each([
  ['sender', 4001, 'bye'],
  ['sender', 1000, ''],
  ['target', 4002, 'tschüß'],
  ['target', 1001, '']
])('%s closes with %d', async (who, code, reason) => {
  const peers = await open();
  const sender = connect();
  const [peer] = await peers.next();
  await once(sender, 'open');
  (who === 'sender' ? sender : peer).close(code, reason);
  expect(await (who === 'sender' ? peer : sender).closed).toEqual([code, reason]);
});

test.each(['sender', 'target'])('a %s that drops its connection takes the other with it', async (who) => {
  const peers = await open();
  const sender = connect();
  const [peer] = await peers.next();
  await once(sender, 'open');
  (who === 'sender' ? sender : peer).terminate();
  await (who === 'sender' ? peer : sender).closed;
  expect(await tunnel.events.next()).toEqual(['connect', expect.anything()]);
  expect(await tunnel.events.next()).toEqual(['disconnect', expect.anything()]);
});

test('the subprotocol is the target’s choice', async () => {
  const peers = await open({}, { handleProtocols: (offered) => [...offered].at(-1) });
  const sender = connect('', { protocols: ['one', 'two'] });
  await once(sender, 'open');
  expect(sender.protocol).toBe('two');
  expect((await peers.next())[0].protocol).toBe('two');
});

test('and so is none', async () => {
  const peers = await open({}, { handleProtocols: () => false });
  const sender = keep(new WebSocket(relay.sendUri('hyco'), ['one']));
  await sender.failed;
  await peers.next();
  // It is ws that minds, and not the tunnel.
  expect((await tunnel.events.next())[0]).toBe('connect');
});

test.each([
  [401, 'Unauthorized'],
  [403, 'Not you'],
  [302, 'Found'],
  [503, 'Later']
])('a refusal with %d reaches the sender', async (status, text) => {
  await open({}, null);
  httpServer.on('upgrade', (_req, socket) =>
    socket.end(`HTTP/1.1 ${status} ${text}\r\nContent-Length: 0\r\n\r\n`)
  );
  const error = await connect().failed;
  expect(error).toMatchObject({ statusCode: status, reason: text });
  expect(await tunnel.events.next()).toEqual([
    'refused',
    expect.objectContaining({ code: 'ERR_HYCO_REFUSED', message: `The target answered ${status} ${text}` }),
    { id: expect.any(String), path: '/', remoteAddress: '127.0.0.1', statusCode: status }
  ]);
});

test('a target that takes no WebSockets is 502 where it says 200', async () => {
  httpServer.removeAllListeners('request').on('request', (_req, res) => res.end('page'));
  await open({}, null);
  expect(await connect().failed).toMatchObject({ statusCode: 502 });
});

test.each([
  ['hangs', 504, () => {}],
  ['resets', 502, (socket) => socket.resetAndDestroy()],
  ['talks nonsense', 502, (socket) => socket.end('nonsense\r\n\r\n')]
])('a target that %s is %d', async (_name, status, act) => {
  await open({ targetTimeout: 300 }, null);
  httpServer.on('upgrade', (_req, socket) => act(socket.on('error', () => {})));
  expect(await connect().failed).toMatchObject({ statusCode: status });
  expect(tunnel.stats().forwarded.webSockets).toEqual({ open: 0, opened: 0, refused: 1 });
});

test('a path that climbs is refused', async () => {
  const peers = await open();
  expect(await connect('/..%2f..%2fsecret').failed).toMatchObject({ statusCode: 400 });
  expect(peers.size).toBe(0);
});

test('verifyClient has its say before the target is asked', async () => {
  const asked = [];
  const peers = await open({
    verifyClient: ({ req }, done) => {
      asked.push(req.url);
      if (req.url === '/no') done(false, 402, 'Pay');
      else done(true);
    }
  });
  expect(await connect('/no').failed).toMatchObject({ statusCode: 402, reason: 'Pay' });
  connect('/yes');
  await peers.next();
  expect(asked).toEqual(['/no', '/yes']);
  expect(peers.size).toBe(0);
});

test('what one side does not read, the other cannot send without end', async () => {
  const peers = await open();
  const sender = connect();
  const [peer] = await peers.next();
  await once(sender, 'open');
  sender.pause();
  const data = Buffer.alloc(1024 * 1024);
  for (let count = 0; count < 64; count++) peer.send(data);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(peer.bufferedAmount).toBeGreaterThan(16 * data.length);
  let bytes = 0;
  const all = new Promise((resolve) => {
    sender.on('message', ({ length }) => {
      bytes += length;
      if (bytes === 64 * data.length) resolve();
    });
  });
  sender.resume();
  await all;
});

test('a sender that leaves while the target thinks is forgotten', async () => {
  await open({}, null);
  const arrived = once(httpServer, 'upgrade');
  const sender = connect();
  const [, socket] = await arrived;
  const gone = once(socket.resume(), 'end');
  sender.terminate();
  // Nobody tells of it: the wait of the listener ends.
  await tunnel.close({ timeout: 0 });
  await gone;
});
