'use strict';

// `forward` and `bridge` in processes of their own, against the emulator.

const { once } = require('node:events');
const { mkdtempSync, rmSync, writeFileSync, readFileSync, existsSync } = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const { tmpdir } = require('node:os');
const path = require('node:path');

const { Commands, json, seen } = require('./helpers/commands.js');
const { freePort } = require('./helpers/free-port.js');
const { askUrl } = require('./helpers/same-app.js');

const commands = new Commands();
const onPosix = process.platform === 'win32' ? test.skip : test;
let folder;

beforeEach(async () => {
  await commands.start({
    hybridConnections: ['hyco', 'two', 'web'].map((name) => ({
      path: name,
      requiresClientAuthorization: false
    }))
  });
  folder = mkdtempSync(path.join(tmpdir(), 'hyco-'));
  // Nobody's own files.
  commands.env = { ...commands.env, HOME: folder, APPDATA: folder, ProgramData: folder };
  commands.closers.push(() => rmSync(folder, { recursive: true }));
});

/** Of the namespace. */
const connectionString = () => commands.relay.connectionString().replace(/EntityPath=\w+;?/, '');

/** A web server on a free port. */
async function webServer(handler) {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  commands.closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return server.address().port;
}

/** A port that answers each connection with a text, and what comes on it. */
const textServer = (text) => commands.tcpServer((socket) => socket.resume().end(text));

async function read(port) {
  const socket = net.connect(port, '127.0.0.1');
  let text = '';
  for await (const chunk of socket.setEncoding('utf8')) text += chunk;
  return text;
}

async function event(child, name) {
  await seen(child, child.stdout, `"event":"${name}"`);
  return json(child).find((each) => each.event === name);
}

