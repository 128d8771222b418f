'use strict';

// What is read before anything is opened: targets, paths and headers.

const http = require('node:http');

const fc = require('fast-check');

const { proxiedPath } = require('../../lib/forward/proxied-path.js');
const { requestHeaders, responseHeaders } = require('../../lib/forward/proxied-headers.js');
const { readForwardTarget, readPlace, targetText } = require('../../lib/forward/target.js');

describe('targets', () => {
  test.each([
    [3000, 'http://localhost:3000/'],
    ['3000', 'http://localhost:3000/'],
    ['http://localhost:3000/base', 'http://localhost:3000/base'],
    [new URL('https://[::1]:8443'), 'https://[::1]:8443/']
  ])('%p is a web server', (target, href) => {
    const read = readForwardTarget(target);
    expect(read).toEqual({ kind: 'http', url: new URL(href) });
    expect(targetText(read)).toBe(href);
  });

  test.each([
    ['127.0.0.1:22', { host: '127.0.0.1', port: 22 }, '127.0.0.1:22'],
    ['[::1]:5432', { host: '::1', port: 5432 }, '[::1]:5432'],
    ['tcp://db.test:5432', { host: 'db.test', port: 5432 }, 'db.test:5432'],
    ['unix:/run/app.sock', { path: '/run/app.sock' }, 'unix:/run/app.sock']
  ])('%s is for bytes', (target, place, text) => {
    const read = readForwardTarget(target);
    expect(read).toEqual({ kind: 'stream', ...place });
    expect(targetText(read)).toBe(text);
  });

  test('names have places of their own', () => {
    expect(readForwardTarget({ sql: 'db.test:1433', app: 'unix:/a', 22: 22 })).toEqual({
      kind: 'stream',
      targets: {
        sql: { host: 'db.test', port: 1433 },
        app: { path: '/a' },
        22: { host: '127.0.0.1', port: 22 }
      }
    });
  });

  test('an http.Server is taken as it is', () => {
    const server = http.createServer();
    expect(readForwardTarget(server)).toEqual({ kind: 'server', server });
  });

  test.each([
    [0],
    [65_536],
    [1.5],
    [-1],
    [''],
    ['host'],
    ['host:'],
    ['host:x'],
    ['host:70000'],
    ['a b:1'],
    ['::1:22'],
    ['unix:'],
    ['ws://localhost:3000'],
    ['file:///etc/passwd'],
    ['http://'],
    ['http://user:SECRET@host'],
    ['http://host/?SECRET'],
    ['http://host/#SECRET'],
    ['tcp://host'],
    [undefined],
    [null],
    [true],
    [{}],
    [{ a: 'http://host' }]
  ])('%p is none', (target) => {
    expect(() => readForwardTarget(target)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_INVALID_ARG_(?:VALUE|TYPE)$/) })
    );
    expect(() => readForwardTarget(target)).not.toThrow(/SECRET/);
  });

  test('a place to bind may be any port', () => {
    expect(readPlace(0, 'place')).toEqual({ host: '127.0.0.1', port: 0 });
    expect(readPlace('0.0.0.0:0', 'place')).toEqual({ host: '0.0.0.0', port: 0 });
  });
});

describe('paths', () => {
  test.each([
    ['/', '/', '/'],
    ['/', '/a?b=../..', '/a?b=../..'],
    ['/base', '/a', '/base/a'],
    ['/base/', '/a', '/base/a'],
    ['/base', '/', '/base/'],
    ['/base', '/?q', '/base/?q'],
    ['/base', '/group%2Fproject', '/base/group%2Fproject'],
    ['/base', '/a/../b', '/base/a/../b'],
    ['/base', '/a/b/../..', '/base/a/b/../..'],
    ['/base', '/...', '/base/...'],
    ['/base', '/..a/a..', '/base/..a/a..'],
    ['/base', '/%', '/base/%'],
    ['/base', '//a', '/base//a']
  ])('below %s, %s is %s', (base, url, expected) => {
    expect(proxiedPath(base, url)).toBe(expected);
  });

  test.each([
    '/..',
    '/../x',
    '/a/../..',
    '/%2e%2e',
    '/%2E%2e/x',
    '/.%2e/x',
    '/%2e./x',
    '/a/%2e%2e/%2e%2e/x',
    '/..%2fx',
    '/..%5cx',
    '/..\\x',
    '\\..\\x',
    '/a\\..\\..\\x',
    '/a%2fb/../../x',
    '/%252e%252e/x',
    '/%25252e%25252e%252fx',
    '/..;/x',
    '/..;a=b/x',
    '/..%3b/x',
    '/..%253bx/y',
    '/..%00/x',
    '/..%20/x',
    '/.%09./x',
    '/%c0%ae%c0%ae/x',
    '/%u002e./x',
    '/..%c0%afx',
    '/..%u005cx',
    '/./../x',
    '//../x',
    '/.;/../x',
    'http://other.test/x',
    'https://other.test',
    'other.test:443',
    '*',
    '',
    '/a b',
    '/a\tb',
    '/a\r\nb',
    '/a#b',
    '/\u00e9',
    '/a\0'
  ])('%j is not passed on', (url) => {
    expect(proxiedPath('/base', url)).toBeUndefined();
  });

  test('nothing that is passed on leaves the base, as a URL parser reads it', () => {
    const piece = fc.constantFrom(
      '/',
      '..',
      '.',
      '%2e',
      '%2f',
      '%5c',
      '\\',
      'a',
      ';',
      '%25',
      '2e',
      '?',
      '//'
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = proxiedPath('/base', `/${pieces.join('')}`);
        if (path === undefined) return;
        expect(new URL(`http://target${path}`).host).toBe('target');
        expect(new URL(`http://target${path}`).pathname).toMatch(/^\/base(\/|$)/);
        const decoded = decodeURIComponent(path.replace(/\?.*/s, '').replace(/%(?![\da-f]{2})/gi, '%25'));
        expect(new URL(`http://target${decoded.replace(/[?#].*/s, '')}`).pathname).toMatch(/^\/base(\/|$)/);
      }),
      { numRuns: 2000 }
    );
  });
});

