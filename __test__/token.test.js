'use strict';

const { createHmac } = require('node:crypto');
const url = require('node:url');
const vm = require('node:vm');

const fc = require('fast-check');
const hycoWs = require('hyco-ws');

const { appendRelayToken, createRelayToken } = require('..');
const { now, vectors } = require('./fixtures/sas-vectors.json');

const URI = 'wss://contoso.servicebus.windows.net/$hc/hyco?sb-hc-action=listen';
const KEY = 'q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=';

/** What hyco-ws signs, by Node's own functions and nothing of either package. */
function resourceOf(uri) {
  const parsed = url.parse(uri);
  const pathname = parsed.pathname.replace('$hc/', '');
  return url.format({ ...parsed, protocol: 'http', search: null, query: null, hash: null, pathname });
}

function tokenOf(uri, keyName, key, expiresAt) {
  const resource = encodeURIComponent(resourceOf(uri));
  const signature = createHmac('sha256', key).update(`${resource}\n${expiresAt}`).digest('base64');
  return `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=${expiresAt}&skn=${keyName}`;
}

function failure(call) {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

beforeEach(() => {
  jest.spyOn(Date, 'now').mockReturnValue(now * 1000);
  // Node warns of odd ports, which hyco-ws lets pass.
  jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
});

afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

describe('createRelayToken', () => {
  test.each(vectors)('signs $uri', ({ uri, keyName, key, expirationSeconds, token }) => {
    expect(createRelayToken(uri, keyName, key, expirationSeconds)).toBe(token);
  });

  test.each([
    '  wss://h.example/p \n',
    'wss:\\\\h.example\\$hc\\a?b\\c',
    'wss://h.example/$hc/$hc/a',
    'wss://h.example/a/$hc/b',
    'wss://h.example/%24hc/a',
    'wss://u%3Ap%40:%C3%A9@h/x',
    'wss://a@b@c/x',
    'wss://h:/x',
    'wss://h:0443/x',
    'wss://h:8080',
    'wss://[::1]:443/x',
    'wss://[FE80::1]?q',
    'wss://h;a/b',
    'wss://h x/b',
    'wss://h.example/a?b?c#d?e',
    'wss://h.example/a#b?c',
    'wss://h.example/\t"x\'<>^`{|}',
    'wss://h.example/日本/%E6%97%A5/😀',
    'wss://bücher.example/x',
    'wss://BÜCHER.example',
    'wss://faß.de/',
    'wss://a。b/x',
    'sb://h.example/',
    'https://h.example',
    'amqps://h.example/p/q/'
  ])('signs %j as hyco-ws does', (uri) => {
    expect(createRelayToken(uri, 'rule', KEY, 60)).toBe(hycoWs.createRelayToken(uri, 'rule', KEY, 60));
  });

  test('agrees with a computation in plain Node for any URI, rule, key and lifetime', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.constantFrom(
        '[::1]',
        '127.0.0.1',
        'Contoso.ServiceBus.Windows.NET',
        'bücher.example',
        'faß.de',
        'a_b'
      )
    );
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const uri = fc
      .tuple(
        fc.constantFrom('wss', 'WSS', 'ws', 'http', 'https', 'sb'),
        fc.constantFrom('', '', 'user@', 'u:p@', 'a%20b:%C3%BC@'),
        host,
        fc.constantFrom('', ':443', ':8080', ':'),
        fc.constantFrom('/', '/$hc/', '/a/$hc/$hc/'),
        text,
        fc.constantFrom('', '?', '?a=1&b= 2', '#x', '?q#x')
      )
      .map(
        ([scheme, auth, name, port, prefix, path, tail]) =>
          `${scheme}://${auth}${name}${port}${prefix}${path}${tail}`
      );
    fc.assert(
      fc.property(
        uri,
        fc.string({ minLength: 1 }),
        text,
        fc.integer({ min: 1, max: 1e9 }),
        (address, rule, key, life) => {
          expect(createRelayToken(address, rule, key, life)).toBe(tokenOf(address, rule, key, now + life));
        }
      ),
      { numRuns: 2000 }
    );
  });

  test.each([
    undefined,
    null,
    0,
    -0,
    NaN,
    '',
    false,
    1,
    60,
    0.4,
    0.5,
    1.9996,
    -1,
    -90.5,
    1e-9,
    1e10,
    4e9,
    '60',
    '1.5',
    ' 60 ',
    '0',
    '-5',
    '1e3',
    '0x10',
    ' '
  ])('takes the lifetime %p as hyco-ws does', (lifetime) => {
    for (const instant of [now * 1000, now * 1000 + 1, now * 1000 + 499.7, now * 1000 + 999]) {
      Date.now.mockReturnValue(instant);
      expect(createRelayToken(URI, 'rule', KEY, lifetime)).toBe(
        hycoWs.createRelayToken(URI, 'rule', KEY, lifetime)
      );
    }
  });

  test('takes any finite lifetime as hyco-ws does', () => {
    fc.assert(
      fc.property(fc.double({ min: -1.6e9, max: 8e12, noNaN: true }), fc.nat(999), (lifetime, millis) => {
        Date.now.mockReturnValue(now * 1000 + millis);
        fc.pre(Math.abs(now * 1000 + millis + lifetime * 1000) < 8.64e15);
        expect(createRelayToken(URI, 'r', 'k', lifetime)).toBe(
          hycoWs.createRelayToken(URI, 'r', 'k', lifetime)
        );
      }),
      { numRuns: 300 }
    );
  });

  test('follows fake timers', () => {
    jest.restoreAllMocks();
    jest.useFakeTimers({ now: 1_800_000_000_999 });
    expect(createRelayToken(URI, 'rule', KEY)).toContain('&se=1800003600&');
    jest.advanceTimersByTime(1);
    expect(createRelayToken(URI, 'rule', KEY)).toContain('&se=1800003601&');
  });

  test('takes a URL and the result of url.parse', () => {
    const expected = createRelayToken('wss://h.example/p', 'rule', KEY);
    expect(createRelayToken(new URL('wss://h.example/p'), 'rule', KEY)).toBe(expected);
    expect(createRelayToken(url.parse('wss://h.example/p'), 'rule', KEY)).toBe(expected);
    expect(
      createRelayToken(vm.runInNewContext('({ href })', { href: 'wss://h.example/p' }), 'rule', KEY)
    ).toBe(expected);
  });

  test.each([
    ['http://ws://127.0.0.1:18090', 'http://127.0.0.1:18090/'],
    ['http://ws://127.0.0.1:18090/', 'http://127.0.0.1:18090/'],
    ['HTTP://WSS://Contoso.test/$hc/hyco?a=1', 'http://contoso.test/hyco'],
    ['https://ws://[::1]:8090/hyco', 'http://[::1]:8090/hyco']
  ])("names the host of 'http://' + ns where ns has a scheme: %s", (uri, resource) => {
    const token = createRelayToken(uri, 'rule', KEY);
    expect(token).toBe(createRelayToken(resource, 'rule', KEY));
    expect(token).toContain(`sr=${encodeURIComponent(resource)}&`);
  });

  test('takes a scheme that url.parse does not know without a path', () => {
    expect(createRelayToken('sb://h.example', 'r', KEY)).toBe(createRelayToken('sb://h.example/', 'r', KEY));
  });
});

