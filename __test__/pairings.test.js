'use strict';

// A program written for hyco-ws, unchanged, on the old package and on this one, in every combination.

const { execFile } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { promisify } = require('node:util');

const { RelayEmulator } = require('../emulator.js');
const { tls } = require('./helpers/emulator-peers.js');

const run = promisify(execFile);
const root = path.join(__dirname, '..');
const packages = { 'hyco-ws': 'hyco-ws', 'hyco-ws-rs': root };

function program(name, role, relay) {
  const env = {
    ...process.env,
    NODE_EXTRA_CA_CERTS: path.join(__dirname, 'fixtures', 'loopback-cert.pem'),
    PACKAGE: packages[name],
    LISTEN: relay.listenUri(),
    SEND: relay.sendUri(),
    RULE: relay.keyName,
    KEY: relay.key
  };
  return run(process.execPath, [path.join(__dirname, 'fixtures', 'sample.js'), role], { env });
}

describe.each([
  ['ws', {}],
  ['wss', { tls }]
])('over %s', (scheme, options) => {
  test.each([
    ['hyco-ws', 'hyco-ws'],
    ['hyco-ws', 'hyco-ws-rs'],
    ['hyco-ws-rs', 'hyco-ws'],
    ['hyco-ws-rs', 'hyco-ws-rs']
  ])('a listener on %s and a sender on %s', async (listenerOn, senderOn) => {
    const relay = await RelayEmulator.start(options);
    try {
      const up = once(relay, 'listener');
      const listening = program(listenerOn, 'listener', relay);
      await Promise.race([up, listening]);
      const [sender, listener] = await Promise.all([program(senderOn, 'sender', relay), listening]);
      expect(JSON.parse(sender.stdout)).toEqual(['open', 'answer to first', 'answer to größer']);
      expect(JSON.parse(listener.stdout)).toEqual([
        'listening',
        'connection',
        'open',
        'first',
        'größer',
        'closed'
      ]);
      expect(sender.stderr + listener.stderr).not.toContain('Error');
      expect(relay.stats().totals).toMatchObject({ rendezvous: 1, refused: 0 });
    } finally {
      await relay.close({ force: true });
    }
  });
});
