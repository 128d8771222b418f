'use strict';

// `undefined` and `null` are the default, for every option of a listener, a sender and the emulator.

const { once } = require('node:events');
const http = require('node:http');

const { RelayedServer, RelayedWebSocket, WebSocketServer, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');
const { optionsOf } = require('../lib/shared/option-table');
const { readEmulatorOptions, readServerOptions, readSocketOptions } = require('../lib/shared/options');

/** All options of a reader, each `value`, and one that is none. */
const all = (reader, value) =>
  Object.fromEntries(Object.keys(optionsOf(reader)).map((name) => [name, value]));

describe.each([undefined, null])('%s', (value) => {
  test('is the default in each table', () => {
    const server = 'wss://ns.test/$hc/hyco';
    const id = 'x';
    expect(readServerOptions({ ...all('listener', value), server, id, token: 't' }).settings).toEqual(
      readServerOptions({ server, id, token: 't' }).settings
    );
    expect(readSocketOptions(all('socket', value))).toEqual(readSocketOptions());
    expect(readEmulatorOptions(all('emulator', value))).toEqual(readEmulatorOptions());
    const inner = { interval: value, timeout: value, mode: value };
    const deflate = { threshold: value, zlibDeflateOptions: value, clientMaxWindowBits: value };
    expect(readSocketOptions({ keepAlive: inner, perMessageDeflate: deflate })).toEqual(
      readSocketOptions({ keepAlive: true, perMessageDeflate: true })
    );
  });

  describe('on the wire', () => {
    let server;
    let url;
    beforeEach(async () => {
      server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: true });
      await once(server, 'listening');
      url = `ws://127.0.0.1:${server.address().port}`;
    });
    afterEach(() => server.close());

    test.each([
      ['the native engine', {}],
      ["ws's engine", { agent: new http.Agent() }]
    ])('a socket on %s works with all of them', async (_, engine) => {
      const connected = once(server, 'connection');
      const socket = new RelayedWebSocket(url, { ...all('node', value), ...all('socket', value), ...engine });
      await once(socket, 'open');
      expect(socket._engine === undefined).toBe('agent' in engine);
      expect(socket.extensions).toBe('permessage-deflate');
      expect(socket._closeTimeout).toBe(30_000);
      const [[peer]] = [await connected];
      const answered = once(peer, 'pong');
      peer.ping();
      socket.send('hello');
      const [data] = await once(peer, 'message');
      expect(String(data)).toBe('hello');
      await answered;
      // The peer closes: the time for it is the default, too.
      peer.close(1000);
      expect((await once(socket, 'close'))[0]).toBe(1000);
    });
  });

  test('follows redirects ten times', async () => {
    const redirects = http.createServer();
    let count = 0;
    redirects.on('upgrade', (request, socket) => {
      count++;
      socket.end('HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n');
    });
    redirects.listen(0, '127.0.0.1');
    await once(redirects, 'listening');
    const address = `ws://127.0.0.1:${redirects.address().port}`;
    const socket = new RelayedWebSocket(address, { followRedirects: true, maxRedirects: value });
    const [error] = await once(socket, 'error');
    redirects.close();
    expect([error.message, count]).toEqual(['Maximum redirects exceeded', 11]);
  });

  test('a relay, its listener and its sender work with all of them', async () => {
    const relay = await RelayEmulator.start(all('emulator', value));
    const uri = relay.listenUri(value, { id: value, token: value });
    const rule = { keyName: relay.keyName, key: relay.key };
    const server = new RelayedServer({ ...all('listener', value), ...rule, server: uri });
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const sender = relayedConnect(relay.sendUri(value, value), {
      ...all('node', value),
      ...all('socket', value),
      ...all('sender', value),
      ...rule
    });
    await Promise.all([connected, once(sender, 'open')]);
    sender.close();
    await once(sender, 'close');
    const gone = once(relay, 'listenerClosed');
    await server.close({ drain: value, timeout: value, signal: value });
    await gone;
    relay.faults.refuse({ status: 403, reason: value, tracked: value, times: value, action: value });
    expect(relay.faults.dropControl({ path: value, id: value, reset: value })).toBe(0);
    expect(relay.faults.closeControl(1011, value, value)).toBe(0);
    expect(relay.faults.sendControl('x', value)).toBe(0);
    expect(relay.faults.cutRendezvous(value)).toBe(0);
    expect(relay.faults.closeRendezvous(1000, value, { path: value })).toBe(0);
    relay.faults.delay(0, { action: value });
    relay.faults.goSilent({ control: value, handshakes: value });
    relay.faults.holdAccepts(value);
    relay.faults.clear();
    expect(relay.httpUri(value)).toContain('/hyco');
    expect(relay.connectionString(value)).toContain('EntityPath=hyco');
    expect(relay.createToken(value, { keyName: value, expirationSeconds: value })).toContain('&sig=');
    await relay.close(value);
  });
});

