'use strict';

const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const { IncomingMessage } = require('node:http');
const { inspect } = require('node:util');

jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);

let mockNextTick = process.nextTick;
jest.mock('../lib/shared/clock', () => ({
  ...jest.requireActual('../lib/shared/clock'),
  nextTick: (...args) => mockNextTick(...args)
}));

const { closeServers, startServer } = require('./helpers/fake-server');
const { RelayedServer } = require('../lib/listener/server');

const start = (options) => startServer(RelayedServer, options);
const PROTOCOLS = { headers: { 'Sec-WebSocket-Protocol': 'a, b' } };
const rejections = (listener) =>
  listener.calls.filter(([name]) => name === 'reject').map(([, ...rest]) => rest);
const failures = (listener) => listener.calls.filter(([name]) => name === 'failOffer').map(([, id]) => id);
const turn = () => new Promise(setImmediate);

/** What is told on a channel meanwhile. */
function diagnosed(outcome, run) {
  const told = [];
  const listen = (message) => told.push(message);
  diagnosticsChannel.subscribe(`hyco-ws-rs:accept:${outcome}`, listen);
  run();
  diagnosticsChannel.unsubscribe(`hyco-ws-rs:accept:${outcome}`, listen);
  return told;
}

afterEach(closeServers);

/** What is thrown where nobody can catch it: jest's process would end by it. */
async function uncaught(run) {
  const { nextTick } = process;
  try {
    return await new Promise((resolve) => {
      mockNextTick = (fn, ...args) =>
        nextTick(() => {
          try {
            fn(...args);
          } catch (error) {
            resolve(error);
          }
        });
      run();
    });
  } finally {
    mockNextTick = nextTick;
  }
}

