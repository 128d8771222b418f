'use strict';

// `bridge` in the hands of a clumsy operator, and with files that change while it runs.

const { once } = require('node:events');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const net = require('node:net');
const { tmpdir } = require('node:os');
const path = require('node:path');

const { Commands, json, seen } = require('./helpers/commands.js');
const { askUrl } = require('./helpers/same-app.js');
const { readPlan } = require('../lib/cli/bridge-plan.js');

const commands = new Commands();
const onPosix = process.platform === 'win32' ? test.skip : test;
let folder;
let target;
let connectionString;

beforeEach(async () => {
  await commands.start({ hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }] });
  folder = mkdtempSync(path.join(tmpdir(), 'hyco-'));
  commands.env = { HOME: folder, APPDATA: folder, ProgramData: folder };
  commands.closers.push(() => rmSync(folder, { recursive: true }));
  target = await commands.tcpServer((socket) => socket.pipe(socket));
  connectionString = commands.relay.connectionString().replace(/EntityPath=\w+;?/, '');
});

/** A client of a local port, that has been answered. */
async function client(port) {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  commands.closers.push(() => socket.destroy());
  await says(socket, 'hello');
  return socket;
}

async function says(socket, text) {
  socket.write(text);
  expect(String((await once(socket, 'data'))[0])).toBe(text);
}

const count = (child, name) => json(child).filter(({ event }) => event === name).length;

async function until(child, name, times) {
  await seen(child, child.stdout, `"event":"${name}"`);
  while (count(child, name) < times) await once(child.stdout, 'data');
}

describe('the file, read again at SIGHUP', () => {
  let file;
  let child;
  let port;

  beforeEach(async () => {
    file = path.join(folder, 'bridge.json');
    const free = net.createServer().listen(0, '127.0.0.1');
    await once(free, 'listening');
    ({ port } = free.address());
    await new Promise((resolve) => free.close(resolve));
  });

  const write = (PortName, more = {}) =>
    writeFileSync(
      file,
      JSON.stringify({
        AzureRelayConnectionString: connectionString,
        RemoteForward: [{ RelayName: 'hyco', Host: '127.0.0.1', HostPort: target }],
        LocalForward: [{ RelayName: 'hyco', BindPort: port, PortName }],
        ...more
      })
    );

  async function start() {
    write('1');
    child = commands.run(['bridge', '-f', file, '--json', '--drain', '1']);
    await until(child, 'listening', 2);
  }

  onPosix('a forward that has changed takes over the port, and connections of before go on', async () => {
    await start();
    const first = await client(port);
    for (let round = 1; round <= 10; round++) {
      write(String(round + 1));
      child.kill('SIGHUP');
      await until(child, 'reloaded', round);
    }
    expect(count(child, 'offline')).toBe(0);
    await says(first, 'still here');
    await client(port);
    // Those of before do not keep the process alive.
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
  });

  onPosix('settings that cannot be had change nothing', async () => {
    await start();
    const first = await client(port);
    const wrong = [{ BindAddress: 'nonsense' }, { KeepAliveInterval: 2_000_000_000 }];
    for (const [index, more] of wrong.entries()) {
      write('2', more);
      child.kill('SIGHUP');
      await until(child, 'error', index + 1);
    }
    await says(first, 'still here');
    await client(port);
    expect(count(child, 'listening')).toBe(2);
  });

  onPosix('once it is stopping, nothing is opened any more', async () => {
    await start();
    await client(port);
    child.kill('SIGTERM');
    await until(child, 'stopping', 1);
    write('2');
    child.kill('SIGHUP');
    expect(await child.ended).toBe(0);
    expect(count(child, 'listening')).toBe(2);
    expect(count(child, 'reloaded')).toBe(0);
  });
});

describe('what is wrong', () => {
  const SECRET = 'SEKRITabcdefghijklmnopqrstuvwxyz';

  test.each([
    [['-L', '0:hyco', SECRET], 'no arguments'],
    [['-H', `web:https/user:${SECRET}@host:443`], '-H takes'],
    [['-H', `web:https/${SECRET}@host:443`], '-H takes'],
    [['-L', '0:hyco', '-l', '/nowhere/bridge.log'], 'ENOENT'],
    // The first of the two is open by then.
    [['-L', '0:hyco', '-T', 'hyco:1', '-b', 'nonsense'], 'IP address']
  ])('%j is wrong usage', async (args, text) => {
    const child = commands.run(['bridge', '-x', connectionString, ...args]);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors).not.toContain(SECRET);
  });

  test('a file with a password for a web server is one, too, and does not show it', async () => {
    const file = path.join(folder, 'bridge.json');
    const entry = { RelayName: 'hyco', Http: true, Host: `user:${SECRET}@host`, HostPort: 80 };
    writeFileSync(file, JSON.stringify({ RemoteForward: [entry] }));
    const child = commands.run(['bridge', '-x', connectionString, '-f', file]);
    expect(await child.ended).toBe(2);
    expect(child.text + child.errors).not.toContain(SECRET);
  });

  test('a port for health that is taken is a failure', async () => {
    const child = commands.run([
      ...['bridge', '-x', connectionString, '-L', '0:hyco', '--health-port', String(target)]
    ]);
    expect(await child.ended).toBe(1);
    expect(child.errors).toContain('--health-port: ');
  });

  test('credentials in -o are warned of as those of other arguments', async () => {
    const args = ['bridge', '--json', '-L', '0:hyco', '-o', `AzureRelayConnectionString:${connectionString}`];
    const child = commands.run(args);
    await until(child, 'notice', 1);
    expect(child.text).toContain('Credentials in arguments');
  });
});

test('no two forwards have the same name in the metrics', async () => {
  const child = commands.run([
    ...['bridge', '--json', '-x', connectionString, '-L', '0/a;0/b;0/a:hyco', '--health-port', '0']
  ]);
  await until(child, 'notice', 2);
  const { message } = json(child).findLast(({ event }) => event === 'notice');
  const text = String((await askUrl(message.replace('health at ', '').replace('readyz', 'metrics'))).body);
  const series = text.match(/^\w+\{.*\}/gm);
  expect(series.filter((name) => name.startsWith('hyco_forward_up'))).toHaveLength(2);
  expect(new Set(series).size).toBe(series.length);
});

test('relays of one name in two namespaces are two', async () => {
  const file = path.join(folder, 'bridge.json');
  const own = (host) => `Endpoint=sb://${host}/;SharedAccessKeyName=n;SharedAccessKey=a2V5`;
  const RemoteForward = ['one.test', 'two.test', 'one.test'].map((host, index) => ({
    RelayName: 'hyco',
    ConnectionString: own(host),
    HostPort: index + 1
  }));
  writeFileSync(file, JSON.stringify({ RemoteForward }));
  const { forwards } = await readPlan({ 'config-file': file });
  const seen = forwards.map(({ uri, target: { targets } }) => [new URL(uri).host, Object.keys(targets)]);
  expect(seen).toEqual([
    ['one.test', ['1', '3']],
    ['two.test', ['2']]
  ]);
});

test.each([true, '', ' ', [5], {}])('%j in a file is no port', (BindPort) => {
  const { readBridgeFile } = require('../lib/cli/bridge-file.js');
  const text = JSON.stringify({ LocalForward: [{ RelayName: 'hyco', BindPort, PortName: 'x' }] });
  expect(() => readBridgeFile(text, 'bridge.json')).toThrow('takes a port');
});
