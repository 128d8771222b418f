'use strict';

// WebSockets on an attached http.Server: libraries that take its `upgrade` events find what they know, whether a sender comes
// to the port or through the relay.

const { once } = require('node:events');
const http = require('node:http');

const { Server: SocketIo } = require('socket.io');
const { io } = require('socket.io-client');
const WebSocket = require('ws');

const { relayedConnect } = require('../..');
const { Queue } = require('../helpers/emulator-peers.js');
const { askUrl, startBoth } = require('../helpers/same-app');

let both;
const senders = [];

afterEach(async () => {
  for (const sender of senders.splice(0)) sender.terminate?.() ?? sender.close();
  await both?.close();
  both = undefined;
});

/** A sender's socket, with its messages in a queue. */
function connect(path = '', options) {
  return keep(relayedConnect(both.relay.sendUri(`hyco${path}`), options));
}

function keep(socket) {
  senders.push(socket);
  socket.messages = new Queue();
  socket.on('message', (data, isBinary) => socket.messages.push([data, isBinary]));
  socket.closed = new Promise((resolve) =>
    socket.on('close', (code, reason) => resolve([code, String(reason)]))
  );
  socket.refused = new Promise((resolve) => socket.on('error', resolve));
  return socket;
}

/** An http.Server with ws on it, and what ws has emitted. */
async function startWs(options) {
  const httpServer = http.createServer((req, res) => res.end(`http ${req.url}`));
  const wss = new WebSocket.Server({ server: httpServer, ...options });
  const peers = new Queue();
  wss.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    socket.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve([code, String(reason)]))
    );
    peers.push([socket, request]);
  });
  both = await startBoth(httpServer);
  const connections = [];
  both.server.on('connection', (socket) => connections.push(socket));
  return { wss, peers, connections };
}