describe('appendRelayToken', () => {
  test.each(vectors)('appends to $uri', ({ uri, keyName, key, expirationSeconds, appended }) => {
    expect(appendRelayToken(uri, keyName, key, expirationSeconds)).toBe(appended);
  });

  test.each([
    'wss://H/p?a=1',
    'wss://h/p?',
    'wss://h/$hc/p?a b#f',
    'WSS://u:p@h:1/ä?ö',
    'sb://h/?x',
    "wss://h?a='b'"
  ])('appends to %j as hyco-ws does', (uri) => {
    expect(appendRelayToken(uri, 'rule', KEY)).toBe(hycoWs.appendRelayToken(uri, 'rule', KEY));
  });

  test("appends to 'http://' + ns where ns has a scheme, which is the one to dial", () => {
    const token = encodeURIComponent(createRelayToken('http://127.0.0.1:18090/p', 'rule', KEY));
    expect(appendRelayToken('http://ws://127.0.0.1:18090/p?a', 'rule', KEY)).toBe(
      `ws://127.0.0.1:18090/p?a&sb-hc-token=${token}`
    );
  });

  test('begins a query where there is none, unlike hyco-ws', () => {
    const token = encodeURIComponent(createRelayToken('wss://h/p', 'rule', KEY));
    expect(appendRelayToken('wss://h/p', 'rule', KEY)).toBe(`wss://h/p?sb-hc-token=${token}`);
    expect(appendRelayToken('wss://h/p#f', 'rule', KEY)).toBe(`wss://h/p?sb-hc-token=${token}#f`);
  });
});

describe.each([
  ['createRelayToken', createRelayToken],
  ['appendRelayToken', appendRelayToken]
])('%s refuses', (_name, create) => {
  test.each([
    ['uri', [undefined, 'rule', KEY]],
    ['uri', [null, 'rule', KEY]],
    ['uri', [42, 'rule', KEY]],
    ['uri', [{}, 'rule', KEY]],
    ['uri', [['wss://h/p'], 'rule', KEY]],
    ['keyName', [URI]],
    ['keyName', [URI, 42, KEY]],
    ['keyName', [URI, null, KEY]],
    ['key', [URI, 'rule']],
    ['key', [URI, 'rule', 42]],
    ['key', [URI, 'rule', { KEY }]],
    ['expirationSeconds', [URI, 'rule', KEY, {}]],
    ['expirationSeconds', [URI, 'rule', KEY, true]],
    ['expirationSeconds', [URI, 'rule', KEY, 5n]]
  ])('a wrong type of %s: %#', (argument, args) => {
    const error = failure(() => create(...args));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe('ERR_INVALID_ARG_TYPE');
    expect(error.message).toContain(`"${argument}"`);
    expect(error.message).not.toContain(KEY);
  });

  test.each([
    ['uri', ['', 'rule', KEY]],
    ['uri', ['h.example/p', 'rule', KEY]],
    ['uri', ['/p', 'rule', KEY]],
    ['uri', ['//h.example/p', 'rule', KEY]],
    ['uri', ['wss:h.example', 'rule', KEY]],
    ['uri', ['wss:///p', 'rule', KEY]],
    ['uri', ['wss://', 'rule', KEY]],
    ['uri', ['wss://xn--a/p', 'rule', KEY]],
    ['uri', ['wss://%zz@h/p', 'rule', KEY]],
    ['uri', ['wss://h/\ud800', 'rule', KEY]],
    ['keyName', [URI, '', KEY]],
    ['expirationSeconds', [URI, 'rule', KEY, 'soon']],
    ['expirationSeconds', [URI, 'rule', KEY, Infinity]],
    ['expirationSeconds', [URI, 'rule', KEY, 1e300]]
  ])('a wrong value of %s: %#', (argument, args) => {
    const error = failure(() => create(...args));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
    expect(error.message).toContain(`"${argument}"`);
    expect(error.message).not.toContain(KEY);
  });
});

test('many keys at once do not get mixed up', () => {
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 30; number++) {
      const key = `key ${number}`;
      expect(createRelayToken(URI, 'rule', key)).toBe(tokenOf(URI, 'rule', key, now + 3600));
    }
  }
});
