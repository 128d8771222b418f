'use strict';

// `inspect` of a RelayedServer: what passes through a listener's own process.

const { spawn } = require('node:child_process');
const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const { createInterface } = require('node:readline');

const { RelayedServer, connectRelayed } = require('..');
const { launchChromium, missing } = require('./helpers/chromium.js');
const { openPage, tab } = require('./helpers/inspected.js');
const { RelayEmulator } = require('../emulator.js');

const bin = path.join(__dirname, '..', 'bin', 'hyco-ws-rs.js');

let relay;
let server;
let sockets;

beforeEach(async () => {
  sockets = [];
  relay = await RelayEmulator.start();
});
afterEach(async () => {
  for (const socket of sockets) socket.terminate();
  await server?.close();
  await relay.close();
});

async function listen(options) {
  server = new RelayedServer({
    server: relay.listenUri('hyco'),
    keyName: relay.keyName,
    key: relay.key,
    reconnect: { minDelay: 20 },
    ...options
  });
  const events = [once(server, 'listening')];
  if (options?.inspect) events.push(once(server, 'inspecting'));
  const [, inspecting] = await Promise.all(events);
  return inspecting?.[0];
}

async function connect(target = 'hyco') {
  const socket = await connectRelayed(relay.sendUri(target), relay.createToken('hyco'));
  sockets.push(socket);
  return socket;
}

/** Records of the page's stream, up to one that `isLast` says is the last. */
async function recordsOf(url, isLast) {
  const abort = new AbortController();
  const response = await fetch(`${url}events`, { signal: abort.signal });
  const records = [];
  let text = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      if (/^event: records$/m.test(event)) records.push(...JSON.parse(/^data: (.*)$/m.exec(event)[1]));
    }
    if (records.some(isLast)) break;
  }
  abort.abort();
  return records;
}

const kinds = (records) => records.map(({ kind }) => kind);

test('the address is told once the page is there', async () => {
  const url = await listen({ inspect: true });
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{32}\/$/);
  expect(server.inspectorUrl).toBe(url);
  expect((await fetch(url)).status).toBe(200);
  expect((await fetch(new URL('/', url))).status).toBe(404);
});

test('it shows messages both ways, in pieces too, and the end', async () => {
  const url = await listen({ inspect: true });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => {
      socket.send(data, { binary: isBinary });
      if (isBinary) return;
      socket.send('one ', { fin: false });
      socket.send('two');
      socket.ping('p');
    });
  });
  const socket = await connect('hyco/room?name=ada');
  const heard = [];
  const three = new Promise((resolve) => {
    socket.on('message', (data, isBinary) => {
      heard.push(isBinary ? [...data] : data.toString());
      if (heard.length === 3) resolve();
    });
  });
  socket.send('{"a":1}');
  socket.send(Buffer.from([0, 255]));
  await three;
  expect(heard).toEqual(['{"a":1}', 'one two', [0, 255]]);
  socket.close(4001, 'bye');
  const records = await recordsOf(url, ({ kind }) => kind === 'closed');
  expect(kinds(records).slice(0, 4)).toEqual(['connecting', 'connected', 'sender', 'accepted']);
  const sender = records.find(({ kind }) => kind === 'sender');
  expect(sender).toMatchObject({ path: 'hyco', target: '/hyco/room?name=ada' });
  expect(sender.headers.map(([name]) => name)).toContain('Sec-WebSocket-Key');
  const messages = records.filter(({ kind }) => kind === 'message');
  const of = (way, ...types) =>
    messages
      .filter(({ direction, type }) => direction === way && types.includes(type))
      .map(({ preview, size }) => [preview, size]);
  expect(of('toListener', 'text', 'binary')).toEqual([
    ['{"a":1}', 7],
    ['AP8=', 2]
  ]);
  expect(of('toSender', 'text', 'binary')).toEqual([
    ['{"a":1}', 7],
    ['one two', 7],
    ['AP8=', 2]
  ]);
  expect(of('toSender', 'ping')).toEqual([['cA==', 1]]);
  expect(messages.find(({ preview }) => preview === 'one two')).toMatchObject({ cut: false, fragments: 2 });
  expect(records.find(({ kind }) => kind === 'closed')).toMatchObject({
    id: sender.id,
    senderCode: 4001,
    senderReason: 'bye',
    listenerCode: 4001,
    listenerReason: 'bye'
  });
});

