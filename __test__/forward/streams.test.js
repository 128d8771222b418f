'use strict';

// forward() and forwardLocal() for bytes, joined through the relay; what the streams themselves do is tested beside them.

const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const net = require('node:net');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { inspect } = require('node:util');

const WebSocket = require('../..');
const { RelayEmulator } = require('../../emulator.js');

const { RelayedServer, forward, forwardLocal } = WebSocket;
const onPosix = process.platform === 'win32' ? test.skip : test;

let relay;
let creds;
const closers = [];

beforeEach(async () => {
  relay = await RelayEmulator.start();
  creds = { keyName: relay.keyName, key: relay.key };
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await relay.close({ force: true });
});

/** Answers with what it has got, once that has ended. */
async function startTarget(where = { port: 0, host: '127.0.0.1' }, reply = (all) => `got ${all.length}`) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const parts = [];
    socket.on('error', () => {});
    socket.on('data', (part) => parts.push(part)).on('end', () => socket.end(reply(Buffer.concat(parts))));
  });
  server.listen(where);
  await once(server, 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return server.address().port;
}

async function remote(target, options) {
  const tunnel = await forward(target, { server: relay.listenUri(), ...creds, ...options });
  closers.push(() => tunnel.close({ timeout: 0 }));
  return tunnel;
}

async function local(place, options) {
  const end = await forwardLocal(place, { address: relay.sendUri(), ...creds, ...options });
  closers.push(() => end.close());
  return end;
}

async function ask(place, text) {
  const client = net.connect({ ...place, allowHalfOpen: true });
  client.end(text);
  let answer = '';
  for await (const chunk of client.setEncoding('latin1')) answer += chunk;
  return answer;
}

test('a port, at both ends', async () => {
  const port = await startTarget();
  const tunnel = await remote(`127.0.0.1:${port}`);
  expect(tunnel.url).toBe(`ws://127.0.0.1:${relay.port}/$hc/hyco?sb-hc-action=connect`);
  expect(tunnel).toBeInstanceOf(RelayedServer);
  const end = await local(0, { address: tunnel.url });
  const events = [];
  for (const [who, emitter] of Object.entries({ tunnel, end })) {
    for (const name of ['connect', 'disconnect']) emitter.on(name, () => events.push(`${who} ${name}`));
  }
  const over = Promise.all([once(tunnel, 'disconnect'), once(end, 'disconnect')]);
  expect(await ask(end.address(), 'x'.repeat(100_000))).toBe('got 100000');
  const [[theirs], [ours]] = await over;
  expect(theirs).toMatchObject({ name: String(end.address().port), bytesReceived: 100_000, bytesSent: 10 });
  expect(ours).toMatchObject({ bytesReceived: 10, bytesSent: 100_000 });
  expect(events.sort()).toEqual(['end connect', 'end disconnect', 'tunnel connect', 'tunnel disconnect']);
  expect(tunnel.stats()).toMatchObject({
    forwarded: { streams: { opened: 1, open: 0, bytesReceived: 100_000 } }
  });
});

test('without a preamble', async () => {
  const port = await startTarget();
  await remote(`127.0.0.1:${port}`, { raw: true });
  const end = await local('127.0.0.1:0', { raw: true });
  expect(await ask(end.address(), 'four')).toBe('got 4');
});

onPosix('unix sockets, at both ends', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'hyco-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const [inside, outside] = [path.join(folder, 'in.sock'), path.join(folder, 'out.sock')];
  await startTarget({ path: inside });
  await remote(`unix:${inside}`);
  const end = await local(`unix:${outside}`, { name: inside });
  expect(end.address()).toEqual({ path: outside });
  expect(await ask({ path: outside }, 'four')).toBe('got 4');
});

test('names tell targets apart, and one that is not there is refused', async () => {
  const [one, two] = [await startTarget(undefined, () => 'one'), await startTarget(undefined, () => 'two')];
  const tunnel = await remote({ one: `127.0.0.1:${one}`, two: `127.0.0.1:${two}` });
  expect(await ask((await local(0, { name: 'one' })).address(), '')).toBe('one');
  expect(await ask((await local(0, { name: 'two' })).address(), '')).toBe('two');
  const refused = once(tunnel, 'refused');
  const end = await local(0, { name: 'three' });
  const toldHere = once(end, 'refused');
  expect(await ask(end.address(), '').catch(({ code }) => code)).toMatch(/^(ECONNRESET)?$/);
  expect((await refused)[0]).toMatchObject({ code: 'ERR_HYCO_NOT_FOUND' });
  expect((await toldHere)[0]).toMatchObject({ code: expect.stringMatching(/^ERR_HYCO_/) });
});

