'use strict';

// Requests and their answers over a native side that only notes what it is asked: what is collected and what streams, in
// which order events come, and what becomes of a request that ends in the middle.

const { AsyncLocalStorage } = require('node:async_hooks');
const { EventEmitter, once } = require('node:events');
const http = require('node:http');
const { pipeline } = require('node:stream/promises');
const { Readable, finished } = require('node:stream');
const { setTimeout: sleep } = require('node:timers/promises');
const { inspect } = require('node:util');

const { Kind } = require('../../lib/engine/records');
const { Requests } = require('../../lib/http/requests');
const { FakeNative, packNumber, packRequest } = require('../helpers/fake-requests');

let server;
let native;
let requests;
let number;

beforeEach(() => {
  server = new EventEmitter();
  native = new FakeNative();
  requests = new Requests(server, { earlyRendezvous: false }, () => {});
  requests.native = native;
  number = 0;
});

/** A request comes; gives its number. */
function receive(fields) {
  requests.onRecord(Kind.REQUEST, 0, packRequest({ number: ++number, ...fields }));
  return number;
}

function body(id, text, isLast) {
  requests.onRecord(Kind.REQUEST_BODY, isLast ? 1 : 0, packNumber(id, Buffer.from(text)));
}

function sent(id, bytes) {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(bytes);
  requests.onRecord(Kind.ANSWER_SENT, 0, packNumber(id, count));
}

const end = (id) => requests.onRecord(Kind.EXCHANGE_END, 0, packNumber(id));
const lose = (id, report) =>
  requests.onRecord(Kind.EXCHANGE_END, 1, packNumber(id, Buffer.from(report ? JSON.stringify(report) : '')));

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Notes the events of both in turn. */
function watch(req, res) {
  const seen = [];
  for (const name of ['end', 'aborted', 'error', 'close']) req.on(name, () => seen.push(`req ${name}`));
  for (const name of ['drain', 'finish', 'close', 'error']) res.on(name, () => seen.push(`res ${name}`));
  return seen;
}