describe('an offer', () => {
  test('is none after the end of a listener that has lost a record', async () => {
    const { server, listener } = start();
    server.on('error', () => {});
    const closed = new Promise((resolve) => server.once('close', resolve));
    listener.event('closed');
    listener.offer();
    await closed;
    expect(listener.dials.size).toBe(0);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
  });

  test('keeps what a program puts in the place of headers that nobody has looked at', () => {
    const { server, listener } = start();
    server.on('connection', (_, request) => {
      request.headers = { own: '1' };
      request.rawHeaders = ['Own', '1'];
      request.headersDistinct = { own: ['1'] };
    });
    const seen = jest.fn();
    server.on('connection', (_, { headers, rawHeaders, headersDistinct }) =>
      seen(headers, rawHeaders, headersDistinct)
    );
    listener.open(listener.offer({ headers: { Cookie: 'a=b' } }));
    expect(seen).toHaveBeenCalledWith({ own: '1' }, ['Own', '1'], { own: ['1'] });
  });

  test('becomes a connection with the socket open and the sender as request', () => {
    const { server, listener } = start();
    const seen = jest.fn((socket) =>
      expect([socket.readyState, server.clients.has(socket)]).toEqual([1, true])
    );
    server.on('connection', seen);
    const id = listener.offer({
      path: '/hyco/sub?x=1',
      headers: { 'X-One': '1', 'x-one': '2', Cookie: 'a=b' }
    });
    expect(seen).not.toHaveBeenCalled();
    const socket = listener.open(id);
    const [[given, request]] = seen.mock.calls;
    expect(given).toBe(socket);
    expect(request).toBeInstanceOf(IncomingMessage);
    expect(request).toMatchObject({ url: '/hyco/sub?x=1', method: 'GET', httpVersion: '1.1', id: `t${id}` });
    expect(request.headers).toMatchObject({ host: 'ns.test', 'x-one': '1, 2', cookie: 'a=b' });
    expect(request.rawHeaders.slice(-2)).toEqual(['Cookie', 'a=b']);
    expect(request.socket).toMatchObject({
      remoteAddress: '203.0.113.7',
      remotePort: 51234,
      remoteFamily: 'IPv4'
    });
    expect(request.connection).toBe(request.socket);
    expect(request.relay).toEqual({ id: `t${id}`, host: 'g1.ns.test' });
    expect(server.stats()).toMatchObject({ connections: 1, pendingAccepts: 0 });
  });

  test('leaves clients when it closes', () => {
    const { server, listener } = start();
    listener.open(listener.offer()).end(1000);
    expect(server.clients.size).toBe(0);
  });

  test('comes with its path and its headers in the order in which they came', () => {
    const { server, listener } = start();
    const seen = jest.fn();
    server.on('connection', seen);
    const id = listener.offer({ target: '/given', headerLines: () => ['A', '1', 'a', '2'] });
    listener.open(id);
    expect(seen.mock.calls[0][1]).toMatchObject({ url: '/given', headers: { a: '1, 2' } });
  });

  test('waits for its dial while 64 others are dialled', async () => {
    const { server, listener } = start();
    const ids = Array.from({ length: 70 }, () => listener.offer());
    expect(listener.dials.size).toBe(64);
    listener.fail(ids[0], new Error('gone'));
    listener.open(ids[1]);
    await new Promise(setImmediate);
    expect([...listener.dials.keys()]).toEqual(ids.slice(0, 66));
    // The engine's own clock runs for those that wait, too.
    listener.turnAway(ids[66], 504);
    for (const id of ids.slice(2, 5)) listener.open(id);
    await new Promise(setImmediate);
    expect(listener.dials.has(ids[66])).toBe(false);
    expect(listener.dials.size).toBe(69);
    expect(server.stats()).toMatchObject({ connections: 4, pendingAccepts: 64 });
    for (const id of ids.slice(5)) listener.dials.get(id)?.open();
  });

  test('that cannot be dialled is a rendezvousError and nothing else', () => {
    const { server, listener } = start();
    const failed = jest.fn();
    const id = listener.offer();
    listener.fail(id, new Error('nobody hears this'));
    server.on('rendezvousError', failed);
    listener.fail(listener.offer(), new Error('gone'));
    expect(failed).toHaveBeenCalledWith(
      expect.objectContaining({ message: 'gone' }),
      expect.any(IncomingMessage)
    );
    expect(server.stats()).toMatchObject({ connections: 0, pendingAccepts: 0 });
  });

  test('whose dial throws is a rendezvousError, and the sender gets a 500', async () => {
    const { server, listener } = start();
    const failed = jest.fn();
    server.on('rendezvousError', failed);
    listener.fault = new Error('no dial');
    const ids = [listener.offer(), listener.offer()];
    listener.fault = undefined;
    expect(failed.mock.calls.map(([error, request]) => [error.message, request.url])).toEqual([
      ['no dial', '/hyco'],
      ['no dial', '/hyco']
    ]);
    expect(failures(listener)).toEqual(ids);
    expect(rejections(listener)).toEqual([]);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
    // Neither counts as a dial under way.
    for (let count = 0; count < 65; count++) listener.offer();
    expect(listener.dials.size).toBe(64);
  });

  test('shows no token when its request is printed', () => {
    const { server, listener } = start();
    server.on('connection', (_, request) => {
      expect(inspect(request) + JSON.stringify(request)).not.toContain('SECRET');
      expect(request.headers.servicebusauthorization).toBe('SECRET');
    });
    listener.open(listener.offer({ headers: { ServiceBusAuthorization: 'SECRET' } }));
    expect.assertions(2);
  });
});

describe('admission', () => {
  test('limits are for the engine to keep', () => {
    const { listener } = start({ maxConnections: 2, maxPendingAccepts: 3 });
    expect(listener.config).toMatchObject({ maxConnections: 2, maxPending: 3 });
    // The engine would read it as 1.
    expect(start({ maxConnections: 2 ** 32 + 1 }).listener.config.maxConnections).toBe(2 ** 32 - 1);
  });

  test('with maxConnections the engine is told who has left, right before the program is', () => {
    const left = (listener) => listener.calls.filter(([name]) => name === 'left').length;
    for (const maxConnections of [0, 2]) {
      const { listener } = start({ maxConnections });
      const socket = listener.open(listener.offer());
      listener.open(listener.offer());
      listener.fail(listener.offer(), new Error('was never here'));
      expect(left(listener)).toBe(0);
      const seen = jest.fn(() => expect(left(listener)).toBe(Math.sign(maxConnections)));
      socket.on('close', seen);
      socket.end(1000);
      expect(seen).toHaveBeenCalledTimes(1);
    }
  });

  test('a sender that the engine has refused is told on the channels, and to nobody else', () => {
    const verifyClient = jest.fn();
    const { server, listener } = start({ verifyClient: (info) => verifyClient(info) });
    listener.offer({ refused: 503 });
    const told = [];
    const offers = diagnosed('offer', () => {
      told.push(...diagnosed('rejected', () => listener.offer({ path: '/refused', refused: 503 })));
    });
    const request = expect.objectContaining({ url: '/refused' });
    expect(offers).toEqual([{ server, request }]);
    expect(told).toEqual([{ server, request, statusCode: 503, reason: 'Service Unavailable' }]);
    expect(verifyClient).not.toHaveBeenCalled();
    expect(rejections(listener)).toEqual([]);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
  });
});

