'use strict';

/**
 * `node streams.js relay`: an emulated relay. `node streams.js hyco-ws-rs|js-bridge`: both ends of forwarded streams in one
 * process; the relay's addresses and the target's port come as a line of JSON on stdin.
 */

const { once } = require('node:events');
const { createInterface } = require('node:readline');

const say = (message) => process.stdout.write(`${JSON.stringify({ event: 'ready', ...message })}\n`);

async function relay() {
  const { RelayEmulator } = require('../../emulator.js');
  const emulator = await RelayEmulator.start();
  const [listenUri, sendUri] = [emulator.listenUri('hyco'), emulator.sendUri('hyco')];
  say({ listenUri, sendUri, token: emulator.createToken('hyco') });
}

async function streams({ listenUri, sendUri, token, port }) {
  const { RelayedServer } = require('../..');
  const { LocalStreams } = require('../../lib/forward/local-streams.js');
  const { RemoteStreams } = require('../../lib/forward/remote-streams.js');
  const server = new RelayedServer({ server: listenUri, token });
  new RemoteStreams(server, { target: { port } });
  await once(server, 'listening');
  const local = new LocalStreams(sendUri, token);
  return (await local.listen()).port;
}

async function main([kind]) {
  const input = createInterface({ input: process.stdin });
  input.on('close', () => process.exit());
  if (kind === 'relay') return relay();
  const [line] = await once(input, 'line');
  const start = kind === 'js-bridge' ? require('./js-bridge.js').start : streams;
  say({ port: await start(JSON.parse(line)) });
}

main(process.argv.slice(2));