describe('a request', () => {
  test('is what Node makes of one', () => {
    let seen;
    server.on('request', (req, res) => {
      seen = req;
      res.end();
    });
    receive({
      headers: ['Host', 'h', 'X-A', '1', 'x-a', '2', 'Set-Cookie', 'a', 'Set-Cookie', 'b', '__proto__', 'x']
    });
    expect(seen).toBeInstanceOf(http.IncomingMessage);
    expect(seen).toMatchObject({
      method: 'GET',
      url: '/hyco/x?y=1',
      httpVersion: '1.1',
      httpVersionMajor: 1,
      id: 't1_G1',
      complete: true,
      aborted: false
    });
    expect(seen.relay).toMatchObject({ id: 't1_G1', host: 'ns.test' });
    expect(seen.rawHeaders).toHaveLength(12);
    expect(seen.headers).toMatchObject({ host: 'h', 'x-a': '1, 2', 'set-cookie': ['a', 'b'] });
    expect(seen.headersDistinct['x-a']).toEqual(['1', '2']);
    expect({}.x).toBeUndefined();
    expect(seen.socket).toMatchObject({ remoteAddress: '203.0.113.7', remotePort: 50_000, encrypted: true });
    expect(seen.socket.remoteFamily).toBe('IPv4');
  });

  test('shows no credentials', () => {
    let shown;
    server.on('request', (req, res) => {
      shown =
        inspect([req, res, req.socket, res.socket], { depth: 9, showHidden: true }) +
        JSON.stringify([req, res]);
      res.end();
    });
    receive({
      target: '/hyco?sb-hc-token=SECRET',
      headers: ['Authorization', 'SECRET', 'Cookie', 'SECRET', 'X', 'plain']
    });
    expect(shown).toContain('plain');
    expect(shown).not.toContain('SECRET');
  });

  test('runs in a context of its own', async () => {
    const storage = new AsyncLocalStorage();
    const seen = [];
    server.on('request', async (req, res) => {
      const before = storage.getStore();
      storage.enterWith(req.url);
      req.on('data', () => seen.push([req.url, before, storage.getStore()]));
      res.on('finish', () => seen.push([req.url, before, storage.getStore()]));
      req.on('end', () => res.end());
    });
    receive({ target: '/a', method: 'POST', body: 'whole' });
    receive({ target: '/b', method: 'POST', body: 'whole' });
    body(1, 'a', true);
    body(2, 'b', true);
    await turn();
    expect(seen).toHaveLength(4);
    expect(seen.every(([url, before, store]) => before === undefined && store === url)).toBe(true);
  });

  test('whose body is whole is read like any other', async () => {
    const read = [];
    server.on('request', async (req, res) => {
      for await (const chunk of req) read.push(String(chunk));
      read.push(req.complete);
      res.end();
    });
    const id = receive({ method: 'POST', body: 'whole' });
    body(id, 'all of it', true);
    await turn();
    await turn();
    expect(read).toEqual(['all of it', true]);
    expect(native.of('flowBody')).toEqual([]);
    expect(requests.exchanges.size).toBe(0);
  });

  test('whose body streams holds it back while nobody reads', async () => {
    let req;
    server.on('request', (given) => (req = given));
    const id = receive({ method: 'POST', body: 'streams' });
    expect(native.calls).toEqual([]);
    req.on('data', () => {});
    await turn();
    expect(native.calls).toEqual([['flowBody', id, true]]);
    req.pause();
    body(id, 'x'.repeat(300_000), false);
    expect(native.calls.at(-1)).toEqual(['flowBody', id, false]);
    req.resume();
    await turn();
    expect(native.calls.at(-1)).toEqual(['flowBody', id, true]);
    const ended = once(req, 'end');
    body(id, '', true);
    await ended;
    expect(req.complete).toBe(true);
  });

  test('that is answered before its body was read is read to its end', async () => {
    server.on('request', (req, res) => res.end('too large'));
    const id = receive({ method: 'POST', body: 'streams' });
    await turn();
    expect(native.calls).toEqual([
      ['respond', id, expect.any(String), 'too large'],
      ['flowBody', id, true]
    ]);
    body(id, 'x'.repeat(1000), false);
    expect(requests.exchanges.size).toBe(1);
    body(id, 'x', true);
    await turn();
    expect(requests.exchanges.size).toBe(0);
  });

  test('without a handler is answered 501, and its body thrown away', () => {
    receive();
    receive({ method: 'POST', body: 'streams', trackingId: 'a b\r\n' });
    expect(native.calls).toEqual([
      ['respond', 1, 'HTTP/1.1 501 Not Implemented. TrackingId:t1_G1\r\n\r\n'],
      ['respond', 2, 'HTTP/1.1 501 Not Implemented.\r\n\r\n'],
      ['flowBody', 2, true]
    ]);
    expect(requests.exchanges.size).toBe(0);
  });

  test('dials at once where that is asked for', () => {
    requests.settings = { earlyRendezvous: true };
    server.on('request', () => {});
    receive();
    expect(native.calls).toEqual([['dialRequest', 1]]);
  });

  test('records of requests that are gone, and empty ones, are nobody’s', () => {
    body(77, 'x', true);
    sent(77, 5);
    end(77);
    lose(77);
    for (const kind of [Kind.REQUEST, Kind.REQUEST_BODY, Kind.ANSWER_SENT, Kind.EXCHANGE_END]) {
      requests.onRecord(kind, 0, Buffer.alloc(0));
    }
    expect(native.calls).toEqual([]);
  });

  test('numbers beyond 32 bits are whole', async () => {
    server.on('request', (req, res) => req.on('data', (chunk) => res.end(chunk)));
    const id = receive({ number: 2 ** 40 + 5, method: 'POST', body: 'whole' });
    expect(id).toBe(1);
    body(2 ** 40 + 5, 'x', true);
    await turn();
    expect(native.of('respond')[0][1]).toBe(2 ** 40 + 5);
  });
});

