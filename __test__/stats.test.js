'use strict';

// `socket.stats()` and what `server.stats()` measures, through the embedded relay.

const { once } = require('node:events');
const http = require('node:http');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const { RelayedServer, RelayedWebSocket, connectRelayed } = WebSocket;

const cleanups = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Waits for what no event tells; one that never comes fails the test instead of spinning on. */
async function until(condition) {
  const limit = Date.now() + 4_000;
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`still not: ${condition}`);
    await new Promise(setImmediate);
  }
}

/** A pair of sockets through the relay, and the server. */
async function pair({ relay: relayOptions, server: serverOptions, sender: senderOptions } = {}) {
  const relay = await RelayEmulator.start(relayOptions);
  cleanups.push(() => relay.close({ force: true }));
  const server = new RelayedServer({
    server: relay.listenUri(),
    keyName: relay.keyName,
    key: relay.key,
    ...serverOptions
  });
  cleanups.push(() => server.close({ timeout: 0 }));
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const sender = await connectRelayed(relay.sendUri(), { token: relay.createToken(), ...senderOptions });
  cleanups.push(() => sender.terminate());
  const [accepted] = await connected;
  return { relay, server, sender, accepted };
}

describe('socket.stats()', () => {
  test('counts messages and bytes in both directions, and still knows them when the socket is closed', async () => {
    const { sender, accepted } = await pair();
    expect(sender.stats()).toEqual({
      messagesSent: 0,
      bytesSent: 0,
      wireBytesSent: 0,
      messagesReceived: 0,
      bytesReceived: 0,
      wireBytesReceived: 0,
      bufferedAmount: 0,
      heldAmount: 0,
      compression: false,
      rtt: undefined
    });
    accepted.on('message', (data) => accepted.send(data));
    const echoed = [];
    sender.on('message', (data) => echoed.push(data.length));
    sender.send('grüße');
    sender.send(Buffer.alloc(100_000), { fin: false });
    sender.send(Buffer.alloc(1), { fin: true });
    // What lies in the outbox counts, too.
    expect(sender.stats()).toMatchObject({ messagesSent: 2, bytesSent: 100_008, messagesReceived: 0 });
    while (echoed.length < 2) await once(sender, 'message');
    sender.close(1000);
    await Promise.all([once(sender, 'close'), once(accepted, 'close')]);

    const numbers = { messagesSent: 2, bytesSent: 100_008, messagesReceived: 2, bytesReceived: 100_008 };
    for (const socket of [sender, accepted]) {
      const stats = socket.stats();
      expect(stats).toMatchObject({ ...numbers, bufferedAmount: 0, heldAmount: 0 });
      // Headers, masking keys and close frames come on top, and TLS does not.
      expect(stats.wireBytesSent - stats.bytesSent).toBeGreaterThan(8);
      expect(stats.wireBytesReceived - stats.bytesReceived).toBeGreaterThan(4);
      expect(stats.wireBytesSent).toBeLessThan(100_100);
    }
  });

  test('shows what waits for the program: in the engine, and here while the socket is paused', async () => {
    const { sender, accepted } = await pair();
    for (let count = 0; count < 3; count++) sender.send(Buffer.alloc(1_000));
    sender.stats();
    // The event loop stands still meanwhile, so nothing can be taken out of the engine's queue.
    const limit = Date.now() + 4_000;
    while (accepted.stats().messagesReceived < 3 && Date.now() < limit);
    expect(accepted.stats().heldAmount).toBeGreaterThan(3_000);

    accepted.once('message', () => accepted.pause());
    await once(accepted, 'message');
    await until(() => accepted.stats().heldAmount === 2_000);
    accepted.resume();
    await once(accepted, 'message');
    await until(() => accepted.stats().heldAmount === 0);
  });

  test('shows what the kernel has not taken, as bufferedAmount does', async () => {
    const { sender, accepted } = await pair({ server: { highWaterMark: 64 * 1024 } });
    accepted.pause();
    sender.send(Buffer.alloc(32 * 1024 * 1024));
    const { bufferedAmount, bytesSent } = sender.stats();
    expect(bytesSent).toBe(32 * 1024 * 1024);
    expect(bufferedAmount).toBeGreaterThan(0);
  });

  test('tells payloads from what compression makes of them', async () => {
    const compressed = { perMessageDeflate: true };
    const { sender, accepted } = await pair({
      relay: { grantExtensions: true },
      server: compressed,
      sender: compressed
    });
    expect(sender.extensions).toContain('permessage-deflate');
    sender.send('a'.repeat(100_000));
    await once(accepted, 'message');
    const received = accepted.stats();
    expect(received).toMatchObject({ compression: true, bytesReceived: 100_000 });
    expect(received.wireBytesReceived).toBeLessThan(1_000);
    await new Promise((resolve) => sender.ping('', true, resolve));
    expect(sender.stats()).toMatchObject({ compression: true, bytesSent: 100_000, bufferedAmount: 0 });
    expect(sender.stats().wireBytesSent).toBeLessThan(1_000);
  });

  test('has the round trip of keep-alive pings', async () => {
    const { sender, accepted } = await pair({
      server: { keepAlive: { interval: 5, timeout: 0 } },
      sender: { keepAlive: { interval: 5, timeout: 0, mode: 'pong' } }
    });
    await until(() => accepted.stats().rtt !== undefined);
    expect(accepted.stats().rtt).toBeGreaterThan(0);
    // Pongs are not answered, so there is nothing to measure.
    expect(sender.stats().rtt).toBeUndefined();
  });

  test('measures the round trip in milliseconds', async () => {
    const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, autoPong: false });
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const keepAlive = { interval: 5, timeout: 0 };
    const socket = new RelayedWebSocket(`ws://127.0.0.1:${server.address().port}`, { keepAlive });
    cleanups.push(() => socket.terminate());
    const [peer] = await connected;
    // It answers once, and late: no later ping changes what was measured.
    await once(peer, 'ping');
    setTimeout(() => peer.pong(), 200);
    await until(() => socket.stats().rtt !== undefined);
    // A timer may be early by one. More than a minute would be another unit.
    expect(socket.stats().rtt).toBeGreaterThan(198);
    expect(socket.stats().rtt).toBeLessThan(60_000);
  });

  test('is all zero before a connection and after one that failed', async () => {
    const socket = new RelayedWebSocket('ws://127.0.0.1:1');
    const { messagesSent, bytesReceived, bufferedAmount } = socket.stats();
    expect([messagesSent, bytesReceived, bufferedAmount]).toEqual([0, 0, 0]);
    await new Promise((resolve) => socket.once('error', resolve));
    expect(socket.stats().wireBytesSent).toBe(0);
  });

  test("knows little of a socket that runs on ws's engine", async () => {
    const server = new WebSocket.Server({ host: '127.0.0.1', port: 0 });
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    await once(server, 'listening');
    const socket = new RelayedWebSocket(`ws://127.0.0.1:${server.address().port}`, {
      agent: new http.Agent()
    });
    await once(socket, 'open');
    expect(socket.stats()).toEqual({ bufferedAmount: 0, compression: false });
    socket.terminate();
    await once(socket, 'close');
  });
});

