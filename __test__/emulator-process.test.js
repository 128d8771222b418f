'use strict';

// What the emulator does to the process that it runs in, and the command line.

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const { RelayedServer, connectRelayed, createRelayHttpsUri, createRelayToken } = require('..');
const { dial, fixture } = require('./helpers/emulator-peers.js');

// Each test is a process of its own or two, and they may have to wait for a processor.
const root = join(__dirname, '..');
const children = new Set();

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

function node(...args) {
  const child = spawn(process.execPath, args, { cwd: root });
  children.add(child);
  child.text = '';
  child.errors = '';
  child.stdout.setEncoding('utf8').on('data', (data) => (child.text += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (child.errors += data));
  child.ended = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return child;
}

const script = (body) =>
  node('-e', `const { RelayEmulator } = require('./emulator.js'); (async () => { ${body} })();`);

describe('the process', () => {
  test('ends by itself after close', async () => {
    const child = script(
      'const relay = await RelayEmulator.start(); await relay.close(); console.log("closed");'
    );
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.text).toBe('closed\n');
  });

  test('ends by itself after unref, and close still resolves then', async () => {
    const child = script('(await RelayEmulator.start()).unref(); console.log("end");');
    expect(await child.ended).toEqual({ code: 0, signal: null });
    const other = script(
      'const relay = await RelayEmulator.start(); relay.unref(); await relay.close(); console.log("end");'
    );
    expect(await other.ended).toEqual({ code: 0, signal: null });
    expect([child.text, other.text]).toEqual(['end\n', 'end\n']);
  });

  test('stays while the relay runs, even if nobody holds it', async () => {
    const child = node(
      '--expose-gc',
      '-e',
      `const { RelayEmulator } = require('./emulator.js');
       RelayEmulator.start().then((relay) => console.log(relay.listenUri('hyco', { token: true })));
       setTimeout(() => { gc(); console.log('collected'); }, 100);`
    );
    while (!child.text.includes('collected')) await once(child.stdout, 'data');
    const control = await dial(child.text.split('\n')[0]);
    expect(child.exitCode).toBeNull();
    control.terminate();
  });

  test('tells a program that was busy 10,000 events, and then whatever comes', async () => {
    const pings = `const socket = new (require('ws'))(process.argv[1]);
      socket.on('open', () => {
        for (let i = 0; i < 11_000; i++) socket.ping();
        socket.close();
      });`;
    const child = script(
      `let told = 0;
       const relay = await RelayEmulator.start();
       relay.on('listener', () => told++).on('ping', () => told++);
       const address = relay.listenUri('hyco', { token: true });
       require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(pings)}, address]);
       const refused = require('node:events').once(relay, 'refused');
       await fetch(relay.httpUri('hyco'));
       await refused;
       await relay.close();
       console.log(told);`
    );
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.text).toBe('10000\n');
  });

  test('may exit, and end a worker, while a relay runs', async () => {
    const exit = script('await RelayEmulator.start(); process.exit(7);');
    expect(await exit.ended).toEqual({ code: 7, signal: null });
    const worker = node(
      '-e',
      `const { Worker } = require('node:worker_threads');
       const body = "const { RelayEmulator } = require('./emulator.js'); RelayEmulator.start().then(() => require('node:worker_threads').parentPort.postMessage('up'));";
       const worker = new Worker(body, { eval: true });
       worker.on('message', async () => { await worker.terminate(); console.log('terminated'); });`
    );
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(worker.text).toBe('terminated\n');
  });
});

