'use strict';

const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const { deflateRawSync, gzipSync } = require('node:zlib');

const { RelayEmulator } = require('../emulator.js');
const { RelayedServer, createRelayToken } = require('../index.js');
const { dial, listen, meet, send, terminateAll } = require('./helpers/emulator-peers.js');
const { flaws } = require('./helpers/records-schema.js');

const relays = [];
/** Everything that was recorded in this file, for its last test. */
const everything = [];
const secrets = new Set();

async function start(options) {
  const relay = await RelayEmulator.start({
    hybridConnections: ['hyco', { path: 'open', requiresClientAuthorization: false }],
    ...options
  });
  relays.push(relay);
  secrets.add(relay.key);
  // From the start on.
  relay.kept = relay.records();
  return relay;
}

afterEach(async () => {
  terminateAll();
  await Promise.all(relays.splice(0).map((relay) => relay.close({ force: true })));
});

/** The next record of a kind, of those that nobody has asked for yet. */
async function next(relay, kind) {
  for (;;) {
    const { value, done } = await relay.kept.next();
    if (done) throw new Error(`no record of the kind ${kind}`);
    everything.push(value);
    if (value.kind === kind) return value;
  }
}

/** Closes the relay: all that is left. */
async function rest(relay) {
  await relay.close();
  const left = [];
  for await (const record of relay.kept) left.push(record);
  everything.push(...left);
  return left;
}

function post(relay, path, { body = '', headers = {}, method = 'POST', agent } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(relay.httpUri(path), { method, headers, agent });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve([response.statusCode, Buffer.concat(chunks)]));
      response.on('error', reject);
    });
    request.end(body);
  });
}

async function serve(relay, onRequest, path = 'open') {
  const { keyName, key } = relay;
  const server = new RelayedServer({ server: relay.listenUri(path), keyName, key });
  if (onRequest) server.on('request', onRequest);
  await once(server, 'listening');
  return server;
}

describe('control channels', () => {
  test('come, renew and go', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco', { id: 'me' });
    const token = { result: 'ok', rule: relay.keyName, expires: expect.any(Number) };
    const came = await next(relay, 'listener');
    expect(came).toMatchObject({
      path: 'hyco',
      id: 'me',
      remoteAddress: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      target: expect.stringContaining('/$hc/hyco?sb-hc-action=listen'),
      token: { ...token, carriedBy: 'ServiceBusAuthorization' },
      listeners: 1
    });
    expect(came.headers).toContainEqual(['ServiceBusAuthorization', '***']);
    expect(Math.abs(came.token.expires - Date.now() - 3600_000)).toBeLessThan(10_000);
    const renewal = relay.createToken('hyco');
    secrets.add(/sig=([^&]+)/.exec(renewal)[1]);
    control.send(JSON.stringify({ renewToken: { token: renewal } }));
    expect((await next(relay, 'renewed')).token).toEqual({ ...token, carriedBy: 'renewToken' });
    control.send(JSON.stringify({ renewToken: { token: relay.createToken('other') } }));
    expect(await next(relay, 'refused')).toMatchObject({
      role: 'renewal',
      id: 'me',
      token: { result: 'wrongAudience', part: 'resource (sr)', carriedBy: 'renewToken' }
    });
    expect(await next(relay, 'listenerClosed')).toMatchObject({
      id: 'me',
      code: 1008,
      reason: expect.stringContaining('InvalidAudience'),
      by: 'relay'
    });
    const second = await listen(relay, 'hyco', { id: 'second' });
    second.close(4001, `bye ${relay.key}`);
    expect(await next(relay, 'listenerClosed')).toMatchObject({
      code: 4001,
      reason: 'bye ***',
      by: 'listener'
    });
    (await listen(relay, 'hyco')).terminate();
    expect(await next(relay, 'listenerClosed')).toMatchObject({ code: 1006, reason: '', by: 'none' });
  });
});