test('a key that is sent in pieces is none of what it shows', async () => {
  const url = await listen({ inspect: true });
  server.on('connection', (socket) => {
    const [first, second] = [relay.key.slice(0, 20), relay.key.slice(20)];
    socket.send(`the key is ${first}`, { fin: false });
    socket.send(second);
    socket.close();
  });
  await once(await connect(), 'close');
  const records = await recordsOf(url, ({ kind }) => kind === 'closed');
  expect(records.find(({ kind }) => kind === 'message')).toMatchObject({
    preview: 'the key is ***',
    fragments: 2
  });
});

test('what a program does with its socket stays as it was', async () => {
  await listen({ inspect: true, textMessages: 'string' });
  const closed = new Promise((resolve) => {
    server.on('connection', (socket) => {
      // What is patched is called, whoever looks on.
      const { send } = socket;
      socket.send = function (data, ...rest) {
        return send.call(this, `patched ${data}`, ...rest);
      };
      socket.on('message', (data) => {
        socket.send(data, (error) => socket.close(error ? 4000 : 4002, 'enough'));
      });
      socket.on('close', (code, reason) => resolve([code, reason.toString(), Object.keys(socket)]));
    });
  });
  const socket = await connect();
  socket.send('text');
  const [data] = await once(socket, 'message');
  expect(data.toString()).toBe('patched text');
  const [code, reason, keys] = await closed;
  expect([code, reason]).toEqual([4002, 'enough']);
  expect(keys).not.toContain('_frame');
  expect(keys).not.toContain('_onMessage');
});

test('it shows requests with bodies and times, of an attached server too', async () => {
  const url = await listen({ inspect: true });
  const app = http.createServer(async (req, res) => {
    const pieces = await req.toArray();
    res.setHeader('Set-Cookie', 'session=secret-word');
    res.setHeader('Content-Type', 'text/plain');
    res.write('you said ');
    res.end(Buffer.concat(pieces));
  });
  server.attach(app);
  const response = await fetch(`${relay.httpUri('hyco')}/a?b=c`, {
    method: 'POST',
    body: 'grüße',
    headers: { ServiceBusAuthorization: relay.createToken('hyco'), Cookie: 'session=secret-word' }
  });
  expect(await response.text()).toBe('you said grüße');
  const records = await recordsOf(url, ({ kind }) => kind === 'requestDone');
  const [request, head, done] = records.filter(({ kind }) => /^re(quest|sponse)/.test(kind));
  expect(request).toMatchObject({ kind: 'request', method: 'POST', target: '/hyco/a?b=c', path: 'hyco' });
  expect(head).toMatchObject({ kind: 'response', id: request.id, status: 200, reason: 'OK' });
  expect(head.headers).toContainEqual(['Set-Cookie', '***']);
  expect(done).toMatchObject({
    id: request.id,
    status: 200,
    requestBody: { size: 7, preview: 'grüße', text: true, cut: false },
    responseBody: { size: 16, preview: 'you said grüße', text: true, cut: false }
  });
  expect(done.timing.end).toBeGreaterThanOrEqual(done.timing.firstByte);
  expect(JSON.stringify(records)).not.toContain('secret-word');
});

