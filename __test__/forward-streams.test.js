'use strict';

// Byte streams through the emulator: our two ends with each other, and each with a scripted azbridge.

const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { existsSync, mkdtempSync, readFileSync, rmSync } = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { RelayEmulator } = require('../emulator.js');
const { RelayedServer } = require('..');
const { LocalStreams } = require('../lib/forward/local-streams.js');
const { RemoteStreams } = require('../lib/forward/remote-streams.js');
const { bridgeListener, bridgeSender, preamble, RelayedConnection } = require('./helpers/azbridge-peer.js');

jest.setTimeout(60_000);

const onUnix = process.platform === 'win32' ? test.skip : test;

/** What a test has opened, to be closed behind it. */
const opened = [];
let relay;

beforeEach(async () => {
  relay = await RelayEmulator.start();
});

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
  await relay.close({ force: true });
});

async function target(onConnection, place = { port: 0, host: '127.0.0.1' }) {
  const sockets = new Set();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(place);
  await once(server, 'listening');
  opened.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: server.address().port, server, sockets };
}

async function remote(options, serverOptions) {
  const server = new RelayedServer({
    server: relay.listenUri('hyco'),
    token: relay.createToken('hyco'),
    ...serverOptions
  });
  const streams = new RemoteStreams(server, options);
  streams.events = record(streams);
  server.on('rendezvousError', () => {});
  await once(server, 'listening');
  opened.push(() => server.close({ timeout: 0 }));
  return streams;
}

async function local(options, address = relay.sendUri('hyco'), rest = {}) {
  const streams = new LocalStreams(address, { token: relay.createToken('hyco'), ...rest }, options);
  streams.events = record(streams);
  streams.place = await streams.listen();
  opened.push(() => streams.close());
  return streams;
}

/** The events so far, as names with the codes of errors; `next(name)` waits for one. */
function record(streams) {
  const seen = [];
  for (const name of ['connect', 'disconnect', 'refused']) {
    streams.on(name, (...args) => {
      const error = name === 'refused' ? args[0] : args[0].error;
      seen.push({ name, code: error?.code, error, info: args.at(-1) });
    });
  }
  seen.next = async (name) => {
    for (;;) {
      const found = seen.find((event) => event.name === name);
      if (found !== undefined) return found;
      await once(streams, name);
    }
  };
  return seen;
}

function client(place) {
  const socket = net.connect({ ...place, allowHalfOpen: true });
  opened.push(() => socket.destroy());
  return socket;
}

/**
 * How a connection is cut: the code of its error. Node takes a reset that it is slow to read for an end, now and then; whoever
 * has been reset cannot be written to.
 */
function cutOf(socket) {
  socket.resume();
  socket.on('end', () => socket.write('?'));
  return new Promise((resolve) => socket.once('error', ({ code }) => resolve(code)));
}

const CUT = expect.stringMatching(/^(ECONNRESET|EPIPE)$/);

