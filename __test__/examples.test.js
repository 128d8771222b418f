'use strict';

// The examples run as they are, each in a process of its own, with stand-ins for the packages that are not installed.

const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');

const { NAMESPACE, startStandIn } = require('./helpers/azure-stand-in.js');
const { RelayEmulator } = require('../emulator.js');

const root = path.join(__dirname, '..');
const run = promisify(execFile);
const children = [];
let relay;
let env;

beforeAll(async () => {
  relay = await RelayEmulator.start();
  env = {
    ...process.env,
    SB_HC_NAMESPACE: relay.address,
    SB_HC_PATH: 'hyco',
    SB_HC_KEYRULE: relay.keyName,
    SB_HC_KEY: relay.key,
    SB_HC_SECURE: 'false',
    SB_HC_CONNECTION_STRING: relay.connectionString()
  };
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await relay.close({ force: true });
});

async function start(args, text) {
  const child = spawn(process.execPath, args, { cwd: root, env });
  children.push(child);
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  while (!output.includes(text)) await once(child.stdout, 'data');
  return { child, output };
}

test('tcp-bridge.js', async () => {
  const target = net.createServer((socket) => socket.pipe(socket));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  await start(['examples/tcp-bridge.js', 'serve', `127.0.0.1:${target.address().port}`], 'listening');
  const { output } = await start(['examples/tcp-bridge.js', 'forward', '0'], 'forwarding');
  const client = net.connect(Number(/\d+/.exec(output)[0]), '127.0.0.1');
  client.write('through the bridge');
  expect(String((await once(client, 'data'))[0])).toBe('through the bridge');
  client.destroy();
  target.close();
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});

test('forward-port.js', async () => {
  const target = net.createServer((socket) => socket.pipe(socket));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  await start(['examples/forward-port.js', 'remote', `127.0.0.1:${target.address().port}`], 'listening');
  const { output } = await start(['examples/forward-port.js', 'local', '0'], 'forwarding');
  const client = net.connect(Number(/\d+/.exec(output)[0]), '127.0.0.1');
  client.write('through the tunnel');
  expect(String((await once(client, 'data'))[0])).toBe('through the tunnel');
  client.destroy();
  target.close();
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
});

test('forward-web.js', async () => {
  const target = http.createServer((req, res) => res.end(`page ${req.url}`));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const { child, output } = await start(['examples/forward-web.js', String(target.address().port)], 'online');
  const [url] = /http:\S+/.exec(output);
  const response = await fetch(`${url}/x`, {
    headers: { ServiceBusAuthorization: relay.createToken('hyco') }
  });
  expect(await response.text()).toBe('page /x');
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  target.close();
});

test('express.js: one app decides about HTTP requests and about senders', async () => {
  const { child, output } = await start(['examples/express.js', 'serve'], 'listening');
  const ask = (...args) => run(process.execPath, ['examples/express.js', 'ask', ...args], { cwd: root, env });
  expect((await ask('lobby', 'ann')).stdout).toBe('welcome to lobby, ann\nann says hello\n');
  await expect(ask('lobby')).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(/^401 /) });
  await expect(ask('no/such/room', 'ann')).rejects.toMatchObject({ stderr: expect.stringMatching(/^404 /) });

  const [url] = /http:\S+/.exec(output);
  expect((await fetch(`${url}/time`)).status).toBe(401);
  const response = await fetch(`${url}/time`, { headers: { 'X-User': 'ann' } });
  expect(await response.json()).toEqual({ time: expect.any(String), user: 'ann' });
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
});

test('request-response.js', async () => {
  const { stdout } = await run(process.execPath, ['examples/request-response.js'], { cwd: root, env });
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  ).toEqual([
    { status: 200, body: { time: expect.any(String) } },
    { status: 200, body: { sum: 6 } },
    { status: 404 }
  ]);
});

