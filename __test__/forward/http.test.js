'use strict';

// HTTP requests through the relay to a web server on a port, as a reverse proxy passes them on.

const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const { Readable } = require('node:stream');

const { forward } = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { Queue, tls } = require('../helpers/emulator-peers.js');
const { askUrl } = require('../helpers/same-app.js');

let relay;
let tunnel;
const closers = [];

beforeEach(async () => {
  relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
});
afterEach(async () => {
  await tunnel?.close({ timeout: 0 });
  tunnel = undefined;
  for (const close of closers.splice(0)) await close();
  await relay.close({ force: true });
});

/** A server on a free port of this machine. */
async function listen(server) {
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server.address().port;
}

/** A tunnel to an application, and what it has answered. */
async function open(handler, { base = '', scheme = 'http', server, ...options } = {}) {
  const port = await listen(server ?? http.createServer(handler));
  return openTo(`${scheme}://127.0.0.1:${port}${base}`, options);
}

async function openTo(target, options) {
  const { keyName, key } = relay;
  tunnel = await forward(target, { server: relay.listenUri(), keyName, key, ...options });
  tunnel.answers = new Queue();
  tunnel.on('answered', (info, error) => tunnel.answers.push([info, error]));
  return tunnel;
}

const echo = async (req, res) => {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of req) {
    bytes += chunk.length;
    hash.update(chunk);
  }
  const { headers, method, url } = req;
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ headers, method, url, bytes, hash: hash.digest('hex') }));
};

const ask = (path = '/', options) => askUrl(`${tunnel.url}${path}`, options);
const askJson = async (...args) => JSON.parse((await ask(...args)).body);