describe('headers', () => {
  const request = (rawHeaders, more) => ({
    rawHeaders,
    headers: Object.fromEntries(
      rawHeaders.flatMap((name, index) => (index % 2 ? [] : [[name.toLowerCase(), rawHeaders[index + 1]]]))
    ),
    httpVersion: '1.1',
    relay: { id: 'id', host: 'ns.test' },
    baseUrl: '/web',
    socket: { encrypted: true, remoteAddress: '2001:db8::1' },
    ...more
  });
  const pairs = (lines) =>
    lines.flatMap((name, index) => (index % 2 ? [] : [[name.toLowerCase(), lines[index + 1]]]));

  test('say who came, and nobody else does', () => {
    const lines = requestHeaders(
      request([
        ...['Host', 'evil.test', 'X-Forwarded-For', '1.1.1.1', 'x_forwarded_for', '1.1.1.1'],
        ...['X-Forwarded-Anything', 'x', 'Forwarded', 'for=1.1.1.1', 'X-Real-IP', '1.1.1.1'],
        ...['ServiceBusAuthorization', 'SECRET', 'Accept', 'a', 'Cookie', 'c', 'Via', '1.0 other']
      ]),
      { authority: 'localhost:3000' }
    );
    expect(pairs(lines)).toEqual([
      ['host', 'localhost:3000'],
      ['accept', 'a'],
      ['cookie', 'c'],
      ['via', '1.0 other'],
      ['x-forwarded-host', 'ns.test'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-for', '2001:db8::1'],
      ['x-forwarded-prefix', '/web'],
      ['forwarded', 'for="[2001:db8::1]";host="ns.test";proto=https'],
      ['via', '1.1 hyco-ws-rs']
    ]);
  });

  test('of a sender without an address', () => {
    const req = request([], { socket: { encrypted: false }, baseUrl: '' });
    expect(pairs(requestHeaders(req, { authority: 'a' })).slice(1)).toEqual([
      ['x-forwarded-host', 'ns.test'],
      ['x-forwarded-proto', 'http'],
      ['forwarded', 'for=unknown;host="ns.test";proto=http'],
      ['via', '1.1 hyco-ws-rs']
    ]);
  });

  test('of the way to the next neighbour stay there', () => {
    const raw = [
      ...['Connection', 'close, X-Mine', 'X-Mine', '1', 'Keep-Alive', 'timeout=5', 'TE', 'trailers'],
      ...['Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'Proxy-Authorization', 'x', 'Trailer', 'x'],
      ...['Expect', '100-continue', 'Kept', 'yes']
    ];
    const names = pairs(requestHeaders(request(raw), { authority: 'a' })).map(([name]) => name);
    expect(names.slice(0, 3)).toEqual(['host', 'kept', 'x-forwarded-host']);
  });

  test('the length of a body is said, whatever the sender calls its neighbour’s; where there is none, it is not', () => {
    const req = request(['Connection', 'close, Content-Length', 'Content-Length', '3']);
    const namesOf = (how) => pairs(requestHeaders(req, { authority: 'a', ...how })).map(([name]) => name);
    expect(namesOf()).toContain('content-length');
    expect(namesOf({ hasBody: false })).not.toContain('content-length');
  });

  test('Host is the target’s, another, or the sender’s', () => {
    const hostOf = (raw, hostHeader) => requestHeaders(request(raw), { authority: 'a:1', hostHeader })[1];
    expect(hostOf(['Host', 'their.test'])).toBe('a:1');
    expect(hostOf(['Host', 'their.test'], 'other.test')).toBe('other.test');
    expect(hostOf(['Host', 'their.test'], 'preserve')).toBe('their.test');
    expect(hostOf([], 'preserve')).toBe('ns.test');
  });

  test('several cookies stay several', () => {
    const headers = responseHeaders({
      rawHeaders: ['Set-Cookie', 'a=1', 'set-cookie', 'b=2', 'Connection', 'keep-alive', 'Content-Type', 't'],
      httpVersion: '1.1'
    });
    expect([...headers]).toEqual([
      ['Set-Cookie', ['a=1', 'b=2']],
      ['Content-Type', 't'],
      ['Via', '1.1 hyco-ws-rs']
    ]);
  });
});
