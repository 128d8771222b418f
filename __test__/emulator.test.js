'use strict';

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');

const { RelayEmulator } = require('../emulator.js');
const { dial, listen, meet, send, terminateAll, tls } = require('./helpers/emulator-peers.js');

const TRACKING =
  /TrackingId:[0-9a-f-]{36}_G\d+, SystemTracker:sb:\/\/[^ ,]+, Timestamp:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/;

const relays = [];

async function start(options) {
  const relay = await RelayEmulator.start(options);
  relays.push(relay);
  return relay;
}

afterEach(async () => {
  terminateAll();
  await Promise.all(relays.splice(0).map((relay) => relay.close({ force: true })));
});

/** What a promise rejected with. */
async function failure(promise) {
  const sentinel = {};
  const result = await promise.then(
    () => sentinel,
    (error) => error
  );
  expect(result).not.toBe(sentinel);
  return result;
}

describe('start', () => {
  test('works without options', async () => {
    const relay = await start();
    expect(relay.host).toBe('127.0.0.1');
    expect(relay.address).toBe(`127.0.0.1:${relay.port}`);
    expect(relay.keyName).toBe('RootManageSharedAccessKey');
    expect(relay.listenUri()).toBe(`ws://${relay.address}/$hc/hyco?sb-hc-action=listen`);
    expect(relay.sendUri('hyco/a b?x=1', { id: 'i d' })).toBe(
      `ws://${relay.address}/$hc/hyco/a%20b?x=1&sb-hc-action=connect&sb-hc-id=i%20d`
    );
    expect(relay.connectionString()).toBe(
      `Endpoint=sb://${relay.address}/;SharedAccessKeyName=RootManageSharedAccessKey;` +
        `SharedAccessKey=${relay.key};EntityPath=hyco;UseDevelopmentEmulator=true`
    );
    expect(relay.stats()).toMatchObject({ listeners: 0, senders: 0, pending: 0, paths: { hyco: 0 } });
  });

  test('two relays have different keys and ports', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    expect(a.key).not.toBe(b.key);
    expect(a.port).not.toBe(b.port);
  });

  test.each([
    [{ port: '80' }, 'ERR_INVALID_ARG_TYPE', 'options.port'],
    [{ port: 70000 }, 'ERR_INVALID_ARG_VALUE', 'options.port'],
    [{ host: '' }, 'ERR_INVALID_ARG_VALUE', 'options.host'],
    [{ hybridConnections: 'hyco' }, 'ERR_INVALID_ARG_TYPE', 'options.hybridConnections'],
    [{ hybridConnections: [{}] }, 'ERR_INVALID_ARG_TYPE', 'options.hybridConnections[0].path'],
    [{ hybridConnections: ['a?b'] }, 'ERR_INVALID_ARG_VALUE', 'options.hybridConnections[0].path'],
    [{ sharedAccessPolicies: [{ key: 1 }] }, 'ERR_INVALID_ARG_TYPE', 'options.sharedAccessPolicies[0].key'],
    [{ sharedAccessPolicies: [{ rights: ['All'] }] }, 'ERR_INVALID_ARG_VALUE', '.rights'],
    [{ tls: { cert: 'x' } }, 'ERR_INVALID_ARG_TYPE', 'options.tls.key'],
    [{ acceptTimeout: -1 }, 'ERR_INVALID_ARG_VALUE', 'options.acceptTimeout'],
    [{ publicHost: 'a/b' }, 'ERR_INVALID_ARG_VALUE', 'options.publicHost'],
    [5, 'ERR_INVALID_ARG_TYPE', 'options']
  ])('refuses %j', async (options, code, name) => {
    const error = await failure(RelayEmulator.start(options));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe(code);
    expect(error.message).toContain(name);
  });

  test('a port in use and a certificate that is none are errors with a code', async () => {
    const relay = await start();
    const error = await failure(RelayEmulator.start({ port: relay.port }));
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', port: relay.port });
    const other = await failure(RelayEmulator.start({ tls: { cert: 'no', key: tls.key } }));
    expect(other.code).toBe('ERR_HYCO_TLS');
    expect(other.message).not.toContain('PRIVATE');
  });

  test('is closed once, by hand or by disposal', async () => {
    const relay = await start();
    const closing = once(relay, 'close');
    await Promise.all([relay.close(), relay.close({ force: true }), closing]);
    await relay.close();
    expect(relay.unref().ref()).toBe(relay);
    const disposed = await start();
    await disposed[Symbol.asyncDispose]();
    const socket = net.connect(disposed.port, '127.0.0.1');
    expect((await once(socket, 'error'))[0].code).toBe('ECONNREFUSED');
  });
});

