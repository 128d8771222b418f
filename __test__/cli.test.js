'use strict';

// The commands in processes of their own, against the emulator.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');

const { startStandIn } = require('./helpers/azure-stand-in.js');
const { RelayEmulator } = require('../emulator.js');

const bin = path.join(__dirname, '..', 'bin', 'hyco-ws-rs.js');
const children = new Set();
const closers = [];
let relay;
let env;

beforeEach(async () => {
  relay = await RelayEmulator.start();
  env = {
    SB_HC_NAMESPACE: relay.address,
    SB_HC_PATH: 'hyco',
    SB_HC_KEYRULE: relay.keyName,
    SB_HC_KEY: relay.key,
    SB_HC_SECURE: 'false'
  };
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  for (const close of closers.splice(0)) await close();
  await relay.close({ force: true });
});

/** A command with nothing in its environment but what is given. */
function command(args, variables = env) {
  const { PATH, SystemRoot, NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
  const clean = Object.fromEntries(Object.entries(rest).filter(([name]) => !/proxy|^SB_HC_/i.test(name)));
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...clean, PATH, SystemRoot, ...variables }
  });
  children.add(child);
  child.text = '';
  child.errors = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (child.text += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (child.errors += data));
  child.ended = once(child, 'close').then(([code]) => code);
  return child;
}

async function seen(child, stream, text) {
  const name = stream === child.stdout ? 'text' : 'errors';
  while (!child[name].includes(text)) await once(stream, 'data');
}

async function listening(args = [], variables = env) {
  const child = command(['listen', ...args], variables);
  await (args.includes('--json')
    ? seen(child, child.stdout, '"listening"')
    : seen(child, child.stderr, 'listening on'));
  return child;
}

async function tcpServer(onConnection) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

const json = (child) =>
  child.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('token', () => {
  test('makes one that the relay takes', async () => {
    const child = command(['token', '--seconds', '60']);
    expect(await child.ended).toBe(0);
    const sender = command(['connect'], { ...env, SB_HC_TOKEN: child.text.trim(), SB_HC_KEY: '' });
    expect(await sender.ended).toBe(1);
    expect(sender.errors).toMatch(/no listeners/i);
  });

  test('with --json, and with the key from stdin', async () => {
    const { SB_HC_KEY: key, ...rest } = env;
    const child = command(['token', '--json', '--key-stdin', '--path', 'other'], rest);
    child.stdin.end(`${key}\n`);
    expect(await child.ended).toBe(0);
    expect(json(child)).toEqual([
      {
        token: expect.stringContaining('&skn='),
        resource: `http://${relay.address}/other`,
        expiresAt: expect.any(String)
      }
    ]);
  });

  test.each([
    [['token'], { SB_HC_KEY: '' }, 'key'],
    [['token'], { SB_HC_NAMESPACE: '' }, '--ns'],
    [['token'], { SB_HC_PATH: '' }, '--path'],
    [['token', '--seconds', 'x'], {}, '--seconds'],
    [['listen', '--to', 'x:y'], {}, '--to'],
    [['connect', '--local', 'x'], {}, '--local'],
    [['connect', '--key', 'k'], {}, '--key'],
    [['listen', '--insecure', '--ns', 'contoso.servicebus.windows.net'], {}, 'this machine']
  ])('%j with %j is wrong usage', async (args, variables, text) => {
    const child = command(args, { ...env, ...variables });
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors).not.toContain(relay.key);
  });
});

describe('what a command complains about', () => {
  const string = 'Endpoint=sb://ns.test/;SharedAccessKeyName=rule;SharedAccessKey=SECRET;EntityPath=hyco';

  test.each([
    [[string], {}, 'SharedAccessKey=***'],
    [['listen', string], {}, 'SharedAccessKey=***'],
    [['connect', `--ns=${string}`, '--path', 'a'], {}, 'connectionString'],
    [
      ['token', '--path', 'hyco/../other'],
      { SB_HC_NAMESPACE: '', SB_HC_CONNECTION_STRING: string },
      'EntityPath'
    ],
    [['listen', '--ns', 'wss://u:SECRET@ns.test', '--path', 'a'], {}, 'connectionString']
  ])('%j is told without a secret', async (args, variables, text) => {
    const child = command(args, variables);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors + child.text).not.toContain('SECRET');
  });
});