describe('a refusal says what was wrong with the token', () => {
  const address = (relay) => `http://${relay.address}/hyco`;
  test.each([
    ['none', () => null, 'token'],
    ['malformed', () => 'Bearer eyJ0.eyJ1.x', 'token'],
    ['expired', (relay) => relay.createToken('hyco', { expirationSeconds: -5 }), 'expiry (se)'],
    ['wrongKey', (relay) => createRelayToken(address(relay), relay.keyName, 'another'), 'signature (sig)'],
    ['unknownRule', (relay) => createRelayToken(address(relay), 'nobody', relay.key), 'rule (skn)'],
    ['wrongAudience', (relay) => relay.createToken('other'), 'resource (sr)'],
    ['noRight', (relay) => relay.createToken('hyco', { keyName: 'listenOnly' }), 'rights of its rule']
  ])('%s', async (result, tokenOf, part) => {
    const rules = [{}, { keyName: 'listenOnly', rights: ['Listen'] }];
    const relay = await start({ sharedAccessPolicies: rules });
    const token = tokenOf(relay);
    const status = result === 'noRight' ? 403 : 401;
    await expect(send(relay, 'hyco', { token, headers: { Cookie: 'session=1234' } })).rejects.toMatchObject({
      status
    });
    const refused = await next(relay, 'refused');
    expect(refused).toMatchObject({ role: 'sender', path: 'hyco', status, token: { result, part } });
    expect(refused.headers).toContainEqual(['Cookie', '***']);
    const { expected, found, remedy } = refused.token;
    for (const words of [expected, found, remedy]) expect(words).toMatch(/^[^*]{3,}$/);
  });

  test('and who it was', async () => {
    const relay = await start();
    await expect(dial(relay.listenUri('nope', { token: true }))).rejects.toMatchObject({ status: 404 });
    expect(await next(relay, 'refused')).toMatchObject({ role: 'listener', status: 404 });
    const rendezvous = relay.sendUri('hyco').replace('connect', 'accept');
    await expect(dial(`${rendezvous}&sb-hc-rendezvous=abcdefgh12345`)).rejects.toMatchObject({ status: 403 });
    const refused = await next(relay, 'refused');
    expect(refused).toMatchObject({ role: 'rendezvous', status: 403 });
    expect(refused.target).toMatch(/sb-hc-rendezvous=\*\*\*$/);
    expect(await post(relay, 'hyco')).toMatchObject([401, expect.anything()]);
    expect(await next(relay, 'refused')).toMatchObject({ role: 'request', target: '/hyco' });
    const socket = net.connect(relay.port, '127.0.0.1');
    socket.end('no HTTP\r\n\r\n');
    await once(socket.resume(), 'close');
    expect(await next(relay, 'refused')).toMatchObject({
      role: 'unknown',
      target: '',
      headers: [],
      status: 400
    });
  });
});

describe('senders', () => {
  test('come, are accepted, and go', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco', { id: 'me' });
    const [sender] = await meet(relay, control, 'hyco/a?b=c', { headers: { 'X-A': '<script>' } });
    const came = await next(relay, 'sender');
    expect(came).toMatchObject({ path: 'hyco', target: expect.stringContaining('/$hc/hyco/a?b=c') });
    expect(came.headers).toContainEqual(['X-A', '<script>']);
    const { id } = came;
    expect(await next(relay, 'accepted')).toMatchObject({ id, listener: 'me', duration: expect.any(Number) });
    sender.close(4000, '</script>');
    expect(await next(relay, 'closed')).toMatchObject({
      id,
      senderCode: 4000,
      senderReason: '</script>',
      listenerCode: 4000,
      listenerReason: '</script>',
      cause: 'closed'
    });
  });

  test('are rejected, or time out', async () => {
    const relay = await start({ acceptTimeout: 50 });
    const control = await listen(relay);
    const sending = send(relay);
    const { accept } = await control.nextCommand();
    const reject = `${accept.address}&sb-hc-statusCode=418&sb-hc-statusDescription=tea`;
    await expect(dial(reject)).rejects.toMatchObject({ status: 410 });
    await expect(sending).rejects.toMatchObject({ status: 418 });
    expect(await next(relay, 'rejected')).toMatchObject({ status: 418, reason: 'tea' });
    await expect(send(relay)).rejects.toMatchObject({ status: 404 });
    const { id } = await next(relay, 'timedOut');
    expect(id).toMatch(/_G\d+$/);
    expect((await rest(relay)).filter(({ kind }) => kind === 'refused').length).toBe(1);
  });

  test.each([
    ['senderLost', (sender) => sender.terminate(), [1006, 1001]],
    ['listenerLost', (_sender, listener) => listener.terminate(), [1006, 1006]],
    ['violation', (sender) => sender._socket.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0])), undefined],
    ['ordered', (_sender, _listener, relay) => relay.faults.closeRendezvous(4444, 'x'), undefined]
  ])('end by %s', async (cause, act, codes) => {
    const relay = await start();
    const [sender, listener] = await meet(relay, await listen(relay));
    act(sender, listener, relay);
    const closed = await next(relay, 'closed');
    expect(closed.cause).toBe(cause);
    if (codes) expect(closed.senderCode).toBe(codes[0]);
  });
});

