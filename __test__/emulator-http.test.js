'use strict';

// HTTP through the emulator: senders on node:http or a bare socket, and a listener by hand on ws.

const { once } = require('node:events');

const { RelayEmulator } = require('../emulator.js');
const { dial, listen, send, terminateAll, tls } = require('./helpers/emulator-peers.js');
const { FrameReader, Opcode } = require('./helpers/frames.js');
const {
  ask,
  begin,
  headOf,
  keeping,
  raw,
  rendezvous,
  respond,
  responseTo,
  take
} = require('./helpers/http-peers.js');

const KIB = 1024;
const MIB = 1024 * KIB;

const relays = [];
const agents = [];
const sockets = [];

async function start(options) {
  const relay = await RelayEmulator.start(options);
  relays.push(relay);
  return relay;
}

/** A relay with a listener. */
async function withListener(options, listenOptions) {
  const relay = await start(options);
  return [relay, await listen(relay, 'hyco', listenOptions)];
}

function agentOf(relay) {
  const agent = keeping(relay);
  agents.push(agent);
  return agent;
}

function open(relay, text) {
  const socket = raw(relay, text);
  sockets.push(socket);
  return socket;
}

/** A round trip on a channel: what was sent before has been dealt with. */
async function settled(channel) {
  channel.ping();
  await once(channel, 'pong');
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const agent of agents.splice(0)) agent.destroy();
  terminateAll();
  await Promise.all(relays.splice(0).map((relay) => relay.close({ force: true })));
});

