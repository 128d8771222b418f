'use strict';

const diagnosticsChannel = require('node:diagnostics_channel');
const EventEmitter = require('node:events');
const { inspect, inherits } = require('node:util');

jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);

const { lastListener } = require('./helpers/fake-engine');
const { URI, closeServers, startServer } = require('./helpers/fake-server');
const { RelayedServer, createRelayedServer } = require('../lib/listener/server');

const { once } = EventEmitter;
const start = (options) => startServer(RelayedServer, options);
const turn = () => new Promise(setImmediate);
const report = (fields) => ({
  code: 'ERR_HYCO_UNAUTHORIZED',
  message: 'refused',
  transient: false,
  ...fields
});
const callsOf = (listener, name) =>
  listener.calls.filter(([called]) => called === name).map(([, ...rest]) => rest);

afterEach(closeServers);

describe('the constructor', () => {
  const options = { server: URI, token: 'x' };
  const closing = [];
  afterEach(() => Promise.all(closing.splice(0).map((server) => server.close())));
  const keep = (server) => (closing.push(server), server);

  test('works with and without new', () => {
    for (const server of [keep(new RelayedServer(options)), keep(RelayedServer(options))]) {
      expect(server).toBeInstanceOf(RelayedServer);
      expect(server).toBeInstanceOf(EventEmitter);
      expect(server.constructor).toBe(RelayedServer);
    }
    const ws = { RelayedServer };
    expect(keep(ws.RelayedServer(options))).toBeInstanceOf(RelayedServer);
  });

  test('can be inherited from, as a class and in the old way', () => {
    class Mine extends RelayedServer {
      #own = 1;
      own() {
        return this.#own;
      }
    }
    expect(keep(new Mine(options)).own()).toBe(1);
    function Old(given) {
      RelayedServer.call(this, given);
    }
    inherits(Old, RelayedServer);
    const old = keep(new Old(options));
    expect(old).toBeInstanceOf(Old);
    expect(old.state).toBe('connecting');
    expect(inspect(old)).toMatch(/^Old/);
  });

  test('takes a connection listener, which must be one', () => {
    const fn = jest.fn();
    keep(new RelayedServer(options, fn));
    const listener = lastListener();
    listener.open(listener.offer());
    expect(fn).toHaveBeenCalledTimes(1);
    expect(() => new RelayedServer(options, 'x')).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' })
    );
  });

  test('createRelayedServer subscribes its function, and ignores what is none', () => {
    const fn = jest.fn();
    keep(createRelayedServer(options, fn));
    const listener = lastListener();
    listener.open(listener.offer());
    expect(fn).toHaveBeenCalledTimes(1);
    expect(keep(createRelayedServer(options, null)).listenerCount('connection')).toBe(0);
  });

  test('hands the engine the documented configuration', () => {
    const { listener } = start({ id: 'mine', keepAlive: false, controlChannels: 2, proxy: 'http://p:1' });
    expect(listener.config).toMatchObject({
      uri: URI,
      id: 'mine',
      maxPending: 256,
      keepAlive: null,
      reconnect: {
        minDelay: 1000,
        maxDelay: 30000,
        stableAfter: 30000,
        retryTerminal: false,
        recycleAfter: 82800000
      },
      handshakeTimeout: 60000,
      acceptTimeout: 20000,
      controlChannels: 2,
      proxy: 'http://p:1',
      asksHosts: false
    });
  });
});

test('shows what hyco-ws and ws show', () => {
  const uri = `${URI}&sb-hc-token=SECRET`;
  const { server } = start({ server: uri, token: undefined });
  expect(server.listenUri).toBe(uri);
  expect(server.path).toBe('/hyco');
  expect(server.options.maxPayload).toBe(104857600);
  expect(server.clients).toBeInstanceOf(Set);
  expect(server.address()).toEqual({ address: 'ns.test', family: 'relay', port: 443 });
  expect(start({ server: 'ws://127.0.0.1:8080/$hc/a' }).server.address()).toEqual({
    address: '127.0.0.1',
    family: 'IPv4',
    port: 8080
  });
  expect(start({ clientTracking: false }).server.clients).toBeUndefined();
});