describe('messages', () => {
  async function pair(options) {
    const relay = await start(options);
    const legOptions = { skipUTF8Validation: true };
    const [sender, listener] = await meet(relay, await listen(relay), 'hyco', { legOptions });
    await next(relay, 'accepted');
    return { relay, sender, listener };
  }

  test('of all kinds, in both directions', async () => {
    const { relay, sender, listener } = await pair();
    sender.send('täxt');
    expect(await next(relay, 'message')).toMatchObject({
      direction: 'toListener',
      type: 'text',
      size: 5,
      preview: 'täxt',
      cut: false
    });
    listener.send(Buffer.from([0, 255]));
    expect(await next(relay, 'message')).toMatchObject({
      direction: 'toSender',
      type: 'binary',
      size: 2,
      preview: 'AP8='
    });
    sender.send('');
    expect(await next(relay, 'message')).toMatchObject({ size: 0, preview: '', cut: false });
    sender.ping('p');
    expect(await next(relay, 'message')).toMatchObject({
      type: 'ping',
      preview: 'cA==',
      direction: 'toListener'
    });
    listener.pong('');
    expect(await next(relay, 'message')).toMatchObject({ type: 'pong', preview: '', direction: 'toSender' });
    for (const [piece, fin] of [
      ['a', false],
      ['', false],
      ['b', true]
    ]) {
      sender.send(piece, { fin });
    }
    expect(await next(relay, 'message')).toMatchObject({ preview: 'ab', size: 2, fragments: 3 });
  });

  test('that are huge, of no text, or never end', async () => {
    const { relay, sender } = await pair({ inspect: { previewBytes: 16 } });
    sender.send(Buffer.alloc(5 << 20, 'x'), { binary: false });
    expect(await next(relay, 'message')).toMatchObject({
      type: 'text',
      size: 5 << 20,
      preview: 'x'.repeat(16),
      cut: true
    });
    sender.send(Buffer.from([0x61, 0xff, 0x62]), { binary: false });
    expect(await next(relay, 'message')).toMatchObject({ preview: 'a\ufffdb', size: 3 });
    sender.send(Buffer.from('ü'.repeat(9)), { binary: false });
    expect(await next(relay, 'message')).toMatchObject({ preview: 'ü'.repeat(8), cut: true });
    sender.send('begun', { fin: false });
    sender.terminate();
    expect(await next(relay, 'message')).toMatchObject({ preview: 'begun', incomplete: true });
  });

  test('that are compressed show only that', async () => {
    const relay = await start({ grantExtensions: true });
    const options = { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 15 } };
    const control = await listen(relay);
    const [sender] = await meet(relay, control, 'hyco', { ...options, legOptions: options });
    sender.send(relay.key.repeat(20));
    const message = await next(relay, 'message');
    expect(message).toMatchObject({ compressed: true, preview: '', type: 'text' });
    expect(message.size).toBeLessThan(200);
  });

  test('hold no secret, however they come', async () => {
    const { relay, sender } = await pair();
    const token = relay.createToken('hyco');
    const half = relay.key.slice(0, 20);
    for (const data of [
      relay.key,
      Buffer.from(`\0\0${relay.key}\0`),
      JSON.stringify({ Authorization: token, 'sb-hc-token': token, key: relay.key }),
      Buffer.from(`GET /$hc/hyco?sb-hc-token=${encodeURIComponent(token)} HTTP/1.1\r\n`),
      `${'x '.repeat(502)}${relay.key}`,
      encodeURIComponent(relay.key)
    ]) {
      sender.send(data);
      const { preview, type } = await next(relay, 'message');
      const text = type === 'text' ? preview : Buffer.from(preview, 'base64').toString('latin1');
      expect(text).toContain('**');
      expect(text).not.toContain(half);
      expect(text).not.toMatch(/sig=[^*]/);
    }
  });
});

