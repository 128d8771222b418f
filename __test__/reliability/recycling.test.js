'use strict';

// Once a day the service closes a control channel. A sender in a loop sees no gap, whoever is the first to act.

const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const {
  cleanUp,
  connect,
  echo,
  makeServer,
  roundTrip,
  startRelay,
  startServer,
  times
} = require('../helpers/reliability.js');

afterEach(cleanUp);

/** Senders, several at a time and one after the other, of which each must get its answer; beside one that stays. */
async function sendInALoop(relay, loops = 4) {
  const steady = await connect(relay).opened;
  let running = true;
  let count = 0;
  const loop = async () => {
    while (running) {
      const text = `${count++}`;
      expect(await roundTrip(relay, text)).toBe(text);
    }
  };
  const all = Promise.all(Array.from({ length: loops }, loop));
  all.catch(() => {});
  return async function stop() {
    running = false;
    await all;
    steady.send('outlived it');
    expect(String(await steady.messages.next())).toBe('outlived it');
    expect(count).toBeGreaterThan(loops);
  };
}

/** What a sender could have noticed. */
const NOTHING = { waited: 0, timedOut: 0, refused: 0, rejected: 0 };

test.each([1, 2])(
  'the server replaces its %d control channel(s) in time: no sender waits, and nothing reconnects',
  async (controlChannels) => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { controlChannels, reconnect: { recycleAfter: 500 } }));
    const reconnecting = jest.fn();
    server.on('reconnecting', reconnecting);
    while (relay.stats().listeners < controlChannels) await once(relay, 'listener');
    const replaced = times(relay, 'listenerClosed', 4);
    const stop = await sendInALoop(relay);
    await replaced;
    await stop();
    expect(relay.stats().totals).toMatchObject(NOTHING);
    expect(reconnecting).not.toHaveBeenCalled();
    expect(server.stats()).toMatchObject({ reconnects: 0, failed: 0, rejected: 0 });
  }
);

test('the service is the first to close one of two control channels: no sender waits', async () => {
  const relay = await startRelay();
  const ids = [];
  relay.on('listener', ({ id }) => ids.push(id));
  const server = echo(await startServer(relay, { controlChannels: 2 }));
  while (ids.length < 2) await once(relay, 'listener');
  const stop = await sendInALoop(relay);
  for (let round = 0; round < 6; round++) {
    const over = Promise.all([once(relay, 'listener'), once(relay, 'listenerClosed')]);
    expect(relay.faults.recycle({ id: ids[round % 2] })).toBe(1);
    await over;
  }
  await stop();
  expect(relay.stats().totals).toMatchObject({ ...NOTHING, listeners: 8 });
  expect(server.stats()).toMatchObject({ reconnects: 6, failed: 0, rejected: 0 });
});

test('the service is the first to close the only control channel: senders get through', async () => {
  const relay = await startRelay();
  const server = echo(await startServer(relay, { reconnect: { stableAfter: 0 } }));
  const stop = await sendInALoop(relay);
  for (let round = 0; round < 6; round++) {
    const over = Promise.all([once(relay, 'listener'), once(relay, 'listenerClosed')]);
    relay.faults.recycle();
    await over;
  }
  await stop();
  expect(relay.stats().totals).toMatchObject({ ...NOTHING, waited: expect.any(Number) });
  expect(server.stats()).toMatchObject({ failed: 0, rejected: 0 });
});

test.each(['recycle', 'expireTokens'])(
  '%s of the only control channel: a sender that comes before the next one is up waits for it',
  async (fault) => {
    const relay = await startRelay();
    let asked = 0;
    let open;
    const gate = new Promise((resolve) => (open = resolve));
    const token = async () => {
      if (++asked > 1) await gate;
      return relay.createToken();
    };
    const server = echo(await startServer(relay, { token }));
    const lost = once(server, 'reconnecting');
    relay.faults[fault]();
    await lost;
    const answer = roundTrip(relay, 'early');
    while (relay.stats().totals.waited < 1) await sleep(1);
    open();
    expect(await answer).toBe('early');
    expect(relay.stats().totals).toMatchObject({ ...NOTHING, waited: 1 });
  }
);

test('a server that closes while the service recycles its channel', async () => {
  const relay = await startRelay();
  const server = makeServer(relay);
  await once(server, 'listening');
  const lost = once(server, 'reconnecting');
  relay.faults.recycle();
  await lost;
  await server.close();
  expect(server.state).toBe('closed');
  while (relay.stats().listeners > 0) await once(relay, 'listenerClosed');
});
