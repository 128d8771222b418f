'use strict';

// Thousands of streams, and targets and clients that take nothing: nobody is lost, and memory stays bounded.

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');

const { forward, forwardLocal } = require('../..');
const { LocalStreams } = require('../../lib/forward/local-streams.js');
const { RelayEmulator } = require('../../emulator.js');
const { askUrl } = require('../helpers/same-app.js');

let relay;
let common;
const closers = [];

beforeEach(async () => {
  relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
  common = { keyName: relay.keyName, key: relay.key };
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await relay.close({ force: true });
});

/** A server that ends with the test. @return {Promise<string>} Its address */
async function target(onConnection) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    onConnection(socket);
  });
  await once(server.listen(0, '127.0.0.1', 4096), 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${server.address().port}`;
}

async function tunnelTo(place, options) {
  const tunnel = await forward(place, { server: relay.listenUri('hyco'), ...common, ...options });
  tunnel.refusals = [];
  tunnel.on('refused', (error) => tunnel.refusals.push(error));
  closers.push(() => tunnel.close({ timeout: 0 }));
  return tunnel;
}

async function clientOf(port) {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('2,000 come at once, and each has its own bytes', async () => {
  const tunnel = await tunnelTo(await target((socket) => socket.pipe(socket)));
  const preamble = { bind: { port: 0 }, preamble: 'azbridge', name: '1', maxConnections: 2000 };
  const local = new LocalStreams(relay.sendUri('hyco'), common, preamble);
  closers.push(() => local.close());
  const { port } = await local.listen();
  const echoes = await Promise.all(
    Array.from({ length: 2000 }, async (_, index) => {
      const socket = await clientOf(port);
      socket.write(`stream ${index}`);
      const [data] = await once(socket, 'data');
      return String(data) === `stream ${index}`;
    })
  );
  expect(echoes.filter((isRight) => !isRight)).toEqual([]);
  expect(tunnel.stats().forwarded.streams).toMatchObject({ open: 2000, opened: 2000, refused: 0, cut: 0 });
}, 120_000);

test.each([
  ['targets', () => {}, (socket, block) => socket.write(block)],
  ['clients', (socket, block) => socket.write(block), () => {}]
])(
  '1.6 GB for 100 %s that read nothing stay where they are',
  async (_name, onTarget, onClient) => {
    // One memory for all.
    const block = Buffer.alloc(16 << 20);
    const tunnel = await tunnelTo(
      await target((socket) => {
        socket.pause();
        onTarget(socket, block);
      })
    );
    const local = await forwardLocal(0, { ...common, address: relay.sendUri('hyco') });
    closers.push(() => local.close());
    const before = process.memoryUsage().rss;
    const { port } = local.address();
    for (let count = 0; count < 100; count++) {
      const socket = await clientOf(port);
      socket.pause();
      onClient(socket, block);
    }
    const { streams } = await standstill(() => tunnel.stats().forwarded);
    expect(streams.open).toBe(100);
    expect(streams.bytesReceived + streams.bytesSent).toBeGreaterThan(10e6);
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
  },
  120_000
);

/** What is read once it does not change any more. */
async function standstill(read) {
  for (let last; ;) {
    const now = read();
    if (last !== undefined && JSON.stringify(now) === JSON.stringify(last)) return now;
    last = now;
    await sleep(500);
  }
}

(process.platform === 'linux' ? describe : describe.skip)('a target that does not even accept', () => {
  let place;

  beforeEach(async () => {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       const server = require('node:net').createServer().listen(0, '127.0.0.1', 1, () => {
         parentPort.postMessage(server.address().port);
         setImmediate(() => Atomics.wait(workerData, 0, 0));
       });`,
      { eval: true, workerData: gate }
    );
    closers.push(async () => {
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
      await worker.terminate();
    });
    const [port] = await once(worker, 'message');
    place = `127.0.0.1:${port}`;
    // They fill what the kernel lets wait.
    for (let count = 0; count < 8; count++) {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      closers.push(() => socket.destroy());
    }
    await sleep(300);
  });

  test.each([true, false])('is told to the sender, and its client is cut (raw: %p)', async (raw) => {
    const tunnel = await tunnelTo(place, { targetTimeout: 500, raw });
    const local = await forwardLocal(0, { ...common, address: relay.sendUri('hyco'), raw, name: '1' });
    closers.push(() => local.close());
    const refused = once(local, 'refused');
    const told = once(tunnel, 'refused');
    const socket = net.connect(local.address().port, '127.0.0.1').on('error', () => {});
    // However it ends.
    await new Promise((resolve) => socket.once('close', resolve));
    const [error] = await refused;
    expect(error).toMatchObject(raw ? { statusCode: 504 } : { code: 'ERR_HYCO_REFUSED' });
    await told;
    expect(tunnel.refusals).toEqual([expect.objectContaining({ code: 'ERR_HYCO_TIMEOUT' })]);
  });

  test('is 504 for a request', async () => {
    const tunnel = await tunnelTo(`http://${place}`, { targetTimeout: 500 });
    expect(await askUrl(tunnel.url)).toMatchObject({ status: 504 });
  });
});