describe.each([
  ['ws', {}],
  ['wss', { tls }]
])('over %s', (scheme, options) => {
  test('brings a sender and a listener together and pipes both ways', async () => {
    const relay = await start(options);
    const control = await listen(relay, 'hyco', { id: 'b3c1c1f0-0000-4000-8000-000000000001' });
    const [sender, listener, accept] = await meet(relay, control, 'hyco');
    expect(
      accept.address.startsWith(`${scheme}://${relay.address}/$hc/hyco?sb-hc-action=accept&sb-hc-id=`)
    ).toBe(true);
    expect(accept.id).toMatch(/^[0-9a-f-]{36}_G\d+$/);
    expect(accept.remoteEndpoint).toEqual({ address: '127.0.0.1', port: expect.any(Number) });
    expect(relay.stats()).toMatchObject({ listeners: 1, senders: 1, pending: 0 });

    sender.send('text ü');
    sender.send(Buffer.from([1, 2, 3]));
    sender.send('');
    expect(await listener.messages.next()).toEqual([Buffer.from('text ü'), false]);
    expect(await listener.messages.next()).toEqual([Buffer.from([1, 2, 3]), true]);
    expect(await listener.messages.next()).toEqual([Buffer.alloc(0), false]);
    listener.send('a', { fin: false });
    listener.ping('leg');
    listener.send('b', { fin: true });
    expect((await once(listener, 'pong'))[0].toString()).toBe('leg');
    expect(await sender.messages.next()).toEqual([Buffer.from('ab'), false]);

    sender.close(4001, 'bye');
    expect(await listener.closed).toEqual([4001, 'bye']);
    expect(await sender.closed).toEqual([4001, 'bye']);
    expect(control.messages.size).toBe(0);
  });

  test('carries large messages and pushes back', async () => {
    const relay = await start(options);
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco', { legOptions: { maxPayload: 0 } });
    const large = Buffer.alloc(32 << 20, 'x');
    large[large.length - 1] = 1;
    listener.pause();
    const before = process.memoryUsage().rss;
    sender.send(large);
    // A ping on the other leg gets through although this direction is stuck.
    listener.ping();
    listener.resume();
    const [received, binary] = await listener.messages.next();
    expect(binary).toBe(true);
    expect(Buffer.compare(received, large)).toBe(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(400 << 20);
    for (let n = 0; n < 5000; n += 1) listener.send(String(n));
    for (let n = 0; n < 5000; n += 1) {
      const [data] = await sender.messages.next();
      if (data.toString() !== String(n)) throw new Error(`${data} instead of ${n}`);
    }
  });
});

test('a message of 128 MiB passes, and a stalled reader stalls the writer', async () => {
  const relay = await start();
  const control = await listen(relay, 'hyco');
  const [sender, listener] = await meet(relay, control, 'hyco', { legOptions: { maxPayload: 0 } });
  listener.pause();
  const size = 128 << 20;
  const sent = new Promise((resolve) => sender.send(Buffer.alloc(size, 7), resolve));
  // A round trip on the control channel later, the kernel's buffers are all that took something up.
  control.ping();
  await once(control, 'pong');
  expect(sender.bufferedAmount).toBeGreaterThan(size / 2);
  listener.resume();
  const [received] = await listener.messages.next();
  expect(received.length).toBe(size);
  expect(received.every((byte) => byte === 7)).toBe(true);
  await sent;
});

describe('the accept message', () => {
  test('has the headers of the sender in their own case, without the token', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    send(relay, 'hyco/sub/a b?x=%2F&y', {
      headers: { 'X-MiXed': 'v', Cookie: 'a=b', 0: 'Sec-WebSocket-Extensions: x' }
    });
    const { accept } = await control.nextCommand();
    expect(accept.connectHeaders).toMatchObject({
      Host: relay.address,
      'X-MiXed': 'v',
      Cookie: 'a=b',
      0: 'Sec-WebSocket-Extensions: x',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': expect.any(String)
    });
    expect(JSON.stringify(accept)).not.toContain('SharedAccessSignature');
    const url = new URL(accept.address);
    expect(url.pathname).toBe('/$hc/hyco/sub/a%20b');
    expect(url.search.startsWith('?x=%2F&y&sb-hc-action=accept&sb-hc-id=')).toBe(true);
  });

  test('keeps the id of the sender, and a token in the query does not come through', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    dial(relay.sendUri('hyco?null', { id: 'mine', token: true })).catch(() => {});
    const { accept } = await control.nextCommand();
    expect(accept.id).toMatch(/^mine_G\d+$/);
    expect(accept.address).toContain('/$hc/hyco?null&sb-hc-action=accept&sb-hc-id=mine_G');
    expect(accept.address).not.toContain('token');
  });

  test('names the relay as the listener does, or as publicHost says', async () => {
    const relay = await start();
    const token = relay.createToken('hyco');
    const uri = relay.listenUri('hyco', { token }).replace('127.0.0.1', 'localhost');
    const control = await dial(uri);
    send(relay, 'hyco');
    const { accept } = JSON.parse((await control.messages.next())[0]);
    expect(new URL(accept.address).host).toBe(`localhost:${relay.port}`);
    const other = await start({ publicHost: 'relay.test:1' });
    const second = await listen(other, 'hyco');
    send(other, 'hyco');
    expect(new URL((await second.nextCommand()).accept.address).host).toBe('relay.test:1');
  });
});