describe('an answer', () => {
  test.each([
    ['end(text)', (res) => res.end('täxt'), 'täxt'],
    ['end(latin1)', (res) => res.end('t\xe4xt', 'latin1'), Buffer.from('t\xe4xt', 'latin1').toString()],
    ['end(bytes)', (res) => res.end(Buffer.from([1, 2, 3])), '\x01\x02\x03'],
    ['end()', (res) => res.end(), undefined],
    ['write and end', (res) => (res.write('a'), res.write(Buffer.from('b')), res.end('c')), 'abc'],
    [
      'write and end with empty pieces',
      (res) => (res.write(''), res.write(Buffer.alloc(0)), res.end('')),
      undefined
    ],
    ['cork', (res) => (res.cork(), res.write('a'), res.write('b'), res.uncork(), res.end()), 'ab'],
    [
      'chunks by hand',
      (res) => (res.setHeader('Transfer-Encoding', 'chunked'), res.write('a'), res.end('b')),
      'ab'
    ],
    ['writeHead', (res) => res.writeHead(200, { 'X-A': '1' }).end('x'), 'x'],
    [
      'trailers',
      (res) => (res.setHeader('Trailer', 'X'), res.write('a'), res.addTrailers({ X: '1' }), res.end()),
      'a'
    ],
    ['64 KiB', (res) => (res.write(Buffer.alloc(65_535, 'x')), res.end('x')), 'x'.repeat(65_536)],
    [
      'interim',
      (res) => (
        res.writeContinue(),
        res.writeProcessing(() => {}),
        res.writeEarlyHints({ link: '<x>' }),
        res.end('x')
      ),
      'x'
    ]
  ])('is given in one: %s', async (_, act, expected) => {
    let seen;
    server.on('request', (req, res) => {
      seen = watch(req, res);
      act(res);
    });
    const id = receive();
    await turn();
    expect(native.calls).toEqual([
      ['respond', id, expect.stringMatching(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/), expected]
    ]);
    await turn();
    expect(seen).toEqual(expect.arrayContaining(['res finish', 'res close', 'req end', 'req close']));
    expect(seen.filter((name) => name.startsWith('res'))).toEqual(['res finish', 'res close']);
    expect(requests.exchanges.size).toBe(0);
  });

  test.each([
    ['HEAD', 200, 'HEAD'],
    ['204', 204, 'GET'],
    ['304', 304, 'GET']
  ])('to %s has no body', async (_, status, method) => {
    server.on('request', (req, res) => {
      res.statusCode = status;
      res.write('nobody sees this');
      res.flushHeaders();
      res.end('nor this');
    });
    receive({ method });
    await turn();
    expect(native.calls).toEqual([['respond', 1, expect.any(String), undefined]]);
  });

  test('of more than 64 KiB streams', async () => {
    let res;
    let seen;
    server.on('request', (req, given) => {
      res = given;
      seen = watch(req, res);
      res.write(Buffer.alloc(65_536, 'a'));
      res.write('b');
      res.end('c');
    });
    receive();
    expect(native.calls.map(([name]) => name)).toEqual([
      'beginAnswer',
      'writeAnswer',
      'writeAnswer',
      'writeAnswer',
      'endAnswer'
    ]);
    await turn();
    expect(seen).not.toContain('res finish');
    expect(res.writableLength).toBe(65_538);
    sent(1, 65_538);
    expect(seen).toContain('res finish');
    end(1);
    await turn();
    expect(seen.filter((name) => name.startsWith('res'))).toEqual(['res finish', 'res close']);
    expect(requests.exchanges.size).toBe(0);
  });

  test.each([
    ['flushHeaders()', (res) => res.flushHeaders()],
    [
      'text/event-stream',
      (res) => (res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }), res.write('x'))
    ]
  ])('goes out at once after %s', (_, act) => {
    server.on('request', (req, res) => act(res));
    receive();
    expect(native.calls[0]).toEqual(['beginAnswer', 1, expect.any(String)]);
  });

  test('without an end goes out after a while', async () => {
    server.on('request', (req, res) => res.write('x'));
    receive();
    expect(native.calls).toEqual([]);
    while (native.calls.length === 0) await sleep(5);
    expect(native.calls).toEqual([
      ['beginAnswer', 1, expect.any(String)],
      ['writeAnswer', 1, 'x']
    ]);
  });

  test('without a body waits for its end, however long', async () => {
    const held = [];
    server.on('request', (req, res) => (res.flushHeaders(), held.push(res)));
    receive({ method: 'HEAD' });
    receive();
    receive({ method: 'HEAD' });
    await sleep(120);
    expect(native.calls.map(([name, id]) => [name, id])).toEqual([['beginAnswer', 2]]);
    held[0].end();
    expect(native.calls.at(-1)).toEqual(['respond', 1, expect.any(String), undefined]);
  });

  test('that ends in time is given in one, whoever else waits', async () => {
    server.on('request', (req, res) => {
      res.write('a');
      if (req.url === '/ends') setImmediate(() => res.end('b'));
    });
    receive({ target: '/ends' });
    receive({ target: '/waits' });
    while (native.of('beginAnswer').length === 0) await sleep(5);
    expect(native.of('respond')).toEqual([['respond', 1, expect.any(String), 'ab']]);
    expect(native.of('beginAnswer')).toEqual([['beginAnswer', 2, expect.any(String)]]);
  });

  test('holds its writer back, and lets it go on', async () => {
    let res;
    server.on('request', (_, given) => (res = given));
    receive();
    res.flushHeaders();
    expect(res.write(Buffer.alloc(200_000))).toBe(true);
    expect(res.write(Buffer.alloc(100_000))).toBe(false);
    expect(res.writableNeedDrain).toBe(true);
    const drained = once(res, 'drain');
    sent(1, 250_000);
    await drained;
    expect(res.writableNeedDrain).toBe(false);
    // And a pipe begins.
    const piped = pipeline(Readable.from([Buffer.alloc(10, 'z')]), res);
    await turn();
    await turn();
    sent(1, 50_010);
    end(1);
    await piped;
    expect(native.calls.at(-1)).toEqual(['endAnswer', 1]);
  });

  test('that the sender does not take is given up beyond maxBufferedAmount', async () => {
    requests.settings = { maxBufferedAmount: 1_000_000 };
    let res;
    server.on('request', (_, given) => (res = given));
    receive();
    const { signal } = res.req;
    res.flushHeaders();
    for (let index = 0; index < 10; index++) res.write(Buffer.alloc(100_000));
    expect(native.of('cutAnswer')).toEqual([]);
    res.write('x');
    expect(native.calls.at(-1)).toEqual(['cutAnswer', 1]);
    expect(signal.reason).toMatchObject({ code: 'ERR_HYCO_LIMIT' });
    res.write('nobody gets this');
    await turn();
    expect(res.destroyed).toBe(true);
    expect(native.of('writeAnswer')).toHaveLength(11);
  });

  test('calls the callbacks of its writes when they are out', async () => {
    const called = [];
    server.on('request', (_, res) => {
      res.flushHeaders();
      res.write('aa', () => called.push('aa'));
      res.write('bb', () => called.push('bb'));
    });
    receive();
    sent(1, 3);
    expect(called).toEqual(['aa']);
    sent(1, 1);
    expect(called).toEqual(['aa', 'bb']);
  });

  test('a response whose class a framework changes is still one', async () => {
    const other = Object.create(http.ServerResponse.prototype);
    const otherRequest = Object.create(http.IncomingMessage.prototype);
    server.on('request', (req, res) => {
      Object.setPrototypeOf(req, otherRequest);
      Object.setPrototypeOf(res, other);
      expect(req.relay.signal.aborted).toBe(false);
      req.on('data', (chunk) => res.write(chunk));
      req.on('end', () => res.end());
    });
    receive({ method: 'POST', body: 'streams' });
    await turn();
    body(1, 'ab', false);
    body(1, 'cd', true);
    await turn();
    await turn();
    expect(native.of('respond')).toEqual([['respond', 1, expect.any(String), 'abcd']]);
  });

  test('has the tracking id', () => {
    let id;
    server.on('request', (_, res) => ((id = res.id), res.end()));
    receive();
    expect(id).toBe('t1_G1');
  });
});

