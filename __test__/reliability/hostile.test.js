'use strict';

// What a relay, a sender or a network must not be able to do: each ends in a report, and the listener lives on.

const { once } = require('node:events');

const { fixture } = require('../helpers/emulator-peers.js');
const {
  cleanUp,
  connect,
  echo,
  makeServer,
  refusal,
  roundTrip,
  scripted,
  startRelay,
  startServer,
  tls,
  told
} = require('../helpers/reliability.js');

afterEach(cleanUp);

/** Answers with a head that never ends, a byte now and then. */
function slowly(socket) {
  socket.write('HTTP/1.1 101 Switching Protocols\r\n');
  const timer = setInterval(() => socket.write('X'), 20);
  socket.on('close', () => clearInterval(timer));
}

const listenUri = (port, scheme = 'ws', host = '127.0.0.1') =>
  `${scheme}://${host}:${port}/$hc/hyco?sb-hc-action=listen`;

/** A server at a scripted relay; resolves with the error that its first attempt ended in. */
async function firstFailure(uri, options) {
  const server = makeServer({}, { server: uri, token: 'a-token', ...options });
  server.on('error', () => {});
  const [{ error }] = await new Promise((resolve) => server.once('reconnecting', (info) => resolve([info])));
  expect(['reconnecting', 'connecting']).toContain(server.state);
  return error;
}

/** Sends a control message; resolves with what was reported about it. */
async function say(relay, message) {
  const report = told('control:malformed');
  relay.faults.sendControl(typeof message === 'string' ? message : JSON.stringify(message));
  return (await report).message;
}

describe('a listener survives a control message that', () => {
  test.each([
    ['is no JSON', '{"accept":'],
    ['is empty', ''],
    ['is no object', '[1, 2]'],
    ['is null', 'null'],
    ['has no command', '{}'],
    ['has an unknown command', '{"selfDestruct":{"now":true}}'],
    ['nests without end', `{"accept":${'['.repeat(50_000)}`],
    ['has an accept of the wrong type', '{"accept":7}'],
    ['has an accept without an address', '{"accept":{"id":"x"}}'],
    ['has an address of the wrong type', '{"accept":{"address":{"toString":1}}}'],
    ['has headers of the wrong type', '{"accept":{"address":"ws://127.0.0.1/","connectHeaders":[1]}}'],
    ['has a command twice', '{"accept":{"address":"ws://evil.example/"},"accept":null}'],
    ['has a field twice', '{"accept":{"address":"ws://127.0.0.1/","address":"ws://evil.example/"}}'],
    ['has lone surrogates', '{"accept":{"address":"ws://127.0.0.1/\\ud800"}}'],
    ['names another host', '{"accept":{"address":"ws://evil.example/$hc/hyco"}}'],
    ['names another scheme', '{"accept":{"address":"file:///etc/passwd"}}'],
    ['names an address with a line end', '{"accept":{"address":"ws://127.0.0.1/a\\r\\nX-Evil: 1"}}'],
    ['names no address at all', '{"accept":{"address":"rubbish"}}']
  ])('%s', async (_, message) => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    expect(typeof (await say(relay, message))).toBe('string');
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats()).toMatchObject({ malformed: 1, reconnects: 0, accepted: 1, failed: 0 });
  });

  test('is huge: it is not parsed', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    const message = { accept: { address: relay.sendUri(), connectHeaders: { a: 'x'.repeat(300_000) } } };
    expect(await say(relay, message)).toMatch(/longer than/);
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats()).toMatchObject({ reconnects: 0 });
  });

  test('is too large to be held: the channel is dropped, and comes back', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { reconnect: { delay: () => 0 } }));
    const back = once(server, 'listening');
    relay.faults.sendControl('x'.repeat(8 * 1024 * 1024));
    await back;
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('downgrades wss to ws: it is not dialled', async () => {
    const relay = await startRelay({ tls });
    const server = echo(await startServer(relay));
    await say(relay, { accept: { address: `ws://${relay.address}/$hc/hyco?sb-hc-action=accept` } });
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats()).toMatchObject({ malformed: 1, failed: 0 });
  });

  test('holds values that have no text', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    const hostile = { toString: 1, valueOf: 1 };
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(
      JSON.stringify({
        accept: {
          address: `ws://${relay.address}/$hc/hyco?sb-hc-action=accept&sb-hc-rendezvous=invented`,
          id: hostile,
          connectHeaders: { __proto__: null, constructor: hostile, host: hostile, cookie: [hostile, 'a=b'] },
          remoteEndpoint: { address: hostile, port: hostile }
        }
      })
    );
    const [error, request] = await failed;
    expect(error).toMatchObject({ name: 'RelayError', statusCode: 403 });
    expect(request.headers).toEqual({ cookie: 'a=b' });
    expect(request.socket.remoteAddress).toBeUndefined();
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('has headers that mean something to JavaScript, to HTTP or to a text with lengths', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    const lines = [
      ['__proto__', 'polluted'],
      ['constructor', 'x'],
      ['X-Line', 'a\r\nX-Evil: 1'],
      ['X-Nul', 'a\0b'],
      ['X-Wide', 'grüße 😀'],
      ['x-ü', '\u2028'],
      ['', 'no name'],
      ['7', 'a number'],
      ['Cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['X-Long', 'l'.repeat(100_000)],
      ['X-Empty', '']
    ];
    const pairs = lines.map((line) => line.map((text) => JSON.stringify(text)).join(':'));
    const address = JSON.stringify(
      `ws://${relay.address}/$hc/hyco/ü?x=ö&sb-hc-action=accept&sb-hc-rendezvous=invented`
    );
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(
      `{"accept":{"address":${address},"id":"a\\n😀","connectHeaders":{${pairs}},"remoteEndpoint":{"address":"::1","port":7}}}`
    );
    const [, request] = await failed;
    expect(request).toMatchObject({ url: '/hyco/ü?x=ö', id: 'a\n😀' });
    expect(request.relay).toEqual({ id: 'a\n😀', host: relay.address });
    expect(request.socket).toMatchObject({ remoteAddress: '::1', remotePort: 7, remoteFamily: 'IPv6' });
    const raw = lines.flat();
    expect(request.rawHeaders).toEqual(raw);
    expect(request.headers).toMatchObject({
      'x-line': raw[5],
      'x-nul': 'a\0b',
      'x-wide': raw[9],
      7: 'a number'
    });
    expect(request.headers).toMatchObject({ cookie: 'a=1; b=2', 'x-empty': '' });
    expect(request.headers['x-evil']).toBeUndefined();
    expect(request.headers['x-long']).toHaveLength(100_000);
    expect({}.polluted).toBeUndefined();
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('comes again and again: what is reported is bounded', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay));
    // Few enough for the relay's own queue, which has to take the sender's offer, too.
    for (let count = 0; count < 60; count++) relay.faults.sendControl('rubbish');
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats().malformed).toBeLessThanOrEqual(20);
  });

  test('is an accept by the thousand, with one id: each is looked at, and all of them end', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { maxPendingAccepts: 100 }));
    const count = 1000;
    const address = `ws://${relay.address}/$hc/hyco?sb-hc-action=accept&sb-hc-rendezvous=invented`;
    let failed = 0;
    server.on('rendezvousError', () => failed++);
    for (let sent = 0; sent < count; sent++) {
      relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'the same' } }));
    }
    // All are in when the last one, which is no accept, is.
    await say(relay, 'the end');
    while (server.stats().pendingAccepts > 0) await once(server, 'rendezvousError');
    const { rejected } = server.stats();
    expect(failed + rejected).toBe(count);
    expect(await roundTrip(relay)).toBe('hello');
  });
});

