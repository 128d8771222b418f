'use strict';

// Listener and sender through the embedded relay.

const { spawn } = require('node:child_process');
const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const path = require('node:path');
const { text } = require('node:stream/consumers');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');
const { Queue, tls } = require('./helpers/emulator-peers.js');
const { RawPeer } = require('./helpers/raw-peer.js');

const { RelayedServer, createRelayToken, relayedConnect } = WebSocket;

const relays = [];
const servers = [];
const sockets = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await Promise.all(servers.splice(0).map((server) => server.close({ timeout: 0 })));
  await Promise.all(relays.splice(0).map((relay) => relay.close({ force: true })));
});

async function startRelay(options) {
  const relay = await RelayEmulator.start(options);
  relays.push(relay);
  return relay;
}

function makeServer(relay, options) {
  const trust = relay.secure ? { tls: { ca: tls.cert } } : undefined;
  const server = new RelayedServer({
    server: relay.listenUri(),
    keyName: relay.keyName,
    key: relay.key,
    ...trust,
    ...options
  });
  servers.push(server);
  return server;
}

async function startServer(relay, options) {
  const server = makeServer(relay, options);
  await once(server, 'listening');
  return server;
}

/** A sender that keeps its messages and whatever else happens to it. */
function connect(relay, path, options) {
  const socket = relayedConnect(relay.sendUri(path), {
    token: relay.createToken(path?.split(/[/?]/)[0]),
    ca: tls.cert,
    ...options
  });
  sockets.push(socket);
  socket.messages = new Queue();
  socket.on('message', (data, isBinary) => socket.messages.push([data, isBinary]));
  socket.opened = new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.opened.catch(() => {});
  socket.closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve([code, reason.toString()]));
  });
  return socket;
}

const refusal = (socket) => socket.opened.then(() => undefined, (error) => error); // prettier-ignore

describe.each([
  ['ws', {}],
  ['wss', { tls }]
])('over %s', (scheme, options) => {
  test('what the sender sends arrives, after the listeners of connection have run', async () => {
    const relay = await startRelay(options);
    const server = await startServer(relay);
    const events = new Queue();
    server.on('connection', (socket, request) => {
      events.push(['connection', socket.readyState, server.clients.has(socket), request.url]);
      socket.on('open', () => events.push(['open']));
      socket.on('message', (data, isBinary) => {
        events.push([isBinary, data.toString()]);
        socket.send(data, { binary: isBinary });
      });
      socket.on('close', (code) => events.push(['close', code]));
    });
    const sender = connect(relay, 'hyco/sub path?x=1');
    await sender.opened;
    sender.send('first');
    sender.send(Buffer.from('second'));
    const seen = [];
    while (seen.length < 4) seen.push(await events.next());
    expect(seen).toEqual([
      ['connection', 1, true, '/hyco/sub%20path?x=1'],
      ['open'],
      [false, 'first'],
      [true, 'second']
    ]);
    expect((await sender.messages.next()).map(String)).toEqual(['first', 'false']);
    expect((await sender.messages.next()).map(String)).toEqual(['second', 'true']);
    sender.close(1000);
    expect(await events.next()).toEqual(['close', 1000]);
    expect((await sender.closed)[0]).toBe(1000);
    expect(server.clients.size).toBe(0);
    expect(server.stats()).toMatchObject({ accepted: 1, connections: 0, pendingAccepts: 0 });
  });

  test('the request shows who the sender is', async () => {
    const relay = await startRelay(options);
    const server = await startServer(relay);
    const connected = once(server, 'connection');
    connect(relay, 'hyco', {
      headers: { 'X-Custom': 'größe'.normalize('NFD').replace(/\W/g, ''), Cookie: 'a=b' }
    });
    const [, request] = await connected;
    expect(request.headers).toMatchObject({ 'x-custom': 'groe', cookie: 'a=b', host: relay.address });
    expect(request.socket.remoteAddress).toBe('127.0.0.1');
    expect(request.socket.remotePort).toBeGreaterThan(0);
    expect(request.socket.encrypted).toBe(scheme === 'wss');
    expect(typeof request.id).toBe('string');
    expect(request.rawHeaders.length % 2).toBe(0);
  });

  test('every form of credential gets a listener in', async () => {
    const relay = await startRelay(options);
    const token = relay.createToken();
    const { keyName, key } = relay;
    const none = { keyName: undefined, key: undefined };
    for (const form of [
      { token },
      { token: () => token },
      { token: async () => token },
      { credential: { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600000 }) } },
      { server: relay.listenUri('hyco', { token }) },
      { keyName, key },
      { keyName, key: ['the primary was rotated away', key] }
    ]) {
      const server = makeServer(relay, { ...none, ...form });
      await once(server, 'listening');
      await server.close();
    }
    // The relay hears of the last one's end a moment later; one that stayed would be waited for in vain.
    while (relay.stats().listeners > 0) await new Promise(setImmediate);
  });
});