describe('a request that ends in the middle', () => {
  test('because the sender has left', async () => {
    let seen;
    let req;
    let res;
    server.on('request', (given, answer) => {
      [req, res] = [given, answer];
      seen = watch(req, res);
      res.flushHeaders();
    });
    receive();
    const { signal } = req;
    const written = new Promise((resolve) => res.write('x', resolve));
    lose(1, { code: 'ERR_HYCO_DISCONNECTED', message: 'The sender has left' });
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'ERR_HYCO_DISCONNECTED' });
    expect(await written).toMatchObject({ code: 'ERR_STREAM_DESTROYED' });
    await turn();
    expect(seen.filter((name) => name.startsWith('req')).slice(0, 1)).toEqual(['req aborted']);
    expect(seen).toContain('req close');
    expect(seen.filter((name) => name.startsWith('res'))).toEqual(['res close']);
    expect(res.destroyed).toBe(true);
    expect(res.writableFinished).toBe(false);
    expect(requests.exchanges.size).toBe(0);
    // What comes after that disturbs nobody.
    res.write('y');
    res.end();
    expect(native.of('endAnswer')).toEqual([]);
    expect(native.of('cutAnswer')).toEqual([]);
  });

  test('a pipeline hears of it', async () => {
    let piped;
    server.on('request', (_, res) => {
      piped = pipeline(new Readable({ read() {} }), res);
    });
    receive();
    lose(1);
    await expect(piped).rejects.toMatchObject({ code: 'ERR_STREAM_PREMATURE_CLOSE' });
  });

  test('finished() of a request and its response, too', async () => {
    const ends = [];
    server.on('request', (req, res) => {
      finished(req, (error) => ends.push(error?.code));
      finished(res, (error) => ends.push(error?.code));
    });
    receive({ method: 'POST', body: 'streams' });
    lose(1);
    await turn();
    await turn();
    expect(ends).toHaveLength(2);
  });

  test.each([
    ['req.destroy()', (req) => req.destroy()],
    ['res.destroy()', (req, res) => res.destroy()],
    ['socket.destroy()', (req) => req.socket.destroy()]
  ])('because the program gives it up by %s', async (_, act) => {
    let seen;
    server.on('request', (req, res) => {
      seen = watch(req, res);
      act(req, res);
    });
    receive();
    expect(native.calls).toEqual([
      ['respond', 1, 'HTTP/1.1 500 Internal Server Error. TrackingId:t1_G1\r\n\r\n']
    ]);
    await turn();
    await turn();
    expect(seen).toContain('res close');
    expect(seen).toContain('req close');
    expect(requests.exchanges.size).toBe(0);
  });

  test('with the body on its way, or the head out: it is cut', () => {
    server.on('request', (req, res) => {
      if (req.method === 'GET') res.flushHeaders();
      res.destroy();
    });
    receive();
    receive({ method: 'POST', body: 'streams' });
    expect(native.of('cutAnswer')).toEqual([
      ['cutAnswer', 1],
      ['cutAnswer', 2]
    ]);
    expect(native.of('respond')).toEqual([]);
  });

  test('because the listener has ended', async () => {
    const closed = [];
    server.on('request', (req, res) => res.on('close', () => closed.push(req.url)));
    receive({ target: '/a' });
    receive({ target: '/b' });
    requests.forsake();
    await turn();
    expect(closed).toEqual(['/a', '/b']);
    expect(requests.exchanges.size).toBe(0);
  });
});

