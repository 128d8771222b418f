'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const readline = require('node:readline');

const { RelayEmulator } = require('../emulator.js');
const { tls } = require('./helpers/emulator-peers.js');

const examples = path.join(__dirname, '..', 'examples');
const children = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

/** Starts a sample; `line(pattern)` waits for a line of its output. */
function run(name, args, env = {}) {
  const child = spawn(process.execPath, [path.join(examples, name), ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit']
  });
  children.push(child);
  child.lines = [];
  const lines = readline.createInterface({ input: child.stdout });
  lines.on('line', (line) => child.lines.push(line));
  child.line = async (pattern) => {
    for (;;) {
      const at = child.lines.findIndex((line) => pattern.test(line));
      if (at >= 0) return child.lines[at];
      await once(lines, 'line');
    }
  };
  child.ended = once(child, 'close');
  return child;
}

test.each([
  ['flags and ws', {}, (relay) => [[`--ns=${relay.address}`, '--path=hyco', `--keyrule=${relay.keyName}`, `--key=${relay.key}`, '--insecure'], {}]], // prettier-ignore
  ['the environment and wss', { tls }, (relay) => [[], {
    SB_HC_NAMESPACE: relay.address, SB_HC_PATH: 'hyco', SB_HC_KEYRULE: relay.keyName, SB_HC_KEY: relay.key, SB_HC_SECURE: 'true',
    NODE_EXTRA_CA_CERTS: path.join(__dirname, 'fixtures', 'loopback-cert.pem')
  }]] // prettier-ignore
])('listener.js and sender.js talk: %s', async (_, options, settings) => {
  const relay = await RelayEmulator.start(options);
  try {
    const [args, env] = settings(relay);
    const listener = run('listener.js', args, env);
    await listener.line(/^listening$/);
    const sender = run('sender.js', args, env);
    await sender.line(/^Started client interval/);
    await listener.line(/^connection accepted from 127\.0\.0\.1$/);
    await listener.line(/heapUsed: \d+/);
    sender.stdin.write('x');
    expect(await sender.ended).toEqual([0, null]);
    expect(sender.lines.at(-1)).toBe('stopping client interval');
    await listener.line(/^connection closed$/);
    listener.kill('SIGINT');
    expect(await listener.ended).toEqual([0, null]);
    expect(listener.lines.at(-1)).toBe('closed');
  } finally {
    await relay.close({ force: true });
  }
});

test('what is missing is a line on how to use it', async () => {
  const empty = { SB_HC_NAMESPACE: '', SB_HC_PATH: '', SB_HC_KEYRULE: '', SB_HC_KEY: '' };
  const child = run('sender.js', ['--ns=x'], empty);
  expect(await child.ended).toEqual([1, null]);
  expect(child.lines).toEqual([expect.stringMatching(/^sender\.js --ns=\[namespace\]/)]);
});

test('what the relay refuses is told in its own words', async () => {
  const relay = await RelayEmulator.start();
  try {
    const args = [
      `--ns=${relay.address}`,
      '--path=hyco',
      `--keyrule=${relay.keyName}`,
      '--key=wrong',
      '--insecure'
    ];
    for (const name of ['listener.js', 'sender.js']) {
      const child = run(name, args);
      await child.line(/InvalidSignature/);
      child.kill();
      await child.ended;
      expect(child.lines.join()).not.toContain('sig=');
    }
  } finally {
    await relay.close({ force: true });
  }
});
