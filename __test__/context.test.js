'use strict';

// Each socket and each server emits in the asynchronous context in which it was made, as with ws: the engine, which they
// share, was made in somebody's first request.

const { AsyncLocalStorage } = require('node:async_hooks');
const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const WebSocket = require('ws');

const { RelayedServer, RelayedWebSocket, WebSocketServer, relayedConnect } = require('..');
const { cleanUp, startRelay } = require('./helpers/reliability');

const storage = new AsyncLocalStorage();
let wss;

beforeEach(async () => {
  wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  wss.on('connection', (socket) => {
    socket.on('message', (data) => {
      socket.ping('x');
      socket.send(data);
      if (data.toString() === 'go') socket.close(1000);
    });
  });
  await once(wss, 'listening');
});

afterEach(async () => {
  await cleanUp();
  for (const socket of wss.clients) socket.terminate();
  wss.close();
});

const EVENTS = ['upgrade', 'open', 'message', 'ping', 'pong', 'error', 'close'];

/** Notes in which context the events of `emitter` come, as `event: context`. */
function watch(emitter, events = EVENTS) {
  const seen = [];
  for (const event of events) emitter.on(event, () => seen.push(`${event}: ${storage.getStore()}`));
  return seen;
}

const url = () => `ws://127.0.0.1:${wss.address().port}`;

describe.each([
  ['ws', WebSocket],
  ['ours', RelayedWebSocket]
])('%s', (_, Subject) => {
  test('a socket that was made in a request has its events there', async () => {
    const names = ['alice', 'bob', 'carol'];
    const seen = {};
    await Promise.all(
      names.map((name) =>
        storage.run(name, async () => {
          const socket = new Subject(url());
          seen[name] = watch(socket);
          await once(socket, 'open');
          socket.pong('x');
          socket.send('hello', () => seen[name].push(`sent: ${storage.getStore()}`));
          socket.send('go');
          await once(socket, 'close');
        })
      )
    );
    for (const name of names) {
      expect(seen[name].filter((entry) => !entry.endsWith(`: ${name}`))).toEqual([]);
      expect(seen[name]).toEqual(
        expect.arrayContaining([`message: ${name}`, `ping: ${name}`, `sent: ${name}`])
      );
      expect(seen[name].at(-1)).toBe(`close: ${name}`);
    }
  });

  test('what others do to it changes nothing, but for their own callbacks', async () => {
    const socket = storage.run('alice', () => new Subject(url()));
    const seen = watch(socket);
    await storage.run('bob', () => once(socket, 'open'));
    const sent = await storage.run(
      'bob',
      () => new Promise((resolve) => socket.send('x', () => resolve(storage.getStore())))
    );
    expect(sent).toBe('bob');
    storage.run('bob', () => {
      socket.pause();
      socket.send('go');
    });
    await sleep(50);
    storage.run('bob', () => socket.resume());
    await once(socket, 'close');
    expect(
      seen.filter((entry) => /^(message|close)/.test(entry)).filter((entry) => !entry.endsWith('alice'))
    ).toEqual(Subject === WebSocket ? expect.anything() : []);
  });
});

test('a failed attempt tells so where it was made', async () => {
  const socket = storage.run('alice', () => new RelayedWebSocket('ws://127.0.0.1:1/'));
  const seen = watch(socket);
  await new Promise((resolve) => socket.on('close', resolve));
  expect(seen).toEqual(['error: alice', 'close: alice']);
  const closed = storage.run('alice', () => new RelayedWebSocket(url()));
  const events = watch(closed);
  storage.run('bob', () => closed.close());
  await new Promise((resolve) => closed.on('close', resolve));
  expect(events).toEqual(['error: alice', 'close: alice']);
});

test('a server and its sockets are in the context of the server', async () => {
  const relay = await startRelay();
  const asked = [];
  const note = (what) => asked.push(`${what}: ${storage.getStore()}`);
  const server = storage.run('server', () => {
    const made = new RelayedServer({
      server: relay.listenUri(),
      token: () => (note('token'), relay.createToken()),
      verifyClient: (info, cb) => {
        note('verifyClient');
        // What the program does for one sender is not to be seen by the next, nor where it answers.
        storage.enterWith('somebody');
        storage.run('database', () => setImmediate(cb, true));
      },
      handleProtocols: () => (note('handleProtocols'), 'p'),
      rendezvousHosts: () => (note('rendezvousHosts'), true)
    });
    made.on('headers', () => note('headers'));
    return made;
  });
  const seen = watch(server, ['connecting', 'listening', 'close']);
  server.on('connection', (socket) => {
    note('connection');
    storage.enterWith('somebody');
    socket.on('open', () => note('open'));
    socket.on('message', (data) => socket.send(data, () => note('sent')));
    socket.on('close', () => note('closed'));
  });
  await once(server, 'listening');
  for (const name of ['alice', 'bob']) {
    await storage.run(name, async () => {
      const sender = relayedConnect(relay.sendUri(), { token: relay.createToken(), protocols: ['p'] });
      const events = watch(sender);
      await once(sender, 'open');
      sender.send('x');
      await once(sender, 'message');
      sender.close();
      await once(sender, 'close');
      expect(events.filter((entry) => !entry.endsWith(name))).toEqual([]);
    });
  }
  await storage.run('bob', () => server.close());
  await sleep(10);
  // What a listener of a socket enters may stay with that socket, as Node has it: the server's own is another.
  const own = [...asked, ...seen].filter((entry) => !/^(open|sent|closed|handleProtocols): /.test(entry));
  expect(own.filter((entry) => !entry.endsWith(': server'))).toEqual([]);
  // As in ws: it is asked where verifyClient answers.
  expect(asked.filter((entry) => entry === 'handleProtocols: database')).toHaveLength(2);
  expect(seen.at(-1)).toBe('close: server');
  expect(asked.filter((entry) => entry === 'connection: server')).toHaveLength(2);
});

test('what a request keeps is free when it has ended', async () => {
  if (global.gc === undefined) require('node:v8').setFlagsFromString('--expose-gc');
  const gc = global.gc ?? require('node:vm').runInNewContext('gc');
  const request = async () => {
    const store = { request: 'alice' };
    await storage.run(store, async () => {
      const socket = new RelayedWebSocket(url());
      await once(socket, 'open');
      socket.send('go');
      await once(socket, 'close');
    });
    return new WeakRef(store);
  };
  const reference = await request();
  for (let round = 0; round < 50 && reference.deref() !== undefined; round++) {
    await sleep(10);
    gc();
  }
  expect(reference.deref()).toBeUndefined();
});