test.each([
  [
    { maxPayload: '500', maxFragments: '5', maxPendingAutoPongs: '7' },
    { maxPayload: 500, maxFragments: 5 }
  ],
  [
    { closeTimeout: '500', handshakeTimeout: '7' },
    { closeTimeout: 500, handshakeTimeout: 7 }
  ],
  [{ keepAlive: { interval: '5' } }, { keepAlive: { interval: 5, timeout: 60_000, mode: 'ping' } }]
])('numbers may be text: %j', (given, expected) => {
  expect(readSocketOptions(given)).toMatchObject(expected);
  expect(readServerOptions({ ...given, server: 'wss://h/$hc/p', token: 't' }).settings).toMatchObject(
    expected
  );
});

test("a socket refuses little of what is ws's", () => {
  expect(readSocketOptions({ closeTimeout: 'x' }).closeTimeout).toBe(1);
  expect(readSocketOptions({ closeTimeout: Infinity }).closeTimeout).toBe(1);
  expect(readSocketOptions({ closeTimeout: Symbol('x') }).closeTimeout).toBe(1);
  expect(readSocketOptions({ maxPayload: 'x' }).maxPayload).toBe(0);
  expect(readSocketOptions({ maxPayload: 2 ** 40 }).maxPayload).toBe(0);
  expect(readSocketOptions({ handshakeTimeout: 1e12 }).handshakeTimeout).toBe(2 ** 31 - 1);
  expect(readSocketOptions({ perMessageDeflate: 'x', keepAlive: 1, generateMask: 0 })).toMatchObject({
    perMessageDeflate: { threshold: 1024 },
    keepAlive: { interval: 30_000 },
    generateMask: undefined
  });
  expect(readSocketOptions({ maxBufferedAmount: Infinity }).maxBufferedAmount).toBe(Number.MAX_SAFE_INTEGER);
});

test.each([
  [{ highWaterMark: -1 }, 'highWaterMark'],
  [{ maxBufferedAmount: 'much' }, 'maxBufferedAmount'],
  [{ textMessages: 'text' }, 'textMessages'],
  [{ proxy: 5 }, 'proxy'],
  [{ keepAlive: { mode: 'x' } }, 'keepAlive.mode'],
  [{ handshakeTimeout: -1 }, 'handshakeTimeout'],
  [{ generateMask: 5 }, 'generateMask'],
  [
    { perMessageDeflate: { zlibDeflateOptions: { level: 'x' } } },
    'perMessageDeflate.zlibDeflateOptions.level'
  ]
])('and names what it does: %j', (options, name) => {
  for (const make of [
    () => new RelayedWebSocket('ws://127.0.0.1:1', options),
    () => relayedConnect('ws://127.0.0.1:1', options)
  ]) {
    expect(make).toThrow(TypeError);
    expect(make).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_INVALID_ARG_/) }));
    expect(make).toThrow(`"options.${name}"`);
  }
});