describe('the rendezvous', () => {
  test('echoes the chosen subprotocol to both legs', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener, accept] = await meet(relay, control, 'hyco', {
      protocols: ['a', 'b'],
      chosen: ['b']
    });
    expect(accept.connectHeaders['Sec-WebSocket-Protocol']).toBe('a,b');
    expect([sender.protocol, listener.protocol]).toEqual(['b', 'b']);
  });

  test('admits neither a subprotocol that was not offered nor several; the address stays good', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const sending = send(relay, 'hyco', { protocols: ['a', 'b'] });
    const { accept } = await control.nextCommand();
    expect(await failure(dial(accept.address, ['c']))).toMatchObject({ status: 400 });
    expect(await failure(dial(accept.address, ['a', 'b']))).toMatchObject({ status: 400 });
    await dial(accept.address, ['a']);
    expect((await sending).protocol).toBe('a');
  });

  test('an address works once', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [, , accept] = await meet(relay, control, 'hyco');
    const again = await failure(dial(accept.address));
    expect(again.status).toBe(403);
    expect(again.reason).toMatch(TRACKING);
    const forged = accept.address.replace(/sb-hc-rendezvous=\w+/, 'sb-hc-rendezvous=0');
    expect(await failure(dial(forged))).toMatchObject({ status: 403 });
    expect(await failure(dial(forged.replace('=accept', '=dance')))).toMatchObject({ status: 400 });
  });

  test('an address expires', async () => {
    const relay = await start({ rendezvousLifetime: 0 });
    const control = await listen(relay, 'hyco');
    send(relay, 'hyco');
    const { accept } = await control.nextCommand();
    expect(await failure(dial(accept.address))).toMatchObject({ status: 403 });
    const other = await start();
    const second = await listen(other, 'hyco');
    send(other, 'hyco');
    const offer = await second.nextCommand();
    expect(other.faults.expireRendezvous()).toBe(1);
    expect(await failure(dial(offer.accept.address))).toMatchObject({ status: 403 });
  });

  test('completes neither handshake before the other side is there', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const order = [];
    const sending = send(relay, 'hyco').then(() => order.push('sender'));
    const { accept } = await control.nextCommand();
    control.ping();
    await once(control, 'pong');
    order.push('dial');
    await Promise.all([sending, dial(accept.address)]);
    expect(order).toEqual(['dial', 'sender']);
  });

  test('a sender that gives up takes his address along', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const sending = dial(relay.sendUri('hyco', { token: true }));
    const { accept } = await control.nextCommand();
    expect(relay.stats().pending).toBe(1);
    terminateSender(sending);
    await failure(sending);
    // The relay notices on a thread of its own.
    while (relay.stats().pending) await new Promise(setImmediate);
    expect(await failure(dial(accept.address))).toMatchObject({ status: 403 });

    function terminateSender() {
      require('./helpers/emulator-peers.js').terminateAll();
    }
  });

  test('a rejection reaches the sender word for word and is 410 for the listener', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const events = [];
    relay.on('rejected', (event) => events.push(event));
    const sending = send(relay, 'hyco');
    const { accept } = await control.nextCommand();
    const query = '&sb-hc-statusCode=451&sb-hc-statusDescription=Not+today%2C%20Ren%C3%A9%0D%0AX: y';
    const answer = await failure(dial(accept.address + query));
    expect(answer).toMatchObject({ status: 410, reason: 'Gone' });
    expect(await failure(sending)).toMatchObject({ status: 451, reason: 'Not today, Ren???X: y' });
    expect(await failure(dial(accept.address))).toMatchObject({ status: 403 });
    expect(events).toEqual([{ path: 'hyco', id: accept.id, status: 451, reason: expect.any(String) }]);
    send(relay, 'hyco');
    const next = await control.nextCommand();
    expect(await failure(dial(`${next.accept.address}&sb-hc-statusCode=abc`))).toMatchObject({ status: 400 });
  });

  test('a sender whom nobody accepts gets 404', async () => {
    const relay = await start({ acceptTimeout: 30 });
    await listen(relay, 'hyco');
    const error = await failure(send(relay, 'hyco'));
    expect(error.status).toBe(404);
    expect(error.reason).toMatch(
      /^None of the connected listeners accepted the connection within the allowed timeout\. /
    );
    expect(error.reason).toMatch(TRACKING);
    expect(relay.stats().totals.timedOut).toBe(1);
  });

  test('extensions are not granted, though offered', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco', { perMessageDeflate: true });
    expect(control.extensions).toBe('');
    const [sender, listener] = await meet(relay, control, 'hyco', {
      perMessageDeflate: true,
      legOptions: { perMessageDeflate: true }
    });
    expect([sender.extensions, listener.extensions]).toEqual(['', '']);
  });

  test('grantExtensions passes deflated frames through', async () => {
    const relay = await start({ grantExtensions: true });
    const control = await listen(relay, 'hyco');
    // ws checks that it asked for what it gets; with the window named, its offer is a valid answer too.
    const deflate = { perMessageDeflate: { threshold: 0, clientMaxWindowBits: 15 } };
    const [sender, listener] = await meet(relay, control, 'hyco', { ...deflate, legOptions: deflate });
    expect(sender.extensions).toContain('permessage-deflate');
    const text = 'x'.repeat(10_000);
    sender.send(text);
    expect(await listener.messages.next()).toEqual([Buffer.from(text), false]);
    listener.send(text, { compress: true });
    expect((await sender.messages.next())[0].toString()).toBe(text);
  });
});

