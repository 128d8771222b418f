'use strict';

// The commands in processes of their own, against the emulator.

const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { Commands, json, seen } = require('./helpers/commands.js');

const commands = new Commands();

describe('token', () => {
  test('makes one that the relay takes', async () => {
    const child = commands.run(['token', '--seconds', '60']);
    expect(await child.ended).toBe(0);
    const sender = commands.run(['connect'], {
      ...commands.env,
      SB_HC_TOKEN: child.text.trim(),
      SB_HC_KEY: ''
    });
    expect(await sender.ended).toBe(1);
    expect(sender.errors).toMatch(/no listeners/i);
  });

  test('with --json, and with the key from stdin', async () => {
    const { SB_HC_KEY: key, ...rest } = commands.env;
    const child = commands.run(['token', '--json', '--key-stdin', '--path', 'other'], rest);
    child.stdin.end(`${key}\n`);
    expect(await child.ended).toBe(0);
    expect(json(child)).toEqual([
      {
        token: expect.stringContaining('&skn='),
        resource: `http://${commands.relay.address}/other`,
        expiresAt: expect.any(String)
      }
    ]);
  });

  test.each([
    [['token'], { SB_HC_KEY: '' }, 'key'],
    [['token'], { SB_HC_NAMESPACE: '' }, '--ns'],
    [['token'], { SB_HC_PATH: '' }, '--path'],
    [['token'], { SB_HC_KEYRULE: '' }, 'a key needs its rule: --keyrule or SB_HC_KEYRULE'],
    [['connect', '--keyrule', 'rule'], { SB_HC_KEY: '' }, 'a rule needs its key: SB_HC_KEY or --key-stdin'],
    [['listen'], { SB_HC_KEY: '', SB_HC_KEYRULE: '' }, 'a listener needs SB_HC_CONNECTION_STRING'],
    [['listen', '--path', 'a/../../b'], {}, '--path (SB_HC_PATH) leads away'],
    [['listen', '--ns', 'a/b'], {}, '--ns (SB_HC_NAMESPACE)'],
    [['listen'], { SB_HC_NAMESPACE: '', SB_HC_CONNECTION_STRING: 'x' }, 'SB_HC_CONNECTION_STRING is invalid'],
    [['listen'], { HTTP_PROXY: 'https://proxy.test' }, 'HTTP_PROXY is invalid'],
    [['listen', '--nonsense'], {}, '--nonsense'],
    [['token', '--seconds', 'x'], {}, '--seconds takes a whole number of seconds from 1 to'],
    [['token', '--seconds', '0'], {}, '--seconds'],
    [['token', '--seconds', '1.5'], {}, '--seconds'],
    [['token', '--seconds', '2147483648'], {}, '--seconds'],
    [['connect', '--wait', ''], {}, '--wait takes a number of seconds from 0 to'],
    [['connect', '--wait', '1e3'], {}, '--wait'],
    [['connect', '--wait', '2147484'], {}, '--wait'],
    [['emulator', '--port', '65536'], {}, '--port takes a whole number from 0 to 65535'],
    [['emulator', '--port', ''], {}, '--port'],
    [['listen', '--to', '127.0.0.1:0'], {}, '--to takes [host:]port, with a port from 1 to 65535'],
    [['listen', '--to', '65536'], {}, '--to'],
    [['listen', '--to', 'x:y'], {}, '--to takes [host:]port'],
    [['connect', '--local', 'x'], {}, '--local takes [host:]port'],
    [['connect', '--raw', '--local', '22'], {}, '--raw and --local exclude each other'],
    [['connect', '--raw', '--wait', '3'], {}, '--raw and --wait exclude each other'],
    [['connect', '--key', 'k'], {}, 'there is no option for the key: SB_HC_KEY or --key-stdin'],
    [['token', '--key=k'], {}, 'there is no option for the key: SB_HC_KEY or --key-stdin'],
    [['listen', '--insecure', '--ns', 'contoso.servicebus.windows.net'], {}, 'this machine']
  ])('%j with %j is wrong usage', async (args, variables, text) => {
    const child = commands.run(args, { ...commands.env, ...variables });
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors).toContain(`hyco-ws-rs ${args[0]} --help`);
    expect(child.errors).not.toMatch(/options\.|connectionString/);
    expect(child.errors).not.toContain(commands.relay.key);
  });
});

