'use strict';

// What was accepted is not lost: by close(), by the loss of the control channel, by a burst.

const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const { setImmediate } = require('node:timers/promises');

const {
  cleanUp,
  connect,
  echo,
  refusal,
  roundTrip,
  startRelay,
  startServer,
  times,
  told
} = require('../helpers/reliability.js');

afterEach(cleanUp);

describe('close({ drain }) survives', () => {
  test('an accept in flight, a socket in use, and a sender that comes too late', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, {
      verifyClient: ({ req }, cb) => (req.url === '/hyco/later' ? (decide = cb) : cb(true))
    });
    echo(server);
    const first = await connect(relay).opened;
    const offered = told('accept:offer');
    const second = connect(relay, { uri: relay.sendUri('hyco/later') });
    await offered;

    const closed = server.close({ drain: true, timeout: 30_000 });
    expect(await refusal(connect(relay))).toMatchObject({ statusCode: 503 });
    decide(true);
    await second.opened;
    for (const sender of [first, second]) {
      sender.send('while draining');
      expect(String(await sender.messages.next())).toBe('while draining');
      sender.close(1000);
      expect((await sender.closed)[0]).toBe(1000);
    }
    await closed;
    expect(server.state).toBe('closed');
    expect(relay.stats().listeners).toBe(0);
  });

  test('a client that stays: after the limit it is closed with 1001', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    const sender = await connect(relay).opened;
    await server.close({ drain: true, timeout: 50 });
    expect((await sender.closed)[0]).toBe(1001);
  });

  test('a verdict that does not come within the limit: 503', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, { verifyClient: (info, cb) => void cb });
    const offered = told('accept:offer');
    const sender = connect(relay);
    await offered;
    const closed = server.close({ drain: true, timeout: 50 });
    expect(await refusal(sender)).toMatchObject({ statusCode: 503 });
    await closed;
  });
});

describe('nothing is lost', () => {
  test('of what send() took before close(), in either direction', async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    const count = 500;
    const large = Buffer.alloc(100_000, 1);
    const connected = once(server, 'connection');
    const sender = await connect(relay).opened;
    const [socket] = await connected;
    const received = { server: 0, sender: 0 };
    socket.on('message', () => received.server++);
    sender.on('message', () => received.sender++);
    for (let number = 0; number < count; number++) {
      const data = number % 50 === 0 ? large : `message ${number}`;
      socket.send(data);
      sender.send(data);
    }
    const over = once(socket, 'close');
    sender.close(1000);
    await over;
    // The sender's half is all there. The server's own close answers, and what it sent before is there, too.
    expect((await sender.closed)[0]).toBe(1000);
    expect(received).toEqual({ server: count, sender: count });
  });

  test('of what was sent before the server was closed', async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    const count = 2000;
    server.on('connection', (socket) => {
      for (let number = 0; number < count; number++) socket.send(`message ${number}`);
      server.close();
    });
    const sender = connect(relay);
    const received = [];
    sender.on('message', (data) => received.push(String(data)));
    expect((await sender.closed)[0]).toBe(1001);
    expect(received.length).toBe(count);
    expect(received.at(-1)).toBe(`message ${count - 1}`);
  });

  test('of a relayed socket while the control channel is cut again and again', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { reconnect: { minDelay: 1, maxDelay: 5 } }));
    const sender = await connect(relay).opened;
    for (let round = 0; round < 5; round++) {
      const back = once(server, 'listening');
      relay.faults.dropControl({ reset: round % 2 === 0 });
      for (let number = 0; number < 20; number++) sender.send(`${round} ${number}`);
      for (let number = 0; number < 20; number++) {
        expect(String(await sender.messages.next())).toBe(`${round} ${number}`);
      }
      await back;
    }
  });

  test('of an accept that is decided while the control channel is down', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, {
      verifyClient: (info, cb) => (decide = cb),
      reconnect: { delay: () => 60_000 }
    });
    echo(server);
    const offered = told('accept:offer');
    const sender = connect(relay);
    await offered;
    const lost = once(server, 'reconnecting');
    relay.faults.dropControl();
    await lost;
    decide(true);
    await sender.opened;
    sender.send('served');
    expect(String(await sender.messages.next())).toBe('served');
    expect(server.state).toBe('reconnecting');
  });

  test('of a rejection that is decided while the control channel is down', async () => {
    const relay = await startRelay();
    let decide;
    const server = await startServer(relay, {
      verifyClient: (info, cb) => (decide = cb),
      reconnect: { delay: () => 60_000 }
    });
    const offered = told('accept:offer');
    const sender = connect(relay);
    await offered;
    const lost = once(server, 'reconnecting');
    relay.faults.dropControl();
    await lost;
    decide(false, 402, 'Not today');
    expect(await refusal(sender)).toMatchObject({ statusCode: 402 });
  });
});