describe('ws', () => {
  test('takes senders of the relay and of the port, beside requests', async () => {
    const { connections } = await startWs();
    const local = keep(new WebSocket(`${both.local.replace('http', 'ws')}/chat?a=1`));
    const relayed = connect('/chat?a=1');
    await Promise.all([once(local, 'open'), once(relayed, 'open')]);
    for (const sender of [local, relayed]) {
      sender.send('hällo');
      expect(await sender.messages.next()).toEqual([Buffer.from('hällo'), false]);
      sender.send(Buffer.from([0, 255]));
      expect(await sender.messages.next()).toEqual([Buffer.from([0, 255]), true]);
    }
    expect(String((await askUrl(`${both.relayed}/page`)).body)).toBe('http /page');
    expect(connections).toEqual([]);
  });

  test('sees the request as it would come to its port', async () => {
    const { peers } = await startWs();
    const sender = connect('/chat?a=1', { headers: { 'X-A': '1' }, perMessageDeflate: true });
    const [socket, request] = await peers.next();
    expect(request).toBeInstanceOf(http.IncomingMessage);
    expect(request.url).toBe('/chat?a=1');
    expect(request.originalUrl).toBe('/hyco/chat?a=1');
    expect(request.headers).toMatchObject({
      'x-a': '1',
      upgrade: 'websocket',
      'sec-websocket-version': '13'
    });
    expect(request.headers['sec-websocket-extensions']).toBeUndefined();
    expect(request.socket.remoteAddress).toBe('127.0.0.1');
    expect(socket._socket).toBe(request.socket);
    expect(socket.extensions).toBe('');
    await once(sender, 'open');
  });

  test('chooses the subprotocol', async () => {
    await startWs({ handleProtocols: (protocols) => [...protocols].at(-1) });
    const sender = connect('', { protocols: ['first', 'second'] });
    await once(sender, 'open');
    expect(sender.protocol).toBe('second');
  });

  test.each([
    ['verifyClient', { verifyClient: (info, done) => done(false, 403, 'not you') }, 403],
    ['verifyClient at once', { verifyClient: () => false }, 401],
    ['another path', { path: '/other' }, 400]
  ])('refuses by %s, and the sender hears which', async (_, options, status) => {
    await startWs(options);
    const error = await connect('/chat').refused;
    expect(error).toMatchObject({ statusCode: status });
    expect(error.reason).toContain(http.STATUS_CODES[status]);
    expect(both.server.stats()).toMatchObject({ rejected: 1, pendingAccepts: 0 });
  });

  test('a raw refusal crosses with its text, and a socket that is dropped is 500', async () => {
    const httpServer = http.createServer();
    httpServer.on('upgrade', (request, socket) => {
      if (request.url === '/drop') return socket.destroy();
      if (request.url === '/end') return socket.end();
      socket.write('HTTP/1.1 401 No ');
      socket.end('entry\r\nX-A: 1\r\n\r\nbody');
    });
    both = await startBoth(httpServer);
    expect(await connect('/raw').refused).toMatchObject({
      statusCode: 401,
      reason: expect.stringContaining('No entry')
    });
    expect(await connect('/drop').refused).toMatchObject({ statusCode: 500 });
    expect(await connect('/end').refused).toMatchObject({ statusCode: 500 });
  });

  test('close codes cross, both ways', async () => {
    const { peers } = await startWs();
    const first = connect();
    const [socket] = await peers.next();
    await once(first, 'open');
    first.close(4001, 'bye');
    expect(await socket.closed).toEqual([4001, 'bye']);
    expect(await first.closed).toEqual([4001, 'bye']);

    const second = connect();
    const [other] = await peers.next();
    other.close(4002, 'enough');
    expect(await second.closed).toEqual([4002, 'enough']);
    expect(await other.closed).toEqual([4002, 'enough']);

    const third = connect();
    const [plain] = await peers.next();
    plain.close();
    expect(await third.closed).toEqual([1005, '']);
    expect(await plain.closed).toEqual([1005, '']);
  });

  test('a sender that breaks off, and one that is dropped', async () => {
    const { peers } = await startWs();
    const first = connect();
    const [socket] = await peers.next();
    await once(first, 'open');
    first.terminate();
    // The relay says that it has gone.
    expect([1001, 1006]).toContain((await socket.closed)[0]);
    const second = connect();
    const [other] = await peers.next();
    await once(second, 'open');
    other.terminate();
    expect((await second.closed)[0]).not.toBe(1000);
  });

  test('what is sent before the sender is met reaches it, in order', async () => {
    const { wss } = await startWs();
    wss.on('connection', (socket) => {
      for (const text of ['welcome', 'to', 'you']) socket.send(text);
      socket.ping('x');
    });
    const sender = connect();
    const got = [];
    for (let index = 0; index < 3; index++) got.push(String((await sender.messages.next())[0]));
    expect(got).toEqual(['welcome', 'to', 'you']);
  });

  test('its pings are answered at once, and stay here', async () => {
    const { peers } = await startWs();
    const sender = connect();
    const pings = [];
    sender.on('ping', (data) => pings.push(String(data)));
    const [socket] = await peers.next();
    await once(sender, 'open');
    socket.ping('here');
    const [data] = await once(socket, 'pong');
    expect(String(data)).toBe('here');
    expect(pings).toEqual([]);
  });

  test('large messages both ways, of any size, whole', async () => {
    await startWs({ maxPayload: 0 });
    const sender = connect('', { maxPayload: 0 });
    await once(sender, 'open');
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 5_000_000]) {
      const data = Buffer.alloc(size, 'abc');
      sender.send(data);
      const [answer] = await sender.messages.next();
      expect(Buffer.compare(answer, data)).toBe(0);
    }
  });

  test('a program that does not read holds the sender back', async () => {
    const { peers } = await startWs();
    const sender = connect();
    const [socket] = await peers.next();
    await once(sender, 'open');
    socket.pause();
    const data = Buffer.alloc(1_000_000);
    for (let index = 0; index < 100; index++) sender.send(data);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(socket._socket.readableLength).toBeLessThan(4_000_000);
    let got = 0;
    socket.on('message', () => got++);
    socket.resume();
    while (got < 100) await once(socket, 'message');
  });

  test('close() of the server closes them with 1001', async () => {
    const { peers } = await startWs();
    const sender = connect();
    const [socket] = await peers.next();
    await once(sender, 'open');
    await both.server.close();
    expect((await socket.closed)[0]).toBe(1001);
    expect((await sender.closed)[0]).toBe(1001);
  });
});