describe('rendezvousHosts', () => {
  const answers = (listener) => listener.calls.filter(([name]) => name === 'admitHost');
  const boom = () => {
    throw new Error('boom');
  };

  test.each([
    ['true', () => true, true],
    ['a promise of true', async () => true, true],
    ['false', () => false, false],
    ['a promise of false', async () => false, false],
    ['something truthy', () => 1, false],
    ['a promise of something truthy', async () => 'yes', false],
    ['nothing', () => {}, false],
    ['an exception', boom, false],
    ['a promise that is rejected', async () => boom(), false]
  ])('that gives %s', async (_, rendezvousHosts, admitted) => {
    const rule = jest.fn(rendezvousHosts);
    const { listener } = start({ rendezvousHosts: (...args) => rule(...args) });
    expect(listener.config.asksHosts).toBe(true);
    listener.event('host', { id: 7, offer: 0, host: 'g1.ns.test' });
    await turn();
    expect(rule.mock.calls).toEqual([['g1.ns.test']]);
    expect(answers(listener)).toEqual([['admitHost', 7, admitted]]);
  });

  test('is asked by the engine only, and does not hold the verdict up', () => {
    const rendezvousHosts = jest.fn();
    const { listener } = start({ rendezvousHosts });
    expect(listener.dials.has(listener.offer())).toBe(true);
    expect(rendezvousHosts).not.toHaveBeenCalled();
    expect(start().listener.config.asksHosts).toBe(false);
  });

  test('that fails is the cause of the rendezvousError', async () => {
    const { server, listener } = start({ rendezvousHosts: boom });
    const failed = jest.fn();
    server.on('rendezvousError', failed);
    const id = listener.offer();
    listener.event('host', { id: 1, offer: id, host: 'g1.ns.test' });
    await turn();
    listener.fail(id, new Error('not allowed'));
    expect(failed.mock.calls[0][0]).toMatchObject({ message: 'not allowed', cause: { message: 'boom' } });
  });
});

