'use strict';

// Options under a name that is nearly right, and addresses that are meant for the other side.

const { RelayedServer, RelayedWebSocket, connectRelayed, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');

const LISTEN = 'ws://127.0.0.1:1/$hc/hyco?sb-hc-action=listen&sb-hc-id=7';
const SEND = 'ws://127.0.0.1:1/$hc/hyco?x=1&sb-hc-action=connect';

let warnings;
beforeEach(() => {
  warnings = [];
  jest
    .spyOn(process, 'emitWarning')
    .mockImplementation((text, { code } = {}) => code === 'HYCO_WS_RS_UNKNOWN_OPTION' && warnings.push(text));
});
afterEach(() => jest.restoreAllMocks());

const serve = (options) => {
  const server = new RelayedServer({ server: LISTEN, token: 't', ...options });
  server.on('error', () => {});
  return server.close();
};
const connect = (options) => relayedConnect(SEND, options).on('error', () => {});

test('a name that is nearly one of a server is told once, with the right one', async () => {
  for (let count = 0; count < 3; count++) {
    await serve({ keepAlife: false, reconnect: { minDlay: 1 }, perMessageDeflate: { treshold: 1 } });
  }
  expect(warnings.sort()).toEqual([
    'RelayedServer has no option "keepAlife": is "keepAlive" meant?',
    'RelayedServer has no option "perMessageDeflate.treshold": is "perMessageDeflate.threshold" meant?',
    'RelayedServer has no option "reconnect.minDlay": is "reconnect.minDelay" meant?'
  ]);
});

test('the right one of what is missing is told before it is missed', () => {
  expect(() => new RelayedServer({ server: LISTEN, keyname: 'rule', key: 'secret' })).toThrow(
    "'keyName' must be"
  );
  expect(() => relayedConnect(SEND, { keyName: 'rule', Key: 'secret' })).toThrow("'key' must be");
  expect(warnings).toEqual([
    'RelayedServer has no option "keyname": is "keyName" meant?',
    'relayedConnect has no option "Key": is "key" meant?'
  ]);
});

test('of a sender, too, by whichever function, and of the emulator', async () => {
  connect({ maxBuferedAmount: 1 });
  await connectRelayed(SEND, { keepAlive: { intervall: 5 }, Protocols: 'a' }).catch(() => {});
  const relay = await RelayEmulator.start({
    maxlisteners: 1,
    hybridConnections: [{ path: 'a', requiresClientAuthorisation: false }],
    sharedAccessPolicies: [{ keyname: 'a' }]
  });
  await relay.close();
  expect(warnings).toEqual([
    'relayedConnect has no option "maxBuferedAmount": is "maxBufferedAmount" meant?',
    'relayedConnect has no option "keepAlive.intervall": is "keepAlive.interval" meant?',
    'relayedConnect has no option "Protocols": is "protocols" meant?',
    'RelayEmulator has no option "maxlisteners": is "maxListeners" meant?',
    'RelayEmulator has no option "hybridConnections.requiresClientAuthorisation": ' +
      'is "hybridConnections.requiresClientAuthorization" meant?',
    'RelayEmulator has no option "sharedAccessPolicies.keyname": is "sharedAccessPolicies.keyName" meant?'
  ]);
});

test("nothing is said of names that are right, that are ws's, or that look like nothing here", async () => {
  await serve({
    disableHixie: true,
    backlog: 1,
    host: 'x',
    port: 1,
    noServer: true,
    WebSocket: RelayedWebSocket,
    colour: 1,
    tls: { servername: 'x' },
    perMessageDeflate: { zlibDeflateOptions: { memLevel: 1 }, zlibInflateOptions: {}, concurrencyLimit: 1 }
  });
  connect({
    hints: 1,
    timeout: 1,
    method: 'GET',
    hostname: 'x',
    port: 1,
    url: 'x',
    id: 'x',
    tls: {},
    perMessageDeflate: { zlibInflateOptions: {} },
    keyName: 'a',
    key: 'b',
    tokenLifetime: 1
  });
  new RelayedWebSocket('ws://127.0.0.1:1', { keepAlife: true }).on('error', () => {});
  expect(warnings).toEqual([]);
});

const refusal = (name, helper) =>
  expect.objectContaining({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_VALUE',
    message: expect.stringMatching(new RegExp(`"${name}".*${helper}`))
  });

test.each([
  ['a URI to listen on', LISTEN],
  ['the same as a URL', new URL(LISTEN)],
  ['sb:', 'sb://ns.test/hyco?sb-hc-action=Listen'],
  ['a path that brings it', 'Endpoint=sb://ns.test;EntityPath=hyco?sb-hc-action=listen']
])('a sender does not become a listener by %s', async (_, address) => {
  expect(() => relayedConnect(address)).toThrow(refusal('address', 'createRelaySendUri'));
  expect(() => relayedConnect(address, async () => 't')).toThrow(refusal('address', 'createRelaySendUri'));
  await expect(connectRelayed(address)).rejects.toEqual(refusal('address', 'createRelaySendUri'));
});

test('a server does not listen on a URI to send to, nor on a connection string', () => {
  for (const server of [SEND, new URL(SEND), 'sb://ns.test/hyco?sb-hc-action=connect']) {
    expect(() => new RelayedServer({ server, token: 't' })).toThrow(
      refusal('options.server', 'createRelayListenUri')
    );
  }
  const text = 'Endpoint=sb://ns.test/;SharedAccessKeyName=a;SharedAccessKey=hush';
  const wrong = () => new RelayedServer({ server: text });
  expect(wrong).toThrow(refusal('options.server', 'fromConnectionString'));
  expect(wrong).not.toThrow('hush');
});

test('a parameter of the same name elsewhere is none', () => {
  for (const uri of [
    'ws://127.0.0.1:1/sb-hc-action=listen?sb-hc-action=connect',
    'ws://127.0.0.1:1/a?xsb-hc-action=listen',
    'ws://127.0.0.1:1/a?b=?sb-hc-action=listen'
  ]) {
    expect(() => relayedConnect(uri).on('error', () => {})).not.toThrow();
  }
});