describe('the verdict', () => {
  test('verifyClient turns a sender away with its status and text', async () => {
    const relay = await startRelay();
    await startServer(relay, { verifyClient: (info, cb) => setImmediate(cb, false, 418, 'Short and stout') });
    const sender = connect(relay);
    const error = await refusal(sender);
    expect(error).toMatchObject({ name: 'RelayError', statusCode: 418 });
    expect(error.reason).toContain('Short and stout');
    expect(await sender.closed).toEqual([1006, '']);
  });

  test('handleProtocols chooses what both sides get', async () => {
    const relay = await startRelay();
    for (const handleProtocols of [
      (protocols) => protocols.has('b') && 'b',
      (protocols, cb) => cb(true, protocols[1])
    ]) {
      const server = await startServer(relay, { handleProtocols });
      const connected = once(server, 'connection');
      const sender = connect(relay, 'hyco', { protocols: ['a', 'b'] });
      const [[socket]] = await Promise.all([connected, sender.opened]);
      expect([socket.protocol, sender.protocol]).toEqual(['b', 'b']);
      await server.close({ timeout: 0 });
    }
  });

  test('without handleProtocols the first is chosen', async () => {
    const relay = await startRelay();
    await startServer(relay);
    const sender = connect(relay, 'hyco', { protocols: ['a', 'b'] });
    await sender.opened;
    expect(sender.protocol).toBe('a');
  });

  test('beyond maxConnections a sender gets 503', async () => {
    const relay = await startRelay();
    await startServer(relay, { maxConnections: 1 });
    await connect(relay).opened;
    expect(await refusal(connect(relay))).toMatchObject({ statusCode: 503 });
  });

  test('a verdict that never comes is a 504 after acceptTimeout', async () => {
    const relay = await startRelay();
    await startServer(relay, { acceptTimeout: 50, verifyClient: (info, cb) => void cb });
    expect(await refusal(connect(relay))).toMatchObject({ statusCode: 504, reason: 'Gateway Timeout' });
  });

  test('a verdict that holds up the event loop for longer than acceptTimeout is too late, and no error', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, {
      acceptTimeout: 50,
      verifyClient() {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
        return true;
      }
    });
    const failed = jest.fn();
    server.on('rendezvousError', failed);
    expect(await refusal(connect(relay))).toMatchObject({ statusCode: 504 });
    expect(failed).not.toHaveBeenCalled();
    expect(server.stats()).toMatchObject({ rejected: 1, expired: 1, failed: 0, pendingAccepts: 0 });
  });

  test('limits that are off let a sender in', async () => {
    const relay = await startRelay();
    await startServer(relay, {
      acceptTimeout: 0,
      handshakeTimeout: 0,
      maxPendingAccepts: 0,
      keepAlive: false
    });
    await connect(relay).opened;
  });

  test('a rendezvous that is gone is a rendezvousError', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, { verifyClient: (info, cb) => (decide = cb) });
    const offered = new Promise((resolve) => {
      const onOffer = (message) => {
        diagnosticsChannel.unsubscribe('hyco-ws-rs:accept:offer', onOffer);
        resolve(message.request);
      };
      diagnosticsChannel.subscribe('hyco-ws-rs:accept:offer', onOffer);
    });
    connect(relay);
    const request = await offered;
    relay.faults.expireRendezvous();
    const failed = once(server, 'rendezvousError');
    decide(true);
    const [error, about] = await failed;
    expect(error).toMatchObject({ name: 'RelayError' });
    expect(about).toBe(request);
    expect(server.stats()).toMatchObject({ failed: 1, connections: 0 });
  });
});