describe('what a command complains about', () => {
  const string = 'Endpoint=sb://ns.test/;SharedAccessKeyName=rule;SharedAccessKey=SECRET;EntityPath=hyco';

  test.each([
    [[string], {}, 'SharedAccessKey=***'],
    [['listen', string], {}, 'It takes no arguments but its options'],
    [['connect', `--ns=${string}`, '--path', 'a'], {}, '--ns (SB_HC_NAMESPACE) takes the name of a host'],
    [
      ['token', '--path', 'hyco/../other'],
      { SB_HC_NAMESPACE: '', SB_HC_CONNECTION_STRING: string },
      'EntityPath'
    ],
    [['listen', '--ns', 'wss://u:SECRET@ns.test', '--path', 'a'], {}, '--ns (SB_HC_NAMESPACE)']
  ])('%j is told without a secret', async (args, variables, text) => {
    const child = commands.run(args, variables);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(text);
    expect(child.errors + child.text).not.toContain('SECRET');
  });
});

describe('listen and connect', () => {
  test('talk in lines', async () => {
    const listener = await commands.listening(['--echo']);
    const sender = commands.run(['connect', '--wait', '0.3']);
    sender.stdin.end('one\ntwo\n');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('one\ntwo\n');
    expect(listener.text).toBe('one\ntwo\n');
    listener.kill('SIGINT');
    expect(await listener.ended).toBe(0);
  });

  test('an HTTP request is a line, and gets its own body with --echo', async () => {
    const echo = await commands.listening(['--echo']);
    const headers = { ServiceBusAuthorization: commands.relay.createToken('hyco'), 'Content-Type': 'a/b' };
    const ask = () => fetch(`${commands.relay.httpUri()}/x?y`, { method: 'POST', headers, body: 'body' });
    const response = await ask();
    expect([await response.text(), response.headers.get('content-type')]).toEqual(['body', 'a/b']);
    expect(echo.errors).toMatch(/HTTP POST \/hyco\/x\?y from 127\.0\.0\.1\n/);
    echo.kill('SIGTERM');
    await echo.ended;
    const silent = await commands.listening();
    expect((await ask()).status).toBe(501);
    expect(silent.errors).toContain('HTTP POST');
  });

  test('talk in JSON', async () => {
    const listener = await commands.listening(['--json', '--echo']);
    const sender = commands.run(['connect', '--json', '--wait', '0.3']);
    sender.stdin.end('one\n');
    expect(await sender.ended).toBe(0);
    expect(json(sender)).toEqual([{ text: 'one' }]);
    await seen(listener, listener.stdout, '"close"');
    expect(json(listener).map(({ event }) => event)).toEqual(['listening', 'connection', 'message', 'close']);
  });

  test('carry a TCP connection', async () => {
    const port = await commands.tcpServer((socket) => socket.pipe(socket));
    await commands.listening(['--to', `127.0.0.1:${port}`]);
    const sender = commands.run(['connect', '--local', '0', '--json']);
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

  test('tell when, how much and where to, and of an orderly end as one', async () => {
    const port = await commands.tcpServer((socket) => socket.once('data', () => socket.end('four')));
    const listener = await commands.listening(['--to', `127.0.0.1:${port}`]);
    const sender = commands.run(['connect', '--local', '0']);
    await seen(sender, sender.stderr, 'forwarding');
    const [, local] = /forwarding 127\.0\.0\.1:(\d+) to 127\.0\.0\.1:\d+\/hyco/.exec(sender.errors);
    const client = net.connect(Number(local), '127.0.0.1');
    client.write('1234567');
    client.resume();
    await once(client, 'close');
    await seen(listener, listener.stderr, 'sent');
    await seen(sender, sender.stderr, 'sent');
    const time = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z';
    const to = `, forwarded to 127\\.0\\.0\\.1:${port}`;
    expect(listener.errors).toMatch(
      new RegExp(
        `^${time} listening on 127\\.0\\.0\\.1:\\d+/hyco${to}\n` +
          `${time} \\S+ connected from 127\\.0\\.0\\.1 to /hyco${to}\n` +
          `${time} \\S+ closed: 7 B received, 4 B sent\n$`
      )
    );
    expect(sender.errors).toMatch(
      new RegExp(`\n${time} 127\\.0\\.0\\.1:\\d+ connected\n${time} \\S+ closed: 4 B received, 7 B sent\n$`)
    );
    sender.kill('SIGINT');
    expect(await sender.ended).toBe(0);
    expect(sender.errors).toMatch(/Z stopping: SIGINT\n$/);
  });

  test('pass on all that a client sent before it ended', async () => {
    const received = [];
    const port = await commands.tcpServer((socket) => {
      received.push(socket);
      socket.pause();
    });
    const listener = await commands.listening(['--to', `127.0.0.1:${port}`, '--json']);
    const sender = commands.run(['connect', '--local', '0', '--json']);
    await seen(sender, sender.stdout, '"listening"');
    const [{ port: local }] = json(sender);
    const client = net.connect(local, '127.0.0.1');
    client.on('error', () => {});
    client.end(Buffer.alloc(1_000_000, 'x'));
    await seen(listener, listener.stdout, '"connection"');
    while (received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    let length = 0;
    for await (const part of received[0]) length += part.length;
    expect(length).toBe(1_000_000);
    await seen(listener, listener.stdout, '"close"');
    expect(json(listener).find(({ event }) => event === 'close')).toMatchObject({
      bytesReceived: 1_000_000,
      bytesSent: 0
    });
  });

  test('carry bytes from stdin to stdout', async () => {
    const port = await commands.tcpServer((socket) =>
      socket.once('data', (data) => socket.end(`got ${data}`))
    );
    await commands.listening(['--to', `127.0.0.1:${port}`]);
    const sender = commands.run(['connect', '--raw']);
    sender.stdin.write('bytes');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('got bytes');
  });

  test('carry what a target answers after the end of stdin', async () => {
    let answer;
    const port = await commands.tcpServer((socket) => {
      socket.allowHalfOpen = true;
      socket.resume().on('end', () => (answer = () => socket.end('late')));
    });
    await commands.listening(['--to', `127.0.0.1:${port}`]);
    const sender = commands.run(['connect', '--raw']);
    const closing = once(commands.relay, 'rendezvousClosed');
    sender.stdin.end('question');
    while (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    // Whoever takes the end of stdin for the end of everything has gone when this has come.
    await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 300))]);
    answer();
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('late');
  });

  test('a target that is away ends the connection', async () => {
    const port = await commands.tcpServer(() => {});
    await commands.closers.pop()();
    const listener = await commands.listening(['--to', `127.0.0.1:${port}`]);
    const sender = commands.run(['connect']);
    expect(await sender.ended).toBe(1);
    expect(sender.errors).toContain('502');
    await seen(listener, listener.stderr, 'ECONNREFUSED');
  });

  test('a refusal that waiting does not cure ends listen', async () => {
    const child = commands.run(['listen', '--path', 'nowhere']);
    expect(await child.ended).toBe(1);
    expect(child.errors).toMatch(/^\S+Z offline for good: ERR_HYCO_NOT_FOUND: /m);
    // What to do is said once.
    expect(child.errors.match(/^There is no such hybrid connection/gm)).toHaveLength(1);
    expect(child.errors).not.toContain('\u001b');
    const other = commands.run(['listen', '--path', 'nowhere', '--json']);
    expect(await other.ended).toBe(1);
    const error = expect.objectContaining({ code: 'ERR_HYCO_NOT_FOUND', statusCode: 404 });
    const time = expect.stringMatching(/Z$/);
    expect(json(other)).toEqual([
      { event: 'error', time, error, remedy: expect.stringContaining('hybrid connection') },
      { event: 'offline', time, error }
    ]);
  });

  test.each([
    [['listen', '--path', 'nowhere'], 'offline for good: '],
    [['connect', '--path', 'nowhere'], 'hyco-ws-rs connect: '],
    [['connect', '--wait', 'x'], 'hyco-ws-rs connect: '],
    [['nonsense'], "hyco-ws-rs: there is no command 'nonsense'"]
  ])('the end of %j is red on a terminal, unless NO_COLOR is set', async (args, text) => {
    const terminal = path.join(__dirname, 'fixtures', 'terminal.js');
    for (const [variables, isRed] of [
      [{}, true],
      [{ NO_COLOR: '1' }, false]
    ]) {
      const child = commands.run(args, {
        ...commands.env,
        ...variables,
        NODE_OPTIONS: `--require ${JSON.stringify(terminal)}`
      });
      expect(await child.ended).toBeGreaterThan(0);
      const line = child.errors.split('\n').find((one) => one.includes(text));
      // eslint-disable-next-line no-control-regex
      expect(/^\u001b\[31m.*\u001b\[39m$/.test(line)).toBe(isRed);
    }
  });

  test('a 401 that passes does not end listen', async () => {
    commands.relay.faults.refuse({ status: 401, reason: 'InvalidToken', times: 2, action: 'listen' });
    const child = commands.run(['listen', '--echo']);
    // The first one is followed by a fresh token at once, the second one is an error.
    await seen(child, child.stderr, 'listener: ERR_HYCO_UNAUTHORIZED: ');
    await seen(child, child.stderr, 'listening on');
    const sender = commands.run(['connect', '--wait', '0.3']);
    sender.stdin.end('one\n');
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('one\n');
    child.kill('SIGINT');
    expect(await child.ended).toBe(0);
    expect(child.errors).not.toContain('offline');
    expect(child.errors).toMatch(/connecting again in \d+ ms: same reason\n/);
  });
});

describe('who reads what a command says may go', () => {
  /** Whatever is written to `stream` from now on meets a pipe that nobody reads. */
  const hangUp = (stream) => stream.destroy();

  test.each([[[]], [['--json']], [['--raw']]])('connect %j ends quietly', async (args) => {
    const listener = await commands.listening(['--echo', '--json']);
    const sender = commands.run(['connect', ...args]);
    sender.stdin.write('one\n');
    await seen(sender, sender.stdout, 'one');
    hangUp(sender.stdout);
    const feed = setInterval(() => sender.stdin.write('more\n'), 20);
    sender.stdin.on('error', () => {});
    expect([await sender.ended, sender.errors]).toEqual([0, '']);
    clearInterval(feed);
    await seen(listener, listener.stdout, '"close"');
    const { code } = json(listener).find(({ event }) => event === 'close');
    expect([1000, 1005]).toContain(code);
  });

  test('listen does, on stdout and on stderr', async () => {
    for (const name of ['stdout', 'stderr']) {
      const listener = await commands.listening(['--echo']);
      hangUp(listener[name]);
      const sender = commands.run(['connect']);
      sender.stdin.write('one\n');
      expect(await listener.ended).toBe(0);
      expect(listener.errors).not.toContain('EPIPE');
      sender.stdin.end();
      await sender.ended;
    }
  });

  test.each([[['help']], [['token']], [['doctor']]])('%j does', async (args) => {
    const child = commands.run(args);
    hangUp(child.stdout);
    expect([await child.ended, child.errors]).toEqual([0, '']);
  });
});

test('no TLS where there is some, and TLS where there is none, have a remedy', async () => {
  const { SB_HC_SECURE: _, ...secure } = commands.env;
  const sender = commands.run(['connect'], secure);
  expect(await sender.ended).toBe(1);
  expect(sender.errors).toContain('--insecure');
  const listener = commands.run(['listen'], secure);
  await seen(listener, listener.stderr, '--insecure');
  listener.kill('SIGTERM');
  expect(await listener.ended).toBe(0);

  const tls = Object.fromEntries(
    ['cert', 'key'].map((part) => [
      part,
      fs.readFileSync(path.join(__dirname, 'fixtures', `loopback-${part}.pem`), 'utf8')
    ])
  );
  await commands.start({ tls });
  const other = commands.run(['connect']);
  expect(await other.ended).toBe(1);
  expect(other.errors).toContain('leave --insecure');
});

test('help about a command is its help', async () => {
  for (const args of [
    ['help', 'connect'],
    ['--help', 'connect'],
    ['-h', 'connect']
  ]) {
    const child = commands.run(args);
    expect(await child.ended).toBe(0);
    expect(child.text).toMatch(/^Usage: hyco-ws-rs connect /);
  }
  for (const args of [['help', 'nonsense'], ['nonsense'], ['toString'], ['nonsense', '--help']]) {
    const child = commands.run(args);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain(`there is no command '${args.find((word) => !/help/.test(word))}'`);
    expect(child.errors).toContain('Usage: hyco-ws-rs <command>');
    expect(child.text).toBe('');
  }
});

test('the emulator records what passes, and serves its page', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-'));
  commands.closers.push(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'record.jsonl');
  const child = commands.run(['emulator', '--json', '--inspect', '--record', file]);
  await seen(child, child.stdout, '\n');
  const { address, inspectorUrl, key } = JSON.parse(child.text);
  expect((await fetch(inspectorUrl)).status).toBe(200);
  await fetch(`http://${address}/hyco`, { headers: { Cookie: key } });
  child.kill('SIGTERM');
  expect(await child.ended).toBe(0);
  const text = fs.readFileSync(file, 'utf8');
  expect(text).not.toContain(key);
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  ).toMatchObject([{ kind: 'refused', status: 401 }]);
  if (process.platform !== 'win32') expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  const failing = commands.run(['emulator', '--record', path.join(folder, 'none', 'record.jsonl')]);
  expect(await failing.ended).toBe(1);
  expect(failing.errors).toContain('ENOENT');
});

test('every command has help that names its options', async () => {
  const overview = commands.run(['--help']);
  expect(await overview.ended).toBe(0);
  for (const name of ['listen', 'connect', 'token', 'doctor', 'emulator']) {
    expect(overview.text).toContain(name);
    const child = commands.run([name, '--help']);
    expect(await child.ended).toBe(0);
    expect(child.text).toContain(`hyco-ws-rs ${name}`);
    expect(child.text).toContain('--json');
  }
});