/** What a server's numbers have in common with a socket's. */
const carried = ({
  messagesSent,
  bytesSent,
  wireBytesSent,
  messagesReceived,
  bytesReceived,
  wireBytesReceived
}) => ({ messagesSent, bytesSent, wireBytesSent, messagesReceived, bytesReceived, wireBytesReceived });

describe('server.stats() of what its sockets have carried', () => {
  const NOTHING = carried({
    messagesSent: 0,
    bytesSent: 0,
    wireBytesSent: 0,
    messagesReceived: 0,
    bytesReceived: 0,
    wireBytesReceived: 0
  });

  test('is nothing at first, also of a server that has not begun or could not', async () => {
    const server = new RelayedServer({ server: 'ws://127.0.0.1:1/$hc/x', token: 'x', reconnect: false });
    server.on('error', () => {});
    expect(carried(server.stats())).toEqual(NOTHING);
    await once(server, 'error');
    await server.close();
    expect(carried(server.stats())).toEqual(NOTHING);
    const waiting = require('../https.js').createRelayedServer(
      { server: 'ws://127.0.0.1:1/$hc/x', token: 'x' },
      () => {}
    );
    expect(carried(waiting.stats())).toEqual(NOTHING);
  });

  test('has open sockets, what lies in the outbox included, and the senders of others are not in it', async () => {
    const { server, sender, accepted } = await pair();
    const other = await pair();
    other.accepted.send('to somebody else');
    accepted.send('four');
    accepted.send(Buffer.alloc(100));
    expect(server.stats()).toMatchObject({ messagesSent: 2, bytesSent: 104, messagesReceived: 0 });
    sender.send('x');
    await once(accepted, 'message');
    expect(carried(server.stats())).toEqual(carried(accepted.stats()));
    expect(other.server.stats()).toMatchObject({ messagesSent: 1, bytesSent: 16, messagesReceived: 0 });
  });

  test('keeps those of closed sockets: closed, terminated, lost, or closed once more', async () => {
    const { relay, server, sender, accepted } = await pair();
    const sums = { messagesSent: 0, bytesReceived: 0 };
    const leave = async (client, socket, end) => {
      client.send('12345');
      await once(socket, 'message');
      socket.send('6');
      await once(client, 'message');
      sums.messagesSent += 1;
      sums.bytesReceived += 5;
      const both = [once(client, 'close'), once(socket, 'close')];
      end(client, socket);
      await Promise.all(both);
      expect(server.stats()).toMatchObject({ ...sums, connections: 0 });
    };
    for (const end of [
      (client, socket) => socket.close(),
      (client, socket) => socket.terminate(),
      (client) => client.terminate(),
      () => relay.faults.cutRendezvous()
    ]) {
      if (sums.messagesSent === 0) {
        await leave(sender, accepted, end);
        continue;
      }
      const connected = once(server, 'connection');
      const client = await connectRelayed(relay.sendUri(), { token: relay.createToken() });
      client.on('error', () => {});
      const [socket] = await connected;
      socket.on('error', () => {});
      await leave(client, socket, end);
      socket.emitClose();
      socket.terminate();
      expect(server.stats()).toMatchObject(sums);
    }
    const before = carried(server.stats());
    await server.close();
    expect(carried(server.stats())).toEqual(before);
  });

  test('never goes down, whatever sockets do while it is asked, and ends as the sum of all', async () => {
    const { relay, server, sender, accepted } = await pair();
    const sockets = [accepted];
    const clients = [sender];
    server.on('connection', (socket) => sockets.push(socket));
    let last = carried(server.stats());
    const check = () => {
      const now = carried(server.stats());
      for (const [name, value] of Object.entries(now)) {
        if (value < last[name]) throw new Error(`${name} went from ${last[name]} to ${value}`);
      }
      last = now;
    };
    const talk = (socket) => {
      socket.on('error', () => {});
      socket.on('message', (data) => {
        check();
        if (socket.readyState === socket.OPEN) socket.send(data);
      });
      socket.on('close', check);
    };
    talk(accepted);
    server.on('connection', talk);
    for (let round = 0; round < 20; round++) {
      clients.push(await connectRelayed(relay.sendUri(), { token: relay.createToken() }));
    }
    const over = clients.map((client) => new Promise((resolve) => client.once('close', resolve)));
    for (const [at, client] of clients.entries()) {
      let rounds = at;
      client.on('error', () => {});
      client.on('message', (data) => {
        check();
        if (rounds-- > 0) client.send(data);
        else if (at % 2 === 0) client.terminate();
        else client.close();
      });
      client.send('y'.repeat(at * 100));
    }
    await Promise.all(over);
    await until(() => {
      check();
      return server.stats().connections === 0;
    });
    const sum = (name) => sockets.reduce((total, socket) => total + socket.stats()[name], 0);
    for (const name of Object.keys(NOTHING)) expect([name, last[name]]).toEqual([name, sum(name)]);
  });

  test('leaves out bodies of HTTP requests', async () => {
    const { relay, server } = await pair();
    server.on('request', (req, res) => req.pipe(res));
    const headers = { ServiceBusAuthorization: relay.createToken() };
    const response = await fetch(relay.httpUri(), { method: 'POST', body: 'twelve bytes', headers });
    expect(await response.text()).toBe('twelve bytes');
    expect(server.stats()).toMatchObject({ requestBytes: 12, answerBytes: 12 });
    expect(carried(server.stats())).toEqual(NOTHING);
  });
});