describe('the request', () => {
  test('may have any method but CONNECT', async () => {
    const [relay, control] = await withListener();
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND']) {
      const asked = ask(relay, 'hyco', { method });
      const taken = await take(control);
      expect([taken.request.method, taken.request.body]).toEqual([method, false]);
      respond(taken, { body: 'x' });
      expect((await asked).body.toString()).toBe(method === 'HEAD' ? '' : 'x');
    }
    const own = open(relay, headOf(relay, 'FROB /hyco HTTP/1.1', 'Connection: close'));
    const taken = await take(control);
    expect(taken.request.method).toBe('FROB');
    respond(taken);
    expect(await own.all).toMatch(/^HTTP\/1\.1 200 /);
    expect(await open(relay, headOf(relay, 'CONNECT /hyco HTTP/1.1')).all).toMatch(/^HTTP\/1\.1 405 /);
  });

  test.each([
    ['/hyco/a?x=%2F&y', '/hyco/a?x=%2F&y'],
    ['/hyco?sb-hc-id=1', '/hyco'],
    ['/hyco?sb-hc-x', '/hyco?sb-hc-x'],
    ['/hyco?a=1&SB-HC-Token-x=2&b', '/hyco?a=1&b'],
    ['/hyco?&&&', '/hyco?&&&'],
    ['/hyco?a=1&', '/hyco?a=1&'],
    ['/hyco?q="<a>"', '/hyco?q=%22%3Ca%3E%22'],
    ['/hyco/%C3%b8%2f?%c3%B8', '/hyco/%C3%B8%2f?%C3%B8']
  ])('for %s is for %s at the listener', async (sent, expected) => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, `GET ${sent} HTTP/1.1`));
    const taken = await take(control);
    expect(taken.request.requestTarget).toBe(expected);
    respond(taken);
    await sender.until(/^HTTP\/1\.1 200 /);
  });

  test('brings what is meant for the listener, one text a name, and nothing of this hop', async () => {
    const [relay, control] = await withListener();
    const lines = ['X-A: 1', 'x-a: 2', 'Cookie: a=b', 'Cookie: c=d', 'Via: 1.0 before', 'X-L: caf\xe9'];
    const hop = [
      'Connection: keep-alive, X-Hop',
      'X-Hop: 1',
      'Keep-Alive: 5',
      'TE: trailers',
      'Upgrade: h2c'
    ];
    open(relay, headOf(relay, 'GET /hyco HTTP/1.1', ...lines, ...hop));
    const { request } = await take(control);
    expect(request.requestHeaders).toEqual({
      'X-A': '1, 2',
      Cookie: 'a=b, c=d',
      Via: `1.0 before, 1.1 ${relay.address}`,
      'X-L': 'café'
    });
    expect(Object.keys(request).sort()).toEqual(
      ['address', 'body', 'id', 'method', 'remoteEndpoint', 'requestHeaders', 'requestTarget'].sort()
    );
  });

  test('with a small body has it on the control channel, in fragments where it is longer', async () => {
    const [relay, control] = await withListener();
    for (const size of [1, 16 * KIB, 16 * KIB + 1, 60_000]) {
      const body = Buffer.alloc(size, 'x');
      const asked = ask(relay, 'hyco', { method: 'POST', body, headers: { 'Content-Length': size } });
      const taken = await take(control);
      expect(taken.channel).toBe(control);
      expect(taken.body.equals(body)).toBe(true);
      respond(taken);
      expect((await asked).status).toBe(200);
    }
    const empty = ask(relay, 'hyco', { method: 'POST', headers: { 'Content-Length': 0 } });
    const taken = await take(control);
    expect(taken.request.body).toBe(false);
    respond(taken);
    await empty;
  });

  test.each([
    ['large', { body: Buffer.alloc(65_536, 1), headers: { 'Content-Length': 65_536 } }],
    ['chunked', { body: ['small'] }],
    ['chunked and empty', { headers: { 'Transfer-Encoding': 'chunked' } }]
  ])('with a body that is %s comes in the short form', async (_, options) => {
    const [relay, control] = await withListener();
    const asked = ask(relay, 'hyco/x?y', { method: 'PUT', ...options });
    const taken = await take(control);
    expect(Object.keys(taken.short).sort()).toEqual(['address', 'id']);
    expect(taken.request).toMatchObject({ id: taken.short.id, method: 'PUT', requestTarget: '/hyco/x?y' });
    expect(taken.body.equals(Buffer.concat([].concat(options.body ?? []).map(Buffer.from)))).toBe(true);
    respond(taken, { body: 'done' });
    expect((await asked).body.toString()).toBe('done');
  });

  test('whose body is not there at once comes in the short form', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'POST /hyco HTTP/1.1', 'Content-Length: 6') + 'abc');
    const [text] = await control.messages.next();
    const leg = await dial(JSON.parse(text).request.address);
    const full = JSON.parse((await leg.messages.next())[0]);
    expect(full.request.body).toBe(true);
    sender.write('def');
    expect(await leg.messages.next()).toEqual([Buffer.from('abcdef'), true]);
    leg.send(responseTo(full.request));
    await sender.until(/^HTTP\/1\.1 200 /);
  });

  test('that waits to be asked for its body is asked', async () => {
    const [relay, control] = await withListener();
    const expecting = ['Expect: 100-continue', 'Content-Length: 4'];
    const sender = open(relay, headOf(relay, 'POST /hyco HTTP/1.1', ...expecting));
    expect(await sender.until(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    sender.write('body');
    const taken = await take(control);
    expect(taken.body.toString()).toBe('body');
    expect(taken.request.requestHeaders).not.toHaveProperty('Expect');
    const leg = await rendezvous(taken);
    leg.channel.send(responseTo(taken.request));
    await sender.until(/HTTP\/1\.1 200 /);
    // And so it is by rendezvous.
    sender.write(headOf(relay, 'POST /hyco HTTP/1.1', ...expecting));
    await sender.until(/200 [^]*100 Continue\r\n\r\n$/);
    sender.write('more');
    const next = await take(leg.channel);
    expect(next.body.toString()).toBe('more');
    respond(next);
    await sender.until(/200 [^]*100 Continue[^]*200 /);
    // Once, also where the body is for a rendezvous from the start.
    const chunked = open(
      relay,
      headOf(relay, 'POST /hyco HTTP/1.1', expecting[0], 'Transfer-Encoding: chunked')
    );
    expect(await chunked.until(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    chunked.write('1\r\nx\r\n0\r\n\r\n');
    respond(await take(control), { status: 201 });
    expect(await chunked.until(/201/)).toMatch(/Continue\r\n\r\nHTTP\/1\.1 201/);
    const late = open(relay, headOf(relay, 'POST /nope HTTP/1.1', ...expecting));
    expect(await late.all).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each([
    ['two lengths', ['Content-Length: 3', 'Transfer-Encoding: chunked'], ''],
    ['a length that is none', ['Content-Length: -3'], '']
  ])('with %s is 400', async (_, lines, body) => {
    const [relay] = await withListener();
    const sender = open(relay, headOf(relay, 'POST /hyco HTTP/1.1', ...lines) + body);
    expect(await sender.all).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('whose chunks are none is 400, and the listener learns that the sender is gone', async () => {
    const [relay, control] = await withListener();
    const head = headOf(relay, 'POST /hyco HTTP/1.1', 'Transfer-Encoding: chunked');
    const sender = open(relay, `${head}3\r\nabc\r\nxyz\r\n`);
    const leg = await dial(JSON.parse((await control.messages.next())[0]).request.address);
    expect(await sender.all).toMatch(/^HTTP\/1\.1 400 /);
    expect((await leg.closed)[0]).toBe(1001);
  });

  test('of HTTP/1.0 is answered, and is the last one', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.0'));
    const { channel, request } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('part', { binary: true, fin: false });
    channel.send('rest', { fin: true });
    const got = await sender.all;
    expect(got).toMatch(/^HTTP\/1\.1 200 [^]*Connection: close\r\n\r\npartrest$/);
    expect(got).not.toMatch(/chunked/);
  });

  test('with more than 32 kB of headers is 431', async () => {
    const [relay] = await withListener();
    const headers = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`X-${n}`, 'x'.repeat(7 * KIB)]));
    const { status, reason, headers: own } = await ask(relay, 'hyco', { headers });
    expect([status, own.via]).toEqual([431, undefined]);
    expect(reason).toMatch(/32 kB.* TrackingId:/);
  });
});

describe('authorization', () => {
  test('by the query or its own header is taken off, and Authorization is left alone then', async () => {
    const [relay, control] = await withListener();
    const token = relay.createToken('hyco');
    const mine = { Authorization: 'Bearer mine' };
    for (const [path, headers] of [
      [`hyco?a&sb-hc-token=${encodeURIComponent(token)}`, mine],
      ['hyco?a', { ServiceBusAuthorization: token, ...mine }],
      [`hyco?a&sb-hc-token=${encodeURIComponent(token)}`, { ServiceBusAuthorization: 'x', ...mine }]
    ]) {
      const asked = ask(relay, path, { token: null, headers });
      const taken = await take(control);
      expect(taken.request.requestTarget).toBe('/hyco?a');
      expect(taken.request.requestHeaders).toEqual({ ...mine, Via: `1.1 ${relay.address}` });
      expect(JSON.stringify(taken.request)).not.toContain('SharedAccessSignature');
      respond(taken);
      expect((await asked).status).toBe(200);
    }
  });

  test('by Authorization is used up, unless the hybrid connection asks for none', async () => {
    const [relay, control] = await withListener({
      hybridConnections: ['hyco', { path: 'open', requiresClientAuthorization: false }]
    });
    const anyone = await listen(relay, 'open');
    const headers = { Authorization: relay.createToken('') };
    for (const [path, channel] of [
      ['hyco', control],
      ['open', anyone]
    ]) {
      const asked = ask(relay, path, { token: null, headers });
      const taken = await take(channel);
      expect('Authorization' in taken.request.requestHeaders).toBe(path === 'open');
      respond(taken);
      await asked;
    }
    const refused = await ask(relay, 'hyco', { token: null, headers: { Authorization: 'Bearer mine' } });
    expect(refused).toMatchObject({ status: 401, reason: expect.stringMatching(/^MalformedToken/) });
  });
});

describe.each([
  ['http', {}],
  ['https', { tls }]
])('a connection over %s', (_, options) => {
  test('serves one request after the other', async () => {
    const [relay, control] = await withListener(options);
    const agent = agentOf(relay);
    const used = new Set();
    for (let n = 0; n < 3; n += 1) {
      const asked = ask(relay, 'hyco', {
        agent,
        method: 'POST',
        body: `${n}`,
        headers: { 'Content-Length': 1 }
      });
      const taken = await take(control);
      respond(taken, { body: taken.body });
      const { body, socket, headers } = await asked;
      expect([body.toString(), headers.connection]).toEqual([`${n}`, undefined]);
      used.add(socket);
    }
    expect(used.size).toBe(1);
  });

  test('keeps the rendezvous: what comes later comes on it, in the full form', async () => {
    const [relay, control] = await withListener(options);
    const agent = agentOf(relay);
    const asked = ask(relay, 'hyco', { agent });
    const { request, channel } = await rendezvous(await take(control));
    expect(relay.stats()).toMatchObject({ senders: 1, totals: { rendezvous: 1 } });
    const large = Buffer.alloc(300_000, 'x');
    respond({ request, channel }, { body: large });
    const first = await asked;
    expect(first.body.equals(large)).toBe(true);

    const small = ask(relay, 'hyco/small', { agent });
    const second = await take(channel);
    expect(second.request).toMatchObject({ method: 'GET', requestTarget: '/hyco/small', body: false });
    expect(second.request.id).not.toBe(request.id);
    expect(second.request).not.toHaveProperty('address');
    channel.ping();
    respond(second, { status: 404, body: 'none' });
    expect(await small).toMatchObject({ status: 404, socket: first.socket, body: Buffer.from('none') });

    const up = ask(relay, 'hyco', { agent, method: 'POST', body: [large, large] });
    const third = await take(channel);
    expect(third.body.length).toBe(600_000);
    respond(third, { status: 204 });
    expect(await up).toMatchObject({ status: 204, socket: first.socket });
    expect(control.messages.size).toBe(0);

    const closed = once(first.socket, 'close');
    channel.close();
    await closed;
    const again = ask(relay, 'hyco', { agent });
    respond(await take(control));
    expect((await again).socket).not.toBe(first.socket);
  });

  test('streams large bodies both ways at once, in little memory', async () => {
    const [relay, control] = await withListener(options);
    const total = 256 * MIB;
    const piece = Buffer.alloc(MIB, 'x');
    const sent = begin(relay, 'hyco', { method: 'POST' });
    const answered = once(sent, 'response');
    sent.flushHeaders();
    const leg = await dial(JSON.parse((await control.messages.next())[0]).request.address);
    const { request } = JSON.parse((await leg.messages.next())[0]);
    // ws would put the message together: the frames are read without it.
    const frames = new FrameReader();
    let up = 0;
    const complete = new Promise((resolve) => {
      leg._socket.removeAllListeners('data');
      leg._socket.on('data', (data) => {
        for (const { opcode, fin, payload } of frames.push(data)) {
          if (opcode === Opcode.CLOSE) return;
          up += payload.length;
          if (fin) resolve();
        }
      });
    });
    leg.send(responseTo(request, { body: true }));
    let down = 0;
    const [response] = await answered;
    const ended = once(response, 'end');
    response.on('data', (data) => {
      down += data.length;
    });
    const before = process.memoryUsage().rss;
    let most = 0;
    for (let n = 0; n < total / MIB; n += 1) {
      await Promise.all([
        new Promise((resolve) => leg.send(piece, { fin: false, binary: true }, resolve)),
        new Promise((resolve) => sent.write(piece, resolve))
      ]);
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    leg.send('', { fin: true });
    sent.end();
    await Promise.all([ended, complete]);
    expect([up, down]).toEqual([total, total]);
    expect(most).toBeLessThan(total / 2);
  });
});

describe('a rendezvous', () => {
  /** A sender whose connection has one. */
  async function bound(options) {
    const [relay, control] = await withListener(options);
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request));
    await sender.until(/^HTTP\/1\.1 200 [^]*\r\n\r\n/);
    return { relay, control, sender, channel };
  }

  test('is closed with 1001 when its sender leaves', async () => {
    const { relay, sender, channel } = await bound();
    sender.destroy();
    expect((await channel.closed)[0]).toBe(1001);
    expect(relay.stats().senders).toBe(0);
  });

  test('that its listener loses takes the sender along', async () => {
    const { sender, channel } = await bound();
    channel.terminate();
    await sender.all;
  });

  test('is not for another hybrid connection, nor for a request that names another listener', async () => {
    const { relay, sender, channel } = await bound({ hybridConnections: ['hyco', 'other'] });
    const other = await listen(relay, 'other');
    sender.write(headOf(relay, 'GET /other HTTP/1.1'));
    respond(await take(other), { status: 201 });
    await sender.until(/HTTP\/1\.1 201 /);
    expect((await channel.closed)[0]).toBe(1001);
    expect(sender.destroyed).toBe(false);

    const next = await bound();
    const named = await listen(next.relay, 'hyco', { id: 'named' });
    next.sender.write(headOf(next.relay, 'GET /hyco HTTP/1.1', 'Microsoft-Relay-AllowedListeners: named'));
    respond(await take(named), { status: 202 });
    await next.sender.until(/HTTP\/1\.1 202 /);
    expect((await next.channel.closed)[0]).toBe(1001);
  });

  test('stays in step whatever stray frames come between', async () => {
    const { relay, sender, channel } = await bound();
    channel.send(Buffer.alloc(0));
    channel.send(responseTo({ id: 'of nobody' }, { body: true }));
    channel.send(Buffer.from('stray'));
    await settled(channel);
    sender.write(headOf(relay, 'GET /hyco HTTP/1.1'));
    const taken = await take(channel);
    channel.send(Buffer.from('stray'));
    channel.send(responseTo({ id: 'of nobody' }, { body: true }));
    channel.send(Buffer.from('stray'));
    respond(taken, { body: 'right' });
    expect(await sender.until(/right/)).not.toMatch(/stray/);
  });

  test('has requests in the order in which they were sent, however early', async () => {
    const { relay, sender, channel } = await bound();
    const post = headOf(relay, 'POST /hyco/1 HTTP/1.1', 'Content-Length: 3') + 'one';
    sender.write(post + headOf(relay, 'GET /hyco/2 HTTP/1.1'));
    const first = await take(channel);
    await settled(channel);
    expect(channel.messages.size).toBe(0);
    expect([first.request.requestTarget, first.body.toString()]).toEqual(['/hyco/1', 'one']);
    respond(first, { body: 'first' });
    const second = await take(channel);
    expect(second.request.requestTarget).toBe('/hyco/2');
    respond(second, { body: 'second' });
    await sender.until(/first[^]*second/);
  });

  test('takes an answer before the body is complete, and the rest of the body', async () => {
    const [relay, control] = await withListener();
    const agent = agentOf(relay);
    const sent = begin(relay, 'hyco', { method: 'POST', agent });
    const answered = once(sent, 'response');
    sent.write('begin');
    const leg = await dial(JSON.parse((await control.messages.next())[0]).request.address);
    const { request } = JSON.parse((await leg.messages.next())[0]);
    leg.send(responseTo(request, { status: 413 }));
    const [response] = await answered;
    expect(response.statusCode).toBe(413);
    const ended = once(response.resume(), 'end');
    sent.end('end');
    expect(await leg.messages.next()).toEqual([Buffer.from('beginend'), true]);
    await ended;
    const next = ask(relay, 'hyco', { agent });
    respond(await take(leg));
    expect((await next).status).toBe(200);
  });
});

describe('the response', () => {
  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304]
  ])('to %s with %i has no body, whatever frames come with it', async (method, status) => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, `${method} /hyco HTTP/1.1`));
    const taken = await take(control);
    // As hyco-https does: an empty message that belongs to nothing.
    control.send(responseTo(taken.request, { status, reason: 'R' }));
    control.send(Buffer.alloc(0));
    await sender.until(/\r\n\r\n$/);
    sender.write(headOf(relay, `${method} /hyco HTTP/1.1`));
    const second = await take(control);
    respond(second, { status, body: 'unwanted' });
    await sender.until(/\r\n\r\nHTTP[^]*\r\n\r\n$/);
    sender.write(headOf(relay, `${method} /hyco HTTP/1.1`));
    const third = await rendezvous(await take(control));
    third.channel.send(responseTo(third.request, { status, body: true }));
    third.channel.send('unwanted', { binary: true, fin: false });
    third.channel.send('', { fin: true });
    sender.write(headOf(relay, 'GET /hyco HTTP/1.1'));
    respond(await take(third.channel), { body: 'wanted' });
    const got = await sender.until(/wanted/);
    expect(got).not.toMatch(/unwanted/);
    const heads = got.split(/(?=HTTP\/1\.1 )/).slice(0, 3);
    expect(heads.map((head) => /^HTTP\/1\.1 (\d+) /.exec(head)[1])).toEqual(Array(3).fill(String(status)));
    for (const head of heads) expect(head).not.toMatch(/Content-Length|Transfer-Encoding/i);
  });

  test('has the headers of the listener as they come, with Via, and nothing of that hop', async () => {
    const [relay, control] = await withListener();
    const asked = ask(relay, 'hyco');
    const taken = await take(control);
    const headers = {
      'Set-Cookie': 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=2',
      'X-Many': ['1', '2'],
      'X-Number': 7,
      'x-number': 8,
      Via: '1.1 mine',
      'Content-Length': '99',
      Connection: 'close, X-Hop',
      'X-Hop': '1',
      'Transfer-Encoding': 'chunked'
    };
    respond(taken, { status: 299, reason: 'Own', headers, body: 'b' });
    const { rawHeaders, status, reason } = await asked;
    expect([status, reason]).toEqual([299, 'Own']);
    const pairs = rawHeaders.flatMap((name, n) => (n % 2 ? [] : [[name, rawHeaders[n + 1]]]));
    expect(pairs).toEqual([
      ['Set-Cookie', headers['Set-Cookie']],
      ['X-Many', '1, 2'],
      ['X-Number', '7, 8'],
      ['Via', `1.1 mine, 1.1 ${relay.address}`],
      ['Content-Length', '1'],
      ['Connection', 'close']
    ]);
  });

  test.each([502, 504, 418, 599])(
    'may be %i of the listener: Via tells it from the relay',
    async (status) => {
      const [relay, control] = await withListener();
      const asked = ask(relay, 'hyco');
      respond(await take(control), { status });
      const { status: got, headers } = await asked;
      expect([got, headers.via]).toEqual([status, `1.1 ${relay.address}`]);
    }
  );

  test('may come in fragments with pings between, on either way', async () => {
    const [relay, control] = await withListener();
    for (const way of [(taken) => taken, rendezvous]) {
      const asked = ask(relay, 'hyco');
      const { request, channel } = await way(await take(control));
      channel.send(responseTo(request, { body: true }));
      channel.send('a', { binary: true, fin: false });
      channel.ping('p');
      channel.send('', { fin: false });
      channel.send('b', { fin: false });
      expect((await once(channel, 'pong'))[0].toString()).toBe('p');
      channel.send('', { fin: true });
      expect((await asked).body.toString()).toBe('ab');
    }
  });

  test('reaches the sender as it comes', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    await sender.until(/chunked\r\n\r\n/);
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      channel.send(text, { binary: true, fin: false });
      await sender.until(new RegExp(text));
    }
    channel.send('', { fin: true });
    await sender.until(/\r\n0\r\n\r\n$/);
  });

  test('is 64 kB at most on the control channel; on a rendezvous there is no end', async () => {
    const [relay, control] = await withListener();
    const fits = ask(relay, 'hyco');
    respond(await take(control), { body: Buffer.alloc(64 * KIB) });
    expect((await fits).body.length).toBe(64 * KIB);
    const tooLong = ask(relay, 'hyco');
    respond(await take(control), { body: Buffer.alloc(64 * KIB + 1) });
    expect(await tooLong).toMatchObject({ status: 502, reason: expect.stringMatching(/64 kB/) });
    await settled(control);
  });

  test('that cannot be passed on is 502, and the listener lives on', async () => {
    const [relay, control] = await withListener();
    const long = { 'X-L': 'x'.repeat(33 * KIB) };
    const cases = [
      ({ request }) => control.send(responseTo(request, { status: 101 })),
      ({ request }) => control.send(responseTo(request, { headers: long })),
      ({ request }) => {
        control.send(responseTo(request, { body: true }));
        control.send('{"unknown":{}}');
        control.send(Buffer.from('a stray body'));
      },
      async (taken) => (await rendezvous(taken)).channel.send('{}'),
      async (taken) => (await rendezvous(taken)).channel.send('nonsense'),
      async (taken) => (await rendezvous(taken)).channel.close(1011),
      async (taken) => (await rendezvous(taken)).channel.terminate(),
      async (taken) => (await rendezvous(taken)).channel._socket.write(Buffer.from([0x81, 0x01, 0x41]))
    ];
    for (const wrong of cases) {
      const asked = ask(relay, 'hyco');
      await wrong(await take(control));
      const { status, reason, headers } = await asked;
      expect([status, headers.via]).toEqual([502, undefined]);
      expect(reason).toMatch(/ TrackingId:/);
    }
    const fine = ask(relay, 'hyco');
    respond(await take(control));
    expect((await fine).status).toBe(200);
  });

  test('that never comes is 504, and one that comes after it is dropped', async () => {
    const [relay, control] = await withListener({ responseTimeout: 40 });
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const taken = await take(control);
    const got = await sender.all;
    expect(got).toMatch(/^HTTP\/1\.1 504 [^]* TrackingId:/);
    expect(got).not.toMatch(/^Via/im);
    respond(taken, { body: 'late' });
    await expect(dial(taken.request.address)).rejects.toMatchObject({ status: 403 });
    await settled(control);

    const [other, listener] = await withListener({ responseTimeout: 1000 });
    const second = open(other, headOf(other, 'GET /hyco HTTP/1.1'));
    const { channel } = await rendezvous(await take(listener));
    expect(await second.all).toMatch(/^HTTP\/1\.1 504 /);
    expect((await channel.closed)[0]).toBe(1001);
  });

  test.each([
    ['stops', () => {}],
    ['is closed by its listener', (leg) => leg.close()],
    ['is lost by its listener', (leg) => leg.terminate()],
    ['breaks the framing rules', (leg) => leg._socket.write(Buffer.from([0x81, 0x01, 0x41]))]
  ])('that %s in the middle is cut', async (how, stop) => {
    const [relay, control] = await withListener(how === 'stops' ? { responseTimeout: 1000 } : {});
    const sent = begin(relay, 'hyco').end();
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('half', { binary: true, fin: false });
    const [response] = await once(sent, 'response');
    const failed = once(response, 'error');
    await once(response, 'data');
    stop(channel);
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
    expect(response.complete).toBe(false);
    await channel.closed;
  });

  test('with a text in the place of its body is cut', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('a text');
    expect(await sender.all).toMatch(/chunked\r\n\r\n$/);
    expect((await channel.closed)[0]).toBe(1001);
  });

  test('without chunks is cut by a reset, or it would look whole', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.0'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('half', { binary: true, fin: false });
    await sender.until(/half/);
    channel.terminate();
    await sender.all;
    expect(sender.failure).toBe('ECONNRESET');
  });
});

