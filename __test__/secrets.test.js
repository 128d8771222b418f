'use strict';

// Keys and tokens stay out of texts: errors, logs, and whatever prints or writes down a socket, a server or a request.

const { once } = require('node:events');
const http = require('node:http');
const { inspect } = require('node:util');

const fc = require('fast-check');
const { format } = require('pretty-format');
const ws = require('ws');

const { RelayedServer, RelayedWebSocket, connectRelayed, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');
const { fromReport } = require('../lib/shared/errors');
const { isHome } = require('../lib/socket/dial');
const { nameAddress, redact, redactError, redactHeaders } = require('../lib/shared/redact');
const { TokenSource } = require('../lib/shared/token-source');
const { RawPeer } = require('./helpers/raw-peer');

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const base64 = (options) =>
  fc.array(fc.constantFrom(...BASE64), options).map((characters) => `${characters.join('')}=`);
const ANY_CASE = (word) =>
  fc
    .array(fc.boolean(), { minLength: word.length, maxLength: word.length })
    .map((flags) =>
      [...word].map((letter, at) => (flags[at] ? letter.toUpperCase() : letter.toLowerCase())).join('')
    );

/** Every text that an error carries, and its causes' too. */
function textsOf(error) {
  const seen = [];
  for (let one = error; one instanceof Error && !seen.includes(one); one = one.cause) seen.push(one);
  return seen
    .flatMap((one) => [one.message, one.stack, ...Object.values(one), inspect(one, { showHidden: true })])
    .map(String)
    .join('\n');
}

function thrownBy(work) {
  try {
    work().terminate?.();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Forms in which a secret stands in what is taken for an address; none of them is a valid one. */
const FORMS = {
  'a quoted connection string': ([, secret]) =>
    `"Endpoint=sb://ns.test/;SharedAccessKeyName=x;SharedAccessKey=${secret}"`,
  'in single quotes': ([, secret]) => `'SharedAccessKeyName=x;SharedAccessKey=${secret};EntityPath=a'`,
  'half of one': ([, secret]) => `SharedAccessKeyName=x;SharedAccessKey=${secret}`,
  'a key alone': ([name, secret]) => `${name}=${secret}`,
  'with spaces around': ([name, secret]) => `x; ${name} = ${secret} ;EntityPath=a`,
  'in JSON': ([name, secret]) => JSON.stringify({ [name]: secret, path: 'a' }),
  'a string in JSON': ([name, secret]) =>
    JSON.stringify({ text: JSON.stringify({ a: `Endpoint=sb://ns/;${name}=${secret}` }) }),
  'percent-encoded': ([name, secret]) => encodeURIComponent(`Endpoint=sb://ns/;${name}=${secret}`),
  'percent-encoded twice': ([name, secret]) =>
    encodeURIComponent(encodeURIComponent(`"Endpoint=sb://ns/;${name}=${secret}`)),
  'a token in the query': ([, secret]) => `//ns.test/$hc/a?sb-hc-action=connect&sb-hc-token=${secret}&x=1`,
  'a whole token, encoded': ([, secret]) =>
    `//ns/?SB-HC-Token=${encodeURIComponent(`SharedAccessSignature sr=a&sig=${encodeURIComponent(secret)}&se=1`)}`,
  'a whole token as it is': ([, secret]) => `SharedAccessSignature sr=a&sig=${secret}&se=1&skn=x`,
  'cut by a line end': ([name, secret]) => `x;${name}=${secret.slice(0, 4)}\n${secret};a=b`,
  'user and password': ([, secret]) => `//user:pw${secret}@ns.test/a`,
  'user and password and a port that is none': ([, secret]) => `wss://user:pw${secret}@ns.test:99999/a`,
  'user and password with backslashes': ([, secret]) => `\\\\user:pw${secret}@ns.test/a`
};

const names = fc.oneof(
  ANY_CASE('SharedAccessKey'),
  ANY_CASE('sb-hc-token'),
  ANY_CASE('SharedAccessSignature'),
  fc.constant('SB_HC_KEY')
);
const cases = fc.record({
  form: fc.constantFrom(...Object.keys(FORMS)),
  name: names,
  secret: base64({ minLength: 8, maxLength: 60 })
});

test('whatever address with a secret goes in, no error has it', () => {
  const openers = [
    (address) => relayedConnect(address),
    (address) => relayedConnect(address, { agent: new http.Agent() }),
    (address) => new RelayedWebSocket(address),
    (address) => new RelayedWebSocket(address, { agent: new http.Agent() }),
    (address) => new RelayedServer({ server: address, token: 't' }),
    (address) => RelayedServer.fromConnectionString(address)
  ];
  fc.assert(
    fc.property(cases, fc.nat(openers.length - 1), ({ form, name, secret }, at) => {
      const error = thrownBy(() => openers[at](FORMS[form]([name, secret])));
      expect(error).toBeInstanceOf(Error);
      const text = textsOf(error);
      // Not in part either.
      for (const part of [secret, secret.slice(1, 8), encodeURIComponent(secret).slice(0, 8)]) {
        expect(text).not.toContain(part);
      }
    }),
    { numRuns: 600 }
  );
});

test('a promise is rejected without it, too', async () => {
  const error = await connectRelayed(
    '{"a":"Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=SECRET"}'
  ).catch((thrown) => thrown);
  expect(error).toMatchObject({
    name: 'SyntaxError',
    message: expect.stringMatching(/^Invalid URL: .*\*\*\*/)
  });
  expect(textsOf(error)).not.toContain('SECRET');
});

test('a text without a secret is that of ws, letter for letter', () => {
  const harmless = fc.oneof(
    fc.webUrl().map((url) => url.replace(/^https?:/, '')),
    fc.string({ maxLength: 40 }),
    fc.constantFrom(
      '',
      'nonsense',
      '//ns/users/@me',
      'http://',
      'ws://[',
      'wss://h:80:80/@x',
      undefined,
      null,
      7
    )
  );
  fc.assert(
    fc.property(harmless, fc.boolean(), (address, native) => {
      const ours = thrownBy(() => new RelayedWebSocket(address, native ? {} : { agent: new http.Agent() }));
      const theirs = thrownBy(() => new ws(address === null ? 'null' : address));
      fc.pre(theirs !== undefined && address !== null && !/[@=:]/.test(String(address).slice(0, -1)));
      expect([ours.name, ours.message]).toEqual([theirs.name, theirs.message]);
    })
  );
});

test.each([
  [
    'wss://ns/$hc/a?sb-hc-action=connect&sb-hc-token=S%20s&sb-hc-id=1',
    'wss://ns/$hc/a?sb-hc-action=connect&sb-hc-token=***&sb-hc-id=1'
  ],
  ['wss://ns/?a=1&SB-HC-TOKEN=x', 'wss://ns/?a=1&SB-HC-TOKEN=***'],
  ['wss://ns/?sb%2Dhc%2Dtoken=x&y=2', 'wss://ns/?sb%2Dhc%2Dtoken=***&y=2'],
  // What may be a password's is not shown.
  ['wss://u:p@ns/a@b', 'wss://***@b'],
  ['wss://u:p@ns/a', 'wss://***@ns/a'],
  ['wss://u:p/q@ns/a', 'wss://***@ns/a'],
  ['wss://u:p@q@ns/a', 'wss://***@ns/a'],
  ['wss:u:p@ns', 'wss:***@ns'],
  ['wss://ns:8080/users/@me', 'wss://ns:8080/users/@me'],
  ['wss://[::1]:80/p@x', 'wss://[::1]:80/p@x'],
  [
    'Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=S;EntityPath=b',
    'Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=***;EntityPath=b'
  ],
  ['q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=', '***'],
  ['sb-hc-token=', 'sb-hc-token='],
  ['', '']
])('%s is named %s', (address, name) => {
  expect(nameAddress(address)).toBe(name);
});

test.each([
  [
    'SharedAccessSignature excludes SharedAccessKeyName',
    'SharedAccessSignature excludes SharedAccessKeyName'
  ],
  ['The SharedAccessSignature is expired.', 'The SharedAccessSignature is expired.'],
  ['bad SharedAccessSignature SECRET', 'bad SharedAccessSignature ***'],
  ['bad SharedAccessSignature sr=a&sig=b&se=1, refused', 'bad SharedAccessSignature ***, refused'],
  ['SharedAccessSignature=secret', 'SharedAccessSignature=***']
])('the text "%s" is shown as "%s"', (text, shown) => {
  expect(redact(text)).toBe(shown);
});

test('known secrets are found however they are escaped', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.nat(2), (secret, times) => {
      let text = secret;
      for (let i = 0; i < times; i++) text = encodeURIComponent(text).toLowerCase();
      fc.pre(
        secret.isWellFormed() && (times === 0 || secret === secret.toLowerCase()) && !'a*b'.includes(secret)
      );
      expect(redact(`a${text}b`, [secret])).toBe('a***b');
    })
  );
});

