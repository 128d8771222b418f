'use strict';

// The examples run as they are and where they are once the package is installed, each in a process of its own, with
// stand-ins for the packages that are not installed.

const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');

const { NAMESPACE, startStandIn } = require('./helpers/azure-stand-in.js');
const { layOut } = require('./helpers/packed.js');
const { RelayEmulator } = require('../emulator.js');

/** Stands for the package of OpenTelemetry: prints what it has got when it is flushed. */
const OPENTELEMETRY = `
  const recorded = [];
  const spans = [];
  const callbacks = new Set();
  const span = (name, traceId) => {
    const attributes = {};
    return {
      spanContext: () => ({ traceId }),
      setAttribute: (key, value) => (attributes[key] = value),
      setAttributes: (more) => Object.assign(attributes, more),
      setStatus() {},
      recordException() {},
      end: () => name !== 'ask' && spans.push([name, attributes])
    };
  };
  const instrument = (name) => ({
    name,
    add: (value, attributes) => recorded.push([name, value, attributes]),
    record: (value, attributes) => recorded.push([name, value, attributes])
  });
  exports.SpanKind = { SERVER: 1, CLIENT: 2 };
  exports.SpanStatusCode = { ERROR: 2 };
  exports.context = { active: () => ({}) };
  exports.metrics = {
    getMeter: () => ({
      createHistogram: instrument,
      createCounter: instrument,
      createObservableCounter: instrument,
      createObservableGauge: instrument,
      addBatchObservableCallback: (callback) => callbacks.add(callback),
      removeBatchObservableCallback: (callback) => callbacks.delete(callback)
    }),
    getMeterProvider: () => ({
      async forceFlush() {
        const observed = {};
        const observe = ({ name }, value, attributes) => (observed[name] = [value, attributes]);
        for (const callback of callbacks) callback({ observe });
        console.log(JSON.stringify({ observed, recorded, spans }));
      }
    })
  };
  exports.propagation = {
    inject: (_, headers) => (headers.traceparent = '00-abc-01'),
    extract: (_, headers) => headers.traceparent
  };
  exports.trace = { getTracer: () => ({
    startSpan: (name, _, parent) => span(name, parent?.split('-')[1]),
    startActiveSpan: (name, _, work) => work(span(name, 'abc'))
  }) };`;

const run = promisify(execFile);
const children = [];
let folder;
/** Where the package is. */
let home;
let relay;
let env;

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-examples-'));
  home = layOut(folder, ['express', 'fastify', 'hono', '@hono/node-server', 'serve-static']);
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
  fs.rmSync(folder, { recursive: true, force: true });
});

async function start(args, text) {
  const child = spawn(process.execPath, args, { cwd: home, env });
  children.push(child);
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  while (!output.includes(text)) await once(child.stdout, 'data');
  return { child, output };
}

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
  const ask = (...args) => run(process.execPath, ['examples/express.js', 'ask', ...args], { cwd: home, env });
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
  const { stdout } = await run(process.execPath, ['examples/request-response.js'], { cwd: home, env });
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
    const { stdout } = await run(process.execPath, ['examples/server-sent-events.js'], { cwd: home, env });
    expect(stdout).toBe('200 text/event-stream\ntick 7, tick 8, tick 9\nthe stream is closed\n');
  });

  test('http-and-websocket.js', async () => {
    const { stdout } = await run(process.execPath, ['examples/http-and-websocket.js'], { cwd: home, env });
    expect(stdout).toBe('200 GET /page?id=7\nhello, everybody\nhello, everybody\n');
  });
});