describe('the end of a rendezvous', () => {
  test('codes and reasons cross in both directions', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const ended = once(relay, 'rendezvousClosed');
    const [sender, listener] = await meet(relay, control, 'hyco');
    listener.close(3005, 'done ü');
    expect(await sender.closed).toEqual([3005, 'done ü']);
    expect(await listener.closed).toEqual([3005, 'done ü']);
    expect((await ended)[0]).toMatchObject({ senderCode: 3005, listenerCode: 3005 });
    const [other, leg] = await meet(relay, control, 'hyco');
    other.close();
    expect(await leg.closed).toEqual([1005, '']);
    expect(await other.closed).toEqual([1005, '']);
  });

  test('without carryCloseCodes they are 1001 for the listener and 1000 for the sender', async () => {
    const relay = await start({ carryCloseCodes: false });
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    sender.close(4001, 'x');
    expect((await listener.closed)[0]).toBe(1001);
    expect((await sender.closed)[0]).toBe(4001);
    const [other, leg] = await meet(relay, control, 'hyco');
    leg.close(4001, 'x');
    expect((await other.closed)[0]).toBe(1000);
    expect((await leg.closed)[0]).toBe(4001);
  });

  test('a sender that vanishes is 1001 for the listener; a listener that vanishes is a loss', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    sender.terminate();
    expect((await listener.closed)[0]).toBe(1001);
    const [other, leg] = await meet(relay, control, 'hyco');
    leg.terminate();
    expect((await other.closed)[0]).toBe(1006);
  });

  test('who vanishes after the other one closed is a loss still: what was on its way is lost', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    /** Instead of answering the close frame. */
    const vanish = (socket) => {
      socket._socket.removeAllListeners('data');
      socket._socket.once('data', () => socket.terminate());
    };
    const [sender, listener] = await meet(relay, control, 'hyco');
    vanish(listener);
    sender.close(1000);
    expect((await sender.closed)[0]).toBe(1006);
    const [other, leg] = await meet(relay, control, 'hyco');
    vanish(other);
    leg.close(1000);
    expect((await leg.closed)[0]).toBe(1001);
  });

  test('the other side may finish what it is sending', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    listener.send(Buffer.alloc(1 << 20));
    listener.send('last');
    listener.close();
    sender.close();
    await Promise.all([sender.closed, listener.closed]);
  });

  test('a peer that breaks the protocol is told so', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    sender._socket.write(Buffer.from([0x81, 0x01, 0x41]));
    expect((await sender.closed)[0]).toBe(1002);
    expect((await listener.closed)[0]).toBe(1001);
  });
});