test('it shows long, binary and encoded bodies by their beginning', async () => {
  const url = await listen({ inspect: { previewBytes: 16 } });
  server.on('request', (req, res) => {
    req.resume();
    if (req.url.endsWith('encoded')) res.setHeader('Content-Encoding', 'br');
    req.on('end', () => res.end(Buffer.alloc(100_000, 0xff)));
  });
  for (const target of ['plain', 'encoded']) {
    const headers = { ServiceBusAuthorization: relay.createToken('hyco') };
    const request = http.get(`${relay.httpUri('hyco')}/${target}`, { headers, agent: false });
    const [response] = await once(request, 'response');
    await response.resume().toArray();
  }
  let ends = 0;
  const records = await recordsOf(url, ({ kind }) => kind === 'requestDone' && ++ends >= 2);
  const [plain, encoded] = records.filter(({ kind }) => kind === 'requestDone');
  const preview = Buffer.alloc(16, 0xff).toString('base64');
  expect(plain.responseBody).toEqual({ size: 100_000, preview, text: false, cut: true });
  expect(encoded.responseBody).toMatchObject({ size: 100_000, preview: '', encoding: 'br' });
});

test('it shows who is rejected, handlers that fail, and reconnects', async () => {
  const url = await listen({
    inspect: true,
    verifyClient: (info, done) => done(!info.req.url.includes('nobody'), 403, 'Not you')
  });
  server.on('requestError', () => {});
  server.on('request', () => {
    throw new Error('a handler has failed');
  });
  await expect(connect('hyco/nobody')).rejects.toMatchObject({ statusCode: 403 });
  const headers = { ServiceBusAuthorization: relay.createToken('hyco') };
  expect((await fetch(relay.httpUri('hyco'), { headers })).status).toBe(500);
  const again = once(server, 'listening');
  relay.faults.dropControl();
  await again;
  const records = await recordsOf(url, ({ kind, seq }) => kind === 'connected' && seq > 3);
  expect(records.find(({ kind }) => kind === 'rejected')).toMatchObject({ status: 403, reason: 'Not you' });
  expect(records.find(({ kind }) => kind === 'requestFailed')).toMatchObject({
    reason: 'a handler has failed'
  });
  expect(kinds(records).slice(-3)).toEqual(['reconnecting', 'connecting', 'connected']);
});

test('it shows renewals', async () => {
  const url = await listen({ inspect: true, tokenLifetime: 2 });
  const records = await recordsOf(url, ({ kind }) => kind === 'renewed');
  const { token } = records.find(({ kind }) => kind === 'renewed');
  expect(token.result).toBe('ok');
  expect(token.expires).toBeGreaterThan(Date.now() - 5000);
});

test('no key and no token is in it', async () => {
  const url = await listen({ inspect: true });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const socket = await connect();
  const token = relay.createToken('hyco');
  for (const text of [relay.key, token]) {
    socket.send(text);
    await once(socket, 'message');
  }
  socket.close();
  const text = JSON.stringify(await recordsOf(url, ({ kind }) => kind === 'closed'));
  expect(text).toContain('***');
  for (const secret of [relay.key, /sig=([^&]*)/.exec(token)[1]]) expect(text).not.toContain(secret);
});

test('it replays nothing, and has no faults', async () => {
  const url = await listen({ inspect: true });
  const [, secret] = new URL(url).pathname.split('/');
  for (const name of ['replay', 'faults/dropControl', 'faults/clear']) {
    const headers = { 'x-inspector-secret': secret };
    const { status } = await fetch(`${url}${name}`, { method: 'POST', headers, body: '{"args":[]}' });
    expect([name, status]).toEqual([name, 404]);
  }
});

test('it is closed with the server, and nobody listens any more', async () => {
  const url = await listen({ inspect: true });
  const stream = await fetch(`${url}events`);
  await connect();
  await server.close();
  await stream.body.cancel().catch(() => {});
  await expect(fetch(url)).rejects.toThrow();
  expect(diagnosticsChannel.hasSubscribers('hyco-ws-rs:accept:accepted')).toBe(false);
  expect(server.inspectorUrl).toBe(url);
});

test('a server that is closed at once has no page', async () => {
  server = new RelayedServer({
    server: relay.listenUri('hyco'),
    keyName: relay.keyName,
    key: relay.key,
    inspect: true
  });
  let opened = false;
  server.on('inspecting', () => (opened = true));
  await server.close();
  expect(opened).toBe(false);
  expect(diagnosticsChannel.hasSubscribers('hyco-ws-rs:accept:accepted')).toBe(false);
});

