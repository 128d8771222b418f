'use strict';

// What lies between the native engine and the sockets: slots, turns, and what user code may do to both.

const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { join } = require('node:path');
const { setImmediate: turn } = require('node:timers/promises');
const { Worker } = require('node:worker_threads');

const { WebSocketServer } = require('ws');

const { getEngine } = require('../lib/engine/engine');
const { readSocketOptions } = require('../lib/shared/options');
const { RelayedWebSocket, acceptSocket } = require('../lib/socket/socket');
const { socketTraits } = require('../lib/socket/state');

const root = join(__dirname, '..');
const cleanups = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A plain ws server; `onConnection` gets its sockets. */
async function serve(onConnection) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    onConnection(socket);
  });
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of server.clients) socket.terminate();
    return new Promise((resolve) => server.close(resolve));
  });
  return `ws://127.0.0.1:${server.address().port}`;
}

const echo = (socket) => socket.on('message', (data, binary) => socket.send(data, { binary }));

function connect(url, options) {
  const socket = new RelayedWebSocket(url, { perMessageDeflate: false, ...options });
  cleanups.push(() => {
    if (socket.readyState === RelayedWebSocket.CLOSED) return;
    socket.on('error', () => {});
    socket.terminate();
    return once(socket, 'close');
  });
  return socket;
}