describe('HTTP', () => {
  const bodyOf = (text) => ({ size: text.length, preview: text, text: true, cut: false });

  test('on a control channel', async () => {
    const relay = await start();
    const server = await serve(relay, (req, res) => {
      res.setHeader('Set-Cookie', ['a=b; Secure']);
      res.writeHead(201, 'Made').end('got it');
      req.resume();
    });
    await post(relay, 'open/x?y=1', { body: 'hello', headers: { Cookie: 'session=1' } });
    const request = await next(relay, 'request');
    expect(request).toMatchObject({
      path: 'open',
      method: 'POST',
      target: '/open/x?y=1',
      length: 5,
      token: { result: 'notNeeded' }
    });
    expect(request.headers).toContainEqual(['Cookie', '***']);
    const { id } = request;
    const response = await next(relay, 'response');
    expect(response).toMatchObject({ id, status: 201, reason: 'Made', by: 'channel' });
    expect(response.headers).toContainEqual(['Set-Cookie', '***']);
    const done = await next(relay, 'requestDone');
    expect(done).toMatchObject({
      id,
      status: 201,
      by: 'channel',
      requestBody: bodyOf('hello'),
      responseBody: bodyOf('got it')
    });
    const { queued, accepted, firstByte, end } = done.timing;
    expect([queued, accepted, firstByte, end].every((time, at, all) => time >= (all[at - 1] ?? 0))).toBe(
      true
    );
    await server.close();
  });

  test('by a rendezvous, which stays for the next request', async () => {
    const relay = await start();
    const server = await serve(relay, async (req, res) => {
      for await (const _chunk of req);
      res.end(Buffer.alloc(100_000, 0xff));
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 2; i++) {
      await post(relay, 'open', { body: Buffer.alloc(80_000, 'y'), agent });
      const request = await next(relay, 'request');
      expect(request.length).toBe(80_000);
      expect(await next(relay, 'response')).toMatchObject({ id: request.id, by: 'rendezvous' });
      const done = await next(relay, 'requestDone');
      expect(done).toMatchObject({
        id: request.id,
        requestBody: { size: 80_000, preview: 'y'.repeat(1024), text: true, cut: true },
        responseBody: { size: 100_000, text: false, cut: true }
      });
      expect(Buffer.from(done.responseBody.preview, 'base64')).toEqual(Buffer.alloc(1024, 0xff));
    }
    agent.destroy();
    await server.close();
  });

  test('whose body is encoded shows only that', async () => {
    const relay = await start();
    const server = await serve(relay, (_req, res) => {
      res.setHeader('Content-Encoding', 'gzip');
      res.end(gzipSync(relay.key));
    });
    const body = deflateRawSync(relay.key);
    await post(relay, 'open', { body, headers: { 'Content-Encoding': 'deflate' } });
    expect(await next(relay, 'requestDone')).toMatchObject({
      requestBody: { preview: '', encoding: 'deflate', size: body.length },
      responseBody: { preview: '', encoding: 'gzip' }
    });
    await server.close();
  });

  test('that fails says why', async () => {
    const relay = await start({ responseTimeout: 100 });
    expect(await post(relay, 'open')).toMatchObject([404, expect.anything()]);
    expect(await next(relay, 'requestFailed')).toMatchObject({
      status: 404,
      reason: expect.stringContaining('no listeners'),
      timing: { queued: null, accepted: null, firstByte: null, end: expect.any(Number) }
    });
    expect(await next(relay, 'refused')).toMatchObject({ role: 'request', status: 404 });
    await listen(relay, 'open');
    expect(await post(relay, 'open')).toMatchObject([504, expect.anything()]);
    expect(await next(relay, 'requestFailed')).toMatchObject({ status: 504, requestBody: { size: 0 } });
  });

  test('that nobody waits for', async () => {
    const relay = await start();
    await listen(relay, 'open');
    const request = http.get(relay.httpUri('open')).on('error', () => {});
    await next(relay, 'request');
    request.destroy();
    expect(await next(relay, 'requestFailed')).toMatchObject({
      status: null,
      reason: expect.stringContaining('sender is gone')
    });
  });

  test('that is cut by a fault', async () => {
    const relay = await start();
    const server = await serve(relay, (_req, res) => res.end('0123456789'));
    relay.faults.cutBodies({ after: 4 });
    expect(await next(relay, 'fault')).toMatchObject({
      fault: 'cutBodies',
      details: { of: 'response', after: 4, times: 1 },
      struck: 0
    });
    await expect(post(relay, 'open')).rejects.toThrow();
    expect(await next(relay, 'requestFailed')).toMatchObject({ status: 200, responseBody: bodyOf('0123') });
    await server.close();
  });
});

test('faults are recorded with what they struck', async () => {
  const relay = await start();
  await listen(relay);
  relay.faults.refuse({ status: 503, action: 'connect' });
  expect(await next(relay, 'fault')).toMatchObject({
    fault: 'refuse',
    details: { status: 503, action: 'connect' },
    struck: 0
  });
  relay.faults.sendControl(`{"renewToken":{"token":"${relay.createToken('hyco')}"}}`, { path: 'hyco' });
  const fault = await next(relay, 'fault');
  expect(fault).toMatchObject({ fault: 'sendControl', path: 'hyco', struck: 1 });
  expect(fault.details.text).not.toMatch(/sig=[^*]/);
});

describe('the source of the page', () => {
  /** As the page has it: over the relay's own options and native side. */
  async function source(options) {
    let given;
    jest.isolateModules(() => {
      jest.doMock('../lib/inspector/server.js', () => ({
        startInspector: async (own) => {
          given = own;
          return { url: 'http://127.0.0.1/', close: async () => {} };
        }
      }));
      ({ RelayEmulator: given } = require('../emulator.js'));
    });
    const relay = await given.start({
      hybridConnections: ['hyco', { path: 'open', requiresClientAuthorization: false }],
      inspect: true,
      ...options
    });
    relays.push(relay);
    return [relay, given];
  }

  test('has an overview', async () => {
    const [relay, own] = await source();
    await listen(relay, 'hyco', { id: 'me' });
    own.overview();
    const [sender, listener] = await meet(relay, await listen(relay, 'open'), 'open', { token: null });
    sender.send('12345');
    await listener.messages.next();
    const seen = own.overview();
    expect(seen.hybridConnections).toEqual([
      { path: 'hyco', requiresClientAuthorization: true, listeners: 1, senders: 0 },
      { path: 'open', requiresClientAuthorization: false, listeners: 1, senders: 1 }
    ]);
    expect(seen.listeners[0]).toMatchObject({ path: 'hyco', id: 'me', since: expect.any(Number) });
    expect(Math.abs(seen.listeners[0].tokenExpires - Date.now() - 3600_000)).toBeLessThan(10_000);
    const way = { messages: 0, bytes: 0, buffered: 0, messagesPerSecond: 0, bytesPerSecond: 0 };
    expect(seen.connections).toMatchObject([{ path: 'open', kind: 'websocket', toSender: way }]);
    expect(seen.connections[0].toListener).toMatchObject({ messages: 1, bytes: 5 });
    expect(seen).toMatchObject({ pending: 0, totals: relay.stats().totals });
    sender.send('12345');
    await listener.messages.next();
    expect(own.overview().connections[0].toListener.messagesPerSecond).toBeGreaterThan(0);
  });

  test('sends a request again, signed anew', async () => {
    const [relay, own] = await source();
    const server = await serve(
      relay,
      (req, res) => {
        const chunks = [];
        req.on('data', (chunk) => chunks.push(chunk));
        req.on('end', () => {
          res.setHeader('X-Url', req.url);
          res.end(`${req.method} ${req.headers['x-a']} ${req.headers.cookie} ${Buffer.concat(chunks)}`);
        });
      },
      'hyco'
    );
    const reply = await own.replay({
      method: 'PUT',
      path: '/hyco/a?b=c&sb-hc-token=***&d',
      headers: [
        ['X-A', '1'],
        ['Cookie', '***'],
        ['Host', 'elsewhere'],
        ['Content-Length', '9999'],
        ['ServiceBusAuthorization', 'old']
      ],
      body: 'again'
    });
    expect(reply).toMatchObject({ status: 200, reason: 'OK', cut: false });
    expect(reply.headers).toContainEqual(['X-Url', '/hyco/a?b=c&d']);
    expect(reply.body.toString()).toBe('PUT 1 undefined again');
    for (const request of [
      {},
      { path: 'hyco' },
      { path: '/$HC/hyco' },
      { path: '/a b' },
      { path: '/a\r\nb' }
    ]) {
      await expect(own.replay(request)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    }
    await expect(own.replay({ path: '/hyco', headers: [['a b', 'c']] })).rejects.toThrow();
    // What Node.js has an event of its own for is no response.
    await expect(own.replay({ path: '/hyco', method: 'CONNECT' })).rejects.toMatchObject({
      code: 'ECONNRESET'
    });
    await server.close();
    expect(await own.replay({ path: '/hyco' })).toMatchObject({ status: 404 });
  });

  test('uses a rule that may send there', async () => {
    const rules = [
      { keyName: 'l', rights: ['Listen'] },
      { keyName: 's', rights: ['Send'], path: 'hyco' }
    ];
    const [, own] = await source({ sharedAccessPolicies: rules });
    expect(await own.replay({ path: '/HYCO/x' })).toMatchObject({
      status: 404,
      reason: expect.stringContaining('no listeners')
    });
    await expect(own.replay({ path: '/open' })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });
});

describe('bounds', () => {
  test('an event loop that is blocked loses records and learns how many', async () => {
    const relay = await start({ inspect: { maxRecords: 100 } });
    const [sender, listener] = await meet(relay, await listen(relay));
    await next(relay, 'accepted');
    let heard = 0;
    const all = new Promise((resolve) => listener.on('message', () => ++heard === 3000 && resolve()));
    for (let i = 0; i < 3000; i++) sender.send(String(i));
    await all;
    const kept = await rest(relay);
    expect(kept[0]).toMatchObject({ kind: 'lost' });
    const lost = kept.filter(({ kind }) => kind === 'lost').reduce((sum, { count }) => sum + count, 0);
    const messages = kept.filter(({ kind }) => kind === 'message');
    expect(lost + kept.filter(({ kind }) => kind !== 'lost').length).toBeGreaterThanOrEqual(3001);
    expect(messages.at(-1).preview).toBe('2999');
  });

  test('without a reader nothing is brought over, and the ring stays as large as it is', async () => {
    const relay = await start({ inspect: { maxRecords: 50, maxBytes: 20_000 } });
    const [sender, listener] = await meet(relay, await listen(relay));
    for (let i = 0; i < 500; i++) sender.send('x'.repeat(1000));
    await new Promise((resolve) => {
      let heard = 0;
      listener.on('message', () => ++heard === 500 && resolve());
    });
    const kept = [];
    const late = relay.records();
    await relay.close();
    for await (const record of late) kept.push(record);
    expect(kept.length).toBeLessThanOrEqual(50);
    // What was gone before this reader came is not lost to it.
    expect(kept[0].kind).not.toBe('lost');
  });

  test.each([
    [{ inspect: { maxRecords: 0 } }, 'options.inspect.maxRecords'],
    [{ inspect: { maxBytes: -1 } }, 'options.inspect.maxBytes'],
    [{ inspect: { previewBytes: 1e9 } }, 'options.inspect.previewBytes'],
    [{ inspect: 'yes' }, 'options.inspect']
  ])('refuses %j', async (options, name) => {
    await expect(RelayEmulator.start(options)).rejects.toThrow(name);
  });
});

test('recording begins with the first call, also in the middle of a message', async () => {
  const relay = await RelayEmulator.start();
  relays.push(relay);
  const [sender, listener] = await meet(relay, await listen(relay));
  sender.send('before');
  sender.send('half', { fin: false });
  await listener.messages.next();
  // The relay answers once it has passed on what came before.
  sender.ping();
  await once(sender, 'pong');
  relay.kept = relay.records();
  sender.send(' and half', { fin: true });
  sender.send('whole');
  expect(await next(relay, 'message')).toMatchObject({ preview: 'whole' });
});

test('the relay says goodbye to its readers', async () => {
  const relay = await start();
  const waiting = relay.records({ kinds: ['nothing'] });
  const end = waiting.next();
  await relay.close();
  expect(await end).toEqual({ value: undefined, done: true });
  expect(await relay.records({ since: 99 }).next()).toEqual({ value: undefined, done: true });
});

test('every record is one of the schema, and none holds a secret', () => {
  expect(new Set(everything.map(({ kind }) => kind))).toEqual(
    new Set([
      'listener',
      'listenerClosed',
      'renewed',
      'sender',
      'accepted',
      'rejected',
      'timedOut',
      'refused',
      'message',
      'closed',
      'request',
      'response',
      'requestDone',
      'requestFailed',
      'fault',
      'lost'
    ])
  );
  for (const record of everything) expect([record, flaws(record)]).toEqual([record, []]);
  const text = JSON.stringify(everything);
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/sig=[^*)]|session=1/);
});
