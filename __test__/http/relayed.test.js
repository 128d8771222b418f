'use strict';

// `request` of a RelayedServer, with senders at the embedded relay.

const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const { setTimeout: sleep } = require('node:timers/promises');
const { inspect } = require('node:util');

const express = require('express');

const { cleanUp, makeServer, startRelay, startServer } = require('../helpers/reliability');
const { ask, begin, keeping } = require('../helpers/http-peers.js');
const { askUrl } = require('../helpers/same-app');

let relay;
const agents = [];

beforeEach(async () => {
  relay = await startRelay();
});
afterEach(async () => {
  for (const agent of agents.splice(0)) agent.destroy();
  await cleanUp();
});

async function serve(handler, options) {
  const server = await startServer(relay, options);
  if (handler) server.on('request', handler);
  return server;
}

function agent() {
  agents.push(keeping(relay));
  return agents.at(-1);
}

test('a request and its answer', async () => {
  await serve(async (req, res) => {
    const body = Buffer.concat(await req.toArray());
    res.setHeader('Set-Cookie', ['a=1', 'b=2']);
    res.setHeader('X-Number', 5);
    res.statusMessage = 'Fine';
    res.end(JSON.stringify([req.method, req.url, req.headers['x-a'], String(body)]));
  });
  const answer = await ask(relay, 'hyco/x?y=%20', { method: 'PUT', headers: { 'X-A': '1' }, body: 'text' });
  expect(answer).toMatchObject({ status: 200, reason: 'Fine' });
  expect(JSON.parse(answer.body)).toEqual(['PUT', '/hyco/x?y=%20', '1', 'text']);
  expect([answer.headers['set-cookie']].flat().join(', ')).toBe('a=1, b=2');
  expect(answer.headers).toMatchObject({ 'x-number': '5', via: expect.any(String) });
});

test('without a handler 501; a WebSocket on the same server is none of it', async () => {
  const server = await serve();
  const { status, reason } = await ask(relay, 'hyco');
  expect([status, reason]).toEqual([501, expect.stringContaining('TrackingId:')]);
  expect(server.stats()).toMatchObject({ requests: 1, requestsPending: 0, offers: 0 });
});

test('a handler that throws: 500, and the next request is answered', async () => {
  const server = await serve();
  const told = once(server, 'requestError');
  server.once('request', async () => {
    throw new Error('boom');
  });
  expect((await ask(relay, 'hyco')).status).toBe(500);
  expect((await told)[0].message).toBe('boom');
  server.on('request', (req, res) => res.end('fine'));
  expect(String((await ask(relay, 'hyco')).body)).toBe('fine');
});

test('one connection for large and small, in turn', async () => {
  await serve((req, res) => res.end(Buffer.alloc(Number(req.url.split('=')[1]), 'x')));
  const one = agent();
  for (const size of [10, 100_000, 5, 300_000, 0, 65_536, 65_537, 1]) {
    const { body } = await ask(relay, `hyco?size=${size}`, { agent: one });
    expect(body.length).toBe(size);
  }
});

test('server-sent events come one by one', async () => {
  const next = [];
  await serve((req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    res.write('data: 1\n\n');
    next.push(
      () => res.write('data: 2\n\n'),
      () => res.end()
    );
  });
  let response;
  const request = begin(relay, 'hyco', {}, (given) => (response = given)).end();
  await once(request, 'response');
  expect(String((await once(response, 'data'))[0])).toBe('data: 1\n\n');
  next.shift()();
  expect(String((await once(response, 'data'))[0])).toBe('data: 2\n\n');
  next.shift()();
  response.resume();
  await once(response, 'end');
});

test('both directions at once, with 20 MiB each way', async () => {
  await serve((req, res) => req.pipe(res));
  const piece = Buffer.alloc(1024 * 1024, 'x');
  const { body } = await ask(relay, 'hyco', { method: 'POST', body: new Array(20).fill(piece) });
  expect(body.length).toBe(20 * piece.length);
});

test('a sender that leaves is heard of where the rendezvous is dialled early', async () => {
  const server = await serve(undefined, { earlyRendezvous: true });
  const got = once(server, 'request');
  const request = begin(relay, 'hyco', {}, () => {}).on('error', () => {});
  request.end();
  const [req, res] = await got;
  const events = [];
  req.on('aborted', () => events.push('aborted'));
  const closed = once(res, 'close');
  const aborted = once(req.signal, 'abort');
  // The rendezvous has to be there first.
  while (relay.stats().totals.rendezvous === 0) await sleep(5);
  request.destroy();
  await Promise.all([closed, aborted]);
  expect(events).toEqual(['aborted']);
  expect(req.signal.reason).toBeInstanceOf(Error);
  expect(server.stats()).toMatchObject({ requestsPending: 0, requestsFailed: 1 });
});