test("a line of a 'headers' listener is dialled with, Latin-1 as Node writes it", async () => {
  const relay = await startRelay();
  const server = await startServer(relay);
  const gateway = await RawPeer.listen();
  try {
    server.on('headers', (lines) => lines.push('X-Name: caf\u00e9', 'Host: not.this'));
    const accept = { address: gateway.url('/$hc/hyco'), id: 'x', connectHeaders: {} };
    relay.faults.sendControl(JSON.stringify({ accept }));
    const connection = await gateway.connection();
    const head = await connection.request();
    expect(head).toContain('\r\nX-Name: caf\u00e9\r\n');
    expect(head).toContain(`\r\nHost: 127.0.0.1:${gateway.port}\r\n`);
    expect(head).not.toContain('not.this');
    const opened = once(server, 'connection');
    await connection.accept();
    expect((await opened)[1].url).toBe('/hyco');
  } finally {
    await gateway.close();
  }
});

describe('the control channel', () => {
  test('comes back by itself, and relayed sockets outlive its loss', async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const sender = connect(relay);
    await sender.opened;
    const lost = once(server, 'reconnecting');
    const back = once(server, 'listening');
    relay.faults.dropControl();
    const [info] = await lost;
    expect(info).toMatchObject({ attempt: 1, delay: expect.any(Number), reason: expect.any(String) });
    expect(info.error).toBeInstanceOf(Error);
    await back;
    expect(server.state).toBe('online');
    sender.send('still here');
    expect(String((await sender.messages.next())[0])).toBe('still here');
    await connect(relay).opened;
  });

  test('a hybrid connection that does not exist is the end', async () => {
    const relay = await startRelay();
    const server = makeServer(relay, { server: relay.listenUri('nowhere') });
    const offline = new Promise((resolve) => server.once('offline', resolve));
    const [error] = await once(server, 'error');
    expect(error).toMatchObject({ name: 'RelayError', statusCode: 404, trackingId: expect.any(String) });
    await offline;
    expect(server.state).toBe('offline');
  });

  test('a refused key is told, and shown nowhere', async () => {
    const relay = await startRelay();
    const server = makeServer(relay, { key: 'a wrong key' });
    const heard = new Promise((resolve) => {
      server.once('error', resolve);
      server.once('reconnecting', ({ error }) => resolve(error));
    });
    const error = await heard;
    expect(error).toMatchObject({ statusCode: 401 });
    expect(require('node:util').inspect(error)).not.toMatch(/a wrong key|sig=/);
  });

  test('updateToken renews at once', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, { token: relay.createToken() });
    const renewed = once(relay, 'renewed');
    server.updateToken(createRelayToken(relay.listenUri(), relay.keyName, relay.key));
    await renewed;
    expect(relay.stats().totals.renewals).toBe(1);
  });

  test('a token is renewed by itself', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, { tokenLifetime: 2 });
    const told = new Promise((resolve) => {
      diagnosticsChannel.subscribe('hyco-ws-rs:token:renewed', function onRenewed(message) {
        diagnosticsChannel.unsubscribe('hyco-ws-rs:token:renewed', onRenewed);
        resolve(message);
      });
    });
    await once(relay, 'renewed');
    expect(await told).toMatchObject({ server, channel: 0 });
    // Two renewals are never closer to each other than five seconds.
  });

  test('a rule that cannot sign is told of, as a provider that fails', async () => {
    const relay = await startRelay();
    const told = new Promise((resolve) => {
      diagnosticsChannel.subscribe('hyco-ws-rs:token:failed', function onFailed(message) {
        diagnosticsChannel.unsubscribe('hyco-ws-rs:token:failed', onFailed);
        resolve(message);
      });
    });
    const server = makeServer(relay, { keyName: 'r\u00fcle' });
    const [error] = await once(server, 'error');
    expect(error).toMatchObject({ code: 'ERR_HYCO_TOKEN', message: expect.stringContaining('characters') });
    expect(await told).toMatchObject({ server, error: { code: 'ERR_HYCO_TOKEN' } });
    // The first attempt after it is at once.
    expect(['reconnecting', 'connecting']).toContain(server.state);
    await server.close();
  });

  test('survives malformed and unknown messages, and says so', async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    const told = new Promise((resolve) => {
      const onMalformed = (message) => {
        diagnosticsChannel.unsubscribe('hyco-ws-rs:control:malformed', onMalformed);
        resolve(message);
      };
      diagnosticsChannel.subscribe('hyco-ws-rs:control:malformed', onMalformed);
    });
    relay.faults.sendControl('{"accept":');
    relay.faults.sendControl('{"unheardOf":{}}');
    expect(await told).toMatchObject({ server, message: expect.any(String) });
    await connect(relay).opened;
  });
});