describe('with packages that are no dependencies', () => {
  /** Lays a stand-in beside the package. */
  function stub(name, source) {
    const place = path.join(folder, 'node_modules', name);
    fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync(path.join(place, 'index.js'), source);
  }

  test('entra-id.mjs', async () => {
    const standIn = await startStandIn();
    stub(
      '@azure/identity',
      `const { createRelayToken } = require('hyco-ws-rs');
       exports.DefaultAzureCredential = class {
         async getToken() {
           const token = createRelayToken('http://${NAMESPACE}/', 'rule', process.env.SB_HC_KEY);
           return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
         }
       };`
    );
    const { stdout } = await run(process.execPath, ['examples/entra-id.mjs'], {
      cwd: home,
      env: { ...process.env, ...standIn.env }
    });
    expect(stdout).toBe('no key was used\n');
    await standIn.close();
  });

  test('opentelemetry.mjs carries the trace to the listener, and measures', async () => {
    stub('@opentelemetry/api', OPENTELEMETRY);
    const { stdout } = await run(process.execPath, ['examples/opentelemetry.mjs'], { cwd: home, env });
    const [said, measured] = stdout.trim().split('\n');
    expect(said).toBe('hello, trace abc of abc');
    const { observed, recorded, spans } = JSON.parse(measured);
    const path = { 'relay.path': '/hyco' };
    expect(observed['relay.senders.accepted']).toEqual([1, path]);
    // Of a socket that is closed when it is asked.
    expect(observed['relay.connections']).toEqual([0, path]);
    expect(observed['relay.messages.received.size']).toEqual([5, path]);
    expect(Object.keys(observed).length).toBeGreaterThan(20);
    expect(recorded).toEqual([['relay.accept.duration', expect.any(Number), path]]);
    expect(spans).toMatchObject([
      ['relayed connection', { 'relay.bytes_received': 5, 'relay.bytes_sent': 'hello, trace abc'.length }]
    ]);
  });

  test('opentelemetry.mjs counts what goes wrong, and spans requests', async () => {
    stub('@opentelemetry/api', OPENTELEMETRY);
    const program = `
      import { once } from 'node:events';
      import { metrics } from '@opentelemetry/api';
      import { RelayedServer, connectRelayed, createRelayToken } from 'hyco-ws-rs';
      import { measure, observe, traceServer } from './opentelemetry.mjs';
      observe();
      const server = RelayedServer.fromConnectionString(process.env.SB_HC_CONNECTION_STRING, {
        verifyClient: () => false
      });
      server.on('request', (req, res) => res.end(String(spanOf(req) !== undefined)));
      const spanOf = traceServer(server);
      const stop = measure(server);
      await once(server, 'listening');
      const uri = 'http://' + process.env.SB_HC_NAMESPACE + '/hyco';
      const token = createRelayToken(uri, process.env.SB_HC_KEYRULE, process.env.SB_HC_KEY);
      const answer = await fetch(uri, { headers: { ServiceBusAuthorization: token, traceparent: '00-def-01' } });
      console.log(await answer.text());
      await connectRelayed(process.env.SB_HC_CONNECTION_STRING).catch((error) => error);
      await server.close();
      stop();
      await metrics.getMeterProvider().forceFlush();`;
    fs.writeFileSync(path.join(home, 'examples', 'program.mjs'), program);
    const { stdout } = await run(process.execPath, ['examples/program.mjs'], { cwd: home, env });
    const [spanned, measured] = stdout.trim().split('\n');
    expect(spanned).toBe('true');
    const { observed, recorded, spans } = JSON.parse(measured);
    // After stop() nothing is collected.
    expect(observed).toEqual({});
    const rejected = { 'relay.path': '/hyco', 'relay.trouble': 'rejected', 'error.type': '401' };
    expect(recorded).toContainEqual(['relay.troubles', 1, rejected]);
    expect(recorded.map(([name]) => name)).toContain('relay.answer.duration');
    expect(spans).toContainEqual(['GET relayed', { 'http.response.status_code': 200 }]);
  });
});

test('listener.js and sender.js', async () => {
  const { child } = await start(['examples/listener.js'], 'listening');
  const sender = spawn(process.execPath, ['examples/sender.js'], { cwd: home, env });
  children.push(sender);
  const closed = once(sender, 'close');
  const heard = async (text) => {
    let said = '';
    while (!said.includes(text)) said += (await once(child.stdout, 'data'))[0];
  };
  await heard('rss');
  sender.stdin.write('\n');
  await heard('connection closed');
  await closed;
});

test('every example is among the files of the package, and takes nothing from beside it', () => {
  const here = path.join(__dirname, '..', 'examples');
  expect(fs.readdirSync(path.join(home, 'examples')).sort()).toEqual(
    expect.arrayContaining(fs.readdirSync(here).sort())
  );
  const files = fs.readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { name } of files) {
    const text = fs.readFileSync(path.join(here, name), 'utf8');
    const own = [...text.matchAll(/(?:require\(|from |import\()'(\.[^']*)'/g)].map(([, target]) => target);
    for (const target of own) {
      expect([name, path.dirname(path.join('examples', target))]).toEqual([name, 'examples']);
    }
  }
});
