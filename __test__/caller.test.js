'use strict';

// What a public function throws at once has a stack that begins with the caller, as with Node's own functions.

const https = require('../https.js');
const WebSocket = require('..');
const { atCaller, refusal } = require('../lib/shared/caller.js');
const { RelayEmulator } = require('../emulator.js');

const { RelayedServer, RelayedWebSocket } = WebSocket;

const TOKEN = { server: 'ws://127.0.0.1:1/$hc/x', token: 'x' };
let relay;
let server;
let listening;
let socket;

beforeAll(async () => {
  relay = await RelayEmulator.start();
  server = https.createRelayedServer(TOKEN);
  listening = WebSocket.createRelayedServer({
    server: relay.listenUri(),
    keyName: relay.keyName,
    key: relay.key
  });
  await new Promise((resolve) => listening.once('listening', resolve));
  socket = await WebSocket.connectRelayed(relay.sendUri(), { token: relay.createToken() });
});
afterAll(async () => {
  socket.terminate();
  await server.close();
  await listening.close({ timeout: 0 });
  await relay.close({ force: true });
});

/** The file of the first line of a stack. */
const first = (error) => /^ +at .*?([\w-]+(?:\.test)?\.js):\d+:\d+\)?$/m.exec(error.stack)?.[1];

function caught(act) {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

/** A socket that is still CONNECTING, and nobody's. */
function connecting() {
  const pending = new RelayedWebSocket('ws://127.0.0.1:1');
  pending.on('error', () => {});
  pending.terminate();
  return new RelayedWebSocket('ws://127.0.0.1:1').on('error', () => {});
}

const CALLS = {
  createRelayToken: () => WebSocket.createRelayToken(1),
  'createRelayToken, in Rust': () => WebSocket.createRelayToken('ws://[', 'rule', 'key'),
  appendRelayToken: () => WebSocket.appendRelayToken('ws://x', 'rule'),
  createRelayBaseUri: () => WebSocket.createRelayBaseUri(),
  createRelayListenUri: () => WebSocket.createRelayListenUri('ns'),
  createRelaySendUri: () => WebSocket.createRelaySendUri('', 'x'),
  createRelayHttpsUri: () => WebSocket.createRelayHttpsUri('ns', 7),
  parseConnectionString: () => WebSocket.parseConnectionString('x'),
  relayedConnect: () => WebSocket.relayedConnect(relay.listenUri()),
  'relayedConnect, an address that is none': () => WebSocket.relayedConnect('nonsense'),
  'relayedConnect, a subprotocol': () => WebSocket.relayedConnect(relay.sendUri(), { protocols: ['a', 'a'] }),
  'relayedConnect, a header': () => WebSocket.relayedConnect(relay.sendUri(), { headers: { 'a b': 'c' } }),
  'relayedConnect, later': () => WebSocket.relayedConnect('nonsense', { token: async () => 'x' }),
  createRelayedServer: () => WebSocket.createRelayedServer({}),
  createRelayedListener: () => WebSocket.createRelayedListener({ ...TOKEN, keepAlive: 7 }),
  'new RelayedServer': () => new RelayedServer(TOKEN, 7),
  RelayedServer: () => RelayedServer({ server: 'nonsense', token: 'x' }),
  'RelayedServer, without credentials': () => new RelayedServer({ server: TOKEN.server }),
  'RelayedServer, TLS': () => new RelayedServer({ ...TOKEN, server: 'wss://x/$hc/x', tls: { ca: 'no PEM' } }),
  'a class that extends it': () => new (class extends RelayedServer {})({}),
  'RelayedServer.fromConnectionString': () => RelayedServer.fromConnectionString('x'),
  'server.attach': () => listening.attach({}),
  'server.close': () => listening.close(7),
  'server.updateToken': () => listening.updateToken(''),
  'new RelayedWebSocket': () => new RelayedWebSocket('nonsense'),
  'new RelayedWebSocket, its scheme': () => new RelayedWebSocket('ftp://x'),
  'new RelayedWebSocket, its version': () => new RelayedWebSocket('ws://x', { protocolVersion: 7 }),
  'a class that extends that': () => new (class extends RelayedWebSocket {})('nonsense'),
  'socket.send': () => connecting().send('x'),
  'socket.ping': () => connecting().ping(),
  'socket.ping, too long': () => socket.ping('x'.repeat(126)),
  'socket.pong': () => connecting().pong(),
  'socket.close': () => socket.close(7),
  'socket.close, too long': () => socket.close(1000, 'x'.repeat(124)),
  'https createRelayedServer': () => https.createRelayedServer(),
  'https Server': () => https.Server({ server: 7 }),
  'https new Server': () => new https.Server({ server: 7 }),
  'https server.close': () => server.close(7),
  'https server.updateToken': () => server.updateToken(7),
  'new RelayEmulator': () => new RelayEmulator(),
  'relay.listenUri': () => relay.listenUri(7),
  'relay.sendUri': () => relay.sendUri('x', { id: 7 }),
  'relay.httpUri': () => relay.httpUri(7),
  'relay.connectionString': () => relay.connectionString(7),
  'relay.createToken': () => relay.createToken('hyco', { keyName: 'nobody' }),
  'relay.addHybridConnection': () => relay.addHybridConnection(7),
  'relay.removeHybridConnection': () => relay.removeHybridConnection(7),
  'relay.faults.delay': () => relay.faults.delay('soon'),
  'relay.faults.refuse': () => relay.faults.refuse({ status: 7 })
};

test.each(Object.keys(CALLS))('%s', (name) => {
  const error = caught(CALLS[name]);
  expect([error.message, first(error)]).toEqual([error.message, 'caller.test.js']);
  expect(error.stack).toContain(error.message.split('\n')[0]);
});

test.each([
  ['connectRelayed', () => WebSocket.connectRelayed('nonsense')],
  ['connectRelayed of a token', () => WebSocket.connectRelayed(relay.sendUri(), 7)],
  ['RelayEmulator.start', () => RelayEmulator.start({ port: 'x' })]
])('what %s rejects with for its arguments', async (name, call) => {
  const error = await call().catch((reason) => reason);
  expect([error.message, first(error)]).toEqual([error.message, 'caller.test.js']);
});

test('every function of this package that is exported is among these', () => {
  // Of ws and of Node's https, and what cannot throw.
  const others = new Set(['RelayError', 'connectRelayed']);
  const own = Object.keys(WebSocket).filter((name) => /[rR]elay/.test(name) && !others.has(name));
  own.push('parseConnectionString');
  const named = Object.keys(CALLS).join('\n');
  expect(own.filter((name) => !named.includes(name))).toEqual([]);
  expect(own.length).toBeGreaterThan(9);
});

test('names and lengths are what they were', () => {
  const { createRelayToken, createRelaySendUri, relayedConnect, createRelayedServer } = WebSocket;
  const all = [createRelayToken, createRelaySendUri, relayedConnect, createRelayedServer];
  expect(all.map(({ name, length }) => `${name} ${length}`)).toEqual([
    'createRelayToken 4',
    'createRelaySendUri 4',
    'relayedConnect 3',
    'createRelayedServer 2'
  ]);
  expect(RelayedServer.prototype.close.name).toBe('close');
});

test("an error of the program's own keeps its stack", () => {
  const own = new TypeError('mine');
  const { stack } = own;
  const options = {
    ...TOKEN,
    get id() {
      throw own;
    }
  };
  expect(caught(() => new RelayedServer(options))).toBe(own);
  expect(own.stack).toBe(stack);
});

test('an error of another call of ours, which a getter made, points at that', () => {
  function getter() {
    return WebSocket.createRelayToken(7);
  }
  const options = {
    ...TOKEN,
    get id() {
      return getter();
    }
  };
  const error = caught(() => WebSocket.createRelayedServer(options));
  expect(/^ +at .*$/m.exec(error.stack)[0]).toContain('getter');
});

test('a fault of ours keeps its stack, for it shows where that is', () => {
  const fault = new TypeError('Cannot read properties of undefined');
  const { stack } = fault;
  function call() {
    throw atCaller(fault, call);
  }
  expect(caught(call).stack).toBe(stack);
  expect(atCaller(undefined, call)).toBeUndefined();
});

test('without stacks there is nothing to do', () => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    expect(caught(() => WebSocket.createRelayToken(7))).toBeInstanceOf(TypeError);
    function call() {
      throw atCaller(refusal(new Error('x')), call);
    }
    expect(caught(call).message).toBe('x');
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
});