describe('a request', () => {
  test('goes to the target, with its query, below the base', async () => {
    await open(echo, { base: '/base' });
    expect(tunnel.url).toBe(`http://127.0.0.1:${relay.port}/hyco`);
    expect((await askJson('/a%2Fb/?x=%20&y')).url).toBe('/base/a%2Fb/?x=%20&y');
    expect((await askJson('')).url).toBe('/base/');
    const [info, error] = await tunnel.answers.next();
    expect(error).toBeUndefined();
    expect(info).toEqual({
      id: expect.any(String),
      method: 'GET',
      path: '/a%2Fb/',
      remoteAddress: '127.0.0.1',
      statusCode: 200,
      duration: expect.any(Number)
    });
  });

  test.each(['GET', 'DELETE', 'POST', 'PUT', 'PATCH', 'OPTIONS', 'REPORT'])(
    '%s, with and without a body',
    async (method) => {
      await open(echo);
      expect(await askJson('/', { method })).toMatchObject({ method, bytes: 0 });
      expect(await askJson('/', { method, body: 'four', headers: { 'Content-Length': 4 } })).toMatchObject({
        method,
        bytes: 4
      });
      const large = Buffer.alloc(300_000, 'x');
      expect(
        await askJson('/', { method, body: [large, large], headers: { 'Transfer-Encoding': 'chunked' } })
      ).toMatchObject({ method, bytes: 600_000 });
    }
  );

  test('HEAD has no body', async () => {
    await open((req, res) => res.writeHead(204, { 'X-Method': req.method }).end());
    const answer = await ask('/', { method: 'HEAD' });
    expect(answer).toMatchObject({ status: 204, headers: { 'x-method': 'HEAD' } });
  });

  test('tells who has come, in our words', async () => {
    await open(echo);
    const headers = {
      'X-Forwarded-For': '6.6.6.6',
      Forwarded: 'for=6.6.6.6',
      'X-Real-IP': '6.6.6.6',
      Cookie: 'a=b'
    };
    const got = (await askJson('/', { headers })).headers;
    expect(JSON.stringify(got)).not.toContain('6.6.6.6');
    expect(got).toMatchObject({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      cookie: 'a=b',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': relay.address,
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': '/hyco',
      via: expect.stringMatching(/1\.1 hyco-ws-rs$/)
    });
  });

  test('Host can be another', async () => {
    await open(echo, { hostHeader: 'app.test:81' });
    expect((await askJson()).headers.host).toBe('app.test:81');
  });

  test('can have a large body, both ways, which is the same at the end', async () => {
    await open((req, res) => req.pipe(res));
    const piece = randomBytes(1024 * 1024);
    const sent = createHash('sha256');
    const got = createHash('sha256');
    const request = http.request(`${tunnel.url}/`, { method: 'POST', agent: false });
    function* pieces() {
      for (let count = 0; count < 64; count++) {
        sent.update(piece);
        yield piece;
      }
    }
    Readable.from(pieces()).pipe(request);
    const [response] = await once(request, 'response');
    for await (const chunk of response) got.update(chunk);
    expect(got.digest('hex')).toBe(sent.digest('hex'));
  });

  test('waits with its body for a target that does not read it', async () => {
    let held;
    const arrived = new Promise((resolve) => (held = resolve));
    await open((req, res) => {
      req.pause();
      held(() => req.resume().on('end', () => res.end('all')));
    });
    const request = http.request(`${tunnel.url}/`, { method: 'PUT', agent: false });
    const chunk = Buffer.alloc(256 * 1024);
    let written = 0;
    // Until there is no more room anywhere on the way.
    while (written < 400 * chunk.length) {
      written += chunk.length;
      if (request.write(chunk)) continue;
      const drained = await Promise.race([
        once(request, 'drain'),
        new Promise((resolve) => setTimeout(resolve, 500))
      ]);
      if (drained === undefined) break;
    }
    expect(written).toBeLessThan(200 * chunk.length);
    (await arrived)();
    request.end();
    const [response] = await once(request, 'response');
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe('an answer', () => {
  test('keeps its status, its text and its headers', async () => {
    await open((req, res) => {
      res.writeHead(418, 'Short and stout', [
        ...['X-One', '1', 'Connection', 'X-Secret', 'X-Secret', '1'],
        ...['WWW-Authenticate', 'Basic', 'ETag', '"e"']
      ]);
      res.end('tea');
    });
    const answer = await ask();
    expect(answer).toMatchObject({ status: 418, reason: 'Short and stout', body: Buffer.from('tea') });
    expect(answer.headers).toMatchObject({ 'x-one': '1', 'www-authenticate': 'Basic', etag: '"e"' });
    expect(answer.headers).not.toHaveProperty('x-secret');
    expect(answer.headers.via).toMatch(/^1\.1 hyco-ws-rs/);
  });

  test('that redirects is passed on and not followed', async () => {
    let asked = 0;
    await open((req, res) => {
      asked++;
      res.writeHead(302, { Location: 'http://169.254.169.254/latest' }).end();
    });
    expect(await ask()).toMatchObject({
      status: 302,
      headers: { location: 'http://169.254.169.254/latest' }
    });
    expect(asked).toBe(1);
  });

  test('as server-sent events comes at once, the head before the first of them', async () => {
    let source;
    await open((req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      source = res;
    });
    const request = http.get(`${tunnel.url}/`, { agent: false });
    const [response] = await once(request, 'response');
    response.setEncoding('utf8');
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      source.write(text);
      expect((await once(response, 'data'))[0]).toBe(text);
    }
    source.end();
    await once(response, 'end');
  });

  test('whose head comes long before its body is not held back', async () => {
    let ending;
    await open((req, res) => {
      res.writeHead(200, { 'Content-Type': 'application/x-ndjson' }).flushHeaders();
      ending = () => res.end('done');
    });
    const [response] = await once(http.get(`${tunnel.url}/`, { agent: false }), 'response');
    ending();
    expect(String(await once(response, 'data'))).toBe('done');
  });

  test('that breaks off is no whole one for the sender', async () => {
    let breakOff;
    await open((req, res) => {
      res.writeHead(200, { 'Content-Length': 1_000_000 });
      res.write(Buffer.alloc(200_000));
      breakOff = () => res.destroy();
    });
    const [response] = await once(http.get(`${tunnel.url}/`, { agent: false }), 'response');
    breakOff();
    response.resume();
    await expect(once(response, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    const [info, error] = await tunnel.answers.next();
    expect(info.statusCode).toBe(200);
    expect(error).toBeInstanceOf(Error);
    expect(tunnel.stats().forwarded.requests).toEqual({ requests: 1, open: 0, failed: 1 });
  });
});

describe('what fails', () => {
  test('a target that is away is 502, without a word about it', async () => {
    const server = net.createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await openTo(port);
    const answer = await ask();
    expect(answer).toMatchObject({ status: 502, body: Buffer.from('Bad Gateway\n') });
    const [info, error] = await tunnel.answers.next();
    expect(info.statusCode).toBe(502);
    expect(error).toMatchObject({ code: 'ECONNREFUSED', message: expect.stringContaining('ECONNREFUSED') });
  });

  test('a target that hangs is 504', async () => {
    await open(() => {}, { targetTimeout: 200 });
    expect(await ask()).toMatchObject({ status: 504 });
    expect((await tunnel.answers.next())[1]).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
  });

  test('a target that never reads is 504', async () => {
    await open((req) => req.pause(), { targetTimeout: 200 });
    const body = Array(64).fill(Buffer.alloc(256 * 1024));
    expect(await ask('/', { method: 'PUT', body })).toMatchObject({ status: 504 });
  });

  test.each([
    ['resets', (socket) => socket.resetAndDestroy()],
    ['ends', (socket) => socket.end()],
    ['talks nonsense', (socket) => socket.end('SSH-2.0-OpenSSH\r\n')]
  ])('a target that %s is 502', async (_name, act) => {
    const server = net.createServer((socket) => socket.on('error', () => {}).once('data', () => act(socket)));
    await open(undefined, { server });
    expect(await ask()).toMatchObject({ status: 502 });
    expect(await ask('/', { method: 'POST', body: 'x' })).toMatchObject({ status: 502 });
  });

  test('a target that answers before it has read everything does not block the sender', async () => {
    await open((req, res) => res.writeHead(413, { Connection: 'close' }).end('too much'));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    closers.push(() => agent.destroy());
    const body = Array(32).fill(Buffer.alloc(256 * 1024));
    const first = await ask('/', { method: 'POST', body, agent }).catch((error) => error);
    expect([413, 502]).toContain(first.status);
    expect(await ask('/', { agent })).toMatchObject({ status: 413 });
  });

  test('a sender that leaves is told to the target', async () => {
    const left = new Promise((resolve) => {
      open((req, res) => {
        res.write(Buffer.alloc(100_000));
        res.once('close', () => resolve(res.writableFinished));
      }).then(async () => {
        const request = http.get(`${tunnel.url}/`, { agent: false });
        request.on('error', () => {});
        const [response] = await once(request, 'response');
        response.on('error', () => {}).once('data', () => request.destroy());
      });
    });
    expect(await left).toBe(false);
    expect((await tunnel.answers.next())[1]).toMatchObject({ code: 'ERR_HYCO_DISCONNECTED' });
  });

  test('an upload that breaks off does not look whole', async () => {
    const seen = new Promise((resolve) => {
      open((req) => {
        req
          .resume()
          .on('error', () => {})
          .once('close', () => resolve(req.complete));
      }).then(() => {
        const request = http.request(`${tunnel.url}/`, { method: 'PUT', agent: false });
        request.on('error', () => {});
        request.write(Buffer.alloc(200_000));
        setTimeout(() => request.destroy(), 100);
      });
    });
    expect(await seen).toBe(false);
  });

  test('a kept connection that the target has closed meanwhile is no failure', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections++;
      const first = connections === 1;
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        // What comes next on it meets an end that is on its way.
        if (first) socket.once('data', () => socket.resetAndDestroy());
      });
    });
    await open(undefined, { server });
    expect(await ask()).toMatchObject({ status: 200 });
    expect(await ask()).toMatchObject({ status: 200 });
    expect(connections).toBe(2);
  });

  test('what may have been done already is not asked for again', async () => {
    const asked = [];
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        socket.once('data', (data) => {
          asked.push(String(data).split(' ')[0]);
          socket.resetAndDestroy();
        });
      });
    });
    await open(undefined, { server });
    expect(await ask()).toMatchObject({ status: 200 });
    expect(await ask('/', { method: 'POST' })).toMatchObject({ status: 502 });
    expect(asked).toEqual(['POST']);
  });

  test('a target that changes the protocol unasked is 502, at once', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nbytes')
      );
    });
    await open(undefined, { server });
    expect(await ask()).toMatchObject({ status: 502 });
    expect((await tunnel.answers.next())[1]).toMatchObject({ code: 'ERR_HYCO_PROTOCOL' });
    expect(tunnel.stats().forwarded.requests).toEqual({ requests: 1, open: 0, failed: 1 });
  });
});