test('a long text takes no long time', () => {
  // Quadratic would be minutes.
  const texts = ['/', '%25', 'wss:', '//a:b', 'sig=', 'A', '@', 'sharedaccesskey ', 'eyJaaaaa.'].flatMap(
    (part) => [part.repeat(64_000 / part.length), `${part.repeat(64_000 / part.length)}@`]
  );
  for (const text of texts) {
    expect(typeof redact(text)).toBe('string');
    expect(typeof nameAddress(text)).toBe('string');
  }
});

test('what the relay and foreign errors quote is masked with its causes', () => {
  const error = fromReport({
    code: 'ERR_HYCO_UNAUTHORIZED',
    message: 'Unexpected server response: 401 (bad SharedAccessSignature sr=a&sig=SECRET)',
    reason: 'bad sb-hc-token=SECRET',
    causes: ['at wss://u:SECRET@h', 'ServiceBusAuthorization: SECRET']
  });
  expect(textsOf(error)).not.toContain('SECRET');
  const foreign = redactError(
    Object.assign(new TypeError('Invalid URL: SharedAccessKey=SE CRET', { cause: new Error('sig=SECRET') }), {
      input: 'SharedAccessKey=SE CRET'
    })
  );
  expect(textsOf(foreign)).not.toMatch(/SE ?CRET/);
  expect(
    redactHeaders({ authorization: 'SECRET', 'x-api-key': 'SECRET', referer: 'wss://h?sb-hc-token=SECRET' })
  ).toEqual({ authorization: '***', 'x-api-key': '***', referer: 'wss://h?sb-hc-token=***' });
});