test('with connection strings', async () => {
  const port = await startTarget();
  const connectionString = relay.connectionString();
  const tunnel = await forward(`127.0.0.1:${port}`, { connectionString, path: 'hyco' });
  closers.push(() => tunnel.close({ timeout: 0 }));
  const end = await forwardLocal(0, { connectionString, path: 'hyco' });
  closers.push(() => end.close());
  expect(await ask(end.address(), 'four')).toBe('got 4');
});

test('targets are dialled from an address of this machine, of one family', async () => {
  const peers = [];
  const server = net.createServer((socket) => {
    peers.push(socket.remoteAddress);
    socket.end('hello');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address();
  // Of the whole network 127.0.0.0/8 only Linux has every address from the start.
  const localAddress = process.platform === 'linux' ? '127.0.0.9' : '127.0.0.1';
  await remote(`localhost:${port}`, { localAddress, family: 4 });
  expect(await ask((await local(0)).address(), '')).toBe('hello');
  expect(peers).toEqual([localAddress]);
});

describe('what is wrong', () => {
  test.each([
    ['no target', [], {}],
    ['a target that is none', ['x'], {}],
    ['no options', [3000, undefined], undefined],
    ['no relay', [3000], null],
    ['something else for a server', [{ listen() {} }], {}],
    ['a server of another kind', [new (class Koa {})()], {}],
    ['a header for a host', [3000], { hostHeader: 'a\r\nX: y' }],
    ['an address that is none', ['127.0.0.1:1'], { localAddress: 'localhost' }],
    ['a family that is none', [3000], { family: 5 }],
    ['names without a preamble', [{ a: 1, b: 2 }], { raw: true }]
  ])('%s', async (_name, [target], options) => {
    const given =
      options === undefined
        ? undefined
        : options === null
          ? {}
          : { server: relay.listenUri(), ...creds, ...options };
    await expect(forward(target, given)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_INVALID_ARG/)
    });
  });

  test.each([
    ['no place', undefined, {}],
    ['no relay', 0, null],
    ['a name that is too long', 0, { name: 'x'.repeat(256) }]
  ])('of the other end: %s', async (_name, place, options) => {
    const given = options === null ? {} : { address: relay.sendUri(), ...creds, ...options };
    await expect(forwardLocal(place, given)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_INVALID_ARG/)
    });
  });

  test('a port that is taken', async () => {
    const port = await startTarget();
    await expect(local(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test.each([
    ['a key that is wrong', { key: 'wrong' }, 401],
    ['a name that is not there', { server: 'nowhere' }, 404]
  ])('%s rejects, and nothing goes on', async (_name, { key, server }, statusCode) => {
    const options = { ...creds, server: relay.listenUri(server) };
    if (key !== undefined) options.key = key;
    await expect(forward(3000, options)).rejects.toMatchObject({ statusCode });
  });

  test('an aborted signal rejects', async () => {
    const options = { server: relay.listenUri(), ...creds, signal: AbortSignal.abort() };
    await expect(forward(3000, options)).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
  });
});

test('printing shows no key', async () => {
  const tunnel = await remote(3000);
  const end = await local(0);
  for (const shown of [
    inspect(tunnel, { depth: 9 }),
    inspect(end, { depth: 9, showHidden: true }),
    tunnel.url
  ]) {
    expect(shown).not.toContain(relay.key);
  }
});

test('await using closes both ends', async () => {
  if (Symbol.asyncDispose === undefined) return;
  const tunnel = await remote(3000);
  const end = await local(0);
  const closed = [once(tunnel, 'close'), once(end, 'close')];
  await end[Symbol.asyncDispose]();
  await tunnel[Symbol.asyncDispose]();
  await Promise.all(closed);
  expect(tunnel.state).toBe('closed');
});
