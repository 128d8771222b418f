'use strict';

// The package with which programs answer HTTP today must work against the emulator as a listener, in its own process.

const { execFile, spawn } = require('node:child_process');
const { once } = require('node:events');
const { dirname, join } = require('node:path');
const { promisify } = require('node:util');

const { RelayEmulator } = require('../emulator.js');
const { startStandIn } = require('./helpers/azure-stand-in.js');
const { tls } = require('./helpers/emulator-peers.js');
const { ask, begin, keeping } = require('./helpers/http-peers.js');

const run = promisify(execFile);
const fixture = (name) => join(__dirname, 'fixtures', name);

/** Starts a program and waits until it has a listener at the relay. */
async function listening(relay, args, env) {
  const up = once(relay, 'listener');
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
  child.output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      child.output += data;
    });
  }
  const ended = once(child, 'exit').then(() => {
    throw new Error(child.output);
  });
  ended.catch(() => {});
  await Promise.race([up, ended]);
  return child;
}

describe.each([
  ['http', {}],
  ['https', { tls }]
])('hyco-https 1.4.5 as a listener, with senders on %s', (_, options) => {
  let relay;
  let child;
  let agent;

  beforeAll(async () => {
    relay = await RelayEmulator.start(options);
    child = await listening(relay, [fixture('hyco-https-peer.js')], {
      NODE_EXTRA_CA_CERTS: fixture('loopback-cert.pem'),
      // By name: of an address its ws makes a server name, which Node 26 refuses.
      LISTEN: relay.listenUri().replace('127.0.0.1', 'localhost'),
      RULE: relay.keyName,
      KEY: relay.key
    });
    agent = keeping(relay);
  });
  afterAll(async () => {
    agent.destroy();
    child.kill('SIGKILL');
    await relay.close({ force: true });
  });

  test.each(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'])('%s', async (method) => {
    const asked = ask(relay, 'hyco/sub?a=1&sb-hc-b=2', { method, agent, headers: { 'X-Own': 'v' } });
    const { status, headers, body } = await asked;
    expect([status, body.length, headers.via]).toEqual([200, 0, `1.1 ${relay.address}`]);
    expect(JSON.parse(headers['x-seen'])).toEqual({ method, url: '/hyco/sub?a=1', own: 'v' });
  });

  test.each([1, 60_000, 65_536, 65_537, 3_000_000])(
    'a body of %i bytes, of known length and not',
    async (size) => {
      const body = Buffer.alloc(size, 'x');
      for (const headers of [{ 'Content-Length': size }, {}]) {
        const answer = await ask(relay, 'hyco?size=1', { method: 'POST', body, headers });
        expect([answer.status, answer.headers['x-length']]).toEqual([200, String(size)]);
      }
    }
  );

  test.each([1, 65_000, 65_536, 65_537, 1_000_000])('an answer of %i bytes', async (size) => {
    const { body, headers } = await ask(relay, `hyco?size=${size}`);
    expect(body.equals(Buffer.alloc(size, 'y'))).toBe(true);
    expect(headers).not.toHaveProperty('keep-alive');
  });

  test('answers without a body, and the empty frame that it sends with them', async () => {
    for (const [method, status] of [
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
      ['GET', 200]
    ]) {
      const answer = await ask(relay, `hyco?status=${status}`, { method, agent });
      expect([answer.status, answer.body.length]).toEqual([status, 0]);
    }
  });

  test('requests on the rendezvous that it opened for a body: it goes on reading there', async () => {
    const own = keeping(relay);
    const first = await ask(relay, 'hyco', { method: 'POST', body: ['chunked'], agent: own });
    const second = await ask(relay, 'hyco/again', { agent: own });
    expect(second.socket).toBe(first.socket);
    expect(JSON.parse(second.headers['x-seen']).url).toBe('/hyco/again');
    own.destroy();
  });

  test('the request behind a large answer is lost: it does not read on there', async () => {
    const own = keeping(relay);
    const { requests } = relay.stats().totals;
    await ask(relay, 'hyco?size=100000', { agent: own });
    const lost = ask(relay, 'hyco', { agent: own });
    while (relay.stats().totals.requests < requests + 2) await new Promise(setImmediate);
    while (relay.faults.expireRequests() === 0) await new Promise(setImmediate);
    expect(await lost).toMatchObject({ status: 504 });
    own.destroy();
  });

  test('a sender that leaves costs nothing', async () => {
    const sent = begin(relay, 'hyco', { method: 'POST' });
    sent.on('error', () => {});
    const met = relay.stats().totals.rendezvous;
    sent.write('begin');
    while (relay.stats().totals.rendezvous === met) await new Promise(setImmediate);
    sent.destroy();
    expect((await ask(relay, 'hyco')).status).toBe(200);
    expect(child.exitCode).toBe(null);
  });
});

test('the samples of hyco-https run as they are', async () => {
  const azure = await startStandIn();
  const samples = join(dirname(require.resolve('hyco-https')), 'examples', 'simple');
  const sample = (name) => ['-r', fixture('azure-redirect.js'), join(samples, name)];
  const env = { ...azure.env, RELAY_PORT: String(azure.relay.port) };
  const listener = await listening(azure.relay, sample('listener.js'), env);
  try {
    const { stdout } = await run(process.execPath, sample('sender.js'), { env: { ...process.env, ...env } });
    expect(stdout).toMatch(/^BODY: .*Relayed Node\.js Server!.*\nNo more data in response\.\n$/);
    expect(listener.output).toContain('request accepted: GET on /hyco');
  } finally {
    listener.kill('SIGKILL');
    await azure.close();
  }
});