describe('verifyClient', () => {
  test('gets origin, secure and the request, and may answer at once', () => {
    const verifyClient = jest.fn((info) => info.req.url === '/hyco');
    const { listener } = start({ verifyClient: (info) => verifyClient(info) });
    const good = listener.offer({ headers: { Origin: 'https://o.test' } });
    const bad = listener.offer({ path: '/other' });
    expect(verifyClient.mock.calls[0][0]).toMatchObject({ origin: 'https://o.test', secure: true });
    expect(listener.dials.has(good)).toBe(true);
    expect(rejections(listener)).toEqual([[bad, 401, 'Unauthorized']]);
  });

  test('may answer with its callback, now or later, with status and text', async () => {
    const { listener } = start({
      verifyClient: (info, cb) =>
        info.req.url === '/later' ? setImmediate(cb, true) : cb(false, 418, 'short', {})
    });
    const later = listener.offer({ path: '/later' });
    const refused = listener.offer();
    expect(rejections(listener)).toEqual([[refused, 418, 'short']]);
    await turn();
    expect(listener.dials.has(later)).toBe(true);
  });

  test('may answer with a promise', async () => {
    const { listener } = start({ verifyClient: async (info) => info.req.url === '/yes' });
    const yes = listener.offer({ path: '/yes' });
    const no = listener.offer({ path: '/no' });
    await turn();
    expect(listener.dials.has(yes)).toBe(true);
    expect(rejections(listener)).toEqual([[no, 401, 'Unauthorized']]);
  });

  test.each([
    ['throws', () => { throw new Error('mine'); }], // prettier-ignore
    ['rejects', () => Promise.reject(new Error('mine'))],
    // eslint-disable-next-line no-unused-vars
    ['rejects in the callback form', (info, cb) => Promise.reject(new Error('mine'))]
  ])('that %s costs the sender a 500 and is an uncaught exception', async (_, verifyClient) => {
    const { listener } = start({ verifyClient });
    const error = await uncaught(() => listener.offer());
    expect(error.message).toBe('mine');
    expect(rejections(listener)).toEqual([[expect.any(Number), 500, 'Internal Server Error']]);
  });

  test.each([true, false])('is forgotten when the engine has answered for it: %s', (verdict) => {
    let late;
    const { server, listener } = start({ verifyClient: (_, cb) => (late = cb) });
    const id = listener.offer();
    const told = diagnosed('rejected', () => listener.turnAway(id, 504));
    expect(told).toEqual([expect.objectContaining({ server, statusCode: 504, reason: 'Gateway Timeout' })]);
    late(verdict);
    expect(listener.dials.has(id)).toBe(false);
    expect(rejections(listener)).toEqual([]);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
  });

  test('that comes with the limit, before the engine has told of it, is too late', async () => {
    let late;
    const { server, listener } = start({ verifyClient: (_, cb) => (late = cb) });
    const failed = jest.fn();
    server.on('rendezvousError', failed);
    const late504 = [];
    const ids = Array.from({ length: 65 }, (_, index) => {
      const id = listener.offer();
      if (index % 2 === 0) {
        late504.push(id);
        listener.undecided.delete(id);
      }
      late(true);
      return id;
    });
    const expired = late504.length;
    const told = diagnosed('rejected', () => late504.forEach((id) => listener.turnAway(id, 504)));
    expect(told.map(({ statusCode }) => statusCode)).toEqual(late504.map(() => 504));
    expect(failed).not.toHaveBeenCalled();
    expect(rejections(listener)).toEqual([]);
    expect(server.stats()).toMatchObject({ pendingAccepts: 65 - expired });
    // None of them counts as a dial under way.
    await turn();
    expect(listener.dials.size).toBe(ids.length - expired);
    for (let more = 0; more < expired; more++) {
      listener.offer();
      late(true);
    }
    expect(listener.dials.size).toBe(64);
  });

  test.each([true, false])('that comes too late is told with what the engine has done: %s', (verdict) => {
    let late;
    const { listener } = start({ verifyClient: (_, cb) => (late = cb) });
    const id = listener.offer();
    listener.undecided.delete(id);
    const told = diagnosed('rejected', () => {
      late(verdict);
      listener.turnAway(id, 504);
    });
    expect(told.map(({ statusCode }) => statusCode)).toEqual([504]);
  });

  test('is not waited for when the engine has ended', async () => {
    let late;
    const { server, listener } = start({ verifyClient: (_, cb) => (late = cb) });
    server.on('error', () => {});
    listener.offer();
    const closed = new Promise((resolve) => server.on('close', resolve));
    const told = diagnosed('rejected', () => listener.event('closed'));
    expect(told.map(({ statusCode }) => statusCode)).toEqual([503]);
    await closed;
    late(true);
    expect(listener.dials.size).toBe(0);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
  });

  test('may be set and taken away while the server runs, as in ws', async () => {
    const { server, listener } = start();
    const isIn = (offer) => listener.dials.has(listener.offer(offer));
    expect(isIn()).toBe(true);
    server.options.verifyClient = (info) => info.req.url === '/yes';
    expect([isIn(), isIn({ path: '/yes' })]).toEqual([false, true]);
    server.options.verifyClient = (info, cb) => cb(false, 403);
    expect(isIn()).toBe(false);
    expect(rejections(listener).map(([, status]) => status)).toEqual([401, 403]);
    for (const nothing of [null, undefined, false, '']) {
      server.options.verifyClient = nothing;
      expect(isIn()).toBe(true);
    }
    server.options.verifyClient = {};
    expect(await uncaught(() => listener.offer())).toBeInstanceOf(TypeError);
    expect(rejections(listener).at(-1)[1]).toBe(500);
  });
});