describe('forward', () => {
  test('prints the URL of a web server, and a line for each request', async () => {
    const port = await webServer((req, res) => res.end(`page ${req.url}`));
    const child = commands.run(['forward', String(port)]);
    await seen(child, child.stdout, '\n');
    const url = child.text.trim();
    expect(url).toBe(`http://${commands.relay.address}/hyco`);
    expect(String((await askUrl(`${url}/a?token=SECRET`)).body)).toBe('page /a?token=SECRET');
    await seen(child, child.stderr, 'GET /a 200');
    expect(child.errors).not.toContain('SECRET');
    child.kill('SIGTERM');
    if (process.platform !== 'win32') expect(await child.ended).toBe(0);
  });

  test('a target that is away is a line with its reason', async () => {
    const child = commands.run(['forward', String(await freePort()), '--json']);
    const { url } = await event(child, 'listening');
    expect((await askUrl(`${url}/`)).status).toBe(502);
    expect(await event(child, 'request')).toMatchObject({
      statusCode: 502,
      path: '/',
      error: { code: 'ECONNREFUSED' }
    });
  });

  test('bytes, for bridge at the other end', async () => {
    const target = await textServer('hello');
    const child = commands.run(['forward', `127.0.0.1:${target}`]);
    await seen(child, child.stdout, 'bridge -L');
    const other = commands.run(['bridge', '--json', '-L', '0:hyco', '-x', connectionString()]);
    const { port } = await event(other, 'listening');
    expect(await read(port)).toBe('hello');
  });

  test('bytes without a preamble, for connect at the other end', async () => {
    const target = await textServer('hello');
    const child = commands.run(['forward', `127.0.0.1:${target}`, '--raw']);
    await seen(child, child.stdout, 'connect --local');
    const other = commands.run(['connect', '--local', '0', '--json']);
    const { port } = await event(other, 'listening');
    expect(await read(port)).toBe('hello');
  });

  test('a hybrid connection that is not there is the end, with exit code 1', async () => {
    const child = commands.run(['forward', '3000', '--path', 'nowhere', '--json']);
    expect(await child.ended).toBe(1);
    expect(json(child).map((each) => each.event)).toEqual(expect.arrayContaining(['offline', 'stopping']));
  });

  test.each([
    [['forward'], 'one target'],
    [['forward', '1', '2'], 'one target'],
    [['forward', 'nonsense'], 'the target must be a port'],
    [['forward', 'http://u:SECRET@host'], 'no user'],
    [['forward', '3000', '--health-port', 'x'], '--health-port'],
    [['forward', '3000', '--drain', 'x'], '--drain'],
    [['forward', '3000', '--target-ca', '/nowhere'], '--target-ca'],
    [['forward', '3000', '--host-header', 'a b'], 'hostHeader'],
    [['bridge'], 'nothing to forward'],
    [['bridge', '-L', 'x'], '-L takes'],
    [['bridge', '-T', 'x'], '-T takes'],
    [['bridge', '-H', 'x'], '-H takes'],
    [['bridge', '-L', '5000U:r'], 'UDP'],
    [['bridge', '-o', 'Nonsense:1'], 'Nonsense'],
    [['bridge', '-f', '/nowhere', '-L', '1:r'], '/nowhere'],
    [['bridge', '-T', 'a:1', '-T', 'A:1'], 'two targets'],
    [['bridge', '-T', 'a:1', '-H', 'a:http/1'], 'one web server'],
    [['bridge', '-T', 'b:1', '-x', 'Endpoint=sb://ns.test/;EntityPath=a'], 'the relay b is not below'],
    [['bridge', '-T', 'b:1', '-x', 'SECRET'], 'the connection string'],
    [['bridge', '--raw', '-T', 'a:1;2'], '--raw'],
    [['bridge', '-L', '1:r', '-K', 'rule', '-e', 'sb://ns.test/'], '-K and -k']
  ])('%j is wrong usage', async (args, text) => {
    const child = commands.run(args);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors).not.toContain('SECRET');
  });

  onPosix('SIGTERM lets what is open finish, and says that it is not ready', async () => {
    let finish;
    const arrived = new Promise((resolve) => (finish = resolve));
    const port = await webServer((req, res) => finish(res));
    const child = commands.run(['forward', String(port), '--json', '--health-port', '0', '--drain', '20']);
    const { url } = await event(child, 'listening');
    const { message } = await event(child, 'notice');
    const health = message.replace('health at ', '').replace('/readyz', '');
    expect(await askUrl(`${health}/readyz`)).toMatchObject({ status: 200 });
    const asked = askUrl(`${url}/`);
    const res = await arrived;
    child.kill('SIGTERM');
    await event(child, 'stopping');
    expect(await askUrl(`${health}/readyz`)).toMatchObject({ status: 503 });
    expect(await askUrl(`${health}/healthz`)).toMatchObject({ status: 200 });
    res.end('late');
    expect(await asked).toMatchObject({ status: 200, body: Buffer.from('late') });
    expect(await child.ended).toBe(0);
  });

  onPosix('a second signal waits no longer', async () => {
    const port = await webServer(() => {});
    const child = commands.run(['forward', String(port), '--json', '--drain', '600']);
    const { url } = await event(child, 'listening');
    const request = http
      .get(`${url}/`)
      .on('error', () => {})
      .on('response', (response) => response.resume());
    await once(request, 'finish');
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGTERM');
    await event(child, 'stopping');
    child.kill('SIGTERM');
    expect(await child.ended).toBe(0);
  });

  test('metrics are what Prometheus reads', async () => {
    const port = await webServer((req, res) => res.end());
    const child = commands.run(['forward', String(port), '--json', '--health-port', '127.0.0.1:0']);
    const { url } = await event(child, 'listening');
    const { message } = await event(child, 'notice');
    await askUrl(`${url}/`);
    await event(child, 'request');
    const text = String((await askUrl(message.replace('health at ', '').replace('readyz', 'metrics'))).body);
    const labels = `{kind="remote",relay="hyco",forward="http://localhost:${port}/"}`;
    expect(text).toContain(`hyco_forward_up${labels} 1\n`);
    expect(text).toContain(`hyco_forward_http_requests_total${labels} 1\n`);
    for (const line of text.trim().split('\n')) {
      expect(line).toMatch(/^(# (HELP|TYPE) hyco_forward_\w+ .+|hyco_forward_\w+\{.*\} \d+)$/);
    }
  });
});

describe('bridge', () => {
  test('several rules, with names, and a web server', async () => {
    const [one, two] = [await textServer('one'), await textServer('two')];
    const web = await webServer((req, res) => res.end(req.url));
    const far = commands.run([
      ...['bridge', '--json', '-x', connectionString(), '-H', `web:http/127.0.0.1/base:${web}`],
      ...['-T', `hyco:a/127.0.0.1:${one};b/127.0.0.1:${two}`, '-R', `two:127.0.0.1:x/${two}`]
    ]);
    while (json(far.text ? far : { text: '{}' }).filter((each) => each.event === 'listening').length < 3) {
      await once(far.stdout, 'data');
    }
    const near = commands.run([
      ...['bridge', '--json', '-e', `sb://${commands.relay.address}`, '-K', commands.relay.keyName],
      ...['-k', commands.relay.key, '-o', `AzureRelayConnectionString:${connectionString()}`],
      ...['-L', '127.0.0.1:0/a;0/b:hyco', '-L', '0/x:two']
    ]);
    const ports = () => json(near.text ? near : { text: '{}' }).filter((each) => each.event === 'listening');
    while (ports().length < 3) await once(near.stdout, 'data');
    expect(await Promise.all(ports().map(({ port }) => read(port)))).toEqual(['one', 'two', 'two']);
    expect(String((await askUrl(`http://${commands.relay.address}/web/x`)).body)).toBe('/base/x');
    expect(near.text).toContain('Credentials in arguments');
    expect(near.text + near.errors + far.text + far.errors).not.toContain(commands.relay.key);
  });

  test.each(['json', 'yml'])('the file azbridge_config.%s', async (kind) => {
    const target = await textServer('from a file');
    const config = {
      AzureRelayConnectionString: connectionString(),
      LogLevel: 'VERBOSE',
      RemoteForward: [{ RelayName: 'hyco', Host: '127.0.0.1', HostPort: target, PortName: 'sql' }],
      LocalForward: [{ RelayName: 'hyco', BindPort: 0, PortName: 'sql', BindAddress: '127.0.0.1' }]
    };
    const file = path.join(folder, `azbridge_config.${kind}`);
    writeFileSync(file, kind === 'json' ? JSON.stringify(config) : require('js-yaml').dump(config));
    const child = commands.run(['bridge', '-f', file, '--json']);
    await event(child, 'listening');
    while (!json(child).some(({ url }) => url) || !json(child).some(({ port }) => port)) {
      await once(child.stdout, 'data');
    }
    const { port } = json(child).find((each) => each.port);
    expect(await read(port)).toBe('from a file');
    expect(await event(child, 'disconnect')).toMatchObject({ forward: expect.stringContaining('hyco') });
  });

  onPosix('SIGHUP reads the file again: what is the same goes on', async () => {
    const target = await commands.tcpServer((socket) => socket.pipe(socket));
    const [kept, gone, come] = [await freePort(), await freePort(), await freePort()];
    const file = path.join(folder, 'bridge.json');
    const write = (...ports) =>
      writeFileSync(
        file,
        JSON.stringify({
          AzureRelayConnectionString: connectionString(),
          RemoteForward: [{ RelayName: 'hyco', Host: '127.0.0.1', HostPort: target }],
          LocalForward: ports.map((port) => ({ RelayName: 'hyco', BindPort: port, PortName: String(target) }))
        })
      );
    write(kept, gone);
    const child = commands.run(['bridge', '-f', file, '--json']);
    while ((child.text.match(/"listening"/g) ?? []).length < 3) await once(child.stdout, 'data');
    const open = net.connect(kept, '127.0.0.1');
    open.write('before');
    expect(String((await once(open, 'data'))[0])).toBe('before');

    writeFileSync(file, '{');
    child.kill('SIGHUP');
    await event(child, 'error');

    write(kept, come);
    child.kill('SIGHUP');
    expect(await event(child, 'reloaded')).toMatchObject({ kept: 2, opened: 1, closed: 1 });
    open.write('after');
    expect(String((await once(open, 'data'))[0])).toBe('after');
    const other = net.connect(come, '127.0.0.1');
    other.write('new');
    expect(String((await once(other, 'data'))[0])).toBe('new');
    const [error] = await once(net.connect(gone, '127.0.0.1'), 'error');
    expect(error.code).toBe('ECONNREFUSED');
    open.destroy();
    other.destroy();
  });

  test('a port that is taken is the end, or not, as ExitOnForwardFailure says', async () => {
    const taken = await textServer('taken');
    const args = ['bridge', '--json', '-x', connectionString(), '-L', `${taken}:hyco`, '-L', '0:two'];
    const first = commands.run(args);
    expect(await first.ended).toBe(1);
    expect(await event(first, 'offline')).toMatchObject({ error: { code: 'EADDRINUSE' } });
    const second = commands.run([...args, '-o', 'ExitOnForwardFailure:false']);
    await event(second, 'offline');
    await event(second, 'listening');
    expect(second.exitCode).toBeNull();
  });

  test('writes its log to a file, and nothing with -q', async () => {
    const log = path.join(folder, 'bridge.log');
    const child = commands.run(['bridge', '-x', connectionString(), '-L', '0:hyco', '-l', log]);
    while (!existsSync(log) || !readFileSync(log, 'utf8').includes('listening on')) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const quiet = commands.run(['bridge', '-x', connectionString(), '-q', '-L', 'x.y:1:hyco']);
    expect(await quiet.ended).toBe(1);
    expect(child.errors + child.text + quiet.errors + quiet.text).toBe('');
  });
});
