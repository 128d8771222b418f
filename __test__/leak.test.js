'use strict';

// Thousands of connections, one after the other, must leave nothing behind: no slots, no references, no memory.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');

const { WebSocketServer } = require('ws');

const { patience } = require('./helpers/patience');

const root = join(__dirname, '..');

/** Opens `ROUNDS` sockets, 32 at a time, and ends them in turn in every way; prints resident memory now and then. */
const PROGRAM = `
  const { RelayedWebSocket } = require('./lib/socket/socket');
  const { getEngine } = require('./lib/engine/engine');
  const [url, rounds] = [process.argv[1], Number(process.argv[2])];
  const resident = [];
  let begun = 0;
  let ended = 0;
  function next() {
    if (begun === rounds) return;
    const round = begun++;
    const socket = new RelayedWebSocket(url, { perMessageDeflate: false });
    socket.on('open', () => socket.send(Buffer.alloc(round % 50 === 0 ? 100_000 : round % 2000)));
    socket.on('message', () => (round % 3 === 0 ? socket.terminate() : socket.close()));
    socket.on('close', () => {
      ended++;
      if (ended % (rounds / 4) === 0) {
        gc();
        resident.push(process.memoryUsage.rss());
      }
      setImmediate(next);
      if (ended < rounds) return;
      const { owners, references } = getEngine();
      const inUse = owners.filter((owner) => owner !== undefined).length;
      console.log(JSON.stringify({ resident, slots: owners.length, inUse, references }));
    });
  }
  for (let i = 0; i < 32; i++) next();`;

test(
  'connections leave nothing behind',
  async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) =>
      socket.on('message', (data) => socket.send(data)).on('error', () => {})
    );
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${server.address().port}`;
    const child = spawn(process.execPath, ['--expose-gc', '-e', PROGRAM, url, '6000'], { cwd: root });
    try {
      let text = '';
      child.stdout.on('data', (data) => (text += data));
      child.stderr.on('data', (data) => (text += data));
      const [code] = await once(child, 'close');
      expect([code, text]).toEqual([0, expect.stringMatching(/^\{.*\}\n$/)]);
      const { resident, ...engine } = JSON.parse(text);
      expect(engine).toEqual({ slots: 32, inUse: 0, references: 0 });
      // What the first quarter has warmed up is not counted; 4,500 sockets that each kept 8 KiB would be 36 MiB.
      expect(resident[3] - resident[0]).toBeLessThan(32 * 1024 * 1024);
    } finally {
      child.kill('SIGKILL');
      await new Promise((resolve) => server.close(resolve));
    }
  },
  60_000 * patience
);
