'use strict';

// The least that a runtime has to do to be of use: a listener and a sender through the embedded relay. Plain JavaScript
// without a test runner, because it also runs on Bun and Deno. Ends by itself: a process that stays has failed.

const assert = require('node:assert');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const path = require('node:path');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const MIB = 1024 * 1024;

const fixture = (name) => readFileSync(path.join(__dirname, '..', '__test__', 'fixtures', name), 'utf8');

const digest = (data) => createHash('sha256').update(data).digest('hex');

async function step(name, work) {
  await work();
  console.log(`ok  ${name}`);
}

/** @param {{cert: string, key: string}} [tls] For wss:// instead of ws:// */
async function run(tls) {
  const relay = await RelayEmulator.start({ tls });
  console.log(`    ${relay.sendUri()}`);
  const credentials = { keyName: relay.keyName, key: relay.key };
  const trust = tls && { ca: tls.cert };
  const server = new WebSocket.RelayedServer({ server: relay.listenUri(), ...credentials, tls: trust });
  const connect = (path, token = relay.createToken('hyco')) =>
    WebSocket.relayedConnect(relay.sendUri(path), { token, ...trust });
  server.on('connection', (socket, request) => {
    const code = new URL(request.url, 'ws://relay').searchParams.get('close');
    if (code !== null) return socket.close(Number(code), 'as asked');
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await step('the listener is online', () => once(server, 'listening'));

  const socket = connect();
  await step('the sender is connected', () => once(socket, 'open'));
  const ask = async (data) => {
    const answer = once(socket, 'message');
    socket.send(data);
    return answer;
  };
  await step('text', async () => {
    const [data, isBinary] = await ask('grüße 🙂');
    assert.deepStrictEqual([data.toString(), isBinary], ['grüße 🙂', false]);
  });
  await step('binary', async () => {
    const [data, isBinary] = await ask(Buffer.from([0, 1, 254, 255]));
    assert.deepStrictEqual([Buffer.from(data).toString('hex'), isBinary], ['0001feff', true]);
  });
  await step('1 MiB', async () => {
    const payload = randomBytes(MIB);
    const [data] = await ask(payload);
    assert.deepStrictEqual([data.length, digest(data)], [MIB, digest(payload)]);
  });
  await step('1,000 messages in order', async () => {
    const received = [];
    const all = new Promise((resolve) => {
      const read = (data) => {
        received.push(Number(data.toString()));
        if (received.length < 1_000) return;
        socket.off('message', read);
        resolve();
      };
      socket.on('message', read);
    });
    for (let number = 0; number < 1_000; number++) socket.send(String(number));
    await all;
    assert.deepStrictEqual(received, [...received.keys()]);
  });
  await step('the sender closes with 4001', async () => {
    const [accepted] = server.clients;
    const closed = once(accepted, 'close');
    socket.close(4001, 'enough');
    const [code, reason] = await closed;
    assert.deepStrictEqual([code, reason.toString()], [4001, 'enough']);
  });
  await step('the listener closes with 4002', async () => {
    const [code, reason] = await once(connect('hyco?close=4002'), 'close');
    assert.deepStrictEqual([code, reason.toString()], [4002, 'as asked']);
  });
  await step('a stream ends with its connection', async () => {
    const third = connect();
    const stream = WebSocket.createWebSocketStream(third, { encoding: 'utf8' });
    stream.write('through a stream');
    const [text] = await once(stream, 'data');
    const closed = once(third, 'close');
    stream.end();
    await closed;
    assert.strictEqual(text, 'through a stream');
  });
  await step('a wrong token is refused', async () => {
    const [error] = await once(connect('hyco', 'no token'), 'error');
    assert.deepStrictEqual([error.code, error.statusCode], ['ERR_HYCO_UNAUTHORIZED', 401]);
  });

  await server.close();
  await relay.close();
  console.log('ok  everything is closed');
}

async function main() {
  await run();
  await run({ cert: fixture('loopback-cert.pem'), key: fixture('loopback-key.pem') });
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