describe('admission', () => {
  const policies = [
    { keyName: 'listen', rights: ['Listen'], key: 'k1' },
    { keyName: 'send', rights: ['Send'], key: 'k2' },
    { keyName: 'entity', rights: ['Send', 'Listen'], key: 'k3', path: 'hyco' }
  ];

  test('rights are kept apart', async () => {
    const relay = await start({ sharedAccessPolicies: policies });
    const as = (keyName) => relay.createToken('hyco', { keyName });
    expect(await failure(listen(relay, 'hyco', { token: as('send') }))).toMatchObject({ status: 403 });
    const control = await listen(relay, 'hyco', { token: as('listen') });
    const refused = await failure(send(relay, 'hyco', { token: as('listen') }));
    expect(refused.status).toBe(403);
    expect(refused.reason).toMatch(/'Send' claim/);
    expect(refused.reason).toMatch(TRACKING);
    const sending = send(relay, 'hyco', { token: as('send') });
    await dial((await control.nextCommand()).accept.address);
    await sending;
  });

  test('what is wrong with a token is 401', async () => {
    const relay = await start({ hybridConnections: ['hyco', 'other'], sharedAccessPolicies: [...policies] });
    const good = relay.createToken('hyco', { keyName: 'listen' });
    const cases = {
      MissingToken: null,
      MalformedToken: 'nonsense',
      // The first character, which may be an escaped one: what is left of an escape alone is malformed.
      InvalidSignature: good.replace(/sig=(%..|.)/, (_, first) => `sig=${first === 'A' ? 'B' : 'A'}`),
      ExpiredToken: relay.createToken('hyco', { keyName: 'listen', expirationSeconds: -1 }),
      InvalidAudience: relay.createToken('other', { keyName: 'listen' })
    };
    for (const [text, token] of Object.entries(cases)) {
      const error = await failure(listen(relay, 'hyco', { token }));
      expect(error.status).toBe(401);
      expect(error.reason.startsWith(`${text}: `)).toBe(true);
      expect(error.reason).toMatch(TRACKING);
      expect(error.reason).not.toContain('sig=');
    }
    const entity = relay.createToken('other', { keyName: 'entity' });
    expect(await failure(listen(relay, 'other', { token: entity }))).toMatchObject({ status: 401 });
    await listen(relay, 'other', { token: relay.createToken('', { keyName: 'listen' }) });
  });

  test('what does not exist is 404', async () => {
    const relay = await start();
    const token = relay.createToken('');
    for (const attempt of [
      listen(relay, 'nope', { token }),
      listen(relay, 'hyco/sub', { token }),
      send(relay, 'nope', { token })
    ]) {
      const error = await failure(attempt);
      expect(error.status).toBe(404);
      expect(error.reason).toMatch(/^Endpoint does not exist\. /);
    }
    const error = await failure(send(relay, 'hyco', { token }));
    expect(error.status).toBe(404);
    expect(error.reason).toMatch(/^There are no listeners connected for the endpoint\. /);
    expect(error.reason).toMatch(TRACKING);
    expect(() => relay.createToken('hyco', { keyName: 'nope' })).toThrow(TypeError);
  });

  test('requiresClientAuthorization: false is for senders only', async () => {
    const relay = await start({ hybridConnections: [{ path: 'open', requiresClientAuthorization: false }] });
    expect(await failure(listen(relay, 'open', { token: null }))).toMatchObject({ status: 401 });
    const control = await listen(relay, 'open');
    const sending = send(relay, 'open', { token: null });
    await dial((await control.nextCommand()).accept.address);
    await sending;
  });

  test('sb-hc-action may be left out by a sender', async () => {
    const relay = await start();
    await listen(relay, 'hyco');
    const uri = relay.sendUri('hyco', { token: true }).replace('sb-hc-action=connect&', '');
    relay.faults.refuse({ status: 418, reason: 'as a sender', tracked: false, action: 'connect' });
    expect(await failure(dial(uri))).toMatchObject({ status: 418, reason: 'as a sender' });
  });

  test('25 listeners and no more; a place that is left is free again', async () => {
    const relay = await start({ maxListeners: 2 });
    const [first] = await Promise.all([listen(relay, 'hyco'), listen(relay, 'hyco')]);
    const error = await failure(listen(relay, 'hyco'));
    expect(error.status).toBe(403);
    expect(error.reason).toMatch(/MaximumListenersPerEndpoint/);
    const gone = once(relay, 'listenerClosed');
    first.close();
    await gone;
    await listen(relay, 'hyco');
    const standard = await start();
    for (let n = 0; n < 25; n += 1) await listen(standard, 'hyco');
    expect(await failure(listen(standard, 'hyco'))).toMatchObject({ status: 403 });
  });

  test('a listener is chosen at random, repeatably by seed', async () => {
    const choices = [];
    for (let round = 0; round < 2; round += 1) {
      const relay = await start({ seed: 7 });
      const chosen = [];
      const controls = [
        await listen(relay, 'hyco'),
        await listen(relay, 'hyco'),
        await listen(relay, 'hyco')
      ];
      let took;
      controls.forEach((control, n) => {
        control.on('message', (text) => {
          chosen.push(n);
          dial(JSON.parse(text).accept.address).then(took);
        });
      });
      for (let n = 0; n < 24; n += 1) {
        const taken = new Promise((resolve) => {
          took = resolve;
        });
        await Promise.all([send(relay, 'hyco'), taken]);
      }
      choices.push(chosen.join(''));
    }
    expect(choices[0]).toBe(choices[1]);
    expect(new Set(choices[0]).size).toBe(3);
  });

  test('what is no WebSocket handshake is 400', async () => {
    const relay = await start();
    const ask = (head) =>
      new Promise((resolve) => {
        const socket = net.connect(relay.port, '127.0.0.1', () => socket.write(head));
        let text = '';
        socket.setEncoding('latin1').on('data', (data) => (text += data));
        socket.on('close', () => resolve(text.split('\r\n')[0]));
        socket.on('error', () => {});
      });
    expect(await ask('GET /$hc/hyco HTTP/1.1\r\nHost: x\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 .*only for web-socket requests/
    );
    expect(await ask('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await ask(`GET /${'a'.repeat(70_000)}`)).toMatch(/^HTTP\/1\.1 400 .*Too Long/);
    const slow = await start({ handshakeTimeout: 20 });
    const port = relay.port;
    relay.port = slow.port;
    expect(await ask('GET / HTTP/1.1\r\n')).toMatch(/^HTTP\/1\.1 408 /);
    relay.port = port;
  });

  test('hybrid connections come and go', async () => {
    const relay = await start();
    relay.addHybridConnection({ path: 'late', requiresClientAuthorization: false });
    const control = await listen(relay, 'late');
    const [sender, listener] = await meet(relay, control, 'late');
    expect(relay.removeHybridConnection('late')).toBe(true);
    expect((await control.closed)[0]).toBe(1001);
    expect((await sender.closed)[0]).toBe(1001);
    expect((await listener.closed)[0]).toBe(1001);
    expect(relay.removeHybridConnection('late')).toBe(false);
    expect(await failure(listen(relay, 'late'))).toMatchObject({ status: 404 });
  });
});

describe('the control channel', () => {
  const renew = (token) => JSON.stringify({ renewToken: { token } });

  test('a token that expires closes it with 1008 after the grace', async () => {
    const relay = await start({ tokenGrace: 0 });
    const control = await listen(relay, 'hyco', {
      token: relay.createToken('hyco', { expirationSeconds: 1 })
    });
    const [code, reason] = await control.closed;
    expect(code).toBe(1008);
    expect(reason).toMatch(/^ExpiredToken: .* TrackingId:/);
  });

  test('a renewed token keeps it open', async () => {
    const relay = await start({ tokenGrace: 0 });
    const token = relay.createToken('hyco', { expirationSeconds: 1 });
    const [kept, lost] = [await listen(relay, 'hyco', { token }), await listen(relay, 'hyco', { token })];
    const renewed = once(relay, 'renewed');
    kept.send(renew(relay.createToken('hyco')));
    await renewed;
    await lost.closed;
    kept.ping();
    await once(kept, 'pong');
    expect(relay.stats()).toMatchObject({ listeners: 1, totals: { renewals: 1 } });
  });

  test.each([
    ['nonsense', () => 'nonsense'],
    ['[object Promise]', () => '[object Promise]'],
    ['an expired one', (relay) => relay.createToken('hyco', { expirationSeconds: -5 })]
  ])('renewing with %s closes it with 1008', async (name, token) => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [, , accept] = await meet(relay, control, 'hyco');
    expect(accept).toBeDefined();
    control.send(renew(token(relay)));
    expect((await control.closed)[0]).toBe(1008);
    // What is established stays.
    expect(relay.stats().senders).toBe(1);
  });

  test('is recycled with 1011 when its day is over', async () => {
    const relay = await start({ recycleAfter: 20 });
    const [code, reason] = await (await listen(relay, 'hyco')).closed;
    expect(code).toBe(1011);
    expect(reason).toMatch(/NameRenewalFailed/);
  });

  test('that is being closed gets no sender: it waits for the next one', async () => {
    const relay = await start({ maxListeners: 1 });
    const old = await listen(relay, 'hyco');
    // It does not answer.
    old.pause();
    relay.faults.recycle();
    const sending = send(relay, 'hyco');
    while (relay.stats().totals.waited < 1) await sleep(1);
    const next = await listen(relay, 'hyco');
    const { accept } = await next.nextCommand();
    await dial(accept.address);
    await sending;
    old.resume();
    expect((await old.closed)[0]).toBe(1011);
    expect(old.messages.size).toBe(0);
  });

  test('that is gone before the next one comes: 404', async () => {
    const relay = await start();
    const old = await listen(relay, 'hyco');
    old.pause();
    relay.faults.recycle();
    const sending = send(relay, 'hyco');
    while (relay.stats().totals.waited < 1) await sleep(1);
    old.terminate();
    expect(await failure(sending)).toMatchObject({ status: 404 });
  });

  test('that ends with an offer unsent: the next one gets it', async () => {
    const relay = await start();
    const old = await listen(relay, 'hyco', { id: 'old' });
    relay.faults.goSilent({ control: true, data: false });
    const offered = once(relay, 'sender');
    const sending = send(relay, 'hyco');
    await offered;
    const next = await listen(relay, 'hyco', { id: 'new' });
    expect(relay.faults.dropControl({ id: 'old' })).toBe(1);
    await old.closed;
    relay.faults.resume();
    const { accept } = await next.nextCommand();
    await dial(accept.address);
    await sending;
  });

  test('unknown commands are ignored, malformed ones are not', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    control.send('{"hello":{}}');
    control.send(Buffer.from('stray'));
    control.ping('x');
    expect((await once(control, 'pong'))[0].toString()).toBe('x');
    expect(relay.stats().totals.pings).toBe(1);
    control.send('{');
    expect((await control.closed)[0]).toBe(1008);
  });

  test('a close of the listener is answered', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    control.close(1000, 'bye');
    expect(await control.closed).toEqual([1000, 'bye']);
  });

  test('too long a message is 1009', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    control.send(Buffer.alloc(300_000));
    expect((await control.closed)[0]).toBe(1009);
  });
});

