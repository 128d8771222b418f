'use strict';

// What the service does to a listener that stays up: tokens end, entities come and go, frames are broken.

const { once } = require('node:events');

const { createRelayToken } = require('../..');
const { RawPeer } = require('../helpers/raw-peer.js');
const {
  cleanUp,
  connect,
  echo,
  makeServer,
  refusal,
  roundTrip,
  startRelay,
  startServer,
  told
} = require('../helpers/reliability.js');

const peers = new Set();

afterEach(async () => {
  await cleanUp();
  for (const peer of peers) await peer.close();
  peers.clear();
});

/** An event that an `error` beside it does not disturb. */
const event = (server, name) => new Promise((resolve) => server.once(name, resolve));

describe('a listener survives', () => {
  test('tokens that live for seconds: senders see no gap', async () => {
    const relay = await startRelay({ tokenGrace: 0 });
    const server = echo(await startServer(relay, { tokenLifetime: 4 }));
    let renewals = 0;
    relay.on('renewed', () => renewals++);
    for (let count = 0; renewals < 2; count++) expect(await roundTrip(relay, `${count}`)).toBe(`${count}`);
    expect(server.stats()).toMatchObject({ reconnects: 0, renewals: expect.any(Number) });
  });

  test('1008, its token being over: a fresh one is asked for', async () => {
    const relay = await startRelay();
    const token = jest.fn(async () => relay.createToken());
    const server = echo(await startServer(relay, { token }));
    const back = event(server, 'listening');
    relay.faults.expireTokens();
    await back;
    expect(token).toHaveBeenCalledTimes(2);
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('a token provider that fails, answers nonsense, and recovers', async () => {
    const relay = await startRelay();
    const answers = [
      () => Promise.reject(new Error('the vault is shut')),
      () => undefined,
      () => 'line\r\nend',
      () => relay.createToken()
    ];
    const token = jest.fn(() => answers[Math.min(token.mock.calls.length, answers.length) - 1]());
    const server = makeServer(relay, { token, reconnect: { delay: () => 0 } });
    const errors = [];
    server.on('reconnecting', ({ error }) => errors.push(error.code));
    await event(server, 'listening');
    expect(errors).toEqual(['ERR_HYCO_TOKEN', 'ERR_HYCO_TOKEN', 'ERR_HYCO_TOKEN']);
  });

  test('a hybrid connection that is deleted and made again, if it is told to', async () => {
    const relay = await startRelay();
    relay.addHybridConnection({ path: 'fleeting' });
    const server = await startServer(relay, {
      server: relay.listenUri('fleeting'),
      reconnect: { retryTerminal: true, delay: () => 20 }
    });
    server.on('error', () => {});
    const gone = new Promise((resolve) => {
      server.on('reconnecting', ({ error }) => error.statusCode === 404 && resolve());
    });
    relay.removeHybridConnection('fleeting');
    await gone;
    const back = event(server, 'listening');
    relay.addHybridConnection({ path: 'fleeting' });
    await back;
    expect(server.state).toBe('online');
  });

  test('a hybrid connection that is deleted: the end is told, and a new token starts it again', async () => {
    const relay = await startRelay();
    relay.addHybridConnection({ path: 'fleeting' });
    const server = await startServer(relay, { server: relay.listenUri('fleeting') });
    const [failed, offline] = [event(server, 'error'), event(server, 'offline')];
    relay.removeHybridConnection('fleeting');
    expect(await failed).toMatchObject({ statusCode: 404 });
    await offline;
    expect(server.state).toBe('offline');
    relay.addHybridConnection({ path: 'fleeting' });
    const back = event(server, 'listening');
    server.updateToken(createRelayToken(relay.listenUri('fleeting'), relay.keyName, relay.key));
    await back;
  });

  test('relayed connections that are cut in the middle of a frame', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    for (const reset of [false, true]) {
      const connected = once(server, 'connection');
      const sender = await connect(relay).opened;
      const [socket] = await connected;
      const closed = once(socket, 'close');
      relay.faults.cutRendezvous({ reset });
      expect((await closed)[0]).toBe(1006);
      expect((await sender.closed)[0]).toBe(1006);
    }
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats()).toMatchObject({ reconnects: 0, failed: 0 });
  });

  test('a sender that leaves while its verdict is pending', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, {
      verifyClient: (info, cb) => (decide ??= cb) === cb || cb(true)
    });
    echo(server);
    const offered = told('accept:offer');
    const sender = connect(relay);
    await offered;
    sender.terminate();
    await sender.closed;
    const failed = once(server, 'rendezvousError');
    decide(true);
    expect((await failed)[0]).toMatchObject({ name: 'RelayError' });
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('a program that closes it from every event', async () => {
    for (const name of ['connecting', 'listening', 'headers', 'connection', 'reconnecting']) {
      const relay = await startRelay();
      const server = makeServer(relay);
      const closed = event(server, 'close');
      server.once(name, () => server.close({ timeout: 0 }));
      if (name === 'connecting') {
        await closed;
        continue;
      }
      await event(server, 'listening');
      if (name === 'reconnecting') relay.faults.dropControl();
      else if (name !== 'listening') refusal(connect(relay));
      await closed;
      expect(server.state).toBe('closed');
    }
  });
});

describe('a control channel that breaks the protocol is dropped and dialled again', () => {
  const frame = (first, payload, length = payload.length) =>
    Buffer.concat([Buffer.from([first, length]), Buffer.from(payload)]);

  test.each([
    ['by a reserved opcode', frame(0x83, 'x')],
    ['by a reserved bit', frame(0xc1, 'x')],
    ['by a masked frame', Buffer.from([0x81, 0x81, 1, 2, 3, 4, 5])],
    ['by text that is no UTF-8', frame(0x81, [0xff, 0xfe])],
    ['by a fragmented ping', frame(0x09, 'x')],
    ['by a continuation of nothing', frame(0x80, 'x')],
    ['by a frame of 2^62 bytes', Buffer.from([0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0])],
    ['by a close frame of one byte', frame(0x88, 'x')],
    ['by bytes at random', Buffer.from('GET / HTTP/1.1\r\n\r\n')]
  ])('%s', async (_, bytes) => {
    const peer = await RawPeer.listen();
    peers.add(peer);
    const server = makeServer(
      {},
      {
        server: peer.url('/$hc/hyco?sb-hc-action=listen'),
        token: 'a-token',
        reconnect: { delay: () => 0 }
      }
    );
    const first = await peer.connection();
    await first.accept();
    const lost = once(server, 'reconnecting');
    first.send(bytes);
    const [{ error }] = await lost;
    expect(error).toMatchObject({ name: 'RelayError', code: 'ERR_HYCO_DISCONNECTED' });
    const back = event(server, 'listening');
    const second = await peer.connection();
    await second.accept();
    await back;
    expect(server.state).toBe('online');
    second.reset();
  });
});
