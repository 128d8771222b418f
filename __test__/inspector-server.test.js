'use strict';

// The inspector's port without a browser: who gets in, what it sends, and how it ends.

const { readFileSync, readdirSync } = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { circlesOf, readScripts } = require('./helpers/circles');
const { inspectByHand } = require('./helpers/inspected.js');

const folder = path.join(__dirname, '..', 'lib', 'inspector', 'page');

let hand;
let url;
let secret;

beforeEach(async () => {
  hand = await inspectByHand();
  ({ url } = hand.inspector);
  [, secret] = new URL(url).pathname.split('/');
});
afterEach(() => hand.inspector.close());

/** Node's `fetch()` does not let a test choose Host. */
function ask(target, { method = 'GET', headers, body, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    const { hostname: host, pathname, port } = new URL(url);
    // As it is written.
    const path = target.startsWith('/') ? target : `${pathname}${target}`;
    const request = http.request({ host, port, path, method, headers, agent }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        resolve({ status: response.statusCode, headers: response.headers, text });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Opens the stream; `next()` gives its events in turn. */
async function listen(headers = {}) {
  const abort = new AbortController();
  const response = await fetch(new URL('events', url), { headers, signal: abort.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const next = async () => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end < 0) {
        text += (await reader.read()).value;
        continue;
      }
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const fields = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s)));
      if (fields.data !== undefined) return { ...fields, data: JSON.parse(fields.data) };
    }
  };
  /** Until so many records have come. */
  const records = async (count) => {
    const all = [];
    while (all.length < count) {
      const { data, event } = await next();
      if (event === 'records') all.push(...data);
    }
    return all;
  };
  return { response, next, records, close: () => abort.abort() };
}