test('a response may have a limit of time', async () => {
  const told = [];
  server.on('request', (req, res) => {
    if (req.url === '/handled') res.setTimeout(10, () => told.push('timeout'));
    else req.setTimeout(10).on('close', () => told.push('close'));
  });
  receive({ target: '/handled' });
  receive({ target: '/dropped' });
  while (told.length < 2) await sleep(5);
  expect(told.sort()).toEqual(['close', 'timeout']);
  expect(native.calls).toEqual([['respond', 2, expect.stringMatching(/^HTTP\/1.1 500 /)]]);
});

describe('a handler that fails', () => {
  const failing = {
    throws: () => {
      throw new Error('boom');
    },
    'is rejected': async () => {
      throw new Error('boom');
    }
  };

  test.each(Object.keys(failing))('%s: 500, and the listener goes on', async (how) => {
    const told = [];
    server.on('requestError', (error, req, res) => told.push([error.message, req.url, res.destroyed]));
    server.once('request', (req, res) => {
      res.setHeader('X-Secret', 'x');
      res.write('half');
      return failing[how]();
    });
    receive();
    await turn();
    expect(native.calls).toEqual([
      ['respond', 1, 'HTTP/1.1 500 Internal Server Error. TrackingId:t1_G1\r\n\r\n']
    ]);
    expect(told).toEqual([['boom', '/hyco/x?y=1', expect.any(Boolean)]]);
    server.on('request', (req, res) => res.end('fine'));
    receive();
    expect(native.of('respond')[1][3]).toBe('fine');
  });

  test.each(Object.keys(failing))('%s with the head out: cut', async (how) => {
    server.on('requestError', () => {});
    server.on('request', (req, res) => {
      res.flushHeaders();
      return failing[how]();
    });
    receive();
    await turn();
    expect(native.calls.map(([name]) => name)).toEqual(['beginAnswer', 'cutAnswer']);
  });

  test.each(Object.keys(failing))('%s after the answer: only told', async (how) => {
    const told = once(server, 'requestError');
    server.on('request', (req, res) => {
      res.end('done');
      return failing[how]();
    });
    receive();
    await told;
    expect(native.calls).toEqual([['respond', 1, expect.any(String), 'done']]);
  });

  test('where nobody listens it is a warning', () => {
    const warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
    server.on('request', failing.throws);
    receive();
    expect(warn.mock.calls).toEqual([
      [expect.stringContaining('boom'), { code: 'HYCO_WS_RS_REQUEST_FAILED' }]
    ]);
    warn.mockRestore();
  });
});

test('of slow handlers the first is warned of', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockReturnValue();
  server.on('request', () => {});
  receive({ target: '/hyco/slow?secret' });
  for (const slow of [1, 1, 2]) requests.onSlow({ number: slow });
  expect(warn.mock.calls).toEqual([
    [expect.stringMatching(/^GET \/hyco\/slow /), { code: 'HYCO_WS_RS_SLOW_REQUEST' }]
  ]);
  warn.mockRestore();
});