describe('faults', () => {
  test('dropControl, recycle, expireTokens and closeControl', async () => {
    const relay = await start({ hybridConnections: ['hyco', 'other'] });
    const other = await listen(relay, 'other');
    for (const [strike, expected] of [
      [() => relay.faults.dropControl({ path: 'hyco' }), 1006],
      [() => relay.faults.dropControl({ path: 'hyco', reset: true }), 1006],
      [() => relay.faults.recycle({ path: 'hyco' }), 1011],
      [() => relay.faults.expireTokens({ path: 'hyco' }), 1008],
      [() => relay.faults.closeControl(4000, 'why', { path: 'hyco' }), 4000]
    ]) {
      const control = await listen(relay, 'hyco');
      expect(strike()).toBe(1);
      expect((await control.closed)[0]).toBe(expected);
    }
    expect(other.readyState).toBe(other.OPEN);
    expect(relay.faults.dropControl()).toBe(1);
  });

  test('sendControl sends anything', async () => {
    const relay = await start();
    const controls = [await listen(relay, 'hyco'), await listen(relay, 'hyco')];
    expect(relay.faults.sendControl('{"accept":')).toBe(2);
    for (const control of controls) expect((await control.messages.next())[0].toString()).toBe('{"accept":');
  });

  test('refuse, as often as told and to whom', async () => {
    const relay = await start();
    relay.faults.refuse({ status: 503, reason: 'Busy.', times: 2, action: 'listen' });
    for (let n = 0; n < 2; n += 1) {
      const error = await failure(listen(relay, 'hyco'));
      expect(error.status).toBe(503);
      expect(error.reason).toMatch(/^Busy\. TrackingId:/);
    }
    const control = await listen(relay, 'hyco');
    relay.faults.refuse({ status: 500, action: 'accept' });
    const sending = send(relay, 'hyco');
    const { accept } = await control.nextCommand();
    expect(await failure(dial(accept.address))).toMatchObject({ status: 500 });
    await dial(accept.address);
    await sending;
    relay.faults.refuse({ status: 401, times: Infinity });
    relay.faults.clear();
    await listen(relay, 'hyco');
    expect(() => relay.faults.refuse({ status: 101 })).toThrow(TypeError);
  });

  test('holdAccepts until released, or for a time', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    relay.faults.holdAccepts();
    const arrived = once(relay, 'sender');
    const sending = send(relay, 'hyco');
    await arrived;
    control.ping();
    await once(control, 'pong');
    expect(control.messages.size).toBe(0);
    relay.faults.releaseAccepts();
    await dial((await control.nextCommand()).accept.address);
    await sending;
    relay.faults.holdAccepts(5);
    await meet(relay, control, 'hyco');
  });

  test('goSilent and resume, on control and data', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    relay.faults.goSilent();
    sender.send('later');
    control.ping();
    const pong = once(control, 'pong');
    const closed = { control: false };
    control.on('close', () => (closed.control = true));
    // Another relay's round trip passes meanwhile.
    await listen(await start(), 'hyco');
    expect([listener.messages.size, relay.stats().totals.pings]).toEqual([0, 0]);
    relay.faults.resume();
    await pong;
    expect((await listener.messages.next())[0].toString()).toBe('later');
    expect(closed.control).toBe(false);
  });

  test('goSilent on handshakes leaves a client waiting', async () => {
    const relay = await start();
    relay.faults.goSilent({ control: false, data: false, handshakes: true });
    const error = await failure(listen(relay, 'hyco', { handshakeTimeout: 50 }));
    expect(error.message).toMatch(/handshake has timed out/);
    relay.faults.resume();
    await listen(relay, 'hyco');
  });

  test('cutRendezvous in the middle of a frame', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    for (const options of [{}, { midFrame: false }, { reset: true }]) {
      const [sender, listener] = await meet(relay, control, 'hyco');
      expect(relay.faults.cutRendezvous(options)).toBe(1);
      expect((await sender.closed)[0]).toBe(1006);
      expect((await listener.closed)[0]).toBe(1006);
      expect(listener.messages.size).toBe(0);
    }
    expect(control.readyState).toBe(control.OPEN);
  });

  test('closeRendezvous with a code', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    expect(relay.faults.closeRendezvous(1011, 'fault')).toBe(1);
    expect(await sender.closed).toEqual([1011, 'fault']);
    expect(await listener.closed).toEqual([1011, 'fault']);
  });

  test('swallowPongs leaves pings unanswered', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const [sender, listener] = await meet(relay, control, 'hyco');
    relay.faults.swallowPongs();
    const pongs = [];
    for (const socket of [control, sender]) {
      socket.on('pong', (data) => pongs.push(data.toString()));
      const pinged = socket === control ? once(relay, 'ping') : undefined;
      socket.ping('swallowed');
      await pinged;
    }
    sender.send('passes');
    await listener.messages.next();
    relay.faults.swallowPongs(false);
    control.ping('answered');
    sender.ping('answered');
    await Promise.all([once(control, 'pong'), once(sender, 'pong')]);
    expect(pongs).toEqual(['answered', 'answered']);
  });

  test('delay keeps handshakes waiting', async () => {
    const relay = await start();
    relay.faults.delay(60_000, { action: 'listen' });
    const error = await failure(listen(relay, 'hyco', { handshakeTimeout: 50 }));
    expect(error.message).toMatch(/handshake has timed out/);
    relay.faults.delay(0, { action: 'listen' });
    await listen(relay, 'hyco');
    expect(() => relay.faults.delay(1, { action: 'x' })).toThrow(TypeError);
  });
});