describe('handleProtocols', () => {
  const chosen = (options, offer = PROTOCOLS) => {
    const { listener } = start(options);
    const id = listener.offer(offer);
    return listener.dials.get(id)?.accept.protocol ?? rejections(listener)[0]?.slice(1) ?? null;
  };

  test('by default the first subprotocol is chosen, and none if none is offered', () => {
    expect(chosen({})).toBe('a');
    expect(chosen({}, {})).toBeNull();
  });

  test('may be set and taken away while the server runs, as in ws', async () => {
    const { server, listener } = start();
    const choice = () => listener.dials.get(listener.offer(PROTOCOLS))?.accept.protocol;
    expect(choice()).toBe('a');
    server.options.handleProtocols = () => 'b';
    expect(choice()).toBe('b');
    server.options.handleProtocols = null;
    expect(choice()).toBe('a');
    server.options.handleProtocols = 'b';
    expect(await uncaught(choice)).toBeInstanceOf(TypeError);
    expect(rejections(listener).at(-1)[1]).toBe(500);
  });

  test('a header that is no list of subprotocols is refused, as by ws', () => {
    for (const value of ['a,,b', 'a, a', 'a b', '']) {
      const offer = { headers: { 'Sec-WebSocket-Protocol': value } };
      expect(chosen({}, offer)).toEqual([400, 'Invalid Sec-WebSocket-Protocol header']);
    }
  });

  test("ws's form: a Set and the request, returning the choice", () => {
    expect(chosen({ handleProtocols: (protocols) => (protocols.has('b') ? 'b' : false) })).toBe('b');
    expect(chosen({ handleProtocols: (protocols) => [...protocols].at(-1) })).toBe('b');
    expect(chosen({ handleProtocols: (protocols, request) => request.url === '/hyco' && 'b' })).toBe('b');
    expect(chosen({ handleProtocols: () => false })).toBeNull();
    expect(chosen({ handleProtocols: () => undefined })).toBeNull();
  });

  test('a request that is looked at and an answer of undefined mean: no subprotocol', () => {
    expect(chosen({ handleProtocols: (_, request) => (request.headers.x ? 'a' : undefined) })).toBeNull();
  });

  test('what is put on the request there is found on it later', () => {
    const { server, listener } = start({
      handleProtocols(protocols, request) {
        request.user = 'me';
        expect(request).toBeInstanceOf(IncomingMessage);
        expect('user' in request).toBe(true);
        return 'a';
      }
    });
    const seen = jest.fn();
    server.on('connection', (_, request) => seen(request.user));
    listener.open(listener.offer(PROTOCOLS));
    expect(seen).toHaveBeenCalledWith('me');
  });

  test("hyco-ws's form: an array and a callback", () => {
    expect(chosen({ handleProtocols: (list, cb) => cb(true, list[1]) })).toBe('b');
    expect(
      chosen({ handleProtocols: (list, cb) => cb(list.indexOf('b') === 1 && list.length === 2, 'b') })
    ).toBe('b');
    expect(chosen({ handleProtocols: (list, cb) => cb(false) })).toEqual([401, 'Unauthorized']);
    expect(chosen({ handleProtocols: (list, cb) => cb.call(null, true) })).toBeNull();
  });

  test('both forms may answer later', async () => {
    for (const handleProtocols of [async () => 'b', (list, cb) => void setImmediate(() => cb(true, 'b'))]) {
      const { listener } = start({ handleProtocols });
      const id = listener.offer(PROTOCOLS);
      expect(listener.dials.has(id)).toBe(false);
      await turn();
      expect(listener.dials.get(id).accept.protocol).toBe('b');
    }
  });

  test('a choice that is no subprotocol reaches no header', async () => {
    const { listener } = start({ handleProtocols: () => 'a\r\nX: y' });
    expect(await uncaught(() => listener.offer(PROTOCOLS))).toBeInstanceOf(TypeError);
    expect(rejections(listener)[0]).toEqual([expect.any(Number), 500, 'Internal Server Error']);
  });
});

