'use strict';

// `hyco-ws-rs/https`: what programs written for hyco-https 1.4.5 call, and its samples as they were published.

const { spawn } = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const nodeHttps = require('node:https');
const os = require('node:os');
const path = require('node:path');

const originalHttps = { ...nodeHttps };

const https = require('../../https.js');
const { RelayEmulator } = require('../../emulator.js');
const { startStandIn } = require('../helpers/azure-stand-in');
const { askUrl } = require('../helpers/same-app');

let relay;
const servers = [];

beforeEach(async () => {
  relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close({ timeout: 0 })));
  await relay.close({ force: true });
});

const options = () => {
  const uri = relay.listenUri();
  return { server: uri, token: () => https.createRelayToken(uri, relay.keyName, relay.key) };
};

function make(listener, more) {
  const server = https.createRelayedServer({ ...options(), ...more }, listener);
  servers.push(server);
  return server;
}

const url = (at = '') => `http://127.0.0.1:${relay.port}/hyco${at}`;

test('it has all of https, which stays as it is', () => {
  for (const name of Object.keys(nodeHttps)) expect(https).toHaveProperty(name);
  for (const name of ['Agent', 'createServer', 'get', 'request']) expect(https[name]).toBe(nodeHttps[name]);
  expect({ ...nodeHttps }).toEqual(originalHttps);
  expect(https.ServerResponse).toBe(http.ServerResponse);
  expect(https.Server).not.toBe(nodeHttps.Server);
  const agent = nodeHttps.globalAgent;
  const another = new https.Agent();
  https.globalAgent = another;
  expect(nodeHttps.globalAgent).toBe(another);
  https.globalAgent = agent;
});

test('the helpers are those of the package', () => {
  const main = require('../..');
  for (const name of Object.keys(https).filter((key) => /^(createRelay(?!edServer)|append)/.test(key))) {
    expect(https[name]).toBe(main[name]);
  }
});

test('nothing dials before listen()', async () => {
  const server = make((req, res) => res.end(req.url));
  expect(server).toBeInstanceOf(EventEmitter);
  expect(server).toBeInstanceOf(https.Server);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(relay.stats().totals.listeners).toBe(0);
  let called = 0;
  expect(server.listen(() => called++)).toBe(server);
  server.listen();
  await once(server, 'listening');
  expect([called, relay.stats().totals.listeners]).toEqual([1, 1]);
  const { status, body } = await askUrl(url('/a?b=1'));
  expect([status, String(body)]).toEqual([200, '/hyco/a?b=1']);
});

test('Server with and without new', async () => {
  for (const server of [new https.Server(options(), (req, res) => res.end('x')), https.Server(options())]) {
    servers.push(server);
    expect(server).toBeInstanceOf(https.Server);
    expect(server.listenerCount('request')).toBe(servers.length === 1 ? 1 : 0);
    expect(server.timeout).toBe(120_000);
    expect(server.setTimeout(5, () => {})).toBe(server);
    expect(server.timeout).toBe(5);
    expect(server.listenUri).toBe(relay.listenUri());
  }
});

test.each([
  [() => https.Server(), /'server' must be provided/],
  [() => https.Server(() => {}), /'server' must be provided/],
  [() => https.createRelayedServer({ token: 'x' }), /'server' must be provided/],
  [
    () => https.createRelayedServer({ server: 'wss://h/$hc/p' }),
    /A 'token' string or function must be provided/
  ]
])('what is missing is a TypeError: %s', (act, message) => {
  expect(act).toThrow(TypeError);
  expect(act).toThrow(message);
});

test('close(cb) gets null, and close the server', async () => {
  const server = make().listen();
  await once(server, 'listening');
  const closed = once(server, 'close');
  const [first] = await new Promise((resolve) => server.close((...args) => resolve(args)));
  expect(first).toBeNull();
  expect((await closed)[0]).toBe(server);
  const unused = make();
  expect(await new Promise((resolve) => unused.close(resolve))).toBeNull();
});

test('error is silent without a listener', async () => {
  const server = make(undefined, { token: 'SharedAccessSignature sr=x&sig=x&se=1&skn=x' });
  const failed = once(server, 'error');
  server.listen();
  expect((await failed)[0]).toBeInstanceOf(Error);
  server.emit('error', new Error('nobody listens'));
});

test('keepAliveTimeout is a number or a duration', () => {
  for (const keepAliveTimeout of [5000, { asMilliseconds: () => 5000 }]) {
    expect(make(undefined, { keepAliveTimeout }).options.keepAlive.interval).toBe(5000);
  }
  expect(make(undefined, { keepAliveTimeout: null }).options.keepAlive.interval).toBe(30_000);
});

test('a callback of listen() that fails is a warning', async () => {
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
  const server = make((req, res) => res.end('up'));
  server.listen(() => {
    throw new ReferenceError('port is not defined');
  });
  await once(server, 'listening');
  expect(warn.mock.calls[0][0]).toMatchObject({ code: 'HYCO_WS_RS_LISTEN_CALLBACK' });
  warn.mockRestore();
  expect(String((await askUrl(url())).body)).toBe('up');
});

test('express after `http.ServerResponse = https.ServerResponse`', async () => {
  const before = http.ServerResponse;
  http.ServerResponse = https.ServerResponse;
  expect(http.ServerResponse).toBe(before);
  const app = require('express')();
  app.post('/hyco/json', require('express').json(), (req, res) => res.json(req.body));
  const server = make(app).listen();
  await once(server, 'listening');
  const { status, body } = await askUrl(url('/json'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"a":1}'
  });
  expect([status, String(body)]).toEqual([200, '{"a":1}']);
});

describe('the samples of hyco-https', () => {
  const samples = path.join(path.dirname(require.resolve('hyco-https')), 'examples', 'simple');
  let folder;
  let azure;

  beforeAll(async () => {
    azure = await startStandIn();
    // They require "../../": a package there that is this one.
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-samples-'));
    const root = path.join(__dirname, '..', '..', 'https.js');
    fs.writeFileSync(path.join(folder, 'index.js'), `module.exports = require(${JSON.stringify(root)});`);
    fs.mkdirSync(path.join(folder, 'examples', 'simple'), { recursive: true });
    for (const name of ['listener.js', 'sender.js']) {
      fs.copyFileSync(path.join(samples, name), path.join(folder, 'examples', 'simple', name));
    }
  });
  afterAll(async () => {
    await azure.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  /** Runs one; `said()` is what it has printed. */
  function run(name) {
    const redirect = path.join(__dirname, '..', 'fixtures', 'azure-redirect.js');
    const child = spawn(process.execPath, ['-r', redirect, path.join(folder, 'examples', 'simple', name)], {
      env: { ...process.env, ...azure.env, RELAY_PORT: String(azure.relay.port) },
      stdio: ['ignore', 'pipe', 'pipe']
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
    return { child, said: () => said, ended: once(child, 'close') };
  }

  test('run unchanged', async () => {
    const listener = run('listener.js');
    try {
      await once(azure.relay, 'listener');
      const sender = run('sender.js');
      expect((await sender.ended)[0]).toBe(0);
      expect(sender.said()).toBe(
        'BODY: <html><head><title>Hey!</title></head><body>Relayed Node.js Server!</body></html>\n' +
          'No more data in response.\n'
      );
      expect(listener.said()).toContain('request accepted: GET on /hyco');
      // Its callback of `listen()` names a variable that there is not.
      expect(listener.said()).toContain('HYCO_WS_RS_LISTEN_CALLBACK');
      expect(listener.child.exitCode).toBeNull();
    } finally {
      listener.child.kill();
      await listener.ended;
    }
  });
});
