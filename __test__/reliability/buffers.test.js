'use strict';

// Programs give their messages' memory away, and send memory that they have given away: nobody else notices.

const { once } = require('node:events');
const { MessageChannel } = require('node:worker_threads');

const { RelayedServer, RelayedWebSocket, WebSocketServer } = require('../..');
const { cleanUp, startRelay } = require('../helpers/reliability');
const { Opcode, binary, close, more, ping, text } = require('../helpers/frames');
const { RawPeer } = require('../helpers/raw-peer');

let peer;
beforeEach(async () => (peer = await RawPeer.listen()));
afterEach(async () => {
  await cleanUp();
  await peer.close();
});

async function open(options) {
  const socket = new RelayedWebSocket(peer.url(), { perMessageDeflate: false, ...options });
  const connection = await peer.connection();
  await connection.accept();
  await once(socket, 'open');
  connection.over().then(() => connection.end());
  return { socket, connection };
}

/** The texts that come, as long as they can be read. */
function collect(socket) {
  const seen = [];
  socket.on('message', (data) => seen.push(data.toString()));
  return seen;
}

const WAYS = {
  'structuredClone()': (data) => structuredClone(data, { transfer: [data.buffer] }),
  'postMessage()': (data) => {
    const { port1 } = new MessageChannel();
    port1.postMessage(data, [data.buffer]);
    port1.close();
  }
};
if (ArrayBuffer.prototype.transfer !== undefined) WAYS['transfer()'] = (data) => data.buffer.transfer();

/** Since Node 21 memory that is not V8's own cannot be transferred, but for `transfer()`. */
function giveIfPossible(give) {
  return (data) => {
    try {
      give(data);
    } catch (error) {
      if (error.name !== 'DataCloneError') throw error;
    }
  };
}

describe.each(Object.keys(WAYS))('a message that is given away by %s', (way) => {
  const give = giveIfPossible(WAYS[way]);

  test('costs nobody else a message, nor the server its end', async () => {
    const relay = await startRelay();
    const server = new RelayedServer({ server: relay.listenUri(), keyName: relay.keyName, key: relay.key });
    await once(server, 'listening');
    const [alice, bob] = [await open(), await open()];
    alice.socket.on('message', give);
    const seen = collect(bob.socket);
    const expected = [];
    for (let round = 0; round < 20; round++) {
      // In one turn of the event loop, so that they are likely to be dealt with together.
      alice.connection.send(...new Array(50).fill(text('alice')));
      bob.connection.send(...new Array(50).fill(text(`bob ${round}`)));
      expected.push(...new Array(50).fill(`bob ${round}`));
      const last = text(`end ${round}`);
      bob.connection.send(last);
      expected.push(`end ${round}`);
      while (!seen.includes(`end ${round}`)) await once(bob.socket, 'message');
    }
    expect(seen).toEqual(expected);
    await server.close();
    expect(server.state).toBe('closed');
  });

  test('costs its own socket at most what shared its memory', async () => {
    const { socket, connection } = await open();
    let count = 0;
    socket.on('message', (data) => {
      if (count++ === 0) give(data);
    });
    // So much in one packet comes as the very bytes that were read.
    connection.send(...new Array(100).fill(text('x'.repeat(500))));
    connection.send(ping('still there?'));
    await connection.frames(1);
    connection.send(text('later'), binary(Buffer.alloc(100_000)), close(1000));
    const sizes = [];
    socket.on('message', (data) => sizes.push(data.length));
    const [code] = await once(socket, 'close');
    expect(code).toBe(1000);
    expect(sizes.slice(-2)).toEqual([5, 100_000]);
  });

  test('costs a broken rule nothing of its error', async () => {
    const { socket, connection } = await open();
    socket.once('message', give);
    // So much in one packet comes as the very bytes that were read, and the error among them.
    connection.send(...new Array(30).fill(binary(Buffer.alloc(1500))), Buffer.from([0xf1, 0]));
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ name: 'RangeError', code: 'WS_ERR_UNEXPECTED_RSV_2_3' });
    const [{ opcode, payload }] = await connection.frames(1);
    expect([opcode, payload]).toEqual([Opcode.CLOSE, '\x03\xea']);
    await once(socket, 'close');
  });

  test('costs no later message its fragments', async () => {
    const { socket, connection } = await open();
    socket.binaryType = 'fragments';
    const seen = [];
    socket.on('message', (data) => seen.push(data.map(String)));
    socket.once('message', ([data]) => give(data));
    const two = [binary('one', { fin: false }), more('two')];
    connection.send(...new Array(30).fill(binary(Buffer.alloc(1500))), ...two, ping(''));
    await connection.frames(1);
    connection.send(binary('later'));
    while (seen.at(-1)?.[0] !== 'later') await once(socket, 'message');
    for (const parts of seen) expect(parts).not.toEqual([]);
  });

  test('leaves alone what a paused socket holds', async () => {
    const [alice, bob] = [await open(), await open()];
    const seen = collect(bob.socket);
    bob.socket.pause();
    bob.connection.send(text('held'));
    alice.connection.send(text('x'));
    const [data] = await once(alice.socket, 'message');
    give(data);
    bob.socket.resume();
    if (seen.length === 0) await once(bob.socket, 'message');
    expect(seen).toEqual(['held']);
  });

  test('is as large as it was, whatever its size', async () => {
    const { socket, connection } = await open();
    const sizes = [];
    socket.on('message', (data) => {
      sizes.push(data.length);
      give(data);
    });
    const sent = [100_000, 1, 40_000, 20_000, 1_000_000];
    for (const [at, size] of sent.entries()) {
      connection.send(binary(Buffer.alloc(size)));
      while (sizes.length <= at) await once(socket, 'message');
    }
    expect(sizes).toEqual(sent);
  });
});

