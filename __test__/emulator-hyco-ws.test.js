'use strict';

// The package that this one replaces must work against the emulator: it is the client that the service knows.

const { execFile } = require('node:child_process');
const { join } = require('node:path');
const { promisify } = require('node:util');

const { RelayEmulator } = require('../emulator.js');
const { dial, listen, meet, send, terminateAll, tls } = require('./helpers/emulator-peers.js');

const run = promisify(execFile);
const child = (role, relay) =>
  run(process.execPath, [join(__dirname, 'fixtures', 'hyco-ws-peer.js'), role], {
    env: {
      ...process.env,
      NODE_EXTRA_CA_CERTS: join(__dirname, 'fixtures', 'loopback-cert.pem'),
      LISTEN: relay.listenUri(),
      SEND: relay.sendUri(),
      RULE: relay.keyName,
      KEY: relay.key
    }
  });

afterEach(terminateAll);

describe.each([
  ['ws', {}],
  ['wss', { tls }]
])('hyco-ws 1.0.5 over %s', (scheme, options) => {
  let relay;
  beforeEach(async () => {
    relay = await RelayEmulator.start(options);
  });
  afterEach(() => relay.close());

  test('as listener and sender', async () => {
    const { stdout } = await child('both', relay);
    expect(JSON.parse(stdout)).toEqual({
      text: ['string', 'echo ü'],
      binary: '010203',
      large: 1 << 20,
      closed: [4001, 'bye'],
      listenerClosed: [4001, 'bye']
    });
    expect(relay.stats().totals).toMatchObject({ listeners: 1, rendezvous: 1, refused: 0 });
  });

  test('as listener, with a sender on ws 8 that offers subprotocols and deflate', async () => {
    const up = new Promise((resolve) => relay.once('listener', resolve));
    const listening = child('listener', relay);
    await up;
    const sender = await send(relay, 'hyco', { protocols: ['first', 'second'], perMessageDeflate: true });
    expect([sender.protocol, sender.extensions]).toEqual(['first', '']);
    sender.send('hello');
    expect((await sender.messages.next())[0].toString()).toBe('echo hello');
    sender.close(1000, 'end');
    await sender.closed;
    await listening;
  });

  test('as sender, with a listener on ws 8', async () => {
    const control = await listen(relay, 'hyco');
    const sending = child('sender', relay);
    const { accept } = await control.nextCommand();
    const leg = await dial(accept.address);
    const [data, binary] = await leg.messages.next();
    expect([data.toString(), binary]).toEqual(['hello', false]);
    leg.send('echo hello');
    expect(await leg.closed).toEqual([1000, 'end']);
    expect(JSON.parse((await sending).stdout)).toEqual({ got: 'echo hello' });
  });

  test('appendRelayToken on an address without a query', async () => {
    const hyco = require('hyco-ws');
    const control = await listen(relay, 'hyco');
    const bare = relay.sendUri().split('?')[0];
    const uri = hyco.appendRelayToken(bare, relay.keyName, relay.key);
    expect(uri).toContain('?null&sb-hc-token=');
    dial(uri).catch(() => {});
    const { accept } = await control.nextCommand();
    expect(accept.address).toContain('/$hc/hyco?null&sb-hc-action=accept');
    const [sender] = await meet(relay, control, 'hyco');
    sender.close();
    await sender.closed;
  });
});