describe('the target', () => {
  test('is the operator’s choice alone', async () => {
    const reached = [];
    const other = await listen(http.createServer((req, res) => reached.push(req.url) && res.end()));
    await open(echo, { base: '/base' });
    const answers = [];
    for (const target of [
      `http://127.0.0.1:${other}/hyco/x`,
      '/hyco/%2e%2e/%2e%2e/secret',
      '/hyco/..%2f..%2fsecret',
      '/hyco/..%5csecret'
    ]) {
      const raw = net.connect(relay.port, '127.0.0.1');
      raw.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${other}\r\nConnection: close\r\n\r\n`);
      let text = '';
      for await (const chunk of raw) text += chunk;
      answers.push(text);
    }
    expect(reached).toEqual([]);
    expect(answers.filter((text) => !/^HTTP\/1\.1 \d{3} /.test(text))).toEqual([]);
    for (const text of answers) {
      const [, body] = text.split('\r\n\r\n');
      const url = /"url":"([^"]*)"/.exec(body)?.[1];
      if (url !== undefined) expect(url).toMatch(/^\/base\//);
    }
    expect(answers[2]).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('may speak TLS, with a certificate that is trusted', async () => {
    await open(echo, { server: https.createServer(tls, echo), scheme: 'https', targetTls: { ca: tls.cert } });
    expect(await askJson()).toMatchObject({ url: '/' });
  });

  test('may not, with one that is not', async () => {
    await open(echo, { server: https.createServer(tls, echo), scheme: 'https' });
    expect(await ask()).toMatchObject({ status: 502 });
    await tunnel.close({ timeout: 0 });
    await open(echo, {
      server: https.createServer(tls, echo),
      scheme: 'https',
      targetTls: { rejectUnauthorized: false }
    });
    expect(await askJson()).toMatchObject({ url: '/' });
  });

  test('may be an http.Server that does not listen', async () => {
    const server = http.createServer((req, res) => res.end(req.url));
    await openTo(server);
    expect(server.listening).toBe(false);
    expect(String((await ask('/x?y')).body)).toBe('/x?y');
    expect(tunnel.stats()).toMatchObject({ forwarded: {} });
  });
});

test('50 at once are not mixed up', async () => {
  await open(echo);
  const asked = Array.from({ length: 50 }, (_, index) => {
    const body = Buffer.alloc(1000 + index * 5000, index);
    return askJson(`/${index}`, { method: 'POST', body }).then(({ url, bytes, hash }) => {
      expect([url, bytes]).toEqual([`/${index}`, body.length]);
      expect(hash).toBe(createHash('sha256').update(body).digest('hex'));
    });
  });
  await Promise.all(asked);
  expect(tunnel.stats().forwarded.requests).toEqual({ requests: 50, open: 0, failed: 0 });
});

test('close() with drain lets an answer finish', async () => {
  let finish;
  const arrived = new Promise((resolve) => (finish = resolve));
  await open((req, res) => finish(res));
  const asked = ask();
  const res = await arrived;
  const closed = tunnel.close({ drain: true, timeout: 5000 });
  res.end('late');
  expect(await asked).toMatchObject({ status: 200, body: Buffer.from('late') });
  await closed;
});