test('closing says 1001 to whoever is connected', async () => {
  const relay = await start();
  const control = await listen(relay, 'hyco');
  const [sender, listener] = await meet(relay, control, 'hyco');
  const waiting = send(relay, 'hyco');
  await control.nextCommand();
  await relay.close();
  for (const socket of [control, sender, listener]) expect((await socket.closed)[0]).toBe(1001);
  await failure(waiting);
});

describe('HTTP requests', () => {
  const http = require('node:http');

  function request(relay, path, { token = relay.createToken('hyco'), method = 'GET', headers, body } = {}) {
    return new Promise((resolve, reject) => {
      const all = { ...(token === null ? {} : { ServiceBusAuthorization: token }), ...headers };
      const sent = http.request(relay.httpUri(path), { method, headers: all, agent: false }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status, statusMessage: reason } = response;
          resolve({ status, reason, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      sent.on('error', reject);
      for (const piece of [].concat(body ?? [])) sent.write(piece);
      sent.end();
    });
  }

  const answer = (id, more) =>
    JSON.stringify({ response: { requestId: id, statusCode: 200, body: false, ...more } });

  test('travel on the control channel while they are small', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const asked = request(relay, 'hyco/sub?x=1&sb-hc-y=2', {
      method: 'POST',
      headers: { 'X-Own': 'v', 'Content-Length': 4, Authorization: 'Bearer mine' },
      body: 'body'
    });
    const { request: got } = await control.nextCommand();
    expect(got).toMatchObject({ method: 'POST', requestTarget: '/hyco/sub?x=1', body: true });
    expect(got.requestHeaders).toEqual({
      'X-Own': 'v',
      Authorization: 'Bearer mine',
      Via: `1.1 ${relay.address}`
    });
    expect(got.remoteEndpoint.address).toBe('127.0.0.1');
    expect(await control.messages.next()).toEqual([Buffer.from('body'), true]);
    const headers = { 'X-Back': 'w', Connection: 'keep-alive', 'Transfer-Encoding': 'chunked' };
    control.send(
      answer(got.id, { statusCode: 201, statusDescription: 'Made', responseHeaders: headers, body: true })
    );
    control.send(Buffer.from('answer'));
    const response = await asked;
    expect(response).toMatchObject({ status: 201, reason: 'Made' });
    expect(response.headers).toMatchObject({
      'x-back': 'w',
      via: `1.1 ${relay.address}`,
      connection: 'close'
    });
    expect(response.body.toString()).toBe('answer');
  });

  test('take their Authorization header as the token only when there is no other', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const asked = request(relay, 'hyco', {
      token: null,
      headers: { Authorization: relay.createToken('hyco') }
    });
    const { request: got } = await control.nextCommand();
    expect(got.requestHeaders).not.toHaveProperty('Authorization');
    expect(got.body).toBe(false);
    control.send(answer(got.id, { statusCode: 204 }));
    expect(await asked).toMatchObject({ status: 204 });
    expect(await request(relay, 'hyco', { token: null })).toMatchObject({ status: 401 });
  });

  test('with large or chunked bodies go over a rendezvous, both ways', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const pieces = [Buffer.alloc(200_000, 1), Buffer.alloc(100_000, 2)];
    const asked = request(relay, 'hyco', { method: 'PUT', body: pieces });
    const { request: short } = await control.nextCommand();
    expect(Object.keys(short).sort()).toEqual(['address', 'id']);
    const leg = await dial(short.address);
    const { request: long } = JSON.parse((await leg.messages.next())[0]);
    expect(long).toMatchObject({ id: short.id, method: 'PUT', body: true });
    expect(Buffer.compare((await leg.messages.next())[0], Buffer.concat(pieces))).toBe(0);
    leg.send(answer(short.id, { body: true }));
    leg.send(pieces[0], { fin: false });
    leg.ping();
    leg.send(Buffer.alloc(0), { fin: true });
    const response = await asked;
    expect(response.status).toBe(200);
    expect(Buffer.compare(response.body, pieces[0])).toBe(0);
    expect((await leg.closed)[0]).toBe(1000);
  });

  test('may be answered over a rendezvous although they came on the control channel', async () => {
    const relay = await start();
    const control = await listen(relay, 'hyco');
    const asked = request(relay, 'hyco');
    const { request: got } = await control.nextCommand();
    expect(await failure(dial(got.address.replace('=request', '=accept')))).toMatchObject({ status: 400 });
    const leg = await dial(got.address);
    leg.send(answer(got.id));
    expect(await asked).toMatchObject({ status: 200 });
  });

  test('without a listener, or one that answers, are 404, 504 and 502', async () => {
    const relay = await start({ responseTimeout: 30 });
    expect(await request(relay, 'hyco')).toMatchObject({ status: 404 });
    const token = relay.createToken('');
    expect(await request(relay, 'nope', { token })).toMatchObject({ status: 404 });
    const control = await listen(relay, 'hyco');
    expect(await request(relay, 'hyco')).toMatchObject({ status: 504 });
    const other = await start();
    const second = await listen(other, 'hyco');
    const asked = request(other, 'hyco');
    const leg = await dial((await second.nextCommand()).request.address);
    leg.close();
    expect(await asked).toMatchObject({ status: 502 });
    expect(control.readyState).toBe(control.OPEN);
  });

  test('go to the listeners that they name', async () => {
    const relay = await start();
    const [a, b] = [
      await listen(relay, 'hyco', { id: '00000000-0000-4000-8000-00000000000a' }),
      await listen(relay, 'hyco', { id: '00000000-0000-4000-8000-00000000000b' })
    ];
    for (let n = 0; n < 5; n += 1) {
      const headers = { 'Microsoft-Relay-AllowedListeners': '00000000-0000-4000-8000-00000000000B' };
      const asked = request(relay, 'hyco', { headers });
      b.send(answer((await b.nextCommand()).request.id));
      expect((await asked).status).toBe(200);
    }
    expect(a.messages.size).toBe(0);
    const none = { 'Microsoft-Relay-AllowedListeners': 'x' };
    expect(await request(relay, 'hyco', { headers: none })).toMatchObject({ status: 404 });
  });
});
