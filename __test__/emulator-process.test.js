'use strict';

// What the emulator does to the process that it runs in, and the command line.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');

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
    const child = command('emulator', '--path', 'a', '--path', 'b/c', '--key-name', 'rule', '--key', "it's");
    while (!child.text.includes('Ctrl+C')) await once(child.stdout, 'data');
    expect(child.text).toMatch(/^export SB_HC_NAMESPACE=127\.0\.0\.1:\d+$/m);
    expect(child.text).toMatch(/^export SB_HC_PATH=a$/m);
    expect(child.text).toMatch(/^export SB_HC_KEYRULE=rule$/m);
    expect(child.text).toMatch(/^export SB_HC_KEY='it'\\''s'$/m);
    expect(child.text).toMatch(/EntityPath=b\/c;UseDevelopmentEmulator=true$/m);
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
