'use strict';

// Real proxies: tinyproxy (HTTP CONNECT, Basic authentication) and microsocks (SOCKS 5, user and password). What is not
// installed is skipped; .ci/run installs them.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { NAMESPACE } = require('./helpers/azure-stand-in.js');
const { freePort } = require('./helpers/free-port.js');
const { RelayedServer, connectRelayed } = require('..');
const { RelayEmulator } = require('../emulator.js');

const CA = fs.readFileSync(path.join(__dirname, 'fixtures', 'loopback-cert.pem'), 'utf8');
const KEY = fs.readFileSync(path.join(__dirname, 'fixtures', 'loopback-key.pem'), 'utf8');
const VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'];

/** How each is started, and how its URL is written. */
const PROXIES = {
  tinyproxy: {
    scheme: 'http',
    arguments: (port, folder) => {
      const file = path.join(folder, 'tinyproxy.conf');
      fs.writeFileSync(
        file,
        `Port ${port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nBasicAuth user p4ssw0rd\n`
      );
      return ['-d', '-c', file];
    },
    refusal: expect.objectContaining({ code: 'ERR_HYCO_PROXY', statusCode: expect.any(Number) })
  },
  microsocks: {
    scheme: 'socks5h',
    arguments: (port) => ['-i', '127.0.0.1', '-p', String(port), '-u', 'user', '-P', 'p4ssw0rd'],
    refusal: expect.objectContaining({ code: 'ERR_HYCO_PROXY' })
  }
};

const isInstalled = (name) => spawnSync(name, ['--help'], { stdio: 'ignore' }).error === undefined;

/** Fulfilled as soon as somebody listens at the port. */
async function reachable(port, child) {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode}`);
    const socket = net.connect(port, '127.0.0.1');
    const up = await once(socket, 'connect').then(
      () => true,
      () => false
    );
    socket.destroy();
    if (up) return;
  }
}

describe.each(Object.keys(PROXIES))('%s', (name) => {
  const { scheme, arguments: argumentsOf, refusal } = PROXIES[name];
  if (!isInstalled(name)) {
    test.skip(`${name} is not installed: apt-get install ${name}`, () => {});
    return;
  }

  const saved = { ...process.env };
  let child;
  let ended;
  let folder;
  let plain;
  let secure;
  let url;

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-proxy-'));
    const port = await freePort();
    child = spawn(name, argumentsOf(port, folder), { stdio: 'ignore' });
    ended = once(child, 'exit');
    await reachable(port, child);
    url = (password = 'p4ssw0rd') => `${scheme}://user:${password}@127.0.0.1:${port}`;
    plain = await RelayEmulator.start();
    secure = await RelayEmulator.start({ tls: { cert: CA, key: KEY } });
  });
  afterAll(async () => {
    await plain?.close({ force: true });
    await secure?.close({ force: true });
    child?.kill('SIGKILL');
    await ended;
    fs.rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    for (const variable of VARIABLES) {
      delete process.env[variable];
      delete process.env[variable.toLowerCase()];
    }
  });
  afterEach(() => {
    for (const variable of VARIABLES.flatMap((one) => [one, one.toLowerCase()])) {
      if (saved[variable] === undefined) delete process.env[variable];
      else process.env[variable] = saved[variable];
    }
  });

  /** A listener and a sender say hello to each other. */
  async function converse(relay, options) {
    const server = new RelayedServer(
      { server: relay.listenUri(), keyName: relay.keyName, key: relay.key, tls: { ca: CA }, ...options },
      (socket) => socket.on('message', (data) => socket.send(data))
    );
    try {
      await once(server, 'listening');
      const socket = await connectRelayed(relay.sendUri(), {
        keyName: relay.keyName,
        key: relay.key,
        ca: CA,
        ...options
      });
      socket.send(Buffer.alloc(200_000, 'x'));
      const [data] = await once(socket, 'message');
      socket.terminate();
      return data.length;
    } finally {
      await server.close({ timeout: 0 });
    }
  }

  const failure = (relay, options) =>
    connectRelayed(relay.sendUri(), { token: relay.createToken(), ca: CA, ...options }).then(
      () => 'connected',
      (error) => error
    );

  test('carries control channel, rendezvous and sender, without TLS and with it', async () => {
    expect(await converse(plain, { proxy: url() })).toBe(200_000);
    expect(await converse(secure, { proxy: url() })).toBe(200_000);
  });

  test('is found in the environment', async () => {
    process.env.ALL_PROXY = url();
    expect(await converse(secure)).toBe(200_000);
    process.env.HTTPS_PROXY = url('wrong');
    expect(await failure(secure)).toEqual(refusal);
    expect(await failure(plain)).toMatchObject({ code: 'ERR_HYCO_NOT_FOUND' });
    process.env.NO_PROXY = '127.0.0.0/8,localhost';
    expect(await converse(secure)).toBe(200_000);
  });

  test('refuses wrong credentials, which no error repeats', async () => {
    const error = await failure(plain, { proxy: url('hunter2') });
    expect(error).toEqual(refusal);
    expect(JSON.stringify([error.message, error.reason, error.stack])).not.toContain('hunter2');
  });

  test('cannot reach what is not there', async () => {
    const options = { token: 't', proxy: url() };
    const error = await connectRelayed(`ws://127.0.0.1:${await freePort()}/$hc/hyco`, options).catch(
      (e) => e
    );
    expect(error).toMatchObject({ code: 'ERR_HYCO_PROXY' });
  });

  test('resolves names itself', async () => {
    // Known to nobody: it is the proxy that says so, and not this machine.
    const error = await connectRelayed(`ws://${NAMESPACE}.invalid/$hc/hyco`, {
      token: 't',
      proxy: url()
    }).catch((e) => e);
    expect(error).toMatchObject({ code: 'ERR_HYCO_PROXY' });
  });

  test('that goes away makes the listener connect again', async () => {
    const server = new RelayedServer({
      server: plain.listenUri(),
      keyName: plain.keyName,
      key: plain.key,
      proxy: url(),
      reconnect: { minDelay: 60_000, maxDelay: 60_000 }
    });
    await once(server, 'listening');
    const lost = once(server, 'reconnecting');
    child.kill('SIGKILL');
    expect(await lost).toEqual([expect.objectContaining({ error: expect.any(Error) })]);
    await server.close();
    expect(await failure(plain, { proxy: url() })).toMatchObject({ code: 'ERR_HYCO_PROXY' });
  });
});