describe('a rendezvous that', () => {
  /** Offers an accept that leads to `port`; resolves with what its rendezvous fails with. */
  async function meet(relay, server, address) {
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'x' } }));
    const [error] = await failed;
    expect(await roundTrip(relay)).toBe('hello');
    expect(server.stats()).toMatchObject({ reconnects: 0, pendingAccepts: 0, failed: 1 });
    return error;
  }

  test.each([
    ['is never answered', () => {}, 'ERR_HYCO_TIMEOUT'],
    ['is answered byte by byte (slow loris)', slowly, 'ERR_HYCO_TIMEOUT'],
    ['has a head without end', (socket) => socket.end(`HTTP/1.1 101 OK\r\nX: ${'x'.repeat(200_000)}`)],
    ['is no HTTP', (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
    ['is refused', (socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'), 'ERR_HYCO_FORBIDDEN'],
    ['redirects', (socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\n\r\n')],
    ['hangs up', (socket) => socket.destroy()]
  ])('%s', async (_, answer, code = expect.stringMatching(/^(ERR_HYCO_|HPE_|ECONN)/)) => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { acceptTimeout: 1_000 }));
    const port = await scripted((socket) => socket.once('data', () => answer(socket)));
    const error = await meet(relay, server, `ws://127.0.0.1:${port}/$hc/hyco?sb-hc-action=accept`);
    expect(error).toMatchObject({ code });
  });

  test.each([
    [
      'has a certificate that has expired',
      { cert: fixture('expired-cert.pem'), key: fixture('expired-key.pem') }
    ],
    ['breaks its TLS off', undefined]
  ])('%s', async (_, options) => {
    const relay = await startRelay({ tls });
    const server = echo(await startServer(relay));
    const port = await scripted((socket) => options ?? socket.once('data', () => socket.end('no')), options);
    const error = await meet(relay, server, `wss://127.0.0.1:${port}/$hc/hyco?sb-hc-action=accept`);
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(ERR_|CERT|DEPTH|SELF|UNABLE|ECONN|EPROTO)/)
    });
  });

  test.each(['localhost.', 'xn--', '127.0.0.1%00', '[::1', '127.1:99999', 'a'.repeat(300)])(
    'has the absurd host %p is not dialled',
    async (host) => {
      const relay = await startRelay();
      const server = echo(await startServer(relay));
      await say(relay, { accept: { address: `ws://${host}/$hc/hyco`, id: 'x' } });
      expect(await roundTrip(relay)).toBe('hello');
      expect(server.stats()).toMatchObject({ malformed: 1, failed: 0, accepted: 1 });
    }
  );
});