describe('a sender that leaves', () => {
  test('in the middle of its body or of the response closes the rendezvous with 1001', async () => {
    const [relay, control] = await withListener();
    const up = open(relay, headOf(relay, 'POST /hyco HTTP/1.1', 'Content-Length: 1000000') + 'begin');
    const leg = await dial(JSON.parse((await control.messages.next())[0]).request.address);
    await leg.messages.next();
    up.destroy();
    expect((await leg.closed)[0]).toBe(1001);
    expect(leg.messages.size).toBe(0);

    const down = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('begin', { binary: true, fin: false });
    await down.until(/begin/);
    down.destroy();
    expect((await channel.closed)[0]).toBe(1001);
  });

  test('while its request is on the control channel: nobody hears of it, and the answer is dropped', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const taken = await take(control);
    sender.destroy();
    // The relay notices on a thread of its own.
    while (relay.stats().pending) await new Promise(setImmediate);
    respond(taken, { body: 'for nobody' });
    await settled(control);
    const next = ask(relay, 'hyco');
    respond(await take(control), { body: 'right' });
    expect((await next).body.toString()).toBe('right');
  });
});

describe('listeners', () => {
  test('several on one path share the requests, and each answers its own', async () => {
    const relay = await start({ seed: 3 });
    const served = [0, 0, 0];
    for (const number of served.keys()) {
      const control = await listen(relay, 'hyco');
      (async () => {
        for (;;) {
          const taken = await take(control);
          served[number] += 1;
          respond(taken, { body: `${number} ${taken.request.requestTarget}` });
        }
      })();
    }
    const numbers = Array.from({ length: 60 }, (_, n) => n);
    const answers = await Promise.all(numbers.map((n) => ask(relay, `hyco/${n}`)));
    answers.forEach(({ body }, n) => expect(body.toString()).toMatch(new RegExp(`^[012] /hyco/${n}$`)));
    expect(served.every((count) => count > 0)).toBe(true);
  });

  test('answer in any order', async () => {
    const [relay, control] = await withListener();
    const asked = Array.from({ length: 20 }, (_, n) => ask(relay, `hyco/${n}`));
    const taken = [];
    while (taken.length < asked.length) taken.push(await take(control));
    for (const one of taken.reverse()) respond(one, { body: one.request.requestTarget });
    const bodies = (await Promise.all(asked)).map(({ body }) => body.toString());
    expect(bodies).toEqual(asked.map((_, n) => `/hyco/${n}`));
  });

  test('that end with a request unsent: the next one gets it', async () => {
    const relay = await start();
    const old = await listen(relay, 'hyco', { id: 'old' });
    relay.faults.goSilent({ control: true, data: false });
    const came = once(relay, 'request');
    const asked = ask(relay, 'hyco', { method: 'POST', body: 'b', headers: { 'Content-Length': 1 } });
    await came;
    const next = await listen(relay, 'hyco', { id: 'new' });
    expect(relay.faults.dropControl({ id: 'old' })).toBe(1);
    await old.closed;
    relay.faults.resume();
    const taken = await take(next);
    expect(taken.body.toString()).toBe('b');
    respond(taken);
    expect((await asked).status).toBe(200);
  });

  test('that lose their control channel may still answer by rendezvous', async () => {
    const [relay, control] = await withListener();
    const asked = ask(relay, 'hyco');
    const taken = await take(control);
    control.terminate();
    await control.closed;
    respond(await rendezvous(taken), { body: 'still' });
    expect((await asked).body.toString()).toBe('still');
  });

  test('that do not read are spared: 503', async () => {
    const [relay] = await withListener();
    relay.faults.goSilent({ control: true, data: false });
    const options = { method: 'POST', body: Buffer.alloc(60_000), headers: { 'Content-Length': 60_000 } };
    let refused = 0;
    const asked = Array.from({ length: 300 }, () =>
      ask(relay, 'hyco', options).then(
        ({ status }) => {
          if (status === 503) refused += 1;
          return status;
        },
        () => 0
      )
    );
    while (!refused) await new Promise(setImmediate);
    expect(relay.faults.expireRequests()).toBeGreaterThan(0);
    expect(new Set(await Promise.all(asked))).toEqual(new Set([503, 504]));
  });
});

