'use strict';

// The control channel is lost, refused or silent, and senders should hardly notice.

const { execFile } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const {
  cleanUp,
  connect,
  echo,
  makeServer,
  roundTrip,
  scripted,
  startProxy,
  startRelay,
  startServer,
  times
} = require('../helpers/reliability.js');

afterEach(cleanUp);

describe('a listener survives', () => {
  test('a cut control channel, by FIN and by RST', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { reconnect: { minDelay: 10, maxDelay: 50 } }));
    for (const reset of [false, true]) {
      const lost = once(server, 'reconnecting');
      const back = once(server, 'listening');
      relay.faults.dropControl({ reset });
      expect((await lost)[0].error).toMatchObject({ code: expect.stringMatching(/^ERR_HYCO_|^ECONN/) });
      await back;
      expect(await roundTrip(relay)).toBe('hello');
    }
    expect(server.stats()).toMatchObject({ listening: 3 });
  });

  test('a relay that is stopped and started again on the same port', async () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    const sharedAccessPolicies = [{ keyName: 'rule', key }];
    const first = await startRelay({ sharedAccessPolicies });
    const server = echo(await startServer(first, { reconnect: { minDelay: 10, maxDelay: 50 } }));
    const lost = once(server, 'reconnecting');
    await first.close({ force: true });
    await lost;
    expect(server.state).toBe('reconnecting');
    const back = once(server, 'listening');
    const second = await startRelay({ sharedAccessPolicies, port: first.port });
    await back;
    expect(await roundTrip(second)).toBe('hello');
  });

  test('401: a fresh token is asked for, once and at once', async () => {
    const relay = await startRelay();
    relay.faults.refuse({ status: 401, reason: 'InvalidToken', action: 'listen' });
    const token = jest.fn(() => Promise.resolve(relay.createToken()));
    const server = makeServer(relay, { token });
    const [[info]] = await Promise.all([once(server, 'reconnecting'), once(server, 'listening')]);
    expect(info).toMatchObject({ delay: 0, error: { statusCode: 401 } });
    expect(token).toHaveBeenCalledTimes(2);
  });

  test('a primary key that was rotated away: the secondary one is used', async () => {
    const relay = await startRelay();
    const { key } = relay;
    const server = echo(makeServer(relay, { key: ['the old one', key] }));
    await once(server, 'listening');
    expect(await roundTrip(relay)).toBe('hello');
    expect(relay.stats().totals.refused).toBe(1);
  });

  test('429 and 503: it goes on', async () => {
    const relay = await startRelay();
    for (const status of [429, 503]) {
      relay.faults.refuse({ status, action: 'listen' });
      const server = makeServer(relay, { reconnect: { delay: () => 0 } });
      const [[info]] = await Promise.all([once(server, 'reconnecting'), once(server, 'listening')]);
      expect(info.error).toMatchObject({ statusCode: status });
    }
  });

  test.each([429, 503])('%d: it is given five seconds at least', async (status) => {
    const relay = await startRelay();
    relay.faults.refuse({ status, action: 'listen' });
    const server = makeServer(relay);
    const [{ delay, error }] = await once(server, 'reconnecting');
    expect(error).toMatchObject({ code: 'ERR_HYCO_BUSY', statusCode: status, transient: true });
    expect(delay).toBeGreaterThanOrEqual(5_000);
  });

  test('503 with Retry-After: not before that', async () => {
    const busy = http.createServer();
    busy.on('upgrade', (request, socket) => {
      socket.end('HTTP/1.1 503 Busy\r\nRetry-After: 77\r\nContent-Length: 0\r\n\r\n');
    });
    busy.listen(0, '127.0.0.1');
    await once(busy, 'listening');
    try {
      const uri = `ws://127.0.0.1:${busy.address().port}/$hc/hyco?sb-hc-action=listen`;
      const server = makeServer({}, { server: uri, token: 'a-token' });
      const [{ delay }] = await once(server, 'reconnecting');
      expect(delay).toBeGreaterThanOrEqual(77_000);
    } finally {
      busy.close();
    }
  });

  test('a quota that is used up is no end, though it is a 403: it is tried again slowly', async () => {
    const relay = await startRelay({ maxListeners: 0 });
    const server = makeServer(relay);
    const [{ delay, error }] = await once(server, 'reconnecting');
    expect(error).toMatchObject({ statusCode: 403 });
    expect(delay).toBeGreaterThanOrEqual(30_000);
    expect(server.state).toBe('reconnecting');
  });

  test.each(['407 Proxy Authentication Required', '403 Forbidden'])(
    "a proxy's %s: it tells, and tries again slowly",
    async (answer) => {
      const relay = await startRelay();
      let refuses = true;
      let asked = 0;
      const port = await scripted((client) => {
        client.once('data', () => {
          asked++;
          if (refuses) return client.end(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\n\r\n`);
          const upstream = net.connect(relay.port, '127.0.0.1', () => {
            client.write('HTTP/1.1 200 OK\r\n\r\n');
            client.pipe(upstream).pipe(client);
          });
          upstream.on('error', () => client.destroy());
          client.on('close', () => upstream.destroy());
        });
      });
      const url = `http://user:p@ssw0rd@127.0.0.1:${port}`;
      const server = makeServer(relay, { proxy: url, reconnect: { minDelay: 100, maxDelay: 100 } });
      const told = jest.fn();
      server.on('error', told);
      const delays = [];
      server.on('reconnecting', ({ delay }) => delays.push(delay));
      await times(server, 'reconnecting', 2);
      const status = Number(answer.slice(0, 3));
      // Once, and not even the first retry comes at once.
      expect(told.mock.calls).toEqual([
        [expect.objectContaining({ code: 'ERR_HYCO_PROXY', statusCode: status, transient: false })]
      ]);
      expect(told.mock.calls[0][0].stack).not.toContain('ssw0rd');
      expect([delays.length, asked]).toEqual([2, 2]);
      expect(Math.min(...delays)).toBeGreaterThanOrEqual(100);
      refuses = false;
      await once(server, 'listening');
    }
  );

  test('a renewal that fails: the channel lives on, and is renewed with the next token', async () => {
    const relay = await startRelay();
    const answers = [
      () => relay.createToken('hyco', { expirationSeconds: 2 }),
      () => Promise.reject(new Error('the vault is shut'))
    ];
    const token = jest.fn(() => (answers.shift() ?? (() => relay.createToken()))());
    const server = await startServer(relay, { token, reconnect: { minDelay: 20, maxDelay: 50 } });
    const failed = once(server, 'error');
    const renewed = once(relay, 'renewed');
    expect(await failed).toMatchObject([{ code: 'ERR_HYCO_TOKEN' }]);
    await renewed;
    expect(server.stats()).toMatchObject({ reconnects: 0, renewals: 1 });
    expect(server.state).toBe('online');
  });

  test.each([403, 404])('%d is the end by default, and can be retried on request', async (status) => {
    const relay = await startRelay();
    relay.faults.refuse({ status, action: 'listen' });
    const stopped = makeServer(relay);
    const offline = new Promise((resolve) => stopped.once('offline', resolve));
    const [error] = await once(stopped, 'error');
    expect(error).toMatchObject({ name: 'RelayError', statusCode: status });
    await offline;
    expect(stopped.state).toBe('offline');

    relay.faults.refuse({ status, action: 'listen' });
    const patient = makeServer(relay, { reconnect: { retryTerminal: true, delay: () => 0 } });
    patient.on('error', () => {});
    await new Promise((resolve) => patient.once('listening', resolve));
  });

  test('a relay that refuses everything: a handful of dials in seconds', async () => {
    const relay = await startRelay();
    relay.faults.refuse({ status: 500, times: Infinity, action: 'listen' });
    const server = makeServer(relay);
    const delays = [];
    // At once, then after a second at least. hyco-ws would have dialled some thousand times meanwhile.
    await new Promise((resolve) => {
      server.on('reconnecting', ({ delay }) => delays.push(delay) === 3 && resolve());
    });
    expect(relay.stats().totals.refused).toBe(3);
    expect(delays[0]).toBe(0);
    for (const delay of delays.slice(1)) expect(delay).toBeGreaterThanOrEqual(1000);
  });

  test('a relay that refuses everything: a few dials, while hyco-ws doubles its own with every round', async () => {
    const relay = await startRelay();
    relay.faults.refuse({ status: 500, times: Infinity, action: 'listen' });
    const server = makeServer(relay);
    const old = execFile(process.execPath, [join(__dirname, '../fixtures/hyco-ws-peer.js'), 'flood'], {
      env: { ...process.env, LISTEN: relay.listenUri(), RULE: relay.keyName, KEY: relay.key }
    });
    try {
      while (relay.stats().totals.refused < 1000) await sleep(5);
    } finally {
      old.kill('SIGKILL');
      await once(old, 'close');
    }
    // At once, then after a second at least: a thousand dials of the other are the work of a second or two.
    expect(server.stats().dials).toBeLessThanOrEqual(8);
  });

  test('a flapping relay: only a stable stretch makes retries immediate again', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, { reconnect: { minDelay: 20, maxDelay: 60 } });
    const delays = [];
    server.on('reconnecting', ({ delay }) => delays.push(delay));
    for (let round = 0; round < 5; round++) {
      const back = once(server, 'listening');
      relay.faults.dropControl();
      await back;
    }
    expect(delays[0]).toBe(0);
    expect(delays.length).toBe(5);
    for (const delay of delays.slice(1)) expect(delay).toBeGreaterThanOrEqual(20);
  });
});

describe('on a silent network', () => {
  const keepAlive = { interval: 60, timeout: 120 };

  test('a half-open control channel is found, and replaced', async () => {
    const relay = await startRelay();
    const proxy = await startProxy(relay.port);
    const server = echo(
      await startServer(relay, {
        server: proxy.through(relay.listenUri()),
        keepAlive,
        handshakeTimeout: 300,
        reconnect: { minDelay: 10, maxDelay: 50 }
      })
    );
    const lost = once(server, 'reconnecting');
    proxy.swallow();
    const [info] = await lost;
    expect(info.reason).toMatch(/nothing came/);
    const back = once(server, 'listening');
    proxy.restore();
    await back;
    // As long as the relay believes in the old channel, it offers senders there, too.
    while (relay.stats().listeners > 1) await once(relay, 'listenerClosed');
    expect(await roundTrip(relay)).toBe('hello');
  });

  test('a relay that stops reading and writing is found, too', async () => {
    const relay = await startRelay();
    const server = await startServer(relay, { keepAlive });
    const lost = once(server, 'reconnecting');
    relay.faults.goSilent({ data: false });
    expect((await lost)[0].reason).toMatch(/nothing came/);
    relay.faults.resume();
  });

  test('a half-open relayed socket is found, on either side', async () => {
    const relay = await startRelay();
    const proxy = await startProxy(relay.port);
    const server = await startServer(relay, { server: proxy.through(relay.listenUri()), keepAlive });
    const connected = once(server, 'connection');
    const sender = connect(relay, { uri: proxy.through(relay.sendUri()), keepAlive });
    const [[socket]] = await Promise.all([connected, sender.opened]);
    const closed = once(socket, 'close');
    // The control channel is half-open, too; while that is not known, close() waits for its answer.
    const lost = once(server, 'reconnecting');
    proxy.swallow();
    expect((await closed)[0]).toBe(1006);
    expect((await sender.closed)[0]).toBe(1006);
    expect(server.stats().connections).toBe(0);
    await lost;
  });

  test('a quiet connection is not mistaken for a dead one', async () => {
    const relay = await startRelay();
    const server = echo(await startServer(relay, { keepAlive }));
    const sender = await connect(relay, { keepAlive }).opened;
    // Several intervals, counted by what the relay sees.
    for (let pings = 0; pings < 5; pings++) await once(relay, 'ping');
    sender.send('still there');
    expect(String(await sender.messages.next())).toBe('still there');
    expect(server.stats()).toMatchObject({ reconnects: 0, rtt: expect.any(Number) });
  });
});