describe('listen and connect', () => {
  test('talk in lines', async () => {
    const listener = await listening(['--echo']);
    const sender = command(['connect', '--wait', '0.3']);
    sender.stdin.end('one\ntwo\n');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('one\ntwo\n');
    expect(listener.text).toBe('one\ntwo\n');
    listener.kill('SIGINT');
    expect(await listener.ended).toBe(0);
  });

  test('talk in JSON', async () => {
    const listener = await listening(['--json', '--echo']);
    const sender = command(['connect', '--json', '--wait', '0.3']);
    sender.stdin.end('one\n');
    expect(await sender.ended).toBe(0);
    expect(json(sender)).toEqual([{ text: 'one' }]);
    await seen(listener, listener.stdout, '"close"');
    expect(json(listener).map(({ event }) => event)).toEqual(['listening', 'connection', 'message', 'close']);
  });

  test('carry a TCP connection', async () => {
    const port = await tcpServer((socket) => socket.pipe(socket));
    await listening(['--to', `127.0.0.1:${port}`]);
    const sender = command(['connect', '--local', '0', '--json']);
    await seen(sender, sender.stdout, '"listening"');
    const [{ port: local }] = json(sender);
    const payload = Buffer.alloc(300_000, 'abc');
    for (let n = 0; n < 2; n++) {
      const client = net.connect(local, '127.0.0.1');
      client.write(payload);
      const parts = [];
      for await (const part of client) {
        parts.push(part);
        if (Buffer.concat(parts).length >= payload.length) break;
      }
      expect(Buffer.concat(parts).equals(payload)).toBe(true);
    }
    sender.kill('SIGTERM');
    expect(await sender.ended).toBe(0);
  });

  test('carry bytes from stdin to stdout', async () => {
    const port = await tcpServer((socket) => socket.once('data', (data) => socket.end(`got ${data}`)));
    await listening(['--to', `127.0.0.1:${port}`]);
    const sender = command(['connect', '--raw']);
    sender.stdin.write('bytes');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('got bytes');
  });

  test('a target that is away ends the connection', async () => {
    const port = await tcpServer(() => {});
    await closers.pop()();
    const listener = await listening(['--to', `127.0.0.1:${port}`]);
    const sender = command(['connect']);
    expect(await sender.ended).toBe(1);
    expect(sender.errors).toContain('502');
    await seen(listener, listener.stderr, 'ECONNREFUSED');
  });

  test('a refusal that waiting does not cure ends listen', async () => {
    const child = command(['listen', '--path', 'nowhere']);
    expect(await child.ended).toBe(1);
    expect(child.errors).toMatch(/^offline for good: ERR_HYCO_NOT_FOUND: /m);
    expect(child.errors).not.toContain('\u001b');
    const other = command(['listen', '--path', 'nowhere', '--json']);
    expect(await other.ended).toBe(1);
    const error = expect.objectContaining({ code: 'ERR_HYCO_NOT_FOUND', statusCode: 404 });
    expect(json(other)).toEqual([
      { event: 'error', error },
      { event: 'offline', error }
    ]);
  });

  test('that end is red on a terminal, unless NO_COLOR is set', async () => {
    const terminal = path.join(__dirname, 'fixtures', 'terminal.js');
    for (const [variables, text] of [
      [{}, '\u001b[31moffline for good: '],
      [{ NO_COLOR: '1' }, '\noffline for good: ']
    ]) {
      const child = command(['listen', '--path', 'nowhere'], {
        ...env,
        ...variables,
        NODE_OPTIONS: `--require ${JSON.stringify(terminal)}`
      });
      expect(await child.ended).toBe(1);
      expect(child.errors).toContain(text);
    }
  });

  test('a 401 that passes does not end listen', async () => {
    relay.faults.refuse({ status: 401, reason: 'InvalidToken', times: 2, action: 'listen' });
    const child = command(['listen', '--echo']);
    // The first one is followed by a fresh token at once, the second one is an error.
    await seen(child, child.stderr, 'listener: ERR_HYCO_UNAUTHORIZED: ');
    await seen(child, child.stderr, 'listening on');
    const sender = command(['connect', '--wait', '0.3']);
    sender.stdin.end('one\n');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('one\n');
    child.kill('SIGINT');
    expect(await child.ended).toBe(0);
    expect(child.errors).not.toContain('offline');
  });
});