describe('header injection', () => {
  test("by a listener of 'headers' that repeats what the sender sent: 500, and nothing is sent", async () => {
    const relay = await startRelay();
    const server = await startServer(relay);
    server.on('headers', (headers, { url }) => headers.push(`X-Path: ${decodeURIComponent(url)}`));
    const failed = once(server, 'rendezvousError');
    const sender = connect(relay, { uri: relay.sendUri('hyco/%0d%0aX-Evil:%201') });
    expect(await refusal(sender)).toMatchObject({ statusCode: 500 });
    expect((await failed)[0]).toMatchObject({ code: 'ERR_INVALID_CHAR' });
    expect(server.state).toBe('online');
  });

  test('by the reason of a rejection: it stays one line', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, {
      verifyClient: (info, cb) => cb(false, 401, 'No\r\nX-Evil: 1\r\n\r\n&sb-hc-statusCode=200 größer')
    });
    const error = await refusal(connect(relay));
    expect(error).toMatchObject({ statusCode: 401 });
    expect(error.reason).not.toMatch(/[\r\n]/);
    expect(server.state).toBe('online');
  });

  test.each([0, 42, 99, 1000, -1, NaN, 'abc', 418.5])(
    'by the status %p: the sender still gets an answer',
    async (status) => {
      const relay = await startRelay();
      const server = await startServer(relay, { verifyClient: (info, cb) => cb(false, status, 'odd') });
      const { statusCode } = await refusal(connect(relay));
      expect(statusCode).toBeGreaterThanOrEqual(400);
      expect(server.state).toBe('online');
    }
  );
});

describe('a handshake that', () => {
  test('never ends is given up (slow loris)', async () => {
    const port = await scripted(slowly);
    const error = await firstFailure(listenUri(port), { handshakeTimeout: 200 });
    expect(error).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
  });

  test('is never answered is given up', async () => {
    const port = await scripted(() => {});
    const error = await firstFailure(listenUri(port), { handshakeTimeout: 100 });
    expect(error).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
  });

  test.each([
    ['has a head without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}`],
    ['has too many headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(5_000)}\r\n`],
    ['is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['ends early', 'HTTP/1.1 101 Switching'],
    [
      'accepts another key',
      'HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'
    ],
    ['is 200', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
    ['redirects', 'HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\n\r\n']
  ])('%s ends in a typed error', async (_, answer) => {
    const port = await scripted((socket) => socket.once('data', () => socket.end(answer)));
    const error = await firstFailure(listenUri(port));
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toMatch(/^(ERR_HYCO_|HPE_|ECONN)/);
    expect(require('node:util').inspect(error)).not.toContain('a-token');
  });

  test('is refused with an endless body does not hold the listener up', async () => {
    const port = await scripted((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 500 Oops\r\n\r\nxxxxx'));
    });
    expect(await firstFailure(listenUri(port))).toMatchObject({ statusCode: 500 });
  });
});

describe('TLS that', () => {
  test('names another host', async () => {
    const port = await scripted(() => {}, tls);
    const error = await firstFailure(listenUri(port, 'wss'), {
      tls: { ca: tls.cert, servername: 'ns.servicebus.windows.net' }
    });
    expect(error).toMatchObject({ code: expect.stringMatching(/ERR_HYCO_TLS|ERR_TLS|CERT/) });
  });

  test('has expired', async () => {
    const expired = { cert: fixture('expired-cert.pem'), key: fixture('expired-key.pem') };
    const port = await scripted(() => {}, expired);
    const error = await firstFailure(listenUri(port, 'wss'), { tls: { ca: expired.cert } });
    expect(error.code).toMatch(/ERR_HYCO_TLS|CERT_HAS_EXPIRED/);
    expect(`${error.message} ${error.cause?.message}`).toMatch(/expired/i);
  });

  test('nobody vouches for', async () => {
    const port = await scripted(() => {}, tls);
    const error = await firstFailure(listenUri(port, 'wss'), { tls: undefined });
    expect(error).toMatchObject({ code: expect.stringMatching(/ERR_HYCO_TLS|CERT|SIGNED/) });
  });

  test('is no TLS at all', async () => {
    const port = await scripted((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    const error = await firstFailure(listenUri(port, 'wss'));
    expect(error).toMatchObject({ code: expect.stringMatching(/ERR_HYCO_TLS|ERR_SSL|EPROTO/) });
  });

  test('never gets anywhere', async () => {
    const port = await scripted(() => {});
    const error = await firstFailure(listenUri(port, 'wss'), { handshakeTimeout: 100 });
    expect(error).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
  });
});
