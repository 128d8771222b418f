'use strict';

// `token --uri`: addresses that any client can use as they are.

const { execFile } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { promisify } = require('node:util');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const bin = path.join(__dirname, '..', 'bin', 'hyco-ws-rs.js');
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
afterEach(() => relay.close({ force: true }));

async function token(args, variables = env) {
  const { SB_HC_CONNECTION_STRING: _, SB_HC_TOKEN: __, ...rest } = process.env;
  const { stdout } = await promisify(execFile)(process.execPath, [bin, 'token', ...args], {
    env: { ...rest, SB_HC_SECURE: '', ...variables }
  });
  expect(stdout).toMatch(/^(\S+|{.*})\n$/);
  return stdout.trim();
}

// A path in the query's way, and one that has to be encoded.
test.each(['hyco', 'hyco/below?x=1&y=2', 'déjà vu/q?x=é&'])(
  'prints addresses that need nothing else: %s',
  async (target) => {
    relay.addHybridConnection('déjà vu');
    const server = new WebSocket(await token(['--uri', 'listen', '--path', target.replace(/[/?].*/, '')]));
    await once(server, 'open');
    const asking = new AbortController();
    const heard = once(server, 'message');
    fetch(await token(['--uri', 'http', '--path', target]), { signal: asking.signal }).catch(() => {});
    const [request] = await heard;
    asking.abort();
    const { requestTarget } = JSON.parse(request).request;
    expect(decodeURI(requestTarget)).toBe(`/${target}`);
    const sender = new WebSocket(await token(['--uri', 'send', '--path', target]));
    sender.on('error', () => {});
    const [offer] = await once(server, 'message');
    expect(JSON.parse(offer).accept.connectHeaders.Host).toBe(relay.address);
    sender.terminate();
    server.close();
  }
);

test('with --json it is one of the fields, and otherwise there is none', async () => {
  const { uri, token: text, resource } = JSON.parse(await token(['--json', '--uri', 'http']));
  expect(uri).toBe(`http://${relay.address}/hyco?sb-hc-token=${encodeURIComponent(text)}`);
  expect(resource).toBe(`http://${relay.address}/hyco`);
  expect(Object.keys(JSON.parse(await token(['--json'])))).toEqual(['token', 'resource', 'expiresAt']);
});

test("Azure's need no port", async () => {
  const azure = {
    SB_HC_NAMESPACE: 'contoso.servicebus.windows.net',
    SB_HC_PATH: 'hyco',
    SB_HC_KEYRULE: 'rule',
    SB_HC_KEY: 'key'
  };
  const texts = [];
  for (const kind of ['send', 'listen', 'http']) {
    texts.push((await token(['--uri', kind], azure)).replace(/sb-hc-token=.*/s, ''));
  }
  expect(texts).toEqual([
    'wss://contoso.servicebus.windows.net/$hc/hyco?sb-hc-action=connect&',
    'wss://contoso.servicebus.windows.net/$hc/hyco?sb-hc-action=listen&',
    'https://contoso.servicebus.windows.net/hyco?'
  ]);
});