describe('doctor', () => {
  const results = (child) =>
    Object.fromEntries(json(child)[0].checks.map(({ name, result }) => [name, result]));

  test('finds nothing wrong', async () => {
    await listening();
    const child = command(['doctor']);
    expect(await child.ended).toBe(0);
    expect(child.text).toContain('a listener has accepted a connection');
    expect(child.text).not.toContain('\u001b');
  });

  test('goes through a proxy and TLS, and listens if asked to', async () => {
    const standIn = await startStandIn();
    closers.push(standIn.close);
    const child = command(['doctor', '--json', '--listen'], standIn.env);
    expect([await child.ended, child.text]).toEqual([0, expect.anything()]);
    expect(results(child)).toEqual({ proxy: 'ok', tls: 'ok', clock: 'skipped', token: 'ok', relay: 'ok' });

    const { NODE_EXTRA_CA_CERTS: _, ...distrusting } = standIn.env;
    const other = command(['doctor', '--json'], distrusting);
    expect(await other.ended).toBe(1);
    expect(results(other)).toMatchObject({ proxy: 'ok', tls: 'failed' });
    expect(other.text).toContain('NODE_EXTRA_CA_CERTS');
  });

  test.each([
    ['a wrong key', { SB_HC_KEY: 'wrong' }, { relay: 'failed' }, 'Compare rule and key'],
    ['a wrong path', { SB_HC_PATH: 'nowhere' }, { relay: 'failed' }, 'no such hybrid connection'],
    ['a name that is none', { SB_HC_NAMESPACE: 'nowhere.invalid', SB_HC_SECURE: '' }, { name: 'failed' }, ''],
    [
      'a token for another path',
      { SB_HC_TOKEN: `SharedAccessSignature sr=http%3A%2F%2F127.0.0.1%2Fother&sig=a&se=${2 ** 33}&skn=r` },
      { token: 'failed' },
      'not for'
    ]
  ])('finds %s', async (_, variables, expected, text) => {
    const child = command(['doctor', '--json'], { ...env, ...variables });
    expect([await child.ended, child.text]).toEqual([1, expect.stringContaining(text)]);
    expect(results(child)).toMatchObject(expected);
    expect(child.text).not.toContain(relay.key);
  });

  test('finds an expired token', async () => {
    const token = relay.createToken('hyco', { expirationSeconds: -10 });
    const child = command(['doctor', '--json'], { ...env, SB_HC_TOKEN: token });
    expect(await child.ended).toBe(1);
    expect(results(child)).toMatchObject({ token: 'failed' });
    expect(child.text).toMatch(/expired 1\d s ago/);
  });

  test('finds a proxy that wants credentials', async () => {
    const port = await tcpServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'))
    );
    const proxy = `http://user:hunter2@127.0.0.1:${port}`;
    const child = command(['doctor', '--json'], { ...env, HTTP_PROXY: proxy });
    expect(await child.ended).toBe(1);
    expect(results(child)).toMatchObject({ proxy: 'failed' });
    expect(child.text).toContain('wants credentials');
    expect(child.text).not.toContain('hunter2');
  });

  test('finds a clock that is wrong, and a port that is closed', async () => {
    const server = http.createServer((_, response) => {
      response.setHeader('Date', new Date(Date.now() - 600_000).toUTCString());
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const variables = { ...env, SB_HC_NAMESPACE: `127.0.0.1:${server.address().port}` };
    const child = command(['doctor', '--json'], variables);
    expect(await child.ended).toBe(1);
    expect(results(child)).toMatchObject({ port: 'ok', clock: 'failed' });
    expect(child.text).toMatch(/60\d s ahead/);
    server.close();
    server.closeAllConnections();
    const other = command(['doctor', '--json'], variables);
    expect(await other.ended).toBe(1);
    expect(results(other)).toMatchObject({ port: 'failed' });
    expect(other.text).toContain('ECONNREFUSED');
  });
});

test('every command has help that names its options', async () => {
  const overview = command(['--help']);
  expect(await overview.ended).toBe(0);
  for (const name of ['listen', 'connect', 'token', 'doctor', 'emulator']) {
    expect(overview.text).toContain(name);
    const child = command([name, '--help']);
    expect(await child.ended).toBe(0);
    expect(child.text).toContain(`hyco-ws-rs ${name}`);
    expect(child.text).toContain('--json');
  }
});