/** What comes until the end. (A loop over the socket would destroy it there.) */
async function all(socket) {
  const chunks = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** A target that answers when its client has ended: how many bytes came, in words. */
function countingTarget() {
  return target(async (socket) => socket.end(`${(await all(socket)).length} bytes`));
}

/** One that says its part and ends, and only then reads. */
function talkingTarget() {
  const got = {};
  got.all = new Promise((resolve) => (got.resolve = resolve));
  return target(async (socket) => {
    socket.end('hello');
    got.resolve(await all(socket));
  }).then((found) => ({ ...found, got }));
}

describe.each(['none', 'azbridge'])('with the preamble %s', (kind) => {
  const named = kind === 'azbridge';

  /** The three pairs of ends that there are; each as `[sender, ended]`. */
  const pairs = {
    'our sender and our listener': async (port) => {
      await remote({ target: { port }, preamble: kind });
      const streams = await local({ preamble: kind });
      return client(streams.place);
    },
    'our sender and azbridge': async (port) => {
      const listener = await bridgeListener(relay, named ? ['db'] : undefined, (connection) => {
        const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
        connection.received.splice(0).forEach((bytes) => socket.write(bytes));
        connection.on('data', (bytes) => socket.write(bytes));
        if (connection.state === 'ended') socket.end();
        connection.on('end', () => socket.end());
        socket.on('data', (bytes) => connection.send(bytes));
        socket.on('end', () => connection.shutdown());
      });
      opened.push(() => listener.close());
      const streams = await local({ preamble: kind, name: 'db' });
      return client(streams.place);
    }
  };

  describe.each(Object.entries(pairs))('%s', (_name, connect) => {
    test("the client's end leaves the answer's way open", async () => {
      const { port } = await countingTarget();
      const socket = await connect(port);
      socket.end(Buffer.alloc(300_000, 'x'));
      expect(String(await all(socket))).toBe('300000 bytes');
    });

    test("the target's end leaves the client's way open", async () => {
      const { port, got } = await talkingTarget();
      const socket = await connect(port);
      expect(String(await all(socket))).toBe('hello');
      socket.write('one');
      await sleep(50);
      socket.end(' and another');
      expect(String(await got.all)).toBe('one and another');
    });

    test('both may end at once', async () => {
      const { port, got } = await talkingTarget();
      const socket = await connect(port);
      socket.end('mine');
      expect(String(await all(socket))).toBe('hello');
      expect(String(await got.all)).toBe('mine');
    });
  });

  describe('azbridge and our listener', () => {
    test("the sender's end leaves the answer's way open", async () => {
      const { port } = await countingTarget();
      const streams = await remote({ target: { port }, preamble: kind });
      const sender = await bridgeSender(relay, named ? '3306' : undefined);
      sender.send(Buffer.alloc(70_000));
      sender.send('text', 1);
      sender.shutdown();
      expect(await sender.ended).toEqual([1000, 'Shutdown']);
      expect(sender.text).toBe('70004 bytes');
      const { info } = await streams.events.next('disconnect');
      expect(info).toMatchObject({ bytesReceived: 70_004, bytesSent: 11, error: undefined });
      expect(info.name).toBe(named ? '3306' : undefined);
    });

    test("the target's end leaves the sender's way open", async () => {
      const { port, got } = await talkingTarget();
      await remote({ target: { port }, preamble: kind });
      const sender = await bridgeSender(relay, named ? '3306' : undefined);
      expect(await sender.ended).toEqual([1000, 'Shutdown']);
      expect(sender.text).toBe('hello');
      // Message borders mean nothing.
      sender.send('o', 2, false);
      sender.send('', 9);
      sender.send('ne', 0, true);
      sender.shutdown();
      expect(String(await got.all)).toBe('one');
      await sender.gone;
    });
  });

  test('200 MB arrive as they were, both ways at once', async () => {
    const size = named ? 20e6 : 200e6;
    const { port } = await target((socket) => socket.pipe(socket));
    const far = await remote({ target: { port }, preamble: kind });
    const near = await local({ preamble: kind });
    const socket = client(near.place);
    const block = randomBytes(1e6);
    const [sent, came] = [createHash('sha256'), createHash('sha256')];
    const sending = (async () => {
      for (let at = 0; at < size; at += block.length) {
        block.writeUInt32LE(at, 0);
        sent.update(block);
        if (!socket.write(Buffer.from(block))) await once(socket, 'drain');
      }
      socket.end();
    })();
    let count = 0;
    socket.on('data', (chunk) => {
      came.update(chunk);
      count += chunk.length;
    });
    await Promise.all([once(socket, 'end'), sending]);
    expect([count, came.digest('hex')]).toEqual([size, sent.digest('hex')]);
    await Promise.all([far.events.next('disconnect'), near.events.next('disconnect')]);
    const stats = { open: 0, opened: 1, refused: 0, cut: 0, bytesReceived: size, bytesSent: size };
    expect([far.stats(), near.stats()]).toEqual([stats, stats]);
  });

  test('under TLS', async () => {
    const [cert, key] = ['cert', 'key'].map((name) =>
      readFileSync(path.join(__dirname, 'fixtures', `loopback-${name}.pem`), 'utf8')
    );
    await relay.close();
    relay = await RelayEmulator.start({ tls: { cert, key } });
    const { port } = await target((socket) => socket.pipe(socket));
    const far = await remote({ target: { port }, preamble: kind }, { tls: { ca: cert } });
    const near = await local({ preamble: kind }, relay.sendUri('hyco'), { ca: cert });
    const socket = client(near.place);
    const bytes = randomBytes(3_000_000);
    socket.end(bytes);
    expect((await all(socket)).equals(bytes)).toBe(true);
    await far.events.next('disconnect');
    expect(far.stats()).toMatchObject({ bytesReceived: bytes.length, bytesSent: bytes.length, cut: 0 });
  });

  onUnix('unix sockets at both ends, and their files', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'hyco-'));
    opened.push(() => rmSync(folder, { recursive: true }));
    const [far, near] = [path.join(folder, 'far.sock'), path.join(folder, 'near.sock')];
    await target(async (socket) => socket.end((await all(socket)).reverse()), { path: far });
    await remote(named ? { targets: { [near]: { path: far } }, preamble: kind } : { target: { path: far } });
    const bind = { path: near };
    const streams = await local({ bind, preamble: kind });
    expect(streams.place).toEqual(bind);
    const socket = client(bind);
    socket.end('abc');
    expect(String(await all(socket))).toBe('cba');
    await expect(local({ bind })).rejects.toMatchObject({ code: 'EADDRINUSE', syscall: 'listen' });
    expect(existsSync(near)).toBe(true);
    await streams.close();
    expect(existsSync(near)).toBe(false);
    // Left behind by somebody who was killed.
    const { server } = await target(() => {}, bind);
    server._handle.close = Function.prototype.call.bind(server._handle.close, server._handle);
    server.close();
  });
});