describe('the page', () => {
  test('is at most 60 KB with all that belongs to it', () => {
    const sizes = readdirSync(folder).map((name) => readFileSync(path.join(folder, name)).length);
    expect(sizes.length).toBeGreaterThan(10);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(60 * 1024);
  });

  test('names no other origin, and never makes markup of a text', () => {
    for (const name of readdirSync(folder)) {
      const text = readFileSync(path.join(folder, name), 'utf8').replaceAll('http://www.w3.org/2000/svg', '');
      expect([name, text.match(/https?:\/\/(?!…)[^\s'"`]*/g)]).toEqual([name, null]);
      expect([
        name,
        text.match(/innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|srcdoc/g)
      ]).toEqual([name, null]);
    }
  });

  test('has no modules that use each other', () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.mjs'));
    const arrows = readScripts(
      Object.fromEntries(names.map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]))
    );
    expect(arrows.get('app.mjs').size).toBeGreaterThan(5);
    expect(circlesOf(arrows)).toEqual([]);
  });

  test('is served with each of its files, and nothing else', async () => {
    for (const name of readdirSync(folder)) {
      const { status, headers, text } = await ask(name === 'index.html' ? '' : name);
      expect([name, status]).toEqual([name, 200]);
      expect(text).toBe(readFileSync(path.join(folder, name), 'utf8'));
      expect(headers['content-type']).toMatch(/^(text\/(html|css|javascript)|image\/svg)/);
    }
    for (const name of [
      'index.html',
      'nothing',
      '../server.js',
      '..%2fserver.js',
      'app.mjs/',
      'constructor',
      '__proto__'
    ]) {
      expect([name, (await ask(name)).status]).toEqual([name, 404]);
    }
  });

  test.each(['', 'app.mjs', 'events-that-are-none'])('comes with strict headers: %s', async (name) => {
    const { headers } = await ask(name);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY'
    });
    const policy = headers['content-security-policy'];
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('who gets in', () => {
  test('an address without the secret opens nothing', async () => {
    const wrong = `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`;
    for (const target of [
      '/',
      '/favicon.ico',
      '/events',
      `/${wrong}/`,
      `/${wrong}/events`,
      '//',
      '/%00/',
      `/x/${secret}/`
    ]) {
      const { status, text } = await ask(target);
      expect([target, status, text]).toEqual([target, 404, '']);
    }
    expect((await ask(`/${secret}`)).headers.location).toBe(`/${secret}/`);
  });

  test('each inspector has a secret of its own', async () => {
    const other = await inspectByHand();
    expect(other.inspector.url).not.toContain(secret);
    expect(secret).toMatch(/^[\w-]{32}$/);
    await other.inspector.close();
  });

  test('it listens on loopback alone', () => {
    expect(new URL(url).hostname).toBe('127.0.0.1');
  });

  test.each([
    'evil.example',
    '169.254.1.1',
    '127.0.0.1',
    'localhost.evil.example:PORT',
    'rebound.localhost:PORT'
  ])('a name that somebody has pointed here gets nothing: %s', async (host) => {
    const headers = { host: host.replace('PORT', new URL(url).port) };
    for (const target of ['', 'app.mjs', 'events']) {
      expect(await ask(target, { headers })).toMatchObject({ status: 403, text: '' });
    }
  });

  test('the names of loopback are let in', async () => {
    const { port } = new URL(url);
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`]) {
      expect((await ask('', { headers: { host } })).status).toBe(200);
    }
  });

  test.each(['http://evil.example', 'null', 'https://127.0.0.1:PORT', 'http://127.0.0.1:1'])(
    'a page of another origin gets nothing: %s',
    async (given) => {
      const origin = given.replace('PORT', new URL(url).port);
      expect(await ask('', { headers: { origin } })).toMatchObject({ status: 403, text: '' });
      const headers = { origin, 'x-inspector-secret': secret };
      expect((await ask('faults/dropControl', { method: 'POST', headers, body: '{"args":[]}' })).status).toBe(
        403
      );
      // What a browser asks first.
      expect((await ask('replay', { method: 'OPTIONS', headers: { origin } })).status).toBe(403);
      expect(hand.pressed).toEqual([]);
    }
  );
});

describe('orders', () => {
  const order = (name, body, headers = { 'x-inspector-secret': secret }, agent = false) =>
    ask(name, { method: 'POST', headers, body, agent });

  test('need the secret as a header', async () => {
    for (const headers of [{}, { 'x-inspector-secret': '' }, { 'x-inspector-secret': 'x'.repeat(32) }]) {
      expect((await order('faults/dropControl', '{"args":[]}', headers)).status).toBe(403);
      expect((await order('replay', '{}', headers)).status).toBe(403);
    }
    expect(hand.pressed).toEqual([]);
  });

  test('press faults', async () => {
    const { status, text } = await order('faults/dropControl', '{"args":[{"path":"hyco"}]}');
    expect([status, JSON.parse(text)]).toEqual([200, { struck: 3 }]);
    expect(hand.pressed).toEqual([[{ path: 'hyco' }]]);
  });

  test('reach faults, and no other method', async () => {
    for (const name of [
      'constructor',
      'toString',
      '__proto__',
      'nothing',
      '',
      'dropControl/x',
      'hasOwnProperty'
    ]) {
      expect([name, (await order(`faults/${name}`, '{"args":[]}')).status]).toEqual([name, 404]);
    }
    expect((await order('faults', '{"args":[]}')).status).toBe(404);
    expect((await order('replay/x', '{}')).status).toBe(404);
  });

  test.each(['', 'null', '1', '{', '{}', '{"args":5}', '{"args":{}}'])(
    'of nonsense are refused: %s',
    async (body) => {
      expect((await order('faults/dropControl', body)).status).toBe(400);
      expect(hand.pressed).toEqual([]);
    }
  );

  test('have an end', async () => {
    const agent = new http.Agent({ keepAlive: true });
    const { headers, status } = await order('replay', 'x'.repeat(3 * 1024 * 1024), undefined, agent);
    // Nothing may come behind it.
    expect([status, headers.connection]).toEqual([413, 'close']);
    agent.destroy();
  });

  test('replay nothing but the body that they have', async () => {
    const bodies = [];
    await hand.inspector.close();
    hand = await inspectByHand({
      replay: async ({ body }) => {
        bodies.push(body.toString());
        return { status: 200, reason: 'OK' };
      }
    });
    ({ url } = hand.inspector);
    [, secret] = new URL(url).pathname.split('/');
    await order('replay', '{}');
    await order('replay', '{"body":"aGk="}');
    expect((await order('replay', '{"body":5}')).status).toBe(400);
    expect(bodies).toEqual(['', 'hi']);
  });

  test('tell what is wrong without what is secret', async () => {
    await hand.inspector.close();
    hand = await inspectByHand({
      replay: async () => {
        throw Object.assign(
          new Error('no way to sb://x?sb-hc-token=SharedAccessSignature%20sr%3dx%26sig%3dabc'),
          {
            code: 'ERR_X'
          }
        );
      }
    });
    ({ url } = hand.inspector);
    [, secret] = new URL(url).pathname.split('/');
    const { status, text } = await order('replay', '{}', { 'x-inspector-secret': secret });
    expect(status).toBe(502);
    expect(JSON.parse(text).error.code).toBe('ERR_X');
    expect(text).not.toContain('abc');
  });
});

describe('the stream', () => {
  test('has what is kept, and then what comes', async () => {
    hand.ring.push({ kind: 'sender', id: 'a' });
    const stream = await listen();
    expect(stream.response.headers.get('content-type')).toMatch('text/event-stream');
    expect((await stream.next()).event).toBe('overview');
    expect(await stream.records(1)).toMatchObject([{ seq: 1, kind: 'sender' }]);
    hand.ring.push({ kind: 'accepted', id: 'a' });
    expect(await stream.records(1)).toMatchObject([{ seq: 2, kind: 'accepted' }]);
    stream.close();
  });

  test('goes on behind the last event that a page has got', async () => {
    for (let at = 0; at < 20; at++) hand.ring.push({ kind: 'sender', id: String(at) });
    const first = await listen();
    await first.next();
    const { id } = await first.next();
    expect(Number(id)).toBe(20);
    first.close();
    hand.ring.push({ kind: 'sender', id: 'new' });
    const second = await listen({ 'last-event-id': id });
    expect(await second.records(1)).toMatchObject([{ seq: 21, id: 'new' }]);
    second.close();
  });

  test('takes any last event for what it is', async () => {
    hand.ring.push({ kind: 'sender', id: 'a' });
    for (const id of ['x', '-1', '1e9', '99999999999999999999']) {
      const stream = await listen({ 'last-event-id': id });
      expect(await stream.records(1)).toMatchObject([{ seq: 1 }]);
      stream.close();
    }
  });

  test('collects records of the same time', async () => {
    const stream = await listen();
    for (let at = 0; at < 100; at++) hand.ring.push({ kind: 'sender', id: String(at) });
    await stream.next();
    expect((await stream.next()).data.length).toBeGreaterThan(50);
    stream.close();
  });

  test('keeps no more than the ring for a page that does not read, and tells it what it has missed', async () => {
    await hand.inspector.close();
    hand = await inspectByHand({ maxRecords: 100 });
    ({ url } = hand.inspector);
    const { hostname, port, pathname } = new URL(url);
    hand.ring.push({ kind: 'sender', id: 'a' });
    const socket = net.connect(port, hostname);
    socket.pause();
    socket.write(`GET ${pathname}events HTTP/1.1\r\nHost: ${hostname}:${port}\r\nLast-Event-ID: 1\r\n\r\n`);
    const text = 'x'.repeat(4000);
    // Far more than the buffers of both ends take.
    for (let at = 0; at < 12_000; at++) {
      hand.ring.push({ kind: 'message', type: 'text', preview: text, size: 4000, cut: false, id: 'a' });
      if (at % 50 === 0) await sleep(1);
    }
    hand.ring.push({ kind: 'closed', id: 'the last one' });
    let got = 0;
    let missed = 0;
    let rest = '';
    socket.setEncoding('utf8').resume();
    for await (const piece of socket) {
      rest += piece;
      const events = rest.split('\n\n');
      rest = events.pop();
      for (const event of events.filter((one) => one.includes('event: records'))) {
        for (const record of JSON.parse(
          event.slice(event.indexOf('data: ') + 6, event.lastIndexOf(']') + 1)
        )) {
          if (record.kind === 'lost') missed += record.count;
          else got++;
        }
      }
      if (events.some((event) => event.includes('the last one'))) break;
    }
    socket.destroy();
    expect(missed).toBeGreaterThan(0);
    expect(got + missed).toBe(12_001);
  });

  test('is not there for any number of pages', async () => {
    const streams = [];
    for (let at = 0; at < 16; at++) streams.push(await listen());
    expect((await ask('events')).status).toBe(503);
    for (const stream of streams) stream.close();
    for (;;) {
      const stream = await listen();
      stream.close();
      if (stream.response.status === 200) break;
      await sleep(10);
    }
  });
});

describe('closing', () => {
  test('ends pages, and leaves nothing open', async () => {
    const stream = await listen();
    await stream.next();
    await hand.inspector.close();
    await expect(
      (async () => {
        for (;;) await stream.next();
      })()
    ).rejects.toThrow();
    await expect(ask('')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const handles = process.getActiveResourcesInfo().filter((name) => /TCPServer/.test(name));
    expect(handles).toEqual([]);
  });

  test('may be asked for twice, and before anybody came', async () => {
    await Promise.all([hand.inspector.close(), hand.inspector.close()]);
  });

  test('a port that is taken is told', async () => {
    const { port } = new URL(url);
    const { startInspector } = require('../lib/inspector/server.js');
    await expect(startInspector({}, { port: Number(port) })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