describe('a burst of senders', () => {
  test('beyond maxPendingAccepts gets 503, and the others get in', async () => {
    const relay = await startRelay();
    const waiting = [];
    const server = await startServer(relay, {
      maxPendingAccepts: 10,
      verifyClient: (info, cb) => waiting.push(cb)
    });
    const senders = Array.from({ length: 60 }, () => connect(relay));
    const outcomes = Promise.all(senders.map(refusal));
    // The engine counts what it has turned away before the program has been asked about the others.
    while (server.stats().rejected < 50 || waiting.length < 10) await setImmediate();
    expect(waiting.length).toBe(10);
    expect(server.stats().pendingAccepts).toBe(10);
    for (const decide of waiting) decide(true);
    const codes = (await outcomes).map((error) => error?.statusCode);
    expect(codes.filter((code) => code === undefined).length).toBe(10);
    expect(codes.filter((code) => code === 503).length).toBe(50);
  });

  test('is let in with at most 64 rendezvous dials at once, first come, first served', async () => {
    const relay = await startRelay();
    relay.faults.delay(100, { action: 'accept' });
    const server = await startServer(relay);
    const [offered, dialled] = [[], []];
    let most = 0;
    let open = 0;
    server.on('headers', (headers, request) => {
      dialled.push(request.id);
      most = Math.max(most, dialled.length - open);
    });
    server.on('connection', () => open++);
    const onOffer = ({ request }) => offered.push(request.id);
    diagnosticsChannel.subscribe('hyco-ws-rs:accept:offer', onOffer);
    const senders = Array.from({ length: 150 }, () => connect(relay));
    await Promise.all(senders.map(({ opened }) => opened));
    // A sender may hear of the rendezvous before the listener does.
    while (open < senders.length) await once(server, 'connection');
    diagnosticsChannel.unsubscribe('hyco-ws-rs:accept:offer', onOffer);
    expect(most).toBe(64);
    expect(dialled).toEqual(offered);
    expect(server.stats()).toMatchObject({ accepted: 150, failed: 0 });
  });

  test('that waits for its dial when the server closes gets 503', async () => {
    const relay = await startRelay();
    relay.faults.delay(500, { action: 'accept' });
    const server = await startServer(relay);
    const dialled = times(server, 'headers', 64);
    const senders = Array.from({ length: 80 }, () => connect(relay));
    const outcomes = Promise.all(senders.map(refusal));
    await dialled;
    while (server.stats().pendingAccepts < 80) await told('accept:offer');
    relay.faults.delay(0);
    await server.close();
    const codes = (await outcomes).map((error) => error?.statusCode);
    expect(codes.filter((code) => code === 503).length).toBe(16);
  });
});

test('hundreds of senders one after the other leave nothing behind', async () => {
  const relay = await startRelay();
  const server = echo(await startServer(relay));
  const over = times(relay, 'rendezvousClosed', 300);
  for (let round = 0; round < 30; round++) {
    await Promise.all(Array.from({ length: 10 }, (_, index) => roundTrip(relay, `${round} ${index}`)));
  }
  await over;
  expect(server.stats()).toMatchObject({ accepted: 300, connections: 0, pendingAccepts: 0, failed: 0 });
});