describe('an empty message', () => {
  test('as an ArrayBuffer that is given away is nobody else’s', async () => {
    const [alice, bob] = [await open({ binaryType: 'arraybuffer' }), await open()];
    alice.socket.binaryType = 'arraybuffer';
    alice.connection.send(binary(''));
    const [data] = await once(alice.socket, 'message');
    structuredClone(data, { transfer: [data] });
    alice.connection.send(ping(''), binary(''));
    const [second] = await once(alice.socket, 'message');
    expect([second.byteLength, second.detached ?? false]).toEqual([0, false]);
    bob.socket.ping();
    bob.socket.send('');
    await bob.connection.frames(2);
    await alice.connection.frames(1);
    alice.socket.close();
    await alice.connection.frames(2);
  });

  test('the empty reason of a close is nobody else’s', async () => {
    for (let round = 0; round < 2; round++) {
      const { socket, connection } = await open();
      connection.send(close(1000));
      const [code, reason] = await once(socket, 'close');
      expect([code, reason.length]).toEqual([1000, 0]);
      expect(() => structuredClone(reason, { transfer: [reason.buffer] })).not.toThrow();
    }
  });
});

test.each([
  ['too long', 100],
  ['too short', 1],
  ['no number', 'x'],
  ['negative', -4]
])('a view that says it is %s is sent as it is, and nothing else with it', async (_, length) => {
  const [alice, bob] = [await open(), await open()];
  const view = (bytes) => Object.defineProperty(Buffer.from(bytes), 'length', { value: length });
  for (const socket of [alice.socket, bob.socket]) socket.send('of this tick the first');
  alice.socket.send('from alice, and nobody else’s business');
  bob.socket.send(view('bob'));
  bob.socket.ping(view('bob'));
  alice.socket.send('from alice again');
  const texts = async ({ connection }, count) =>
    (await connection.frames(count)).map(({ payload }) => payload);
  expect(await texts(bob, 3)).toEqual(['of this tick the first', 'bob', 'bob']);
  expect((await texts(alice, 3)).slice(2)).toEqual(['from alice again']);
});

