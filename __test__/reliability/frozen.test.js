'use strict';

// A process that is stopped for longer than `keepAlive.timeout`, as by SIGSTOP, `docker pause` or a laptop's lid: what its
// peers send meanwhile waits in the kernel, and they are as alive as before.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { Queue } = require('../helpers/emulator-peers.js');
const { cleanUp, connect, startRelay, startServer } = require('../helpers/reliability.js');

const KEEP_ALIVE = { interval: 100, timeout: 200 };
const MESSAGES = 200;

let child;
afterEach(async () => {
  if (child?.exitCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await cleanUp();
});

/** Sends numbered messages, and reads as many back. */
async function roundTrips(socket, messages, between) {
  for (let i = 0; i < MESSAGES; i++) socket.send(String(i));
  await between?.();
  for (let i = 0; i < MESSAGES; i++) expect(String(await messages.next())).toBe(String(i));
}

// Windows has no such signal.
(process.platform === 'win32' ? test.skip : test)(
  'connections and what was sent to them outlive it, on both sides',
  async () => {
    const relay = await startRelay({ hybridConnections: ['hyco', 'other'] });
    const other = await startServer(relay, { server: relay.listenUri('other') });
    const accepted = once(other, 'connection');
    child = fork(join(__dirname, '..', 'fixtures', 'frozen.js'), { execArgv: [] });
    const told = new Set();
    const trouble = new Promise((resolve, reject) => {
      child.on('message', (what) => {
        told.add(what);
        if (!/^(listening|open)$/.test(what)) reject(new Error(what));
      });
    });
    child.send({
      listen: relay.listenUri('hyco'),
      send: relay.sendUri('other'),
      credentials: { keyName: relay.keyName, key: relay.key },
      keepAlive: KEEP_ALIVE
    });
    const [socket] = await accepted;
    const answers = new Queue();
    socket.on('message', (data) => answers.push(data));
    while (!told.has('listening') || !told.has('open')) await once(child, 'message');
    const sender = await connect(relay, { uri: relay.sendUri('hyco') }).opened;
    await roundTrips(sender, sender.messages);

    const freeze = async () => {
      child.kill('SIGSTOP');
      const thaw = async () => {
        await sleep(1_000);
        child.kill('SIGCONT');
      };
      await Promise.all([roundTrips(sender, sender.messages, thaw), roundTrips(socket, answers)]);
      // And when nobody says anything: several beats go well.
      child.kill('SIGSTOP');
      await thaw();
      for (let pings = 0; pings < 5; pings++) await once(relay, 'ping');
      await Promise.all([roundTrips(sender, sender.messages), roundTrips(socket, answers)]);
    };
    for (let round = 0; round < 3; round++) await Promise.race([freeze(), trouble]);
    expect([...told].sort()).toEqual(['listening', 'open']);
  }
);