describe('HTTP', () => {
  /** A sender of `hyco`. */
  const ask = (target, options) =>
    fetch(`${relay.httpUri('hyco')}${target}`, {
      ...options,
      headers: { ServiceBusAuthorization: relay.createToken('hyco'), ...options?.headers }
    });
  const json = (body) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' }
  });
  const stop = async (child) => {
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([0, null]);
  };

  test('http-express.js', async () => {
    const { child, output } = await start(['examples/http-express.js'], 'listening');
    expect(output).toBe(`listening at ${relay.httpUri('hyco')}\n`);
    expect(await (await ask('/sum', json([1, 2, 3]))).json()).toEqual({ sum: 6 });
    // Longer than what the control channel takes, in both directions.
    const film = Buffer.alloc(300_000, 'abcdefgh');
    const uploaded = await ask('/files/film.mp4', { method: 'PUT', body: film });
    expect([uploaded.status, uploaded.headers.get('location')]).toEqual([201, '/hyco/files/film.mp4']);
    const whole = await ask('/files/film.mp4');
    expect(Buffer.from(await whole.arrayBuffer()).equals(film)).toBe(true);
    const part = await ask('/files/film.mp4', { headers: { Range: 'bytes=8-12' } });
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([
      206,
      'bytes 8-12/300000',
      'abcde'
    ]);
    expect((await ask('/files/..%2fpackage.json')).status).toBe(404);
    await stop(child);
  });

  test('http-fastify.js', async () => {
    const { child } = await start(['examples/http-fastify.js'], 'listening');
    expect(await (await ask('/greet', json({ name: 'ann' }))).json()).toEqual({ text: 'hello, ann' });
    expect((await ask('/greet', json({}))).status).toBe(400);
    expect(await (await ask('/time')).json()).toEqual({ time: expect.any(String) });
    await stop(child);
  });

  test('http-hono.mjs', async () => {
    const { child } = await start(['examples/http-hono.mjs'], 'listening');
    expect(await (await ask('/hello/ann')).json()).toEqual({ text: 'hello, ann' });
    expect(await (await ask('/shout', { method: 'POST', body: 'hello' })).text()).toBe('HELLO');
    await stop(child);
  });

  test('server-sent-events.js', async () => {
    const { stdout } = await run(process.execPath, ['examples/server-sent-events.js'], { cwd: root, env });
    expect(stdout).toBe('200 text/event-stream\ntick 7, tick 8, tick 9\nthe stream is closed\n');
  });

  test('http-and-websocket.js', async () => {
    const { stdout } = await run(process.execPath, ['examples/http-and-websocket.js'], { cwd: root, env });
    expect(stdout).toBe('200 GET /page?id=7\nhello, everybody\nhello, everybody\n');
  });
});

describe('with packages that are no dependencies', () => {
  let folder;

  /** A copy of the example beside stand-ins for what it imports. */
  function place(example, name, source) {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-example-'));
    const modules = path.join(folder, 'node_modules');
    fs.mkdirSync(path.join(modules, name), { recursive: true });
    fs.writeFileSync(path.join(modules, name, 'index.js'), source);
    fs.symlinkSync(root, path.join(modules, 'hyco-ws-rs'), 'junction');
    fs.copyFileSync(path.join(root, 'examples', example), path.join(folder, example));
  }
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  test('entra-id.mjs', async () => {
    const standIn = await startStandIn();
    place(
      'entra-id.mjs',
      '@azure/identity',
      `const { createRelayToken } = require('hyco-ws-rs');
       exports.DefaultAzureCredential = class {
         async getToken() {
           const token = createRelayToken('http://${NAMESPACE}/', 'rule', process.env.SB_HC_KEY);
           return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
         }
       };`
    );
    const { stdout } = await run(process.execPath, ['entra-id.mjs'], {
      cwd: folder,
      env: { ...process.env, ...standIn.env }
    });
    expect(stdout).toBe('no key was used\n');
    await standIn.close();
  });

  test('opentelemetry.mjs carries the trace to the listener', async () => {
    place(
      'opentelemetry.mjs',
      '@opentelemetry/api',
      `const span = (traceId) => ({ spanContext: () => ({ traceId }), setAttribute() {}, end() {} });
       exports.SpanKind = {};
       exports.context = { active: () => ({}) };
       exports.metrics = { getMeter: () => ({ createHistogram: () => ({ record() {} }), createObservableGauge: () => ({ addCallback() {} }) }) };
       exports.propagation = {
         inject: (_, headers) => (headers.traceparent = '00-abc-01'),
         extract: (_, headers) => headers.traceparent
       };
       exports.trace = { getTracer: () => ({
         startSpan: (_, __, parent) => span(parent.split('-')[1]),
         startActiveSpan: (_, __, work) => work(span('abc'))
       }) };`
    );
    const { stdout } = await run(process.execPath, ['opentelemetry.mjs'], { cwd: folder, env });
    expect(stdout).toBe('hello, trace abc of abc\n');
  });
});