describe('what cannot be sent', () => {
  const gone = () => {
    const view = new Uint8Array(20);
    structuredClone(view, { transfer: [view.buffer] });
    return view;
  };
  const noMask = () => {
    throw new Error('no mask');
  };

  test.each([
    ['a detached view', {}, (socket, cb) => socket.send(gone(), cb)],
    ['a detached view, compressed', { perMessageDeflate: true }, (socket, cb) => socket.send(gone(), cb)],
    ['a detached view as a fragment', {}, (socket, cb) => socket.send(gone(), { fin: false }, cb)],
    ['a mask that throws', { generateMask: noMask }, (socket, cb) => socket.send('bad', cb)],
    [
      'a mask that throws at a fragment',
      { generateMask: noMask },
      (socket, cb) => socket.send('bad', { fin: false }, cb)
    ],
    ['a mask that throws at a ping', { generateMask: noMask }, (socket, cb) => socket.ping('bad', true, cb)]
  ])('%s throws, and nothing else has happened', async (_, { generateMask, ...options }, act) => {
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
    await once(wss, 'listening');
    const got = {};
    const url = (name) => `ws://127.0.0.1:${wss.address().port}/${name}`;
    wss.on('connection', (socket, { url: path }) => {
      const name = path.slice(1);
      got[name] = [];
      socket.on('message', (data) => got[name].push(data.toString()));
    });
    let wrong = false;
    if (generateMask !== undefined) {
      options.generateMask = (mask) => (wrong ? generateMask(mask) : mask.fill(1));
    }
    const alice = new RelayedWebSocket(url('alice'));
    const bob = new RelayedWebSocket(url('bob'), options);
    await Promise.all([once(alice, 'open'), once(bob, 'open')]);
    const called = [];
    const cb = (name) => (error) => called.push(`${name} ${error ? 'failed' : 'sent'}`);
    alice.send('from alice', cb('alice'));
    bob.send('one', cb('one'));
    wrong = true;
    expect(() => act(bob, cb('bad'))).toThrow();
    wrong = false;
    expect(bob.bufferedAmount).toBeLessThan(100);
    bob.send('two', cb('two'));
    alice.send('again from alice', cb('alice'));
    await new Promise((resolve) => bob.ping('', true, resolve));
    alice.close();
    bob.close();
    await Promise.all([once(alice, 'close'), once(bob, 'close')]);
    wss.close();
    expect(got).toEqual({ alice: ['from alice', 'again from alice'], bob: ['one', 'two'] });
    expect(called.filter((entry) => !entry.startsWith('alice'))).toEqual(['one sent', 'two sent']);
  });

  test('a mask that throws behind a blob is an error of the socket', async () => {
    let left = 1;
    const generateMask = () => {
      if (left-- === 0) throw new Error('no mask');
    };
    const { socket } = await open({ generateMask });
    const failed = [];
    socket.send(new Blob(['blob']));
    for (const name of ['bad', 'behind']) socket.send(name, (error) => failed.push([name, error?.message]));
    const [error] = await once(socket, 'error');
    expect(error.message).toBe('no mask');
    expect(failed).toEqual([
      ['bad', 'no mask'],
      ['behind', 'no mask']
    ]);
    socket.terminate();
    await once(socket, 'close');
  });

  test.each([
    ['a pong', ping('x')],
    ['a close frame', close(1000)],
    ['a close frame for a broken rule', Buffer.from([0xff, 0])]
  ])('%s of our own is an error of the socket', async (_, frame) => {
    const { socket, connection } = await open({ generateMask: noMask });
    connection.send(frame);
    const [error] = await once(socket, 'error');
    expect(error.message).toMatch(/no mask|must be clear/);
    await once(socket, 'close');
  });
});