test('a sender that leaves in the middle of a stream ends it', async () => {
  const server = await serve();
  const got = once(server, 'request');
  const request = begin(relay, 'hyco', {}, (response) => response.once('data', () => request.destroy()));
  request.on('error', () => {}).end();
  const [req, res] = await got;
  const closed = once(res, 'close');
  res.write('x'.repeat(100_000));
  const ticking = setInterval(() => res.write('more'), 10);
  await closed;
  clearInterval(ticking);
  expect(req.signal.aborted).toBe(true);
  expect(res.writableFinished).toBe(false);
});

test('an answer that is given up half-way is cut, and never whole', async () => {
  await serve((req, res) => {
    res.write(Buffer.alloc(100_000));
    setTimeout(() => res.destroy(), 100);
  });
  await expect(ask(relay, 'hyco')).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('close({ drain }) lets requests finish, and turns new ones away', async () => {
  const server = await serve();
  const got = once(server, 'request');
  const answer = ask(relay, 'hyco');
  const [, res] = await got;
  const closed = server.close({ drain: true });
  expect(server.state).toBe('closing');
  expect((await ask(relay, 'hyco')).status).toBeGreaterThanOrEqual(500);
  res.end('late, but whole');
  expect(String((await answer).body)).toBe('late, but whole');
  await closed;
});

test('close() gives requests up', async () => {
  const server = await serve();
  const got = once(server, 'request');
  ask(relay, 'hyco').catch(() => {});
  const [req, res] = await got;
  const closed = once(res, 'close');
  await server.close();
  await closed;
  expect(req.signal.aborted).toBe(true);
});

test('limits: 503 beyond maxPendingRequests', async () => {
  const server = await serve(undefined, { maxPendingRequests: 2 });
  const held = [];
  server.on('request', (req, res) => held.push(res));
  const answers = [ask(relay, 'hyco'), ask(relay, 'hyco')];
  while (held.length < 2) await sleep(5);
  expect((await ask(relay, 'hyco')).status).toBe(503);
  held.forEach((res) => res.end());
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
  expect(server.stats()).toMatchObject({ requestsRefused: 1, requestsPending: 0 });
});

test('diagnostics channels tell of requests', async () => {
  const names = ['request:received', 'request:answered', 'request:failed'];
  const seen = [];
  const listeners = names.map((name) => {
    const listener = (message) => seen.push([name, message]);
    diagnosticsChannel.subscribe(`hyco-ws-rs:${name}`, listener);
    return () => diagnosticsChannel.unsubscribe(`hyco-ws-rs:${name}`, listener);
  });
  const server = await serve((req, res) => {
    if (req.url.includes('bad')) throw new Error('boom');
    res.statusCode = 202;
    res.end();
  });
  server.on('requestError', () => {});
  await ask(relay, 'hyco?sb-hc-x', { headers: { Authorization: 'Bearer SECRET' } });
  await ask(relay, 'hyco/bad');
  listeners.forEach((stop) => stop());
  expect(seen.map(([name]) => name)).toEqual([
    'request:received',
    'request:answered',
    'request:received',
    'request:failed'
  ]);
  expect(seen[1][1]).toMatchObject({ server, statusCode: 202, duration: expect.any(Number) });
  expect(seen[1][1].duration).toBeGreaterThanOrEqual(0);
  expect(seen[3][1].error.message).toBe('boom');
  expect(inspect(seen, { depth: 9 })).not.toContain('SECRET');
});

test('a request that cannot be fetched is told', async () => {
  const told = new Promise((resolve) => {
    diagnosticsChannel.subscribe('hyco-ws-rs:request:failed', function listener(message) {
      diagnosticsChannel.unsubscribe('hyco-ws-rs:request:failed', listener);
      resolve(message);
    });
  });
  const server = await serve((req, res) => res.end());
  relay.faults.refuse({ status: 403, action: 'rendezvous' });
  const asked = ask(relay, 'hyco', { method: 'POST', body: ['in', 'chunks'] });
  expect(await told).toEqual({
    server,
    error: expect.objectContaining({ code: expect.stringMatching(/^ERR_HYCO_/) })
  });
  expect(server.stats()).toMatchObject({ requests: 1, requestsPending: 0, requestsFailed: 1 });
  relay.faults.expireRequests();
  expect((await asked).status).toBe(504);
});

test('tools that watch http servers see requests, too', async () => {
  const seen = [];
  const onStart = ({ request, response, server }) => seen.push([request.url, response.statusCode, server]);
  diagnosticsChannel.subscribe('http.server.request.start', onStart);
  const server = await serve((req, res) => res.end());
  await ask(relay, 'hyco');
  diagnosticsChannel.unsubscribe('http.server.request.start', onStart);
  expect(seen).toEqual([['/hyco', 200, server]]);
});

describe('attach()', () => {
  test.each([
    ['nothing', undefined, 'ERR_INVALID_ARG_TYPE'],
    ['an application', express(), 'ERR_INVALID_ARG_TYPE'],
    ['http2', http2.createServer(), 'ERR_INVALID_ARG_VALUE']
  ])('refuses %s', (_, given, code) => {
    const server = makeServer(relay);
    expect(() => server.attach(given)).toThrow(expect.objectContaining({ code }));
  });

  test('takes the path off, unless it is told not to', async () => {
    const server = await serve();
    const httpServer = http.createServer((req, res) =>
      res.end(`${req.url} ${req.originalUrl} ${req.baseUrl}`)
    );
    expect(server.attach(httpServer)).toBe(server);
    const urls = async (...paths) => {
      const answers = [];
      for (const at of paths) answers.push(String((await ask(relay, at)).body));
      return answers;
    };
    expect(await urls('hyco', 'hyco/', 'hyco/a/b?c=/d', 'hyco?a', 'HYCO/x')).toEqual([
      '/ /hyco /hyco',
      '/ /hyco/ /hyco',
      '/a/b?c=/d /hyco/a/b?c=/d /hyco',
      '/?a /hyco?a /hyco',
      '/x /HYCO/x /HYCO'
    ]);
    server.attach(httpServer, { stripPath: false });
    expect(await urls('hyco/a')).toEqual(['/hyco/a /hyco/a ']);
    expect(() => server.attach(httpServer, { stripPath: 1 })).toThrow(TypeError);
  });

  test('a server that does not listen is as good, and its close() says nothing to the relay', async () => {
    const server = await serve();
    const httpServer = http.createServer((req, res) => res.end('x'));
    server.attach(httpServer);
    expect((await ask(relay, 'hyco')).status).toBe(200);
    httpServer.listen(0, '127.0.0.1');
    await once(httpServer, 'listening');
    const { port } = httpServer.address();
    expect(String((await askUrl(`http://127.0.0.1:${port}/`)).body)).toBe('x');
    await new Promise((resolve) => httpServer.close(resolve));
    expect((await ask(relay, 'hyco')).status).toBe(200);
    await server.close();
    expect(server.state).toBe('closed');
  });

  test('takes requests away from the listeners of the server itself', async () => {
    const server = await serve((req, res) => res.end('own'));
    server.attach(http.createServer((req, res) => res.end('attached')));
    expect(String((await ask(relay, 'hyco')).body)).toBe('attached');
    server.attach(http.createServer());
    expect((await ask(relay, 'hyco')).status).toBe(501);
  });

  test('an emit() that a tool has put in its place is called', async () => {
    const server = await serve();
    const httpServer = http.createServer((req, res) => res.end('x'));
    const emitted = [];
    const { emit } = httpServer;
    httpServer.emit = function watched(name, ...args) {
      emitted.push(name);
      return emit.call(this, name, ...args);
    };
    server.attach(httpServer);
    await ask(relay, 'hyco');
    expect(emitted).toEqual(['request']);
  });

  test('Fastify before and after ready(), and after close()', async () => {
    const server = await serve();
    const app = require('fastify')();
    app.get('/', () => 'up');
    server.attach(app.server);
    await app.ready();
    expect(String((await ask(relay, 'hyco')).body)).toBe('up');
    await app.close();
    expect((await ask(relay, 'hyco')).status).toBe(503);
  });

  test('an express application in the place of a handler, mounted', async () => {
    const inner = express();
    inner.get('/my', (req, res) => res.send(`${req.baseUrl} ${req.url} ${req.protocol}`));
    await serve(express().use('/hyco', inner));
    expect(String((await ask(relay, 'hyco/my')).body)).toBe('/hyco /my http');
  });

  test('a file is piped without loss', async () => {
    const server = await serve();
    server.attach(http.createServer((req, res) => fs.createReadStream(__filename).pipe(res)));
    const { body } = await ask(relay, 'hyco');
    expect(body.equals(fs.readFileSync(__filename))).toBe(true);
  });
});