describe('ends that are none', () => {
  /** A stream that is up; `failed` is how its target sees the end. */
  async function running() {
    let seen;
    const failed = new Promise((resolve) => {
      seen = resolve;
    });
    const { port } = await target((socket) => seen(cutOf(socket)));
    const far = await remote({ target: { port } });
    const near = await local({});
    const socket = client(near.place);
    socket.write('x');
    await far.events.next('connect');
    return { failed, far, near, socket };
  }

  test('a target that resets is told to the peer, whose client is reset', async () => {
    const { port } = await target((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const far = await remote({ target: { port } });
    const near = await local({});
    const socket = client(near.place);
    socket.write('x');
    expect(await cutOf(socket)).toEqual(CUT);
    expect(await far.events.next('disconnect')).toMatchObject({ code: 'ECONNRESET' });
    const { error } = await near.events.next('disconnect');
    expect(error).toMatchObject({ code: 'ERR_HYCO_REFUSED', message: expect.stringContaining('1011') });
    expect([far.stats().cut, near.stats().cut]).toEqual([1, 1]);
  });

  test('a client that resets is told to the peer, whose target is reset', async () => {
    const { failed, far, near, socket } = await running();
    socket.resetAndDestroy();
    expect(await near.events.next('disconnect')).toMatchObject({ code: 'ECONNRESET' });
    expect(await far.events.next('disconnect')).toMatchObject({ code: 'ERR_HYCO_REFUSED' });
    expect(await failed).toEqual(CUT);
  });

  test('a relay that loses them resets both', async () => {
    const { failed, far, near, socket } = await running();
    const broken = cutOf(socket);
    relay.faults.cutRendezvous();
    expect(await broken).toEqual(CUT);
    expect(await failed).toEqual(CUT);
    expect(await far.events.next('disconnect')).toMatchObject({ code: 'ERR_HYCO_DISCONNECTED' });
    expect(await near.events.next('disconnect')).toMatchObject({ code: 'ERR_HYCO_DISCONNECTED' });
  });

  test('a sender that is gone resets the target, which 1001 alone does not', async () => {
    let failed;
    const { port } = await target((socket) => {
      failed = cutOf(socket);
    });
    const far = await remote({ target: { port } });
    const sender = await bridgeSender(relay);
    sender.send('half of it');
    await far.events.next('connect');
    sender.destroy();
    expect(await failed).toEqual(CUT);
    expect(await far.events.next('disconnect')).toMatchObject({ code: 'ERR_HYCO_DISCONNECTED' });
  });

  test('where the relay names codes of its own, an end is still one', async () => {
    await relay.close();
    relay = await RelayEmulator.start({ carryCloseCodes: false });
    const { port } = await countingTarget();
    await remote({ target: { port } });
    const sender = await bridgeSender(relay);
    sender.send('12345');
    sender.shutdown();
    await sender.ended;
    expect(sender.text).toBe('5 bytes');
    const again = await bridgeSender(relay);
    again.send('1234567');
    again.shutdown(1001, 'Some text, and what follows is silence');
    await again.ended;
    expect(again.text).toBe('7 bytes');
  });
});

describe('refusals', () => {
  test.each([
    ['refuses', 502, 'ECONNREFUSED', 'The target refused the connection'],
    ['is nowhere', 502, 'ENOTFOUND', 'The target cannot be reached']
  ])("without preamble the sender's handshake says that the target %s", async (how, status, code, reason) => {
    const { port, server } = await target(() => {});
    server.close();
    const place = how === 'refuses' ? { port } : { host: 'nowhere.invalid', port };
    const far = await remote({ target: place });
    await expect(bridgeSender(relay)).rejects.toMatchObject({
      status,
      reason: expect.stringContaining(reason)
    });
    const { error } = await far.events.next('refused');
    if (how === 'refuses') expect(error).toMatchObject({ code, syscall: 'connect', port });
    else expect(['ENOTFOUND', 'EAI_AGAIN']).toContain(error.code);
    const near = await local({});
    const socket = client(near.place);
    expect(await cutOf(socket)).toEqual(CUT);
    expect(await near.events.next('refused')).toMatchObject({
      error: { code: 'ERR_HYCO_REFUSED', statusCode: 502 }
    });
    expect(near.stats()).toMatchObject({ opened: 0, refused: 1 });
  });

  test('no listener, no token', async () => {
    const near = await local({});
    expect(await cutOf(client(near.place))).toEqual(CUT);
    expect(await near.events.next('refused')).toMatchObject({
      error: { code: 'ERR_HYCO_NOT_FOUND', statusCode: 404 }
    });
    const streams = new LocalStreams(relay.sendUri('hyco'), {
      token: () => Promise.reject(new Error('no token today'))
    });
    opened.push(() => streams.close());
    const events = record(streams);
    expect(await cutOf(client(await streams.listen()))).toEqual(CUT);
    expect(await events.next('refused')).toMatchObject({ code: 'ERR_HYCO_TOKEN' });
    expect(streams.stats().refused).toBe(1);
  });

  test('names: those that are there, numbers, and no others', async () => {
    const { port } = await target((socket) => socket.end('db'));
    const other = await target((socket) => socket.end('any'));
    const far = await remote({
      preamble: 'azbridge',
      targets: { db: { port } },
      target: { port: other.port }
    });
    for (const [name, text] of [
      ['db', 'db'],
      ['5432', 'any'],
      ['65535999', 'any']
    ]) {
      const sender = await bridgeSender(relay, name);
      await sender.ended;
      expect(sender.text).toBe(text);
      sender.shutdown();
    }
    for (const name of ['DB', '', '5000U', '../db', 'ü', ' 5432']) {
      const sender = await bridgeSender(relay);
      sender.send(preamble(name));
      expect(await sender.ended).toEqual([1008, 'There is no port of that name']);
      expect(Buffer.concat(sender.received)).toEqual(Buffer.from([0, 0, 0]));
      sender.shutdown();
      await sender.gone;
    }
    const refused = () => far.events.filter(({ name }) => name === 'refused');
    while (refused().length < 6) await once(far, 'refused');
    expect(refused()).toEqual(Array(6).fill(expect.objectContaining({ code: 'ERR_HYCO_NOT_FOUND' })));
    expect(refused().map(({ info }) => info.name)).toContain('ü');
  });

  test.each([
    ['another version', '02000000', '000000', 'ERR_HYCO_PROTOCOL'],
    ['text', Buffer.from('SSH-2.0-OpenSSH').toString('hex'), '000000', 'ERR_HYCO_PROTOCOL'],
    ['a mode that is none', '01000700', '000000', 'ERR_HYCO_PROTOCOL'],
    ['a name that is no text', '010000 02 fffe'.replaceAll(' ', ''), '000000', 'ERR_HYCO_PROTOCOL'],
    ['datagrams', '0100010161', '0000ff', 'ERR_HYCO_PROTOCOL'],
    ['nothing', '', '', 'ERR_HYCO_TIMEOUT'],
    ['half a preamble', '0100', '', 'ERR_HYCO_TIMEOUT']
  ])('a peer that sends %s', async (_what, hex, answer, code) => {
    const { port, sockets } = await target(() => {});
    const far = await remote({ target: { port }, preamble: 'azbridge', preambleTimeout: 300 });
    const sender = await bridgeSender(relay);
    sender.send(Buffer.from(hex, 'hex'));
    expect(await sender.ended).toEqual([1008, expect.any(String)]);
    expect(Buffer.concat(sender.received).toString('hex')).toBe(answer);
    sender.shutdown();
    expect(await far.events.next('refused')).toMatchObject({ code });
    expect(sockets.size).toBe(0);
    // The next one is served.
    await bridgeSender(relay, '1');
  });

  test('a target that refuses, behind the preamble', async () => {
    const { port, server } = await target(() => {});
    server.close();
    const far = await remote({ target: { port }, preamble: 'azbridge' });
    const near = await local({ preamble: 'azbridge' });
    expect(await cutOf(client(near.place))).toEqual(CUT);
    expect(await far.events.next('refused')).toMatchObject({ code: 'ECONNREFUSED' });
    expect((await near.events.next('refused')).error.message).toContain('1011');
  });

  test('our sender says what a listener answered', async () => {
    const answers = [
      ['000000', /does not know/],
      ['000001', /datagrams/],
      ['0000ff', /streams only/],
      ['485454', /not azbridge/],
      ['', /1000/]
    ];
    const rest = [...answers];
    const listener = await bridgeListener(relay, undefined, (connection) => {
      const [hex] = rest.shift();
      if (hex !== '') connection.send(Buffer.from(hex, 'hex'));
      connection.shutdown();
    });
    opened.push(() => listener.close());
    const near = await local({ preamble: 'azbridge', name: 'db' });
    let count = 0;
    for (const [, text] of answers) {
      count++;
      expect(await cutOf(client(near.place))).toEqual(CUT);
      if (near.events.length < count) await once(near, 'refused');
      expect(near.events.at(-1).error.message).toMatch(text);
    }
  });

  test('our listener says to our sender that there is no such port', async () => {
    const { port } = await target(() => {});
    await remote({ targets: { db: { port } }, preamble: 'azbridge' });
    const near = await local({ preamble: 'azbridge', name: 'other' });
    expect(await cutOf(client(near.place))).toEqual(CUT);
    expect((await near.events.next('refused')).error).toMatchObject({
      code: 'ERR_HYCO_REFUSED',
      reason: 'There is no port of that name'
    });
  });

  test('a listener that says nothing', async () => {
    const listener = await bridgeListener(relay, undefined, () => {});
    opened.push(() => listener.close());
    const near = await local({ preamble: 'azbridge', name: 'db', preambleTimeout: 200 });
    expect(await cutOf(client(near.place))).toEqual(CUT);
    expect(await near.events.next('refused')).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
  });

  test('verifyClient and the limit of connections hold', async () => {
    const { port } = await target((socket) => socket.resume());
    const far = await remote(
      { target: { port } },
      { maxConnections: 1, verifyClient: ({ req }) => !req.url.includes('not') }
    );
    await expect(
      RelayedConnection.dial(relay.sendUri('hyco').replace('?', '/not?'), {
        ServiceBusAuthorization: relay.createToken('hyco')
      })
    ).rejects.toMatchObject({ status: 401 });
    const first = await bridgeSender(relay);
    await expect(bridgeSender(relay)).rejects.toMatchObject({ status: 503 });
    first.destroy();
    await far.events.next('disconnect');
    await bridgeSender(relay);
  });
});

describe('closing', () => {
  test('without drain both ends cut what is open', async () => {
    const { port } = await target((socket) => socket.resume());
    const far = await remote({ target: { port } });
    const near = await local({});
    const sockets = [client(near.place), client(near.place)];
    const failed = sockets.map(cutOf);
    while (far.stats().open < 2) await once(far, 'connect');
    await far.close();
    expect(await Promise.all(failed)).toEqual([CUT, CUT]);
    while (far.events.filter(({ name }) => name === 'disconnect').length < 2) await once(far, 'disconnect');
    expect(far.events.filter(({ name }) => name === 'disconnect').map(({ code }) => code)).toEqual([
      'ERR_HYCO_ABORTED',
      'ERR_HYCO_ABORTED'
    ]);
    await near.close();
    expect(near.stats().open).toBe(0);
    await expect(once(client(near.place), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('with drain they finish', async () => {
    const { port } = await target((socket) => socket.pipe(socket));
    const far = await remote({ target: { port } });
    const near = await local({});
    const socket = client(near.place);
    socket.write('before ');
    await far.events.next('connect');
    const closing = Promise.all([far.close({ drain: true }), near.close({ drain: true })]);
    await sleep(50);
    socket.end('after');
    expect(String(await all(socket))).toBe('before after');
    await closing;
    expect([far.stats(), near.stats()]).toEqual(Array(2).fill(expect.objectContaining({ open: 0, cut: 0 })));
  });

  test('with drain and a timeout they are cut then', async () => {
    const { port } = await target((socket) => socket.resume());
    const far = await remote({ target: { port } });
    const near = await local({});
    const failed = cutOf(client(near.place));
    await far.events.next('connect');
    await near.close({ drain: true, timeout: 100 });
    expect(await failed).toEqual(CUT);
    expect(near.events.at(-1)).toMatchObject({ name: 'disconnect', code: 'ERR_HYCO_ABORTED' });
    await far.close({ drain: true, timeout: 100 });
  });

  test('while a target or a token is waited for', async () => {
    const near = new LocalStreams(relay.sendUri('hyco'), { token: () => new Promise(() => {}) });
    const events = record(near);
    const failed = cutOf(client(await near.listen()));
    await sleep(50);
    await near.close();
    expect(await failed).toEqual(CUT);
    expect([...events]).toEqual([expect.objectContaining({ name: 'refused', code: 'ERR_HYCO_ABORTED' })]);
  });

  test('options that are wrong', () => {
    const sender = (options) => new LocalStreams(relay.sendUri('hyco'), 'token', options);
    for (const [options, code] of [
      [{ bind: {} }, 'ERR_INVALID_ARG_VALUE'],
      [{ bind: { port: 70_000 } }, 'ERR_INVALID_ARG_VALUE'],
      [{ bind: { port: 1, path: '/x' } }, 'ERR_INVALID_ARG_VALUE'],
      [{ name: 'x'.repeat(256) }, 'ERR_INVALID_ARG_VALUE'],
      [{ preamble: 'other' }, 'ERR_INVALID_ARG_VALUE'],
      [{ maxConnections: 0 }, 'ERR_INVALID_ARG_VALUE'],
      [{ bind: 22 }, 'ERR_INVALID_ARG_TYPE']
    ]) {
      expect(() => sender(options)).toThrow(expect.objectContaining({ code }));
    }
    expect(() => new LocalStreams('no address', 'token')).toThrow();
    const server = new RelayedServer({ server: relay.listenUri('hyco'), token: 'x' });
    server.on('error', () => {});
    opened.push(() => server.close());
    for (const options of [
      undefined,
      {},
      { target: { port: 0 } },
      { targets: { a: { port: 1 } } },
      { targets: {}, preamble: 'azbridge' },
      { target: { port: 1, path: 'x' } }
    ]) {
      expect(() => new RemoteStreams(server, options)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' })
      );
    }
  });
});

describe('many, and slow ones', () => {
  test('500 streams at once, each with its own bytes', async () => {
    const { port } = await target((socket) => socket.pipe(socket));
    const far = await remote({ target: { port } }, { maxPendingAccepts: 1000 });
    const near = await local({});
    const texts = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const socket = client(near.place);
        socket.end(`stream ${index}`);
        return String(await all(socket));
      })
    );
    expect(texts).toEqual(Array.from({ length: 500 }, (_, index) => `stream ${index}`));
    expect(far.stats()).toMatchObject({ opened: 500, refused: 0, cut: 0 });
  });

  test('a target that never reads stops its sender, and no other', async () => {
    const { port, sockets } = await target((socket) =>
      socket.once('data', (first) => first[0] === 115 && socket.pause())
    );
    const far = await remote({ target: { port } });
    const near = await local({});
    const socket = client(near.place);
    socket.write('s');
    const block = Buffer.alloc(1 << 20);
    let written = 0;
    socket.on('drain', () => {});
    await far.events.next('connect');
    // As much as kernels and the relay hold.
    while (written < 400e6 && (socket.write(block) || (await settled(socket)))) written += block.length;
    expect(written).toBeLessThan(200e6);
    expect(far.stats().bytesReceived).toBeLessThan(100e6);
    const other = client(near.place);
    other.end('x');
    await once(other, 'connect');
    expect(sockets.size).toBeGreaterThan(0);
  });
});

/** Whether what waits to be written leaves within a moment. */
async function settled(socket) {
  const given = new AbortController();
  const drained = once(socket, 'drain', { signal: given.signal }).then(
    () => true,
    () => false
  );
  const result = await Promise.race([drained, sleep(500, false)]);
  given.abort();
  return result;
}