test('a port that is taken costs the page alone', async () => {
  const taken = http.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  server = new RelayedServer({
    server: relay.listenUri('hyco'),
    keyName: relay.keyName,
    key: relay.key,
    inspect: { port: taken.address().port }
  });
  // `once()` would take the error for the end of what it waits for.
  const listening = new Promise((resolve) => server.once('listening', resolve));
  const [error] = await new Promise((resolve) => server.once('error', (...args) => resolve(args)));
  await listening;
  expect(error.code).toBe('EADDRINUSE');
  expect(server.inspectorUrl).toBeUndefined();
  expect(server.state).toBe('online');
  await new Promise((resolve) => taken.close(resolve));
});

test.each([false, undefined, null])('it is off unless asked for: %s', async (inspect) => {
  await listen({ inspect });
  expect(server.inspectorUrl).toBeUndefined();
  const accepted = once(server, 'connection');
  await connect();
  const [socket] = await accepted;
  expect(Object.getOwnPropertyNames(socket)).not.toContain('_frame');
  expect(diagnosticsChannel.hasSubscribers('hyco-ws-rs:accept:accepted')).toBe(false);
});

test.each([
  ['a port that is none', { port: 70_000 }, 'options.inspect.port'],
  ['a text', 'yes', 'options.inspect'],
  ['no records', { maxRecords: 0 }, 'options.inspect.maxRecords']
])('%s is refused', (_name, inspect, option) => {
  const options = { server: relay.listenUri('hyco'), keyName: 'a', key: 'b', inspect };
  expect(() => new RelayedServer(options)).toThrow(option);
  server = undefined;
});

test('npx hyco-ws-rs listen --inspect says where the page is', async () => {
  const child = spawn(process.execPath, [bin, 'listen', '--inspect', '--json'], {
    env: {
      ...process.env,
      SB_HC_NAMESPACE: relay.address,
      SB_HC_PATH: 'hyco',
      SB_HC_KEYRULE: relay.keyName,
      SB_HC_KEY: relay.key,
      SB_HC_SECURE: 'false'
    },
    stdio: ['ignore', 'pipe', 'inherit']
  });
  server = undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, url } = JSON.parse(line);
    if (event !== 'inspecting') continue;
    expect((await fetch(url)).status).toBe(200);
    break;
  }
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
});

if (missing) {
  test.skip(missing, () => {});
} else {
  test('the page shows it', async () => {
    const url = await listen({ inspect: true });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}`)));
    const browser = await launchChromium();
    const { page, seen } = await openPage(browser, url);
    await page.getByText('State', { exact: true }).waitFor();
    await page.getByText('online', { exact: true }).waitFor();
    expect(await page.getByRole('tab').allInnerTexts()).toEqual([
      'Overview',
      'Timeline',
      'Connections',
      'HTTP'
    ]);
    const socket = await connect('hyco/kitchen');
    socket.send('{"tea":true}');
    await once(socket, 'message');
    await tab(page, 'Connections');
    await page
      .getByRole('listbox', { name: 'Connections' })
      .getByRole('option', { name: /kitchen/ })
      .click();
    const messages = page.getByRole('listbox', { name: 'Messages' }).getByRole('option');
    await messages.nth(1).waitFor();
    await messages.nth(1).click();
    await page.locator('.tree').getByText('tea').waitFor();
    const again = once(server, 'listening');
    relay.faults.dropControl();
    await again;
    await tab(page, 'Timeline');
    const options = page.getByRole('listbox', { name: 'Timeline' }).getByRole('option');
    await options.filter({ hasText: 'Reconnecting' }).waitFor();
    await tab(page, 'HTTP');
    expect(await page.getByRole('button', { name: 'Replay' }).count()).toBe(0);
    expect(seen.problems).toEqual([]);
    await browser.close();
  });
}