describe('faults', () => {
  test('expireRequests: 504 at once, and what the listener then says is late', async () => {
    const [relay, control] = await withListener({ hybridConnections: ['hyco', 'other'] });
    const asked = ask(relay, 'hyco');
    const taken = await take(control);
    expect(relay.faults.expireRequests({ path: 'other' })).toBe(0);
    expect(relay.faults.expireRequests({ path: 'hyco' })).toBe(1);
    expect(await asked).toMatchObject({ status: 504 });
    respond(taken, { body: 'late' });
    await settled(control);
    // By rendezvous, too.
    const second = ask(relay, 'hyco');
    const { channel } = await rendezvous(await take(control));
    await settled(channel);
    expect(relay.faults.expireRequests()).toBe(1);
    expect(await second).toMatchObject({ status: 504 });
    expect((await channel.closed)[0]).toBe(1001);
  });

  test('cutBodies of a response, on either way', async () => {
    const [relay, control] = await withListener();
    for (const way of [(taken) => taken, rendezvous]) {
      for (const after of [0, 3, 6, 100]) {
        relay.faults.cutBodies({ after });
        const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1', 'Connection: close'));
        respond(await way(await take(control)), { body: 'abcdef' });
        const [, body] = (await sender.all).split('\r\n\r\n');
        const passed = 'abcdef'.slice(0, after);
        const cut = way === rendezvous ? passed : passed.slice(0, 5);
        expect(body.replace(/^\d\r\n|\r\n$/g, '')).toBe(cut);
      }
    }
    const whole = ask(relay, 'hyco');
    respond(await take(control), { body: 'abcdef' });
    expect((await whole).body.toString()).toBe('abcdef');
  });

  test('cutBodies of a request: the listener sees its sender leave in the middle', async () => {
    const [relay, control] = await withListener();
    relay.faults.cutBodies({ of: 'request', after: 2, times: Infinity });
    for (let n = 0; n < 2; n += 1) {
      const sent = begin(relay, 'hyco', { method: 'POST' });
      const failed = once(sent, 'error');
      sent.write('abcdef');
      const leg = await dial(JSON.parse((await control.messages.next())[0]).request.address);
      await leg.messages.next();
      expect((await leg.closed)[0]).toBe(1001);
      expect(leg.messages.size).toBe(0);
      await failed;
    }
    relay.faults.clear();
    const asked = ask(relay, 'hyco', { method: 'POST', body: ['abcdef'] });
    const taken = await take(control);
    expect(taken.body.toString()).toBe('abcdef');
    respond(taken);
    await asked;
    expect(() => relay.faults.cutBodies({ of: 'both' })).toThrow(TypeError);
    expect(() => relay.faults.cutBodies({ after: -1 })).toThrow(TypeError);
  });

  test('refuse and delay strike the rendezvous alone', async () => {
    const [relay, control] = await withListener();
    relay.faults.refuse({ status: 403, action: 'rendezvous' });
    const asked = ask(relay, 'hyco');
    const taken = await take(control);
    await expect(dial(taken.request.address)).rejects.toMatchObject({ status: 403 });
    respond(await rendezvous(taken));
    expect((await asked).status).toBe(200);
    relay.faults.delay(60_000, { action: 'rendezvous' });
    const second = ask(relay, 'hyco');
    const slow = dial((await take(control)).request.address, [], { handshakeTimeout: 30 });
    await expect(slow).rejects.toThrow(/timed out/);
    relay.faults.expireRequests();
    await second;
  });

  test('cutRendezvous and closeRendezvous strike those of HTTP', async () => {
    const [relay, control] = await withListener();
    for (const [strike, code] of [
      [() => relay.faults.cutRendezvous(), 1006],
      [() => relay.faults.cutRendezvous({ midFrame: false, reset: true }), 1006],
      [() => relay.faults.closeRendezvous(1011, 'why'), 1011]
    ]) {
      const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
      const { request, channel } = await rendezvous(await take(control));
      channel.on('error', () => {});
      channel.send(responseTo(request, { body: true }));
      channel.send('half', { binary: true, fin: false });
      await sender.until(/half/);
      expect(strike()).toBe(1);
      expect((await channel.closed)[0]).toBe(code);
      expect(await sender.all).not.toMatch(/\r\n0\r\n\r\n/);
    }
  });

  test('goSilent stops what is under way', async () => {
    const [relay, control] = await withListener();
    const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
    const { request, channel } = await rendezvous(await take(control));
    channel.send(responseTo(request, { body: true }));
    channel.send('one', { binary: true, fin: false });
    await sender.until(/one/);
    relay.faults.goSilent({ control: false });
    channel.send('two', { fin: true });
    const answered = once(channel, 'pong');
    channel.ping();
    await settled(control);
    relay.faults.resume();
    await Promise.all([answered, sender.until(/two[^]*0\r\n\r\n$/)]);
  });
});