describe('close()', () => {
  test('ends clients and listener, and then calls back', async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    const connected = once(server, 'connection');
    const sender = connect(relay);
    const [[socket]] = await Promise.all([connected, sender.opened]);
    await new Promise((resolve) => server.close(resolve));
    expect(socket.readyState).toBe(WebSocket.CLOSED);
    expect((await sender.closed)[0]).toBe(1001);
    expect(relay.stats().listeners).toBe(0);
    expect(server.state).toBe('closed');
  });

  test('before the channel is up', async () => {
    const relay = await startRelay();
    const server = makeServer(relay);
    const listening = jest.fn();
    server.on('listening', listening);
    await server.close();
    expect(listening).not.toHaveBeenCalled();
  });

  test('drain lets an accept and a client finish', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, {
      verifyClient: ({ req }, cb) => (req.url === '/hyco/later' ? (decide = cb) : cb(true))
    });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const first = connect(relay);
    await first.opened;
    const offered = new Promise((resolve) => {
      const onOffer = () => {
        diagnosticsChannel.unsubscribe('hyco-ws-rs:accept:offer', onOffer);
        resolve();
      };
      diagnosticsChannel.subscribe('hyco-ws-rs:accept:offer', onOffer);
    });
    const second = connect(relay, 'hyco/later');
    await offered;
    const closed = server.close({ drain: true });
    decide(true);
    await second.opened;
    for (const sender of [first, second]) {
      sender.send('while draining');
      expect(String((await sender.messages.next())[0])).toBe('while draining');
      sender.close();
    }
    await closed;
  });
});

test('leaving for await lets go of the senders that waited, and of no other', async () => {
  const relay = await startRelay();
  const server = await startServer(relay);
  const senders = [];
  let taken;
  let left;
  connect(relay);
  for await (const [socket] of server) {
    taken = socket;
    // Two more are accepted, and nobody takes them.
    for (let count = 0; count < 2; count++) {
      const sender = connect(relay);
      senders.push(sender);
      await sender.opened;
      sender.send('unheard');
    }
    while (server.clients.size < 3) await once(server, 'connection');
    left = [...server.clients].filter((client) => client !== taken).map((client) => once(client, 'close'));
    break;
  }
  expect(await Promise.all(senders.map(({ closed }) => closed))).toEqual([
    [1001, ''],
    [1001, '']
  ]);
  await Promise.all(left);
  expect([taken.readyState, taken.isPaused, server.clients.size]).toEqual([1, false, 1]);
  // Whoever comes later is the program's own business.
  const connection = once(server, 'connection');
  await connect(relay).opened;
  expect((await connection)[0].isPaused).toBe(false);
});

test('for await takes the connections one after the other', async () => {
  const relay = await startRelay();
  const server = await startServer(relay);
  const seen = [];
  const loop = (async () => {
    for await (const [socket, request] of server) {
      const [data] = await once(socket, 'message');
      seen.push([request.url, String(data)]);
      socket.close();
      if (seen.length === 2) break;
    }
  })();
  for (const path of ['hyco/1', 'hyco/2']) {
    const sender = connect(relay, path);
    await sender.opened;
    sender.send(path);
  }
  await loop;
  expect(seen).toEqual([
    ['/hyco/1', 'hyco/1'],
    ['/hyco/2', 'hyco/2']
  ]);
});