/** Runs `body` in a process of its own, where `url` and `connect()` are known; resolves with how it ended. */
function run(url, body) {
  const code = `const { RelayedWebSocket } = require('./lib/socket/socket');
    const url = ${JSON.stringify(url)};
    const connect = () => new RelayedWebSocket(url, { perMessageDeflate: false });
    ${body}`;
  const child = spawn(process.execPath, ['-e', code], { cwd: root });
  cleanups.push(() => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (text += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (text += data));
  return once(child, 'close').then(([status, signal]) => ({ status, signal, text }));
}

describe('the process', () => {
  test('stays while a socket is open, and ends when it is closed', async () => {
    const url = await serve(echo);
    const ended = await run(
      url,
      `const socket = connect();
       socket.on('open', () => socket.send('hello'));
       socket.on('message', (data) => { console.log(String(data)); socket.close(); });
       socket.on('close', (code) => console.log(code));`
    );
    expect(ended).toEqual({ status: 0, signal: null, text: 'hello\n1005\n' });
  });

  test('ends with an open socket that is unreferenced', async () => {
    const url = await serve(echo);
    const ended = await run(
      url,
      `const socket = connect();
       socket.on('open', () => { console.log('open'); socket._socket.unref(); });`
    );
    expect(ended).toEqual({ status: 0, signal: null, text: 'open\n' });
  });

  test('exits amid traffic', async () => {
    const url = await serve(echo);
    const ended = await run(
      url,
      `for (let i = 0; i < 20; i++) {
         const socket = connect();
         const more = () => { for (let j = 0; j < 50; j++) socket.send(Buffer.alloc(j * 500)); };
         socket.on('open', more).on('message', more);
       }
       let turns = 0;
       setInterval(() => { if (++turns === 20) { console.log('exit'); process.exit(7); } }, 10);`
    );
    expect(ended).toEqual({ status: 7, signal: null, text: 'exit\n' });
  });

  test('has one listener for its exit, however many copies of the package send', async () => {
    const got = [];
    const url = await serve((socket) => socket.on('message', (data) => got.push(String(data))));
    const ended = await run(
      url,
      `const before = process.listenerCount('exit');
       const open = [];
       for (let copy = 0; copy < 20; copy++) {
         for (const file of Object.keys(require.cache)) if (!file.includes('node_modules')) delete require.cache[file];
         const { RelayedWebSocket } = require('./lib/socket/socket');
         open.push(new RelayedWebSocket(url));
       }
       Promise.all(open.map((socket) => new Promise((resolve) => socket.on('open', resolve)))).then(() => {
         console.log(process.listenerCount('exit') - before);
         for (const socket of open) for (const word of ['first', 'last']) socket.send(word);
         process.exit();
       });`
    );
    expect(ended).toEqual({ status: 0, signal: null, text: '1\n' });
    while (got.filter((word) => word === 'last').length < 20) await turn();
  });

  test('loses and reorders nothing when listeners throw', async () => {
    const url = await serve((socket) => {
      for (let i = 0; i < 5000; i++) socket.send(i % 100 === 7 ? Buffer.alloc(40_000, i) : String(i));
      socket.close();
    });
    const ended = await run(
      url,
      `let seen = 0, wrong = 0, thrown = 0;
       process.on('uncaughtException', () => thrown++);
       const socket = connect();
       socket.on('message', (data) => {
         const i = seen++;
         const expected = i % 100 === 7 ? Buffer.alloc(40000, i) : Buffer.from(String(i));
         if (!data.equals(expected)) wrong++;
         if (i % 10 === 0 || i % 100 === 7) throw new Error('a listener');
       });
       socket.on('close', (code) => console.log(seen, wrong, thrown, code));`
    );
    expect(ended.text).toBe('5000 0 550 1005\n');
  });
});

describe('slots', () => {
  // The peer lives on a thread of its own: what it does piles up while this one is held.
  const PEER = `
    const { createHash } = require('node:crypto');
    const net = require('node:net');
    const { parentPort, workerData } = require('node:worker_threads');
    const held = new Int32Array(workerData);
    let first = true;
    net.createServer((tcp) => {
      const mine = first;
      first = false;
      tcp.on('error', () => {});
      tcp.once('data', (head) => {
        const key = /Sec-WebSocket-Key: (.*)\\r\\n/i.exec(head.toString('latin1'))[1];
        const accept = createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
        tcp.write('HTTP/1.1 101 OK\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n' +
          'Sec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
        let all = Buffer.alloc(0);
        tcp.on('data', (data) => {
          all = Buffer.concat([all, data]);
          if (!mine) {
            // In pieces or not: what has come when the first short frame is complete.
            return all.length >= 2 + 4 + (all[1] & 0x7f) && parentPort.postMessage(all.length);
          }
          tcp.write(Buffer.from([0x81, 1, 0x41]), () => {
            tcp.resetAndDestroy();
            Atomics.store(held, 0, 1);
            Atomics.notify(held, 0);
          });
        });
      });
    }).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });`;

  test('do not carry the frames of an old socket to a new one', async () => {
    const held = new Int32Array(new SharedArrayBuffer(4));
    const peer = new Worker(PEER, { eval: true, workerData: held.buffer });
    cleanups.push(() => peer.terminate());
    const [port] = await once(peer, 'message');
    const url = `ws://127.0.0.1:${port}`;

    const old = connect(url);
    await once(old, 'open');
    const { _slot: slot } = old;
    old.on('message', () => old.send('a secret of the old socket'));
    const replaced = new Promise((resolve) => {
      old.on('close', () => resolve(connect(url)));
    });
    old.send('go');
    // Message and reset are to come in one delivery; where they do not, this test just sees less.
    Atomics.wait(held, 0, 0);
    Atomics.wait(held, 0, 1, 100);

    const socket = await replaced;
    expect(socket._slot).toBe(slot);
    await once(socket, 'open');
    socket.send('mine');
    const [length] = await once(peer, 'message');
    expect(length).toBe(2 + 4 + 'mine'.length);
  });

  test('are given back, whatever becomes of a socket', async () => {
    const engine = getEngine();
    const url = await serve(echo);
    const inUse = () => engine.owners.filter((owner) => owner !== undefined).length;
    const closed = (socket) => {
      socket.on('error', () => {});
      return new Promise((resolve) => socket.on('close', resolve));
    };
    expect(inUse()).toBe(0);
    const sockets = Array.from({ length: 40 }, (_, i) => {
      const socket = connect(i % 4 === 3 ? 'ws://127.0.0.1:1' : url);
      if (i % 4 === 0) socket.on('open', () => socket.close());
      else if (i % 4 === 1) socket.on('open', () => socket.terminate());
      else if (i % 4 === 2) setImmediate(() => socket.terminate());
      return closed(socket);
    });
    await Promise.all(sockets);
    while (inUse() > 0) await turn();
    expect(engine.references).toBe(0);
    expect(engine.owners.length).toBeLessThanOrEqual(40);
  });

  test('leave their addresses to those who ask after the end', async () => {
    const url = await serve(echo);
    const socket = connect(url);
    await once(socket, 'open');
    socket.close();
    await once(socket, 'close');
    expect(socket._socket).toMatchObject({
      localAddress: '127.0.0.1',
      remoteAddress: '127.0.0.1',
      remoteFamily: 'IPv4',
      remotePort: Number(new URL(url).port)
    });
  });

  test('are given back when a rendezvous is refused', async () => {
    const server = createServer((request, response) => response.end()).on('upgrade', (request, tcp) => {
      tcp.end('HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanups.push(() => new Promise((resolve) => server.close(resolve)));
    const engine = getEngine();
    const dial = {
      secure: false,
      host: '127.0.0.1',
      port: server.address().port,
      target: '/',
      headers: ['Host', 'relay', 'Connection', 'Upgrade', 'Upgrade', 'websocket'],
      protocols: [],
      handshakeTimeout: 0,
      limits: { maxPayload: 0, maxFragments: 0, skipUtf8: false, highWater: 1 << 20, maxBacklog: 0 }
    };
    const listener = {
      accept(id, slot) {
        engine.native.dial(slot, dial);
        return true;
      }
    };
    const error = await new Promise((resolve) => {
      acceptSocket(listener, 1, {
        address: 'ws://relay/',
        headers: [],
        traits: socketTraits(readSocketOptions(), {
          fail: (_, error) => resolve(error),
          carried: { add() {} }
        })
      });
    });
    expect(error.statusCode).toBe(404);
    while (engine.references > 0) await turn();
    expect(engine.owners.filter((owner) => owner !== undefined)).toEqual([]);
  });
});

describe('flow', () => {
  test('everything comes back, in order, from many sockets at once', async () => {
    const url = await serve(echo);
    const digests = Array.from({ length: 20 }, async (_, index) => {
      const socket = connect(url);
      await once(socket, 'open');
      const sent = createHash('sha1');
      const received = createHash('sha1');
      let left = 300;
      const done = new Promise((resolve) => {
        socket.on('message', (data) => {
          received.update(data);
          if (left % 50 === 0) {
            socket.pause();
            setImmediate(() => socket.resume());
          }
          if (--left === 0) resolve();
        });
      });
      for (let i = 0; i < 300; i++) {
        const data = Buffer.alloc((i * 7919 * (index + 1)) % (i % 30 === 0 ? 200_000 : 2000), i);
        sent.update(data);
        socket.send(data);
        data.fill(0);
      }
      await done;
      expect(received.digest('hex')).toBe(sent.digest('hex'));
      socket.close();
      await once(socket, 'close');
    });
    await Promise.all(digests);
  });

  test('callbacks come once each and in order, also behind one that throws nothing', async () => {
    const url = await serve(() => {});
    const socket = connect(url);
    await once(socket, 'open');
    const order = [];
    await new Promise((resolve) => {
      for (let i = 0; i < 20_000; i++) socket.send('x', () => order.push(i) === 20_000 && resolve());
    });
    expect(order).toEqual(Array.from(order.keys()));
  });

  test('a quiet socket is answered amid the flood of another', async () => {
    // A thread of its own: this one is held until both have been sent something, and in the last message of the flood.
    const [SENT, ANSWERED, TOTAL] = [0, 1, 100_000];
    const state = new Int32Array(new SharedArrayBuffer(8));
    const peer = new Worker(
      `const { parentPort, workerData: { state, TOTAL } } = require('node:worker_threads');
       const { WebSocketServer } = require('ws');
       const tell = (what) => { Atomics.store(state, what, 1); Atomics.notify(state, what); };
       const sockets = [];
       const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => parentPort.postMessage(server.address().port));
       server.on('connection', (socket) => {
         sockets.push(socket);
         socket.on('error', () => {});
         socket.on('message', () => tell(${ANSWERED}));
       });
       parentPort.on('message', () => {
         const [flooded, quiet] = sockets;
         for (let i = 0; i < TOTAL; i++) flooded.send('flood');
         quiet.send('ping', () => tell(${SENT}));
       });`,
      { eval: true, workerData: { state, TOTAL } }
    );
    cleanups.push(() => peer.terminate());
    const [port] = await once(peer, 'message');
    const url = `ws://127.0.0.1:${port}`;
    const flooded = connect(url);
    await once(flooded, 'open');
    const quiet = connect(url);
    await once(quiet, 'open');

    let seen = 0;
    let outcome;
    const flood = new Promise((resolve) => {
      flooded.on('message', () => {
        if (++seen < TOTAL) return;
        // Long only where it fails.
        outcome = Atomics.wait(state, ANSWERED, 0, 20_000);
        resolve();
      });
    });
    quiet.on('message', () => quiet.send('pong'));
    peer.postMessage('go');
    Atomics.wait(state, SENT, 0, 20_000);
    await flood;
    expect(outcome).not.toBe('timed-out');
  });

  test('slow listeners get one message a turn, and the event loop the rest', async () => {
    const url = await serve((socket) => {
      for (let i = 0; i < 30; i++) socket.send('x');
    });
    const socket = connect(url);
    let turn = 0;
    const timer = setImmediate(function next() {
      turn++;
      timer.next = setImmediate(next);
    });
    const turns = [];
    await new Promise((resolve) => {
      socket.on('message', () => {
        const until = performance.now() + 5;
        while (performance.now() < until);
        if (turns.push(turn) === 30) resolve();
      });
    });
    clearImmediate(timer.next);
    // A delivery that ends and one that begins may share a turn.
    expect(new Set(turns).size).toBeGreaterThanOrEqual(15);
    socket.terminate();
    await once(socket, 'close');
  });

  test('one message a turn holds the sender back, too', async () => {
    const url = await serve((socket) => {
      for (let i = 0; i < 100_000; i++) socket.send('0123456789'.repeat(10));
    });
    const socket = connect(url, { allowSynchronousEvents: false });
    let most = 0;
    let seen = 0;
    await new Promise((resolve) => {
      socket.on('message', () => {
        most = Math.max(most, (socket._held ?? []).length / 3);
        if (++seen === 20_000) resolve();
      });
    });
    // A high-water mark's worth, and what was on its way when the native side was told.
    expect(most).toBeLessThan(25_000);
  });
});

describe('worker threads', () => {
  test('may be terminated amid traffic', async () => {
    const url = await serve(echo);
    const code = `const { RelayedWebSocket } = require(${JSON.stringify(join(root, 'lib/socket/socket'))});
      const { parentPort } = require('node:worker_threads');
      for (let i = 0; i < 5; i++) {
        const socket = new RelayedWebSocket(${JSON.stringify(url)}, { perMessageDeflate: false });
        const more = () => { for (let j = 0; j < 20; j++) socket.send(Buffer.alloc(j * 1000)); };
        socket.on('open', more);
        socket.on('message', () => { more(); parentPort.postMessage(1); });
      }`;
    for (let round = 0; round < 4; round++) {
      const worker = new Worker(code, { eval: true });
      await once(worker, 'message');
      await worker.terminate();
    }
    // The IO thread is still there for this one.
    const socket = connect(url);
    await once(socket, 'open');
    socket.send('alive');
    expect(String((await once(socket, 'message'))[0])).toBe('alive');
  });
});