test('closing answers who waits with 503, ends who is idle, and cuts what is under way', async () => {
  const [relay, control] = await withListener();
  const [idle, waiting, busy] = ['idle', 'waiting', 'busy'].map((name) =>
    open(relay, headOf(relay, `GET /hyco/${name} HTTP/1.1`))
  );
  let leg;
  for (let n = 0; n < 3; n += 1) {
    const taken = await take(control);
    if (taken.request.requestTarget.endsWith('idle')) respond(taken);
    if (!taken.request.requestTarget.endsWith('busy')) continue;
    leg = await rendezvous(taken);
    leg.channel.send(responseTo(leg.request, { body: true }));
    leg.channel.send('half', { binary: true, fin: false });
  }
  await Promise.all([idle.until(/200 [^]*\r\n\r\n$/), busy.until(/half/)]);
  await relay.close();
  expect(await waiting.all).toMatch(/^HTTP\/1\.1 503 /);
  expect(await idle.all).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\n$/);
  expect(await busy.all).not.toMatch(/\r\n0\r\n\r\n/);
  expect((await leg.channel.closed)[0]).toBe(1001);
});

test('a connection may become a WebSocket after its requests', async () => {
  const [relay, control] = await withListener();
  const sender = open(relay, headOf(relay, 'GET /hyco HTTP/1.1'));
  respond(await take(control));
  await sender.until(/200 [^]*\r\n\r\n$/);
  const lines = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
  ];
  sender.write(headOf(relay, 'GET /$hc/hyco HTTP/1.1', ...lines));
  const { accept } = await control.nextCommand();
  const leg = await dial(accept.address);
  await sender.until(/101 Switching/);
  leg.send('hello');
  await sender.until(/hello$/);
  // And beside one.
  const other = send(relay, 'hyco');
  await dial((await control.nextCommand()).accept.address);
  await other;
});