describe('server.stats()', () => {
  test('has the round trip of the control channel and how long accepting took', async () => {
    const { server } = await pair({ server: { keepAlive: { interval: 5, timeout: 0 } } });
    await until(() => server.stats().rtt !== undefined);
    expect(server.stats().rtt).toBeGreaterThan(0);
    const { count, sum, max, bounds, counts } = server.stats().acceptLatency;
    expect(count).toBe(1);
    expect(sum).toBe(max);
    expect(counts).toHaveLength(bounds.length + 1);
    expect(counts[bounds.findIndex((bound) => max <= bound)]).toBe(1);
  });

  test('waiting for a verdict is part of accepting', async () => {
    const verdicts = [];
    const { server } = await pair({
      server: { verifyClient: (info, callback) => setTimeout(() => verdicts.push(callback(true)), 15) }
    });
    expect(verdicts).toHaveLength(1);
    expect(server.stats().acceptLatency.max).toBeGreaterThan(10);
  });

  test('gives away copies, and stays what it was when the server is closed', async () => {
    const { server, sender } = await pair();
    server.stats().acceptLatency.counts.fill(9);
    server.stats().acceptLatency.bounds.pop();
    const before = server.stats();
    expect(before.acceptLatency.bounds).toHaveLength(14);
    expect(before.acceptLatency.counts.reduce((total, bucket) => total + bucket)).toBe(1);
    expect(before).toMatchObject({ online: 1, offers: 1, accepted: 1, connections: 1, listening: 1 });
    const over = once(sender, 'close');
    await Promise.all([server.close(), over]);
    const { acceptLatency } = before;
    const after = { offers: 1, accepted: 1, rejected: 0, failed: 0, listening: 1, acceptLatency };
    expect(server.stats()).toMatchObject({ ...after, online: 0, connections: 0, pendingAccepts: 0 });
  });

  test('has each sender in offers, and in one of accepted, rejected and failed', async () => {
    const { server, relay } = await pair({
      server: {
        maxConnections: 2,
        verifyClient: ({ req }, decide) => decide(req.url !== '/hyco/no', 403)
      }
    });
    const outcome = async (path) => {
      const options = { token: relay.createToken() };
      const socket = await connectRelayed(relay.sendUri(path), options).catch((error) => error.statusCode);
      if (typeof socket === 'number') return socket;
      cleanups.push(() => socket.terminate());
      return 'open';
    };
    server.once('headers', (lines) => lines.push('no header'));
    expect(await outcome('hyco/fault')).toBe(500);
    expect(await outcome('hyco/no')).toBe(403);
    expect(await outcome('hyco')).toBe('open');
    expect(await outcome('hyco/full')).toBe(503);
    await until(() => server.stats().accepted === 2);
    expect(server.stats()).toMatchObject({ offers: 5, accepted: 2, rejected: 2, failed: 1 });
    expect(server.stats()).toMatchObject({ expired: 0, pending: 0, pendingAccepts: 0, rejectFailures: 0 });
  });
});
