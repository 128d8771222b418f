'use strict';

// The same application through the relay and on a local port: the answers are the same, byte for byte.

const { createHash } = require('node:crypto');
const { createReadStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { Readable } = require('node:stream');

const { askBoth, askUrl, startBoth } = require('../helpers/same-app');

const LARGE = Buffer.alloc(300_000, 'large ');
const digest = (data) => createHash('sha256').update(data).digest('hex');

const folder = mkdtempSync(path.join(os.tmpdir(), 'hyco-static-'));
writeFileSync(path.join(folder, 'small.txt'), 'a small file\n');
writeFileSync(path.join(folder, 'large.txt'), LARGE);
mkdirSync(path.join(folder, 'sub'));
writeFileSync(path.join(folder, 'sub', 'index.html'), '<p>index</p>');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What every application below answers. */
const applications = {
  express() {
    const express = require('express');
    const app = express();
    app.get('/json', (req, res) => res.json({ query: req.query, host: typeof req.hostname }));
    app.post('/json', express.json(), (req, res) => res.status(201).json(req.body));
    app.post('/form', express.urlencoded({ extended: false }), (req, res) => res.json(req.body));
    app.post('/upload', express.raw({ limit: '1mb' }), (req, res) => res.send(digest(req.body)));
    app.get('/large', (req, res) => res.type('text').send(LARGE));
    app.get('/stream', (req, res) => Readable.from([LARGE, 'end']).pipe(res));
    app.get('/cookies', (req, res) => res.cookie('a', '1').cookie('b', '2').send('c'));
    app.get('/redirect', (req, res) => res.redirect('json'));
    app.all('/nothing', (req, res) => res.status(204).end());
    app.get('/fails', () => {
      throw Object.assign(new Error('no'), { stack: 'no stack', status: 418 });
    });
    app.use('/static', express.static(folder));
    return http.createServer(app);
  },

  koa() {
    const Koa = require('koa');
    const app = new Koa();
    app.silent = true;
    app.use(async (ctx) => {
      const { method, path: at, req } = ctx;
      const whole = async () => Buffer.concat(await req.toArray());
      if (method === 'POST' && at === '/json') {
        ctx.status = 201;
        ctx.body = JSON.parse(await whole());
      } else if (method === 'POST' && at === '/form') {
        ctx.body = Object.fromEntries(new URLSearchParams(String(await whole())));
      } else if (method === 'POST') ctx.body = digest(await whole());
      else if (at === '/json') ctx.body = { query: { ...ctx.query }, host: typeof ctx.hostname };
      else if (at === '/large') [ctx.type, ctx.body] = ['text', LARGE];
      else if (at === '/stream') ctx.body = Readable.from([LARGE, Buffer.from('end')]);
      else if (at === '/cookies') {
        ctx.cookies.set('a', '1');
        ctx.cookies.set('b', '2');
        ctx.body = 'c';
      } else if (at === '/redirect') ctx.redirect('json');
      else if (at === '/nothing') ctx.status = 204;
      else if (at === '/fails') ctx.throw(418, 'no');
    });
    return http.createServer(app.callback());
  },

  async fastify() {
    const app = require('fastify')();
    app.addContentTypeParser(
      'application/octet-stream',
      { parseAs: 'buffer', bodyLimit: 1e6 },
      (req, body, done) => done(null, body)
    );
    app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (req, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(body)))
    );
    app.get('/json', (req) => ({ query: req.query, host: typeof req.hostname }));
    app.post('/json', (req, reply) => reply.code(201).send(req.body));
    app.post('/form', (req, reply) => reply.send(req.body));
    app.post('/upload', (req, reply) => reply.send(digest(req.body)));
    app.get('/large', (req, reply) => reply.type('text/plain').send(LARGE));
    app.get('/stream', (req, reply) => reply.send(Readable.from([LARGE, Buffer.from('end')])));
    app.get('/cookies', (req, reply) => reply.header('set-cookie', ['a=1', 'b=2']).send('c'));
    app.get('/redirect', (req, reply) => reply.redirect('json'));
    app.get('/nothing', (req, reply) => reply.code(204).send());
    app.get('/fails', () => {
      throw Object.assign(new Error('no'), { statusCode: 418 });
    });
    await app.ready();
    return app.server;
  },

  hono() {
    const { Hono } = require('hono');
    const { createAdaptorServer } = require('@hono/node-server');
    const app = new Hono().onError((error, c) => c.text(error.message, 500));
    app.get('/json', (c) => c.json({ query: c.req.query(), host: typeof new URL(c.req.url).hostname }));
    app.post('/json', async (c) => c.json(await c.req.json(), 201));
    app.post('/form', async (c) => c.json(await c.req.parseBody()));
    app.post('/upload', async (c) => c.text(digest(Buffer.from(await c.req.arrayBuffer()))));
    app.get('/large', (c) => c.body(LARGE));
    app.get('/stream', (c) => c.body(Readable.toWeb(Readable.from([LARGE, Buffer.from('end')]))));
    app.get('/cookies', (c) => {
      c.header('set-cookie', 'a=1', { append: true });
      c.header('set-cookie', 'b=2', { append: true });
      return c.text('c');
    });
    app.get('/redirect', (c) => c.redirect('json'));
    app.get('/nothing', (c) => c.body(null, 204));
    app.get('/fails', (c) => c.text('no', 418));
    return createAdaptorServer({ fetch: app.fetch });
  },

  connect() {
    const connect = require('connect');
    const app = connect();
    app.use('/static', require('serve-static')(folder));
    app.use('/json', (req, res, next) => {
      if (req.method !== 'POST') return next();
      req.pipe(res.writeHead(201, { 'Content-Type': 'application/json' }));
    });
    app.use('/json', (req, res) =>
      res.end(JSON.stringify({ query: req.url, host: typeof req.headers.host }))
    );
    app.use('/upload', async (req, res) => res.end(digest(Buffer.concat(await req.toArray()))));
    app.use('/form', (req, res) => req.pipe(res));
    app.use('/large', (req, res) => res.end(LARGE));
    app.use('/stream', (req, res) => createReadStream(path.join(folder, 'large.txt')).pipe(res));
    app.use('/cookies', (req, res) => res.setHeader('Set-Cookie', ['a=1', 'b=2']).end('c'));
    app.use('/redirect', (req, res) => res.writeHead(302, { Location: 'json' }).end());
    app.use('/nothing', (req, res) => res.writeHead(204).end());
    app.use('/fails', (req, res, next) =>
      next(Object.assign(new Error('no'), { stack: 'no stack', status: 418 }))
    );
    return http.createServer(app);
  }
};