describe('the process', () => {
  const script = (body) => `
    const WebSocket = require(${JSON.stringify(path.join(__dirname, '..'))});
    const server = new WebSocket.RelayedServer({
      server: process.env.LISTEN, keyName: process.env.RULE, key: process.env.KEY
    });
    process.on('exit', (code) => console.log('exit', code));
    ${body}
  `;

  test.each([
    [
      'once the server is closed',
      "server.on('listening', () => server.close(() => console.log('closed')))",
      'closed\nexit 0'
    ],
    ['while an unref()d server listens', "server.on('listening', () => server.unref())", 'exit 0'],
    ['when it is told to, at any moment', "server.on('listening', () => process.exit(3))", 'exit 3']
  ])('ends by itself %s', async (_, body, output) => {
    const relay = await startRelay();
    const env = { ...process.env, LISTEN: relay.listenUri(), RULE: relay.keyName, KEY: relay.key };
    const child = spawn(process.execPath, ['-e', script(body)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit']
    });
    expect((await text(child.stdout)).trim()).toBe(output);
  });

  test('ends by itself when its listener has been refused for good', async () => {
    const relay = await startRelay();
    const env = { ...process.env, LISTEN: relay.listenUri('nowhere'), RULE: relay.keyName, KEY: relay.key };
    const body = "server.on('error', (error) => console.log(error.statusCode))";
    const child = spawn(process.execPath, ['-e', script(body)], {
      env,
      stdio: ['ignore', 'pipe', 'inherit']
    });
    expect((await text(child.stdout)).trim()).toBe('404\nexit 0');
  });

  test('that listens for nothing but listening is warned of a wrong key, once', async () => {
    const relay = await startRelay();
    const env = { ...process.env, LISTEN: relay.listenUri(), RULE: relay.keyName, KEY: 'notTheKey=' };
    const body = `
      server.on('listening', () => console.log('listening'));
      let losses = 0;
      require('node:diagnostics_channel').subscribe('hyco-ws-rs:server:reconnecting', () => {
        if (++losses === 2) server.close();
      });
    `;
    const child = spawn(process.execPath, ['-e', script(body)], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(output.trim()).toBe('exit 0');
    expect(errors.match(/HYCO_WS_RS_NOT_LISTENING/g)).toHaveLength(1);
    expect(errors).toContain(`Cannot listen at ${new URL(relay.listenUri()).host}/hyco: `);
    expect(errors).toMatch(/401 .*Compare rule and key with the portal/);
    expect(errors).not.toContain('notTheKey');
  });
});

describe('relayedConnect', () => {
  test('waits for its token', async () => {
    const relay = await startRelay();
    await startServer(relay);
    await connect(relay, 'hyco', { token: async () => relay.createToken() }).opened;
    const { keyName, key } = relay;
    await connect(relay, 'hyco', { token: undefined, keyName, key }).opened;
    const getToken = async () => ({ token: relay.createToken() });
    await connect(relay, 'hyco', { token: undefined, credential: { getToken } }).opened;
  });

  test('a refused handshake is one error, then close', async () => {
    const relay = await startRelay();
    const sender = connect(relay);
    const errors = [];
    sender.on('error', (error) => errors.push(error));
    expect(await sender.closed).toEqual([1006, '']);
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'ERR_HYCO_NOT_FOUND',
        statusCode: 404,
        reason: expect.stringContaining('TrackingId:'),
        trackingId: expect.stringMatching(/^[\da-f-]{36}/)
      })
    ]);
  });

  test('without a token it is refused where one is needed', async () => {
    const relay = await startRelay({
      hybridConnections: ['hyco', { path: 'open', requiresClientAuthorization: false }]
    });
    await startServer(relay, { server: relay.listenUri('open') });
    expect(await refusal(connect(relay, 'hyco', { token: undefined }))).toMatchObject({ statusCode: 401 });
    await connect(relay, 'open', { token: undefined }).opened;
  });

  test('a token that cannot be had is the error', async () => {
    const relay = await startRelay();
    const sender = connect(relay, 'hyco', { token: () => Promise.reject(new Error('vault is shut')) });
    expect(await refusal(sender)).toMatchObject({ code: 'ERR_HYCO_TOKEN' });
    expect(await sender.closed).toEqual([1006, '']);
  });

  test('closed while it waits for its token, it never dials', async () => {
    const relay = await startRelay();
    const sender = connect(relay, 'hyco', { token: () => new Promise(() => {}) });
    sender.close();
    expect((await refusal(sender)).message).toMatch(/closed before the connection was established/);
    expect(await sender.closed).toEqual([1006, '']);
    expect(relay.stats().totals.refused).toBe(0);
  });
});