/** All that prints an object, or writes it down. */
function printed(value) {
  const texts = [
    inspect(value),
    inspect(value, { depth: Infinity, showHidden: true }),
    inspect([{ value }], { depth: Infinity, getters: true }),
    // As in the messages of node:assert.
    inspect(value, { customInspect: false, depth: Infinity }),
    JSON.stringify(value),
    JSON.stringify({ nested: [value] }),
    // As in the messages of jest.
    format(value),
    format(value, { callToJSON: false, maxDepth: 20 })
  ];
  try {
    texts.push(inspect(structuredClone(value), { depth: Infinity }));
  } catch (error) {
    texts.push(error.message);
  }
  return texts.join('\n');
}

describe('what is printed', () => {
  let relay;
  let server;
  let pairs;
  const copies = [];
  const TOKEN = /sig=|SharedAccessSignature|sr%3D/;

  beforeAll(async () => {
    relay = await RelayEmulator.start();
    server = RelayedServer.fromConnectionString(relay.connectionString());
    await once(server, 'listening');
    pairs = [];
    for (const name of ['alice', 'bob']) {
      const accepted = once(server, 'connection');
      const uri = relay.sendUri(`hyco/${name}`, { token: true });
      const socket = await connectRelayed(uri, { headers: { 'X-Name': name, Cookie: `${name}-SECRET` } });
      const [peer, request] = await accepted;
      // Before anybody has looked at its headers.
      copies.push(inspect({ ...request }, { depth: 9 }));
      pairs.push({ socket, peer, request });
    }
  });
  afterAll(async () => {
    await server.close();
    await relay.close();
  });

  test('a socket shows what was chosen, and neither the others nor tokens', () => {
    for (const end of ['socket', 'peer']) {
      const [alice, bob] = pairs.map((pair) => pair[end]);
      const text = printed(alice);
      expect(text).not.toMatch(TOKEN);
      expect(text).not.toContain('bob');
      expect(text).not.toContain(relay.key);
      expect(text).not.toMatch(/NativeEngine|owners|Acceptor/);
      expect(printed(bob)).not.toContain('alice');
    }
    const { socket } = pairs[0];
    expect(JSON.parse(JSON.stringify(socket))).toEqual({
      url: expect.stringMatching(/^ws:\/\/.*\/hyco\/alice\?sb-hc-action=connect&sb-hc-token=\*\*\*$/),
      readyState: 1,
      protocol: '',
      extensions: '',
      binaryType: 'nodebuffer',
      isPaused: false,
      bufferedAmount: 0
    });
    expect(inspect(socket)).toMatch(/^RelayedWebSocket \{\n {2}url: 'ws:[^]*readyState: 1,/);
    expect(inspect({ a: { b: { c: socket } } })).toContain('[RelayedWebSocket]');
    // The program's own view of it is the whole one.
    expect(socket.url).toMatch(TOKEN);
  });

  test('a socket that connects, one that waits for its token, and one of ws', async () => {
    const uri = relay.sendUri('hyco', { token: true });
    const sockets = [
      new RelayedWebSocket(uri, { headers: { Authorization: 'SECRET' } }),
      relayedConnect(uri, 'SharedAccessSignature sr=a&sig=SECRET'),
      relayedConnect(uri, { token: () => new Promise(() => {}) }),
      // `customInspect: false` and the like show what ws shows of its own engine.
      relayedConnect(uri, { token: 'SECRET', agent: new http.Agent() })
    ];
    for (const [at, socket] of sockets.entries()) {
      socket.on('error', () => {});
      const text =
        at < 3 ? printed(socket) : inspect(socket, { depth: 9, showHidden: true }) + JSON.stringify(socket);
      expect(text).not.toMatch(TOKEN);
      expect(text).not.toContain('SECRET');
      expect(text).toContain('sb-hc-token=***');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.terminate();
      await closed;
    }
  });

  test('a copy of a request does not have the address of its rendezvous', () => {
    for (const copy of copies) expect(copy).not.toContain('sb-hc-action=accept');
    expect(copies).not.toEqual([]);
  });

  test('a server, its options and its requests', () => {
    for (const value of [server, server.options, relay, server.clients, pairs[0].request]) {
      const text = [
        inspect(value),
        inspect(value, { depth: Infinity, showHidden: true }),
        JSON.stringify(value),
        format(value)
      ].join('\n');
      expect(text).not.toMatch(/sig=|SECRET/);
      expect(text).not.toContain(relay.key);
    }
    for (const value of [server, server.clients]) {
      expect(inspect(value, { customInspect: false, depth: Infinity })).not.toMatch(/sig=|SECRET/);
    }
    expect(JSON.parse(JSON.stringify(server))).toEqual({
      state: 'online',
      listenUri: expect.stringMatching(/^ws:/),
      id: expect.any(String),
      connections: 2,
      pendingAccepts: 0
    });
    expect(pairs[0].request.toJSON()).toMatchObject({ url: '/hyco/alice', headers: { cookie: '***' } });
  });

  test('a source of tokens, a prototype', () => {
    const source = new TokenSource({ keyName: 'rule', key: 'SECRET', uri: 'wss://h' });
    expect(printed(source)).not.toContain('SECRET');
    for (const { prototype } of [RelayedWebSocket, RelayedServer]) {
      expect(inspect(prototype, { showHidden: true })).toEqual(expect.any(String));
      expect(JSON.stringify(prototype)).toBe('{}');
    }
  });
});

describe('a redirect', () => {
  let first;
  let second;

  beforeEach(async () => {
    [first, second] = [await RawPeer.listen(), await RawPeer.listen()];
  });
  afterEach(() => Promise.all([first.close(), second.close()]));

  async function redirect(peer, location) {
    const connection = await peer.connection();
    const head = await connection.request();
    connection.send(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
    return head;
  }

  async function arrive(peer) {
    const connection = await peer.connection();
    const head = await connection.request();
    await connection.accept();
    return head;
  }

  const TOKEN_LINE = /servicebusauthorization/i;
  const WAYS = {
    'a token': () => ({ token: 'the-token' }),
    'a function': () => ({ token: async () => 'the-token' }),
    'a rule': () => ({ keyName: 'rule', key: 'key' }),
    'a token, by an agent': () => ({ token: 'the-token', agent: new http.Agent() }),
    'a function, by an agent': () => ({ token: async () => 'the-token', agent: new http.Agent() })
  };

  describe.each(Object.entries(WAYS))('with %s', (_, credentials) => {
    test.each([true, false])(
      'takes the token to the same host only; with a listener: %s',
      async (listens) => {
        const socket = relayedConnect(first.url('/one'), {
          ...credentials(),
          followRedirects: true,
          headers: { 'X-Mine': '1' }
        });
        if (listens) socket.on('redirect', () => {});
        const opened = once(socket, 'open');
        const heads = [
          await redirect(first, '/two'),
          await redirect(first, second.url('/three')),
          await redirect(second, second.url('/four')),
          await redirect(second, first.url('/five')),
          await arrive(first)
        ];
        await opened;
        expect(heads.map((head) => TOKEN_LINE.test(head))).toEqual([true, true, false, false, true]);
        expect(heads.every((head) => /x-mine: 1/i.test(head))).toBe(true);
        socket.terminate();
        await once(socket, 'close');
      }
    );
  });

  test.each([
    ['wss://h/a', 'wss://h/b', true],
    ['wss://h:444/a', 'wss://h:444/a', true],
    ['ws://h/a', 'wss://h/a', true],
    ['wss://h:444/a', 'ws://h:444/a', false],
    ['wss://h/a', 'ws://h/a', false],
    ['wss://h/a', 'wss://h:444/a', false],
    ['wss://h/a', 'wss://a.h/a', false],
    ['wss://h/a', 'wss://h.evil/a', false]
  ])('of %s, %s is the same place: %s', (asked, target, same) => {
    expect(isHome(new URL(target), new URL(asked))).toBe(same);
  });

  test.each([{}, { agent: new http.Agent() }])(
    'a token that is none is refused before anything is dialled',
    (given) => {
      const options = { ...given, token: 'SECRET\r\nEvil: yes' };
      const error = thrownBy(() => relayedConnect(first.url(), options));
      expect(error).toMatchObject({ code: 'ERR_INVALID_CHAR' });
      expect(textsOf(error)).not.toContain('SECRET');
      expect(first.connections).toEqual([]);
    }
  );

  test('finishRequest finds the token in the request that it is to finish', async () => {
    const seen = [];
    const finishRequest = (request, socket) => {
      seen.push(request.getHeader('ServiceBusAuthorization'), socket.readyState);
      request.end();
    };
    const socket = relayedConnect(first.url(), { token: async () => 'the-token', finishRequest });
    const opened = once(socket, 'open');
    expect(await arrive(first)).toMatch(TOKEN_LINE);
    await opened;
    expect(seen).toEqual(['the-token', 0]);
    socket.terminate();
    await once(socket, 'close');
  });

  test("the program's own header goes where a listener lets it, as with ws", async () => {
    const headers = { ServiceBusAuthorization: 'mine' };
    const socket = relayedConnect(first.url(), { followRedirects: true, headers });
    socket.on('redirect', () => {});
    expect(await redirect(first, second.url())).toContain('ServiceBusAuthorization: mine');
    const opened = once(socket, 'open');
    expect(await arrive(second)).toMatch(/servicebusauthorization: mine/);
    await opened;
    socket.terminate();
    await once(socket, 'close');

    const alone = relayedConnect(first.url(), { followRedirects: true, headers });
    const opensToo = once(alone, 'open');
    await redirect(first, second.url());
    expect(await arrive(second)).not.toMatch(TOKEN_LINE);
    await opensToo;
    alone.terminate();
    await once(alone, 'close');
  });

  test('a listener changes headers by the rules of Node, and adds no line', async () => {
    const socket = relayedConnect(first.url(), { token: 'the-token', followRedirects: true });
    const codes = [];
    let request;
    const attempt = (work) => {
      try {
        work();
        codes.push(undefined);
      } catch (error) {
        codes.push(error.code);
      }
    };
    socket.on('redirect', (url, lookAlike) => {
      request = lookAlike;
      attempt(() => request.setHeader('X-A', 'a\r\nEvil: yes'));
      attempt(() => request.setHeader('X-A', ['a', 'b\nEvil: yes']));
      attempt(() => request.setHeader('X-A\r\nEvil', 'yes'));
      attempt(() => request.setHeader('X A', 'a'));
      attempt(() => request.setHeader('X-A', undefined));
      attempt(() => request.setHeader('X-A', '\u0100'));
      attempt(() => request.setHeader(undefined, 'a'));
      attempt(() => request.removeHeader(undefined));
      attempt(() => request.appendHeader('X-B', '\0'));
      attempt(() => request.setHeader('X-B', ['1']).appendHeader('x-b', '2'));
      attempt(() => request.setHeader('Sec-WebSocket-Key', 'mine'));
      attempt(() => request.removeHeader('sec-websocket-extensions'));
    });
    await redirect(first, second.url('/two'));
    const opened = once(socket, 'open');
    const head = await arrive(second);
    await opened;
    attempt(() => request.setHeader('X-Late', '1'));
    expect(codes).toEqual([
      'ERR_INVALID_CHAR',
      'ERR_INVALID_CHAR',
      'ERR_INVALID_HTTP_TOKEN',
      'ERR_INVALID_HTTP_TOKEN',
      'ERR_HTTP_INVALID_HEADER_VALUE',
      'ERR_INVALID_CHAR',
      'ERR_INVALID_HTTP_TOKEN',
      'ERR_INVALID_ARG_TYPE',
      'ERR_INVALID_CHAR',
      undefined,
      undefined,
      undefined,
      'ERR_HTTP_HEADERS_SENT'
    ]);
    expect(head).not.toMatch(/evil|mine|extensions/i);
    expect(head).toContain('X-B: 1\r\nX-B: 2\r\n');
    expect(inspect(request, { depth: 9, showHidden: true }) + JSON.stringify(request)).not.toContain(
      'the-token'
    );
    socket.terminate();
    await once(socket, 'close');
  });

  test.each([{}, { agent: true }])(
    'to what is no address is told without what is secret in it: %p',
    async (given) => {
      const options = given.agent ? { agent: new http.Agent() } : {};
      const socket = new RelayedWebSocket(first.url(), { ...options, followRedirects: true });
      const failed = once(socket, 'error');
      await redirect(first, 'http://user:SE/CRET@h?sb-hc-token=SECRET');
      const [error] = await failed;
      expect(error).toMatchObject({
        name: 'SyntaxError',
        message: expect.stringMatching(/^Invalid URL: http/)
      });
      expect(textsOf(error)).not.toContain('CRET');
    }
  );
});

test("a token that comes late fails ws's own engine as it fails ours", async () => {
  const peer = await RawPeer.listen();
  const socket = relayedConnect(peer.url(), {
    token: () => Promise.reject(new Error('no')),
    agent: new http.Agent()
  });
  const events = [];
  socket.on('error', (error) => events.push(error.code));
  await new Promise((resolve) => socket.on('close', (code) => resolve(events.push(code))));
  expect(events).toEqual(['ERR_HYCO_TOKEN', 1006]);
  await peer.close();
});