describe('headers', () => {
  test('listeners may change the lines before the rendezvous is dialled', () => {
    const { server, listener } = start();
    server.on('headers', (lines, request) => {
      expect(listener.dials.size).toBe(0);
      lines.push(`X-Url: ${request.url}`);
    });
    const id = listener.offer();
    expect(listener.dials.get(id).accept.headers).toEqual(['X-Url: /hyco']);
  });

  test.each(['X: a\r\nY: b', 'no colon', 'X Y: a', 7])('a line %j smuggles nothing in', (line) => {
    const { server, listener } = start();
    const failed = jest.fn();
    server.on('rendezvousError', failed);
    server.on('headers', (lines) => lines.push(line));
    const id = listener.offer();
    expect(failed.mock.calls[0][0]).toMatchObject({ code: 'ERR_INVALID_CHAR' });
    expect(failures(listener)).toEqual([id]);
  });

  test('a listener that throws costs the sender a 500', async () => {
    const { server, listener } = start();
    server.on('headers', () => {
      throw new Error('mine');
    });
    expect((await uncaught(() => listener.offer())).message).toBe('mine');
    expect(rejections(listener)).toHaveLength(1);
  });
});

test('for await gives connections one by one, and loses no message of those that wait', async () => {
  const { server, listener } = start();
  const seen = [];
  const loop = (async () => {
    for await (const [socket, request] of server) {
      seen.push(request.url);
      expect(socket.paused).toBe(true);
      await turn();
      await turn();
      expect(socket.paused).toBe(false);
      if (seen.length === 2) server.close();
    }
  })();
  listener.open(listener.offer({ path: '/1' }));
  const waiting = listener.open(listener.offer({ path: '/2' }));
  expect(waiting.paused).toBe(true);
  await loop;
  expect(seen).toEqual(['/1', '/2']);
  expect(server.listenerCount('connection')).toBe(0);
});

test('an error ends the loop that waits, and the one that comes back to wait', async () => {
  const error = { code: 'ERR_HYCO_TOKEN', message: 'mine' };
  const loop = async (server, body) => {
    for await (const pair of server) await body(pair);
  };
  const waiting = start();
  const first = loop(waiting.server, () => {});
  waiting.listener.event('error', { terminal: false, error });
  await expect(first).rejects.toMatchObject({ code: 'ERR_HYCO_TOKEN' });

  const busy = start();
  const seen = [];
  const second = loop(busy.server, async ([, request]) => {
    seen.push(request.url);
    if (seen.length === 1) busy.listener.event('error', { terminal: false, error });
    await turn();
  });
  busy.listener.open(busy.listener.offer({ path: '/1' }));
  busy.listener.open(busy.listener.offer({ path: '/2' }));
  // Who was there before the error is handed out before it.
  await expect(second).rejects.toMatchObject({ code: 'ERR_HYCO_TOKEN' });
  expect(seen).toEqual(['/1', '/2']);
  for (const { server } of [waiting, busy]) {
    expect([server.listenerCount('connection'), server.listenerCount('error')]).toEqual([0, 0]);
  }
});

test('several who wait for the next one end together', async () => {
  const { server, listener } = start();
  const iterator = server[Symbol.asyncIterator]();
  const asked = [iterator.next(), iterator.next(), iterator.next()];
  listener.event('error', { terminal: false, error: { code: 'ERR_HYCO_TOKEN', message: 'mine' } });
  await expect(asked[0]).rejects.toMatchObject({ code: 'ERR_HYCO_TOKEN' });
  expect(await Promise.all(asked.slice(1))).toEqual([
    { value: undefined, done: true },
    { value: undefined, done: true }
  ]);
  expect(await iterator.next()).toEqual({ value: undefined, done: true });
});

test('leaving the loop closes what nobody will look at', async () => {
  const { server, listener } = start();
  let second;
  const loop = (async () => {
    for await (const [socket] of server) {
      second = listener.open(listener.offer());
      socket.end(1000);
      break;
    }
  })();
  listener.open(listener.offer());
  await loop;
  expect(second.closedWith).toBe(1001);
  await once(second, 'close');
});
