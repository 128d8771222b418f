'use strict';

// What a server says of itself, from its first dial to its end: every event, with the state at that moment.

const { once } = require('node:events');

const { createRelayToken } = require('../..');
const { cleanUp, makeServer, startRelay } = require('../helpers/reliability.js');

afterEach(cleanUp);

const NAMES = ['connecting', 'listening', 'reconnecting', 'error', 'offline', 'close'];

/** Notes `event: state` of a server. */
function record(server) {
  const seen = [];
  for (const name of NAMES) server.on(name, () => seen.push(`${name}: ${server.state}`));
  return seen;
}

/** An event that an `error` beside it does not disturb. */
const event = (server, name) => new Promise((resolve) => server.once(name, resolve));

test('connecting, online, reconnecting, offline, closing and closed', async () => {
  const relay = await startRelay();
  relay.addHybridConnection({ path: 'fleeting' });
  const uri = relay.listenUri('fleeting');
  const server = makeServer(relay, { server: uri, reconnect: { minDelay: 1, maxDelay: 5 } });
  const seen = record(server);
  expect(server.state).toBe('connecting');
  await event(server, 'listening');
  const back = event(server, 'listening');
  relay.faults.dropControl();
  await back;
  const offline = event(server, 'offline');
  relay.removeHybridConnection('fleeting');
  expect(await offline).toMatchObject({ name: 'RelayError', statusCode: 404 });
  relay.addHybridConnection({ path: 'fleeting' });
  const again = event(server, 'listening');
  server.updateToken(createRelayToken(uri, relay.keyName, relay.key));
  await again;
  const closed = server.close();
  expect(server.state).toBe('closing');
  await closed;
  expect(server.state).toBe('closed');
  expect(seen).toEqual([
    'connecting: connecting',
    'listening: online',
    'reconnecting: reconnecting',
    'connecting: reconnecting',
    'listening: online',
    'reconnecting: reconnecting',
    'connecting: reconnecting',
    'error: reconnecting',
    'offline: offline',
    'connecting: connecting',
    'listening: online',
    'close: closed'
  ]);
});

test('with two control channels the server is online as long as one of them is', async () => {
  const relay = await startRelay();
  const ids = [];
  relay.on('listener', ({ id }) => ids.push(id));
  const server = makeServer(relay, { controlChannels: 2, reconnect: { delay: () => 60_000 } });
  while (ids.length < 2) await once(relay, 'listener');
  while (server.stats().listening < 2) await once(server, 'listening');
  const first = once(server, 'reconnecting');
  relay.faults.dropControl({ id: ids[0] });
  await first;
  expect(server.state).toBe('online');
  const second = once(server, 'reconnecting');
  relay.faults.dropControl({ id: ids[1] });
  await second;
  expect(server.state).toBe('reconnecting');
});

test('reconnecting tells attempt, delay, reason and error', async () => {
  const relay = await startRelay();
  relay.faults.refuse({ status: 500, reason: 'Out of order.', action: 'listen' });
  const server = makeServer(relay);
  const [info] = await once(server, 'reconnecting');
  expect(info).toEqual({
    channel: 0,
    attempt: 1,
    delay: 0,
    reason: expect.stringContaining('Out of order.'),
    error: expect.objectContaining({ name: 'RelayError', statusCode: 500, trackingId: expect.any(String) })
  });
});