describe('npx hyco-ws-rs emulator', () => {
  const command = (...args) => node(join(root, 'bin', 'hyco-ws-rs.js'), ...args);

  test('serves until a signal and prints what to paste', async () => {
    const child = command(
      'emulator',
      '--path',
      'a',
      '--path',
      'b/c',
      '--path',
      'a',
      '--key-name',
      'rule',
      '--key',
      "it's"
    );
    while (!child.text.includes('Ctrl+C')) await once(child.stdout, 'data');
    expect(child.text).toMatch(/^export SB_HC_NAMESPACE=ws:\/\/127\.0\.0\.1:\d+$/m);
    expect(child.text).toMatch(/hybrid connections: a, b\/c$/m);
    expect(child.text).toMatch(/^export SB_HC_PATH=a$/m);
    expect(child.text).toMatch(/^export SB_HC_KEYRULE=rule$/m);
    expect(child.text).toMatch(/^export SB_HC_KEY='it'\\''s'$/m);
    expect(child.text).toMatch(/EntityPath=b\/c;UseDevelopmentEmulator=true$/m);
    expect(child.text).not.toContain('everybody knows');
    child.kill('SIGINT');
    expect(await child.ended).toEqual({ code: 0, signal: null });
  });

  test('prints JSON, and serves TLS', async () => {
    const files = ['cert', 'key'].map((name) => join(__dirname, 'fixtures', `loopback-${name}.pem`));
    const child = command('emulator', '--json', '--anonymous', '--tls-cert', files[0], '--tls-key', files[1]);
    while (!child.text.includes('\n')) await once(child.stdout, 'data');
    const info = JSON.parse(child.text);
    expect(info).toMatchObject({
      secure: true,
      address: `${info.host}:${info.port}`,
      keyName: expect.any(String)
    });
    expect(info.hybridConnections[0].sendUri).toMatch(/^wss:/);
    const refused = await dial(info.hybridConnections[0].sendUri, [], {
      ca: fixture('loopback-cert.pem')
    }).catch((e) => e);
    expect(refused).toMatchObject({ status: 404 });
    child.kill('SIGTERM');
    expect(await child.ended).toEqual({ code: 0, signal: null });
  });

  test('has the same key at each start, which it says protects nothing, as long as nobody else can come', async () => {
    const info = async (...args) => {
      const child = command('emulator', '--json', ...args);
      while (!child.text.includes('\n')) await once(child.stdout, 'data');
      child.kill('SIGTERM');
      await child.ended;
      return JSON.parse(child.text);
    };
    const [first, second] = [await info(), await info('--host', 'localhost')];
    expect(first).toMatchObject({ key: expect.stringContaining('protects-nothing'), developmentOnly: true });
    expect(second.key).toBe(first.key);
    expect(await info('--key', 'mine')).toMatchObject({ key: 'mine', developmentOnly: false });
    const open = [await info('--host', '0.0.0.0'), await info('--host', '0.0.0.0')];
    expect(open[0]).toMatchObject({ key: expect.stringMatching(/^[\w+/]{43}=$/), developmentOnly: false });
    expect(open[1].key).not.toBe(open[0].key);

    const child = command('emulator');
    while (!child.text.includes('Ctrl+C')) await once(child.stdout, 'data');
    expect(child.text).toMatch(/fixed one for development.* protects nothing/);
    expect(child.text.match(/Endpoint=sb:/g)).toHaveLength(1);
  });

  test('tells what happens, a line for each event, unless it is to be quiet', async () => {
    for (const quiet of [false, true]) {
      const child = command('emulator', '--json', ...(quiet ? ['--quiet'] : []));
      while (!child.text.includes('\n')) await once(child.stdout, 'data');
      const { address, keyName, key, hybridConnections } = JSON.parse(child.text);
      const [{ connectionString, sendUri }] = hybridConnections;
      const refused = await dial(sendUri).catch((error) => error);
      expect(refused.status).toBe(401);
      const makeToken = () => createRelayToken(sendUri, keyName, key);
      const server = RelayedServer.fromConnectionString(connectionString, {
        token: makeToken(),
        verifyClient: ({ req }) => !req.url.includes('not')
      });
      await once(server, 'listening');
      server.updateToken(makeToken());
      server.on('request', (req, res) => res.end());
      await fetch(createRelayHttpsUri(`ws://${address}`, 'hyco', makeToken()));
      const sender = await connectRelayed(connectionString);
      sender.close(4001);
      await once(sender, 'close');
      await expect(connectRelayed(connectionString, { path: 'hyco/not' })).rejects.toMatchObject({
        statusCode: 401
      });
      await server.close();
      child.kill('SIGINT');
      await child.ended;
      if (quiet) {
        expect(child.errors).toBe('');
        continue;
      }
      const lines = child.errors.trim().split('\n');
      expect(
        lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, '').replace(/[\w-]{36}(_G\d+)?/, 'ID'))
      ).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^refused, at \/hyco: 401 MissingToken: /),
          'hyco: listener ID is online',
          'hyco: listener ID has renewed its token',
          'hyco: HTTP GET, ID',
          'hyco: sender ID asks for a listener',
          'hyco: sender ID has met a listener',
          'hyco: sender ID has ended, with 4001 of the sender and 4001 of the listener',
          expect.stringMatching(
            /^hyco\/not: sender ID was rejected by a listener: 401 |^hyco: sender ID was rejected by a listener: 401 /
          ),
          'hyco: listener ID is gone'
        ])
      );
      expect(child.errors).not.toMatch(/SharedAccessSignature|sig=/);
    }
  });

  describe('--write-env', () => {
    let folder;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'hyco-env-'));
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    /** The variables of the relay, as Node.js reads them from the file, and as a shell does. */
    async function readBack(file) {
      const print = [
        '-p',
        'JSON.stringify(Object.entries(process.env).filter(([name]) => name.startsWith("SB_HC_")))'
      ];
      const clean = Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !name.startsWith('SB_HC_'))
      );
      const options = { env: clean, cwd: folder, encoding: 'utf8' };
      const byNode = execFileSync(process.execPath, [`--env-file=${file}`, ...print], options);
      const script = `set -a; . "$1"; shift; exec "$@"`;
      const byShell =
        process.platform === 'win32'
          ? byNode
          : execFileSync('sh', ['-c', script, 'sh', file, process.execPath, ...print], options);
      expect(Object.fromEntries(JSON.parse(byShell))).toEqual(Object.fromEntries(JSON.parse(byNode)));
      return Object.fromEntries(JSON.parse(byNode));
    }

    test.each([
      [[]],
      [['--key', "it's"]],
      [['--key', '$HOME `x` "y" \\ # z']],
      [['--path', 'größe/2', '--path', "it's"]]
    ])('with %j writes what Node.js and a shell read alike', async (args) => {
      const file = join(folder, 'relay.env');
      for (let round = 0; round < 2; round++) {
        const child = command(
          'emulator',
          '--path',
          'a',
          '--path',
          'a/b',
          '--path',
          'a.b',
          ...args,
          '--write-env',
          file
        );
        while (!child.text.includes('Ctrl+C')) await once(child.stdout, 'data');
        const env = await readBack(file);
        const [, port] = /127\.0\.0\.1:(\d+)/.exec(child.text);
        expect(env).toMatchObject({
          SB_HC_NAMESPACE: `ws://127.0.0.1:${port}`,
          SB_HC_PATH: 'a',
          SB_HC_KEYRULE: 'RootManageSharedAccessKey',
          SB_HC_KEY: args[0] === '--key' ? args[1] : expect.any(String),
          SB_HC_CONNECTION_STRING: expect.stringContaining('EntityPath=a;'),
          SB_HC_CONNECTION_STRING_A_B_2: expect.stringContaining('EntityPath=a.b;')
        });
        expect(env.SB_HC_SEND_URI).toBe(env.SB_HC_SEND_URI_A);
        // The token in it is good: nobody listens, and that is all that is wrong.
        for (const name of Object.keys(env).filter((name) => name.startsWith('SB_HC_SEND_URI'))) {
          const refused = await dial(env[name]).catch((error) => error);
          expect([name, refused.status]).toEqual([name, 404]);
        }
        if (process.platform !== 'win32') expect(statSync(file).mode & 0o77).toBe(0);
        child.kill('SIGINT');
        expect(await child.ended).toEqual({ code: 0, signal: null });
      }
    });

    test('the file is there as long as the relay is, and a former one goes at the start', async () => {
      const file = join(folder, '.env');
      const first = command('emulator', '--write-env', file);
      while (!first.text.includes('Ctrl+C')) await once(first.stdout, 'data');
      expect(first.text).toContain(`Written to ${file}: node --env-file=${file} your-program.js\n`);
      const [, port] = /127\.0\.0\.1:(\d+)/.exec(first.text);
      const second = command('emulator', '--port', port, '--write-env', file);
      expect(await second.ended).toEqual({ code: 1, signal: null });
      expect(second.errors).toContain('take another one, or 0 for a free one');
      expect(existsSync(file)).toBe(false);
      const third = command('emulator', '--write-env', file);
      while (!third.text.includes('Ctrl+C')) await once(third.stdout, 'data');
      // It is the third's now.
      first.kill('SIGINT');
      await first.ended;
      expect(existsSync(file)).toBe(true);
      third.kill('SIGINT');
      await third.ended;
      expect(existsSync(file)).toBe(false);
    });

    test.each(['--write-env', '--env-file'])(
      'has no token where none is asked for, with %s',
      async (flag) => {
        const file = join(folder, '.env');
        writeFileSync(file, '');
        const child = command('emulator', '--anonymous', flag, file);
        while (!child.text.includes('Ctrl+C')) await once(child.stdout, 'data');
        const { SB_HC_SEND_URI, ...rest } = await readBack(file);
        expect(SB_HC_SEND_URI).toMatch(/\/\$hc\/hyco\?sb-hc-action=connect$/);
        expect(Object.keys(rest).filter((name) => name.startsWith('SB_HC_SEND_URI'))).toEqual([]);
      }
    );

    test("leaves a file alone that is somebody else's", async () => {
      const file = join(folder, '.env');
      writeFileSync(file, 'MINE=1\n');
      const child = command('emulator', '--write-env', file);
      expect(await child.ended).toEqual({ code: 2, signal: null });
      expect(child.errors).toMatch(/--write-env: .*\.env was not written by this command/);
      expect(readFileSync(file, 'utf8')).toBe('MINE=1\n');
      expect(child.text).toBe('');
    });

    test.each([
      [['--key', `it's "mine"`], 2, /SB_HC_KEY has quotes/],
      [['--write-env', tmpdir()], 1, /EISDIR/],
      [['--write-env', join(tmpdir(), 'no', 'such', 'folder')], 1, /ENOENT/]
    ])('%j ends with what is wrong, and not in a hang', async (args, code, text) => {
      const child = command('emulator', '--write-env', join(folder, '.env'), ...args);
      expect(await child.ended).toEqual({ code, signal: null });
      expect(child.errors).toMatch(text);
      expect(child.text).toBe('');
    });
  });

  test.each([
    [[], 2, /Usage/],
    [['nope'], 2, /no command 'nope'/],
    [['emulator', '--nope'], 2, /--nope/],
    [['emulator', '--port', 'x'], 2, /port/],
    [['emulator', '--tls-cert', 'x'], 2, /belong together/],
    [['emulator', '--tls-cert', 'x', '--tls-key', 'y'], 1, /ENOENT/]
  ])('%j is told what is wrong', async (args, code, text) => {
    const child = command(...args);
    expect(await child.ended).toEqual({ code, signal: null });
    expect(child.errors).toMatch(text);
    expect(child.text).toBe('');
  });

  test('--help, of all and of one', async () => {
    for (const args of [['--help'], ['emulator', '--help']]) {
      const child = command(...args);
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect(child.text).toMatch(/^Usage: hyco-ws-rs/);
    }
  });
});