test('printing a server shows no credential', () => {
  const { server } = start({
    server: `${URI}&sb-hc-token=SECRET`,
    keyName: 'rule',
    key: 'SECRET',
    token: 'SECRET'
  });
  expect(inspect(server, { depth: 9, showHidden: true }) + JSON.stringify(server.options)).not.toContain(
    'SECRET'
  );
  expect(inspect(Object.create(RelayedServer.prototype))).toBe('RelayedServer {}');
});

describe('the control channel', () => {
  test('is told in events and in state', () => {
    const { server, listener } = start();
    const events = [];
    for (const name of ['connecting', 'listening', 'reconnecting', 'offline']) {
      server.on(name, (info) => events.push([name, server.state, info]));
    }
    server.on('error', () => {});
    listener.event('connecting', { channel: 0, attempt: 0 });
    listener.event('listening', { channel: 0, replaced: false });
    expect(server.listening).toBe(true);
    const lost = report({ code: 'ERR_HYCO_DISCONNECTED', transient: true });
    listener.event('reconnecting', { channel: 0, attempt: 1, delay: 0, reason: 'lost', error: lost });
    listener.event('connecting', { channel: 0, attempt: 1 });
    listener.event('listening', { channel: 0, replaced: false });
    listener.event('error', { terminal: true, error: report({ statusCode: 404 }) });
    listener.event('offline', { channel: 0 });
    expect(events.map(([name, state]) => `${name} ${state}`)).toEqual([
      'connecting connecting',
      'listening online',
      'reconnecting reconnecting',
      'connecting reconnecting',
      'listening online',
      'offline offline'
    ]);
    expect(events[2][2]).toMatchObject({
      attempt: 1,
      delay: 0,
      reason: 'lost',
      error: { code: 'ERR_HYCO_DISCONNECTED' }
    });
    expect(events[5][2]).toMatchObject({ statusCode: 404 });
    expect(server.stats()).toMatchObject({ rtt: 5 });
  });

  test('stays online while a replacement is dialled, and while any channel is up', () => {
    const { server, listener } = start({ controlChannels: 2 });
    listener.event('listening', { channel: 0, replaced: false });
    listener.event('connecting', { channel: 0, attempt: 0 });
    expect(server.state).toBe('online');
    listener.event('listening', { channel: 1, replaced: false });
    listener.event('offline', { channel: 0 });
    expect(server.state).toBe('online');
  });

  test('an error that ends it throws if nobody listens, as from every emitter', () => {
    const { server, listener } = start();
    const event = { terminal: true, error: report({ statusCode: 404, reason: 'gone', trackingId: 'T' }) };
    expect(() => listener.event('error', event)).toThrow('refused');
    const heard = jest.fn();
    server.on('error', heard);
    listener.event('error', event);
    expect(heard.mock.calls[0][0]).toMatchObject({ statusCode: 404, reason: 'gone', trackingId: 'T' });
  });

  test('a transient error never throws', () => {
    const { listener } = start();
    listener.event('error', { terminal: false, error: report() });
    listener.event('reconnecting', { channel: 0, attempt: 1, delay: 5, reason: 'lost', error: report() });
    listener.event('malformed', { message: 'not JSON' });
    listener.event('rejectFailed', { id: 1, error: report() });
    listener.event('request', { id: 'r' });
    listener.event('unheard of', {});
  });

  test('does not keep the process alive once it is offline; a new token revives it', () => {
    const { server, listener } = start();
    listener.event('offline', { channel: 0 });
    expect(listener.referenced).toBe(false);
    server.updateToken('fresh');
    expect(listener.referenced).toBe(true);
    expect(callsOf(listener, 'updateToken')).toEqual([['fresh']]);
  });

  test('reconnect.delay takes the place of the policy', () => {
    const delay = jest.fn(() => 1234);
    const { server, listener } = start({ reconnect: { delay } });
    const heard = jest.fn();
    server.on('reconnecting', heard);
    expect(listener.config.reconnect.ownerDelays).toBe(true);
    listener.event('reconnecting', { channel: 0, attempt: 3, delay: 9, reason: 'lost', error: report() });
    expect(delay).toHaveBeenCalledWith(3, expect.any(Error));
    expect(callsOf(listener, 'retryIn')).toEqual([[1234, 0]]);
    expect(heard.mock.calls[0][0].delay).toBe(1234);
  });

  test('reconnect: false makes the first loss the end', async () => {
    const { server, listener } = start({ reconnect: false });
    const failed = once(server, 'error');
    const closed = new Promise((resolve) => server.once('close', resolve));
    listener.event('reconnecting', { channel: 0, attempt: 1, delay: 0, reason: 'lost', error: report() });
    expect((await failed)[0].message).toMatch(/^refused \(see /);
    await closed;
  });
});

test('an engine that ends by itself is told, and is the end of the server', async () => {
  const { server, listener } = start();
  listener.event('listening', { channel: 0, replaced: false });
  const failed = once(server, 'error');
  const closed = new Promise((resolve) => server.once('close', resolve));
  listener.event('closed');
  expect((await failed)[0]).toMatchObject({ name: 'RelayError', code: 'ERR_HYCO_INTERNAL' });
  await closed;
  expect(server.state).toBe('closed');
});

test('says no more that it connects or listens once close() was called', async () => {
  const { server, listener } = start();
  const told = jest.fn();
  server.on('connecting', told).on('listening', told);
  const closed = server.close();
  listener.event('connecting', { channel: 0, attempt: 0 });
  listener.event('listening', { channel: 0, replaced: false });
  await closed;
  expect(told).not.toHaveBeenCalled();
});

describe('tokens', () => {
  test('a string is given at once', () => {
    const { listener } = start();
    listener.event('token', { refresh: false });
    expect(callsOf(listener, 'provideToken')).toEqual([['the-token']]);
  });

  test('a provider is asked each time', async () => {
    let count = 0;
    const { listener } = start({ token: async () => `token ${++count}` });
    for (const refresh of [false, true]) {
      listener.event('token', { refresh });
      await turn();
    }
    expect(callsOf(listener, 'provideToken')).toEqual([['token 1'], ['token 2']]);
  });

  test('a failure goes to the engine, and comes back as the cause', async () => {
    const { server, listener } = start({ token: () => Promise.reject(new Error('vault is shut')) });
    const heard = jest.fn();
    server.on('reconnecting', heard);
    listener.event('token', { refresh: false });
    await turn();
    const [[message]] = callsOf(listener, 'failToken');
    expect(message).toContain('vault is shut');
    const error = { code: 'ERR_HYCO_TOKEN', message, transient: true };
    listener.event('reconnecting', { channel: 0, attempt: 1, delay: 1, reason: message, error });
    expect(heard.mock.calls[0][0].error.cause.cause.message).toBe('vault is shut');
  });

  test('a function that throws at once fails as one that rejects', async () => {
    const { server, listener } = start({
      token() {
        throw new Error('vault is shut');
      }
    });
    const failed = jest.fn();
    server.on('error', failed);
    listener.event('token', { refresh: false });
    expect(callsOf(listener, 'failToken')).toEqual([]);
    await turn();
    expect(callsOf(listener, 'failToken')).toEqual([
      [expect.stringMatching(/^The token provider failed: vault is shut \(see /)]
    ]);
    const error = { code: 'ERR_HYCO_TOKEN', message: 'vault is shut' };
    listener.event('error', { terminal: false, error });
    expect(failed.mock.calls[0][0].cause.cause.message).toBe('vault is shut');
  });

  test('a provider that is still being asked at close() is given up', async () => {
    let signal;
    const getToken = (_, { abortSignal }) => ((signal = abortSignal), new Promise(() => {}));
    const { server, listener } = start({ token: undefined, credential: { getToken } });
    listener.event('token', { refresh: false });
    await server.close();
    expect(signal.aborted).toBe(true);
    expect(callsOf(listener, 'provideToken')).toEqual([]);
  });

  test('updateToken takes a string, of a running server', async () => {
    const { server } = start();
    expect(() => server.updateToken(5)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
    expect(() => server.updateToken('')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }));
    await server.close();
    expect(() => server.updateToken('x')).toThrow('The server is not running');
  });
});

describe('close()', () => {
  test('closes clients with 1001, then calls back once everything is closed', async () => {
    const { server, listener } = start();
    const socket = listener.open(listener.offer());
    const order = [];
    socket.on('close', () => order.push('socket'));
    server.on('close', (given) => order.push(given === server && 'close'));
    const called = new Promise((resolve) => server.close((...args) => resolve(args)));
    expect([server.state, server.closeRequested, server.listening]).toEqual(['closing', true, false]);
    expect(await called).toEqual([]);
    expect(socket.closedWith).toBe(1001);
    expect(order).toEqual(['socket', 'close']);
    expect([server.state, server.address()]).toEqual(['closed', null]);
    expect(listener.closes).toEqual(['now']);
  });

  test('twice: both callbacks while closing, an error afterwards, the event once', async () => {
    const { server } = start();
    const closed = jest.fn();
    server.on('close', closed);
    const first = jest.fn();
    const second = jest.fn();
    server.close(first);
    await server.close(second);
    expect([first.mock.calls, second.mock.calls]).toEqual([[[]], [[]]]);
    const error = await new Promise((resolve) => server.close(resolve));
    expect(error.message).toBe('The server is not running');
    await server.close();
    expect(closed).toHaveBeenCalledTimes(1);
  });

  test('turns away who waits for a verdict, and who comes too late', async () => {
    let late;
    const { server, listener } = start({ verifyClient: (_, cb) => (late = cb) });
    const waiting = listener.offer();
    const first = late;
    const told = [];
    const listen = ({ request, statusCode }) => told.push([request.id, statusCode]);
    diagnosticsChannel.subscribe('hyco-ws-rs:accept:rejected', listen);
    const closed = server.close();
    // The engine had this one on its way when it was closed.
    const after = listener.offer();
    expect(late).toBe(first);
    late(true);
    listener.turnAway(after, 503);
    await closed;
    diagnosticsChannel.unsubscribe('hyco-ws-rs:accept:rejected', listen);
    expect(told).toEqual([
      [`t${after}`, 503],
      [`t${waiting}`, 503]
    ]);
    expect(callsOf(listener, 'reject')).toEqual([]);
    expect(listener.dials.size).toBe(0);
  });

  test('waits for a rendezvous that is being dialled, and closes what comes of it', async () => {
    const { server, listener } = start();
    const connected = jest.fn();
    server.on('connection', connected);
    const id = listener.offer();
    const closed = server.close();
    await turn();
    expect(server.state).toBe('closing');
    const socket = listener.open(id);
    await closed;
    expect(socket.closedWith).toBe(1001);
    expect(connected).not.toHaveBeenCalled();
  });

  test('drain lets accepts and clients finish, and turns new ones away', async () => {
    const { server, listener } = start();
    const connected = jest.fn();
    server.on('connection', connected);
    const first = listener.open(listener.offer());
    const pending = listener.offer();
    const closed = server.close({ drain: true });
    expect(listener.closes).toEqual(['drain']);
    const second = listener.open(pending);
    expect(connected).toHaveBeenCalledTimes(2);
    await turn();
    expect([first.readyState, second.readyState, server.state]).toEqual([1, 1, 'closing']);
    first.end(1000);
    second.end(1000);
    await closed;
  });

  test('while draining, a channel that is lost and comes back is told; after close() it is not', async () => {
    const { server, listener } = start();
    const told = [];
    for (const name of ['connecting', 'listening']) server.on(name, () => told.push(name));
    const socket = listener.open(listener.offer());
    const closed = server.close({ drain: true });
    listener.event('connecting', { channel: 0, attempt: 1 });
    listener.event('listening', { channel: 0 });
    expect(told).toEqual(['connecting', 'listening']);
    server.close();
    listener.event('connecting', { channel: 0, attempt: 1 });
    listener.event('listening', { channel: 0 });
    expect(told).toHaveLength(2);
    await closed;
    expect(socket.closedWith).toBe(1001);
  });

  test('drain has a limit, and close() cuts it short', async () => {
    for (const cut of [false, true]) {
      const { server, listener } = start();
      const socket = listener.open(listener.offer());
      const alive = setInterval(() => {}, 1000);
      const closed = server.close({ drain: true, timeout: cut ? 100000 : 5 });
      if (cut) server.close();
      await closed;
      clearInterval(alive);
      expect(socket.closedWith).toBe(1001);
    }
  });

  test('timeout drops clients that do not answer', async () => {
    for (const timeout of [0, 5]) {
      const { server, listener } = start();
      const socket = listener.open(listener.offer());
      socket.stubborn = true;
      const alive = setInterval(() => {}, 1000);
      await server.close({ timeout });
      clearInterval(alive);
      expect(socket.terminated).toBe(true);
    }
  });

  test('without clientTracking the clients are left alone', async () => {
    const { server, listener } = start({ clientTracking: false });
    const socket = listener.open(listener.offer());
    await server.close();
    expect(socket.readyState).toBe(1);
  });

  test('can be had by a signal, and by await using', async () => {
    const abort = new AbortController();
    const closed = once(start({ signal: abort.signal }).server, 'close');
    abort.abort();
    await closed;
    await once(start({ signal: AbortSignal.abort() }).server, 'close');
    if (Symbol.asyncDispose !== undefined) await start().server[Symbol.asyncDispose]();
  });

  test.each([
    [['x'], 'TYPE', 'options'],
    [[5], 'TYPE', 'options'],
    [[true], 'TYPE', 'options'],
    [[{ drain: 1 }], 'TYPE', 'options.drain'],
    [[{ drain: 'yes' }], 'TYPE', 'options.drain'],
    [[{ timeout: '5' }], 'TYPE', 'options.timeout'],
    [[{ timeout: -1 }], 'VALUE', 'options.timeout'],
    [[{ timeout: NaN }], 'VALUE', 'options.timeout'],
    [[{ timeout: 2 ** 31 }], 'VALUE', 'options.timeout'],
    [[{ signal: {} }], 'TYPE', 'options.signal'],
    [[{ signal: 'abort' }], 'TYPE', 'options.signal'],
    [[{}, 'x'], 'TYPE', 'cb'],
    [[null, {}], 'TYPE', 'cb']
  ])('checks its arguments, and does nothing if they are wrong: %j', (given, kind, name) => {
    const { server, listener } = start();
    const socket = listener.open(listener.offer());
    const wrong = { code: `ERR_INVALID_ARG_${kind}`, message: expect.stringContaining(`"${name}"`) };
    expect(() => server.close(...given)).toThrow(expect.objectContaining(wrong));
    expect([server.state, server.closeRequested, listener.closes]).toEqual(['connecting', false, []]);
    expect(socket.readyState).toBe(1);
    expect(server.listenerCount('close')).toBe(1);
  });

  test('null stands for the default of each option, and for no callback', async () => {
    for (const nothing of [null, undefined]) {
      const { server, listener } = start();
      const socket = listener.open(listener.offer());
      await server.close({ drain: nothing, timeout: nothing, signal: nothing }, nothing);
      expect([socket.closedWith, server.state]).toEqual([1001, 'closed']);
      await server.close(nothing, nothing);
    }
  });
});

test('ref() and unref() reach the engine and chain', () => {
  const { server, listener } = start();
  expect(server.unref()).toBe(server);
  expect(listener.referenced).toBe(false);
  expect(server.ref()).toBe(server);
  expect(listener.referenced).toBe(true);
});