const json = { 'Content-Type': 'application/json' };
const octets = { 'Content-Type': 'application/octet-stream' };
const questions = [
  ['GET with a query', '/json?a=1&b=%20%2F&c'],
  ['HEAD', '/json', { method: 'HEAD' }],
  ['OPTIONS', '/json', { method: 'OPTIONS' }],
  ['a small POST', '/json', { method: 'POST', headers: json, body: '{"a":[1,"ä"]}' }],
  ['a POST in chunks', '/json', { method: 'POST', headers: json, body: ['{"a":', '1}'] }],
  ['a POST without a body', '/json', { method: 'POST', headers: json }],
  [
    'a form',
    '/form',
    { method: 'POST', headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: 'a=1&b=2' }
  ],
  ['a large upload', '/upload', { method: 'POST', headers: octets, body: [LARGE, LARGE] }],
  ['a large download', '/large'],
  ['a stream', '/stream'],
  ['cookies', '/cookies'],
  ['a redirect', '/redirect'],
  ['204', '/nothing'],
  ['404', '/missing'],
  ['an error', '/fails']
];
const files = [
  ['a small file', '/static/small.txt'],
  ['a large file', '/static/large.txt'],
  ['a range', '/static/large.txt', { headers: { Range: 'bytes=10-19' } }],
  ['a large range', '/static/large.txt', { headers: { Range: 'bytes=100-200000' } }],
  ['a range that is not there', '/static/small.txt', { headers: { Range: 'bytes=900-' } }],
  ['an index', '/static/sub/'],
  ['HEAD of a file', '/static/large.txt', { method: 'HEAD' }],
  ['a file that is not there', '/static/none.txt']
];

describe.each(Object.keys(applications))('%s', (name) => {
  let both;
  beforeAll(async () => {
    both = await startBoth(await applications[name]());
  });
  afterAll(() => both.close());

  const all = ['express', 'connect'].includes(name) ? [...questions, ...files] : questions;
  // With all three, or jest takes the last one for a callback.
  const rows = all.map(([what, at, options = {}]) => [what, at, options]);
  test.each(rows)('%s', async (_, at, options) => {
    const [relayed, local] = await askBoth(both, at, options);
    // Pages that name the path, and that of the hybrid connection is before it.
    if (local.status === 404) relayed.body = relayed.body.replace('/hyco/', '/');
    expect(relayed).toEqual(local);
    expect(local.status).toBeGreaterThan(0);
  });

  test('50 at once, each its own answer', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        askUrl(`${both.relayed}/json`, { method: 'POST', headers: json, body: JSON.stringify({ index }) })
      )
    );
    expect(answers.map(({ body }) => JSON.parse(body).index)).toEqual(
      Array.from({ length: 50 }, (_, index) => index)
    );
    expect(both.server.stats().requestsPending).toBe(0);
  });

  if (name === 'express' || name === 'connect') {
    test('an unmodified file', async () => {
      const { headers } = await askUrl(`${both.local}/static/small.txt`);
      const options = { headers: { 'If-None-Match': headers.etag } };
      const [relayed, local] = await askBoth(both, '/static/small.txt', options);
      expect(relayed).toEqual(local);
      expect(local.status).toBe(304);
    });

    test('a link to a folder has the path of the hybrid connection in it', async () => {
      const [relayed, local] = await askBoth(both, '/static/sub');
      expect([local.headers.location, relayed.headers.location]).toEqual([
        '/static/sub/',
        '/hyco/static/sub/'
      ]);
    });
  }
});
