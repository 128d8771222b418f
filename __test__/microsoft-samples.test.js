'use strict';

// The samples of hyco-ws run against the emulator, with nothing changed but the namespace.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { networkInterfaces } = require('node:os');
const { join } = require('node:path');

const WebSocket = require('..');
const https = require('../https.js');
const { RelayEmulator } = require('../emulator.js');
const { tls } = require('./helpers/emulator-peers.js');

const folder = join(__dirname, 'fixtures', 'microsoft-samples');
const children = new Set();
let relay;

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await relay.close({ force: true });
});

function start(program, args, env = {}) {
  const child = spawn(process.execPath, [join(folder, program), ...args], {
    env: { ...process.env, ...env }
  });
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

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some(({ address }) => address === '::1');
(hasIpv6 ? test : test.skip)('plain over IPv6', async () => {
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

test('the listener of hyco-https, and a sender of HTTP', async () => {
  relay = await RelayEmulator.start();
  const ns = `ws://${relay.address}`;
  const token = () => https.createRelayToken('http://' + ns, relay.keyName, relay.key);
  const online = once(relay, 'listener');
  const server = https.createRelayedServer(
    { server: https.createRelayListenUri(ns, 'hyco'), token },
    (req, res) => res.end('hello')
  );
  server.listen();
  await online;
  const sending = WebSocket.createRelayToken('https://' + ns, relay.keyName, relay.key);
  const response = await fetch(https.createRelayHttpsUri(ns, 'hyco', sending));
  expect([response.status, await response.text()]).toEqual([200, 'hello']);
  server.close();
});

test('a token that is appended is taken', async () => {
  relay = await RelayEmulator.start();
  const uri = WebSocket.createRelayBaseUri(`ws://${relay.address}`, 'hyco?sb-hc-action=connect');
  const socket = WebSocket.relayedConnect(WebSocket.appendRelayToken(uri, relay.keyName, relay.key));
  const [error] = await once(socket, 'error');
  // Nobody listens, and that is all that is wrong.
  expect(error.statusCode).toBe(404);
});
