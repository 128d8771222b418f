'use strict';

// Messages without a byte, in numbers: any sender can send them.

const { once } = require('node:events');

const WebSocket = require('ws');

const { RelayedWebSocket } = require('../..');
const { cleanUp, startRelay, startServer } = require('../helpers/reliability');
const { binary, close, ping, text } = require('../helpers/frames');
const { RawPeer } = require('../helpers/raw-peer');

let peer;
beforeEach(async () => (peer = await RawPeer.listen()));
afterEach(async () => {
  await cleanUp();
  await peer.close();
});

/** What arrives of `frames`, sent in one packet: `t3` is a text of three bytes. */
async function receive(...frames) {
  const socket = new RelayedWebSocket(peer.url(), { perMessageDeflate: false });
  const seen = [];
  socket.on('message', (data, isBinary) => seen.push(`${isBinary ? 'b' : 't'}${data.length}`));
  socket.on('ping', (data) => seen.push(`p${data.length}`));
  const connection = await peer.connection();
  await connection.accept();
  await once(socket, 'open');
  connection.send(...frames, close(1000));
  connection.over().then(() => connection.end());
  const [code] = await once(socket, 'close');
  return { seen, code };
}

const many = (count, frame) => new Array(count).fill(frame);

test.each([
  ['texts', 10_000, text(''), 't0'],
  ['binary messages', 10_000, binary(''), 'b0'],
  ['pings', 10_000, ping(''), 'p0'],
  ['texts of one byte', 10_000, text('x'), 't1']
])('nothing but empty %s in one packet', async (_, count, frame, kind) => {
  const { seen, code } = await receive(...many(count, frame));
  expect({ count: seen.length, kinds: [...new Set(seen)], code }).toEqual({
    count,
    kinds: [kind],
    code: 1000
  });
});

test('an empty message, and then the beginning of a large one', async () => {
  const socket = new RelayedWebSocket(peer.url(), { perMessageDeflate: false });
  const seen = [];
  socket.on('message', (data) => seen.push(data.length));
  const connection = await peer.connection();
  await connection.accept();
  await once(socket, 'open');
  const large = text('x'.repeat(200_000));
  connection.send(text(''), large.subarray(0, 20_000));
  await once(socket, 'message');
  connection.send(large.subarray(20_000), text(''), close(1000));
  connection.over().then(() => connection.end());
  await once(socket, 'close');
  expect(seen).toEqual([0, 200_000, 0]);
});

test('empty ones among large ones, small ones and fragments', async () => {
  const large = binary(Buffer.alloc(100_000));
  const fragmented = [text('', { fin: false }), Buffer.from([0x00, 0]), Buffer.from([0x80, 0])];
  const round = [text(''), large, ...many(500, binary('')), text('abc'), ...fragmented, text('')];
  const { seen, code } = await receive(...round, ...round, ...round);
  const expected = ['t0', 'b100000', ...many(500, 'b0'), 't3', 't0', 't0'];
  expect(seen).toEqual([...expected, ...expected, ...expected]);
  expect(code).toBe(1000);
});

test('60,000 from a sender of ws through the relay', async () => {
  const relay = await startRelay();
  const server = await startServer(relay);
  const received = new Promise((resolve) => {
    server.on('connection', (socket) => {
      let count = 0;
      socket.on('message', (data) => (count += data.length === 0 ? 1 : NaN));
      socket.on('close', () => resolve(count));
    });
  });
  const sender = new WebSocket(relay.sendUri(), {
    headers: { ServiceBusAuthorization: relay.createToken() },
    perMessageDeflate: false
  });
  await once(sender, 'open');
  for (let i = 0; i < 60_000; i++) sender.send('');
  sender.close();
  expect(await received).toBe(60_000);
});
