'use strict';

// Connection strings, promises, signals and disposal, against the emulator.

const { once } = require('node:events');
const { createServer } = require('node:net');

const fc = require('fast-check');

const { RelayedServer, RelayedWebSocket, connectRelayed, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');
const { readConnectionString } = require('../lib/shared/address');

let relay;
let server;

beforeAll(async () => {
  relay = await RelayEmulator.start({ hybridConnections: ['hyco', 'empty'] });
  server = RelayedServer.fromConnectionString(relay.connectionString('hyco'), (socket, request) => {
    socket.send(request.url);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  await once(server, 'listening');
});
afterAll(async () => {
  await server.close();
  await relay.close();
});

const invalid = (name) =>
  expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', message: expect.stringContaining(name) });
const SAS = 'SharedAccessKeyName=rule;SharedAccessKey=s3cret=';

describe('connection strings', () => {
  test('name the place and the credentials of both ends', async () => {
    expect(server.path).toBe('/hyco');
    expect(server.listenUri).toMatch(/^ws:\/\/127\.0\.0\.1:/);
    const socket = await connectRelayed(relay.connectionString('hyco'), { path: 'hyco/orders?shop=7' });
    expect(String((await once(socket, 'message'))[0])).toBe('/hyco/orders?shop=7');
    socket.close();
    await once(socket, 'close');
  });

  test('relayedConnect takes one, with a function and with credentials of its own', async () => {
    const socket = await new Promise((resolve) => relayedConnect(relay.connectionString(), resolve));
    socket.terminate();
    const error = await connectRelayed(relay.connectionString(), 'SharedAccessSignature sr=x').catch(
      (e) => e
    );
    expect(error).toMatchObject({ code: 'ERR_HYCO_UNAUTHORIZED' });
  });

  test('the development emulator is on this machine or nowhere', () => {
    for (const host of [
      'contoso.servicebus.windows.net',
      '10.0.0.1:8080',
      'localhost.evil.test',
      '128.0.0.1'
    ]) {
      const text = `Endpoint=sb://${host}/;${SAS};EntityPath=a;UseDevelopmentEmulator=true`;
      expect(() => relayedConnect(text)).toThrow(invalid('this machine'));
      expect(() => RelayedServer.fromConnectionString(text)).toThrow(invalid('this machine'));
    }
  });

  test.each([
    [`Endpoint=sb://ns.test/;${SAS}`, {}, 'options.path'],
    [`Endpoint=sb://ns.test/;${SAS};EntityPath=a`, { path: 'ab' }, 'options.path'],
    ['Endpoint=sb://ns.test/;Authentication=Managed Identity;EntityPath=a', {}, 'options.credential'],
    [`Endpoint=sb://ns.test/;${SAS};Nonsense=1`, {}, 'connectionString']
  ])('%s is refused', (text, options, name) => {
    expect(() => RelayedServer.fromConnectionString(text, options)).toThrow(invalid(name));
    let error;
    try {
      relayedConnect(text, options);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toEqual(invalid(name));
    expect(error.message).not.toContain('s3cret');
  });

  describe('the path', () => {
    const OWN = `Endpoint=sb://ns.test/;${SAS};EntityPath=hyco`;
    const BARE = `Endpoint=sb://ns.test/;${SAS}`;

    test.each([
      'hyco/../other',
      'hyco/..',
      'hyco/a/../../other',
      'hyco/%2e%2e/other',
      'hyco/.%2E/other',
      'hyco/..%2fother',
      'hyco/%2e%2e%2fother',
      'hyco/%252e%252e%252fother',
      'hyco/..%5cother',
      'hyco/..\\other',
      'hyco/\\..\\..\\other',
      'hyco/.\t./other',
      'hyco/.\n.\r/other',
      'hyco/..?x',
      'hyco/../hyco2',
      'hyco/../HYCO',
      'hyco/\t../other',
      'hyco/#',
      'hyco#',
      'hyco/a#/../..',
      'hyco2',
      'hyc',
      '/hyco',
      'other/../hyco',
      ' hyco',
      ''
    ])('%j is not below hyco', (path) => {
      for (const open of [
        (given) => RelayedServer.fromConnectionString(OWN, given),
        (given) => relayedConnect(OWN, given)
      ]) {
        expect(() => open({ path, token: 't' })).toThrow(invalid('options.path'));
      }
    });

    test.each(['../other', '..', 'a/../../other', '..%2fother', 'a#b'])('%j does not leave /$hc', (path) => {
      expect(() => relayedConnect(BARE, { path })).toThrow(invalid('options.path'));
    });

    test.each([
      [OWN, 'hyco', '/$hc/hyco'],
      [OWN, 'hyco/', '/$hc/hyco/'],
      [OWN, 'hyco//other', '/$hc/hyco//other'],
      [OWN, 'hyco/a..b/..c', '/$hc/hyco/a..b/..c'],
      [OWN, 'hyco/a/../b', '/$hc/hyco/b'],
      [OWN, 'hyco?x/../..', '/$hc/hyco?x/../..'],
      [OWN, 'hyco?x=%2e%2e/', '/$hc/hyco?x=%2e%2e/'],
      [`${OWN}/`, 'hyco/', '/$hc/hyco/'],
      [`${OWN} %7e`, 'hyco %7e/ü', '/$hc/hyco%20%7e/%C3%BC'],
      [BARE, 'a/b', '/$hc/a/b']
    ])('of %s, %j is fine', async (text, path, target) => {
      const socket = relayedConnect(text, { path, token: () => new Promise(() => {}) });
      socket.on('error', () => {});
      const { pathname, search } = new URL(socket.url);
      expect(pathname + search.replace(/[?&]sb-hc-action=connect/, '')).toBe(target);
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.terminate();
      await closed;
    });

    test('what is let through is below, by whatever parser', () => {
      const piece = fc.constantFrom(
        'hyco',
        'a',
        '..',
        '.',
        '%2e',
        '%2E%2e',
        '%252e',
        '/',
        '\\',
        '%2f',
        '%5C',
        '?',
        '#',
        '\t',
        '\n'
      );
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
          const path = `hyco/${pieces.join('')}`;
          let uri;
          try {
            ({ uri } = readConnectionString(OWN, 'connect', { path }));
          } catch (error) {
            expect(error).toEqual(invalid('options.path'));
            return;
          }
          let { pathname } = new URL(uri);
          for (let before; before !== pathname;) {
            expect(`${pathname}/`).toMatch(/^\/\$hc\/hyco\//);
            before = pathname;
            pathname = new URL(`ws://h${decodeURIComponent(pathname).replace(/[?#]/g, '')}`).pathname;
          }
        }),
        { numRuns: 2_000 }
      );
    });
  });

  test('subclasses stay what they are', async () => {
    class Mine extends RelayedServer {}
    const mine = Mine.fromConnectionString(relay.connectionString('empty'), { maxPayload: 7 });
    expect(mine).toBeInstanceOf(Mine);
    expect(mine.options.maxPayload).toBe(7);
    await mine.close();
  });
});

describe('connectRelayed', () => {
  test('a pause right behind it lasts', async () => {
    const socket = await connectRelayed(relay.connectionString());
    socket.pause();
    const seen = jest.fn();
    socket.on('message', seen);
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    expect([socket.isPaused, seen.mock.calls.length]).toEqual([true, 0]);
    const message = once(socket, 'message');
    socket.resume();
    expect(String((await message)[0])).toBe('/hyco');
    socket.close();
    await once(socket, 'close');
  });

  test('loses no message that comes with the handshake', async () => {
    for (let n = 0; n < 20; n++) {
      const socket = await connectRelayed(relay.connectionString());
      expect(socket).toBeInstanceOf(RelayedWebSocket);
      expect(String((await once(socket, 'message'))[0])).toBe('/hyco');
      socket.terminate();
    }
  });

  test('takes a function that makes the token', async () => {
    const socket = await connectRelayed(relay.sendUri(), async () => relay.createToken());
    socket.terminate();
  });

  test('rejects with the error, for wrong arguments too', async () => {
    await expect(connectRelayed(relay.connectionString('empty'))).rejects.toMatchObject({
      code: 'ERR_HYCO_NOT_FOUND',
      statusCode: 404
    });
    await expect(connectRelayed('nonsense')).rejects.toThrow(SyntaxError);
    await expect(connectRelayed(relay.sendUri(), { signal: 1 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE'
    });
  });
});

describe('signals', () => {
  const aborted = expect.objectContaining({ name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' });

  test.each([
    ['the native engine', {}],
    ["ws's engine", { finishRequest: (request) => request.end() }]
  ])('end an attempt to connect: %s', async (_, options) => {
    relay.faults.goSilent({ handshakes: true });
    const abort = new AbortController();
    const token = relay.createToken('hyco');
    const socket = relayedConnect(relay.sendUri(), { ...options, token, signal: abort.signal });
    const closed = once(socket, 'close').catch(() => {});
    const failed = once(socket, 'error');
    setImmediate(() => abort.abort('enough'));
    expect(await failed).toEqual([aborted]);
    await closed;
    relay.faults.resume();
  });

  test('that were aborted before', async () => {
    const promise = connectRelayed(relay.connectionString(), { signal: AbortSignal.abort('enough') });
    await expect(promise).rejects.toEqual(aborted);
  });

  test('close an open connection', async () => {
    const abort = new AbortController();
    const socket = await connectRelayed(relay.connectionString(), { signal: abort.signal });
    abort.abort();
    expect(await once(socket, 'close')).toEqual([1001, expect.anything()]);
  });

  test('end the waiting in close()', async () => {
    const mine = RelayedServer.fromConnectionString(relay.connectionString('empty'));
    await once(mine, 'listening');
    const connected = once(mine, 'connection');
    const socket = await connectRelayed(relay.connectionString('empty'));
    await connected;
    const abort = new AbortController();
    const lost = once(socket, 'close');
    const closing = mine.close({ drain: true, signal: abort.signal });
    abort.abort();
    await closing;
    expect((await lost)[0]).toBe(1001);
    await expect(async () => mine.close({ signal: {} })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE'
    });
  });
});

describe('await using', () => {
  test('closes sockets, in whatever state they are', async () => {
    const socket = await connectRelayed(relay.connectionString());
    await socket[Symbol.asyncDispose]();
    expect(socket.readyState).toBe(3);
    await socket[Symbol.asyncDispose]();
    const early = relayedConnect(relay.connectionString());
    await early[Symbol.asyncDispose]();
    expect(early.readyState).toBe(3);
  });

  test('closes servers and the emulator', async () => {
    const own = await RelayEmulator.start();
    const mine = RelayedServer.fromConnectionString(own.connectionString());
    await mine[Symbol.asyncDispose]();
    expect(mine.state).toBe('closed');
    await own[Symbol.asyncDispose]();
  });
});

describe('a redirect from ws: to wss: where a TLS option cannot be used', () => {
  test.each([
    ['a version that does not exist', { minVersion: 'x' }, 'ERR_TLS_INVALID_PROTOCOL_VERSION'],
    ['a certificate that is none', { key: 'x', cert: 'y' }, 'ERR_OSSL_PEM_NO_START_LINE'],
    ['a name of the wrong type', { servername: 5 }, 'ERR_INVALID_ARG_TYPE']
  ])('%s is an error of the socket', async (_, options, code) => {
    const server = createServer((connection) => {
      connection.once('data', () => {
        connection.end('HTTP/1.1 302 Found\r\nLocation: wss://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n');
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `ws://127.0.0.1:${server.address().port}`;
    const socket = new RelayedWebSocket(address, { followRedirects: true, ...options });
    const [error] = await once(socket, 'error');
    server.close();
    expect(error.code).toBe(code);
  });
});