describe('a program without a library', () => {
  const accept = (request) =>
    [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${request.headers['sec-websocket-key']}`,
      '\r\n'
    ].join('\r\n');
  const HELLO = Buffer.from('\x81\x05hello', 'latin1');

  async function startRaw(onUpgrade) {
    const httpServer = http.createServer((request, response) => response.end());
    httpServer.on('upgrade', onUpgrade);
    both = await startBoth(httpServer);
  }

  test('that refuses and reads nothing sees end and close', async () => {
    const answers = { '/raw': 'HTTP/1.1 401 No\r\n\r\n', '/none': '' };
    const seen = [];
    await startRaw(({ url }, socket) => {
      seen.push(Promise.all([once(socket, 'end'), once(socket, 'close')]));
      socket.end(answers[url]);
    });
    for (const path of Object.keys(answers)) await connect(path).refused;
    await Promise.all(seen);
  });

  test('that ends without a close frame ends the sender, with what was sent before', async () => {
    let closed;
    await startRaw((request, socket) => {
      closed = once(socket, 'close');
      socket.end(Buffer.concat([Buffer.from(accept(request)), HELLO]));
    });
    const sender = connect();
    expect(String((await sender.messages.next())[0])).toBe('hello');
    expect((await sender.closed)[0]).toBe(1006);
    await closed;
  });

  test('that ends right after its close frame has it cross', async () => {
    await startRaw((request, socket) =>
      socket.end(Buffer.concat([Buffer.from(accept(request)), Buffer.from([0x88, 2, 0x0f, 0xa1])]))
    );
    expect((await connect().closed)[0]).toBe(4001);
  });

  test.each([
    ['frames that are none', (request) => accept(request) + accept(request)],
    ['a head without an end', () => 'HTTP/1.1 101 '.repeat(10_000)]
  ])('that writes %s loses its sender, and hears why if it listens', async (_, written) => {
    const sockets = [];
    await startRaw((request, socket) => {
      sockets.push(socket);
      if (request.url === '/told') socket.told = once(socket, 'error');
      socket.write(written(request));
    });
    for (const path of ['', '/told']) await connect(path).closed;
    const [silent, told] = sockets;
    expect(silent.destroyed && told.destroyed).toBe(true);
    expect((await told.told)[0]).toBeInstanceOf(Error);
    expect((await askUrl(both.relayed)).status).toBe(200);
  });
});

test('without upgrade listeners a WebSocket is a connection, as ever', async () => {
  both = await startBoth(http.createServer());
  const connected = once(both.server, 'connection');
  const sender = connect('/x');
  const [socket, request] = await connected;
  expect(request.url).toBe('/hyco/x');
  socket.send('hello');
  expect(String((await sender.messages.next())[0])).toBe('hello');
});

test('a listener of upgrade that never answers: the sender gets 504 in time', async () => {
  const httpServer = http.createServer();
  let stream;
  httpServer.on('upgrade', (_, socket) => (stream = socket));
  both = await startBoth(httpServer, undefined, { acceptTimeout: 300 });
  const sender = connect();
  expect(await sender.refused).toMatchObject({ statusCode: 504 });
  if (!stream.closed) await once(stream, 'close');
});

describe('socket.io', () => {
  /** The relay has a path of its own for WebSockets, so none can begin with requests and go on as one. */
  const ways = {
    'polling on a port': () => [both.local, { path: '/socket.io/', transports: ['polling'] }],
    'both on a port': () => [both.local, { path: '/socket.io/' }],
    polling: () => [both.relayed, { path: '/hyco/socket.io/', transports: ['polling'] }],
    'polling where both are wanted': () => [both.relayed, { path: '/hyco/socket.io/' }],
    websocket: () => [
      both.relayed,
      { path: '/$hc/hyco/socket.io/', query: { 'sb-hc-action': 'connect' }, transports: ['websocket'] }
    ]
  };

  test.each(Object.keys(ways))('over %s', async (way) => {
    const httpServer = http.createServer();
    const server = new SocketIo(httpServer);
    server.on('connection', (socket) => {
      socket.on('question', (data, answer) => answer({ got: data }));
    });
    both = await startBoth(httpServer);
    const [base, options] = ways[way]();
    const socket = io(new URL(base).origin, { ...options, forceNew: true, reconnection: false });
    senders.push(socket);
    await new Promise((resolve, reject) => socket.on('connect', resolve).on('connect_error', reject));
    for (const data of [{ a: [1, 'ä'] }, { b: Buffer.from('x') }, { c: 'x'.repeat(100_000) }]) {
      expect(await socket.emitWithAck('question', data)).toEqual({ got: data });
    }
    const gone = new Promise((resolve) => server.sockets.sockets.get(socket.id).on('disconnect', resolve));
    socket.close();
    await gone;
    server.engine.close();
  });
});
