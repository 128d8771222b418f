'use strict';

// The samples of hyco-ws run against the emulator, with nothing changed but the namespace.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');

const { RelayEmulator } = require('../emulator.js');
const { fixture, tls } = require('./helpers/emulator-peers.js');

const folder = join(__dirname, 'fixtures', 'microsoft-samples');
const children = new Set();
let relay;

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await relay.close({ force: true });
});

function start(program, args, env = {}) {
  const { SB_HC_NAMESPACE, SB_HC_PATH, SB_HC_KEYRULE, SB_HC_KEY, ...rest } = process.env;
  const child = spawn(process.execPath, [join(folder, program), ...args], { env: { ...rest, ...env } });
  children.add(child);
  child.text = '';
  const read = (data) => (child.text += data);
  child.stdout.setEncoding('utf8').on('data', read);
  child.stderr.setEncoding('utf8').on('data', read);
  return child;
}

async function seen(child, text) {
  while (!child.text.includes(text)) await once(child.stdout, 'data');
}

async function converse(args, env) {
  const listener = start('listener.js', args, env);
  await seen(listener, 'listening');
  const sender = start('sender.js', args, env);
  await seen(listener, 'heapUsed');
  sender.stdin.write('\n');
  const [code] = await once(sender, 'close');
  expect([code, sender.text]).toEqual([
    0,
    'Started client interval. Press any key to stop.\nstopping client interval\n'
  ]);
  await seen(listener, 'connection closed');
  expect(listener.text).toMatch(/^listening\nconnection accepted\n\{\n? *rss: /);
  expect(relay.stats().totals).toMatchObject({ listeners: 1, rendezvous: 1, refused: 0 });
}

const flags = (ns) => [`--ns=${ns}`, '--path=hyco', `--keyrule=${relay.keyName}`, `--key=${relay.key}`];

test('plain, as ws://host:port', async () => {
  relay = await RelayEmulator.start();
  await converse(flags(`ws://${relay.address}`));
});

test('plain over IPv6', async () => {
  relay = await RelayEmulator.start({ host: '::1' });
  await converse(flags(`ws://[::1]:${relay.port}`));
});

test('with TLS, as host:port', async () => {
  relay = await RelayEmulator.start({ tls });
  await converse(flags(relay.address), {
    NODE_EXTRA_CA_CERTS: join(__dirname, 'fixtures', 'loopback-cert.pem')
  });
});

test('with TLS, as wss://host:port/', async () => {
  relay = await RelayEmulator.start({ tls });
  await converse(flags(`WSS://${relay.address}/`), {
    NODE_EXTRA_CA_CERTS: join(__dirname, 'fixtures', 'loopback-cert.pem')
  });
});
