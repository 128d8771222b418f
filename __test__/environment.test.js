'use strict';

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');

const { proxyFor, rejectUnauthorizedByDefault, trustedRoots } = require('../lib/engine/environment');

const NAMES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'];
const saved = { ...process.env };

beforeEach(() => {
  for (const name of NAMES) {
    delete process.env[name];
    delete process.env[name.toUpperCase()];
  }
});
afterAll(() => {
  for (const name of Object.keys(process.env)) if (!(name in saved)) delete process.env[name];
  Object.assign(process.env, saved);
});

test('the option wins over the environment', () => {
  process.env.HTTPS_PROXY = 'http://env:1';
  expect(proxyFor('http://mine:1', true, 'ns.test', 443)).toBe('http://mine:1');
  expect(proxyFor(new URL('http://mine:2'), true, 'ns.test', 443)).toBe('http://mine:2/');
  expect(proxyFor(false, true, 'ns.test', 443)).toBeUndefined();
  expect(proxyFor(undefined, true, 'ns.test', 443)).toBe('http://env:1');
});

test('wss: takes HTTPS_PROXY, ws: HTTP_PROXY, both ALL_PROXY; lower case wins', () => {
  process.env.ALL_PROXY = 'socks5://all:1';
  expect(proxyFor(undefined, true, 'a', 1)).toBe('socks5://all:1');
  process.env.HTTP_PROXY = 'http://plain:1';
  process.env.HTTPS_PROXY = 'http://upper:1';
  process.env.https_proxy = 'http://lower:1';
  expect(proxyFor(undefined, true, 'a', 1)).toBe('http://lower:1');
  expect(proxyFor(undefined, false, 'a', 1)).toBe('http://plain:1');
});

test('a proxy that cannot be used is refused by the name of the option or the variable, and not quoted', () => {
  const refused = (option, secure = true) => {
    try {
      return proxyFor(option, secure, 'ns.test', 443);
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe('ERR_INVALID_ARG_VALUE');
      expect(error.stack).not.toContain('secret');
      return error.message;
    }
  };
  const text = (name, reason) => `The "${name}" argument is invalid: ${reason}`;
  const PORT = 'its port must be a number from 1 to 65535';
  const SCHEME = 'its scheme must be http, socks5 or socks5h';
  expect(refused('http://u:secret@p:99999')).toBe(text('options.proxy', PORT));
  expect(refused(new URL('https://u:secret@p'))).toBe(text('options.proxy', SCHEME));
  process.env.ALL_PROXY = 'socks4://u:secret@p:1';
  expect(refused()).toBe(text('ALL_PROXY', SCHEME));
  process.env.HTTPS_PROXY = 'http://u:secret@p:65536';
  expect(refused()).toBe(text('HTTPS_PROXY', PORT));
  expect(refused(undefined, false)).toBe(text('ALL_PROXY', SCHEME));
  process.env.https_proxy = 'http://';
  expect(refused()).toBe(text('https_proxy', 'it has no host'));
  process.env.HTTPS_PROXY = process.env.https_proxy = ' ';
  expect(refused()).toBe(text('ALL_PROXY', SCHEME));
  // Where it is not used nobody need know.
  process.env.NO_PROXY = 'ns.test';
  expect(refused()).toBeUndefined();
  expect(refused(false)).toBeUndefined();
});

test('a listener and a sender with such a proxy are refused where they are made', () => {
  const { RelayedServer, RelayedWebSocket, relayedConnect } = require('..');
  const proxy = 'http://p:99999';
  const refusal = expect.objectContaining({
    name: 'TypeError',
    message: expect.stringContaining('"options.proxy"')
  });
  for (const make of [
    () => new RelayedServer({ server: 'wss://ns.test/$hc/x', token: 't', proxy }),
    () => relayedConnect('wss://ns.test/$hc/x', { token: 't', proxy }),
    () => relayedConnect('wss://ns.test/$hc/x', { token: async () => 't', proxy }),
    () => new RelayedWebSocket('ws://ns.test', { proxy })
  ]) {
    expect(make).toThrow(refusal);
  }
});

test('a CGI request cannot choose the proxy', () => {
  process.env.HTTP_PROXY = 'http://evil:1';
  process.env.REQUEST_METHOD = 'GET';
  expect(proxyFor(undefined, false, 'a', 1)).toBeUndefined();
  delete process.env.REQUEST_METHOD;
});

test.each([
  ['*', 'ns.test', true],
  ['*', '10.1.2.3', true],
  ['ns.test', 'ns.test', true],
  ['ns.test', 'NS.test.', true],
  ['ns.test', 'g1.ns.test', true],
  ['.ns.test', 'g1.ns.test', true],
  ['ns.test', 'otherns.test', false],
  ['other, ns.test', 'ns.test', true],
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/99', '10.1.2.3', false],
  ['10.1.2.3', '10.1.2.4', false],
  ['::1', '::1', true],
  ['fd00::/8', 'fd00::1', true],
  ['*.ns.test', 'g1.ns.test', true],
  ['ns.test:443', 'ns.test', true],
  ['ns.test:80', 'ns.test', false],
  ['[::1]:443', '::1', true],
  ['', 'ns.test', false]
])('NO_PROXY=%s and %s', (list, host, excluded) => {
  process.env.HTTPS_PROXY = 'http://p:1';
  process.env.NO_PROXY = list;
  expect(proxyFor(undefined, true, host, 443)).toBe(excluded ? undefined : 'http://p:1');
});

test("the trusted roots are Node's, the same array each time", () => {
  expect(trustedRoots()).toEqual(expect.arrayContaining([tls.rootCertificates[0]]));
  expect(trustedRoots()).toBe(trustedRoots());
});

test('NODE_EXTRA_CA_CERTS adds to them', () => {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-')), 'extra.pem');
  const extra = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
  fs.writeFileSync(file, `comment\n${extra}\n`);
  const native = tls.getCACertificates;
  tls.getCACertificates = undefined;
  process.env.NODE_EXTRA_CA_CERTS = file;
  try {
    jest.isolateModules(() => expect(require('../lib/engine/environment').trustedRoots()).toContain(extra));
  } finally {
    tls.getCACertificates = native;
    delete process.env.NODE_EXTRA_CA_CERTS;
    fs.rmSync(path.dirname(file), { recursive: true });
  }
});

describe("OpenSSL's own store", () => {
  const fixture = path.join(__dirname, 'fixtures', 'loopback-cert.pem');
  /** Dials a server with that certificate in a process of its own, by ws's engine and by ours. */
  const CHILD = `
    const { readFileSync } = require('node:fs');
    const https = require('node:https');
    const { WebSocket, WebSocketServer, RelayedWebSocket } = require('.');
    const read = (kind) => readFileSync(${JSON.stringify(fixture)}.replace('cert.pem', kind + '.pem'));
    const server = https.createServer({ cert: read('cert'), key: read('key') });
    new WebSocketServer({ server });
    server.listen(0, '127.0.0.1', async () => {
      const said = [];
      for (const Socket of [WebSocket, RelayedWebSocket]) {
        const socket = new Socket('wss://127.0.0.1:' + server.address().port);
        said.push(
          await new Promise((resolve) => {
            socket.on('open', () => resolve('open'));
            socket.on('error', ({ code }) => resolve(code));
          })
        );
        socket.terminate();
      }
      console.log(JSON.stringify(said));
      process.exit();
    });
  `;
  const dial = (flags, env) =>
    new Promise((resolve, reject) => {
      const options = { cwd: path.join(__dirname, '..'), env: { ...process.env, ...env }, timeout: 200_000 };
      execFile(process.execPath, [...flags, '-e', CHILD], options, (error, stdout) =>
        error ? reject(error) : resolve(JSON.parse(stdout))
      );
    });
  let folder;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-'));
    // OpenSSL looks for a certificate under the hash of its subject: \`openssl x509 -hash\`.
    fs.copyFileSync(fixture, path.join(folder, 'ce275665.0'));
    fs.writeFileSync(path.join(folder, 'other.pem'), 'not looked at');
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  const NONE = { SSL_CERT_FILE: '', SSL_CERT_DIR: '' };
  const OPEN = ['open', 'open'];
  const REFUSED = ['DEPTH_ZERO_SELF_SIGNED_CERT', 'DEPTH_ZERO_SELF_SIGNED_CERT'];
  const several = () => [os.tmpdir(), folder].join(path.delimiter);

  test.each([
    ['SSL_CERT_FILE alone', [], () => ({ SSL_CERT_FILE: fixture }), REFUSED],
    ['the flag and SSL_CERT_FILE', ['--use-openssl-ca'], () => ({ SSL_CERT_FILE: fixture }), OPEN],
    ['the flag with underscores', ['--use_openssl_ca'], () => ({ SSL_CERT_FILE: fixture }), OPEN],
    [
      'the flag in NODE_OPTIONS',
      [],
      () => ({ NODE_OPTIONS: '--no-warnings  --use-openssl-ca', SSL_CERT_FILE: fixture }),
      OPEN
    ],
    ['the flag and SSL_CERT_DIR', ['--use-openssl-ca'], () => ({ SSL_CERT_DIR: folder }), OPEN],
    ['several folders', ['--use-openssl-ca'], () => ({ SSL_CERT_DIR: several() }), OPEN],
    ['a folder that is not there', ['--use-openssl-ca'], () => ({ SSL_CERT_DIR: '/none' }), REFUSED],
    ['NODE_EXTRA_CA_CERTS besides', ['--use-openssl-ca'], () => ({ NODE_EXTRA_CA_CERTS: fixture }), OPEN],
    ['nothing', ['--use-openssl-ca'], () => ({}), REFUSED]
  ])('%s', async (name, flags, env, expected) => {
    expect(await dial(flags, { ...NONE, ...env() })).toEqual(expected);
  });

  test('it stands in the place of the bundled roots', () => {
    process.execArgv.push('--use-openssl-ca');
    process.env.SSL_CERT_FILE = fixture;
    process.env.SSL_CERT_DIR = '';
    process.env.NODE_EXTRA_CA_CERTS = '';
    // Where Node lists them, it has read them when it was started.
    const extra = tls.getCACertificates?.('extra') ?? [];
    try {
      jest.isolateModules(() => {
        const { trustedRoots: roots } = require('../lib/engine/environment');
        expect(roots()).toEqual([fs.readFileSync(fixture, 'latin1').trim(), ...extra]);
        expect(roots()).toBe(roots());
      });
    } finally {
      process.execArgv.pop();
      delete process.env.SSL_CERT_FILE;
      delete process.env.SSL_CERT_DIR;
    }
  });
});

test('NODE_EXTRA_CA_CERTS that cannot be read is a warning, once, and the others are trusted', () => {
  const native = tls.getCACertificates;
  tls.getCACertificates = undefined;
  const file = path.join(os.tmpdir(), 'hyco-nowhere', 'extra.pem');
  process.env.NODE_EXTRA_CA_CERTS = file;
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  try {
    jest.isolateModules(() => {
      const { trustedRoots: roots } = require('../lib/engine/environment');
      expect(roots()).toEqual(tls.rootCertificates);
      expect(roots()).toBe(roots());
    });
    expect(warn.mock.calls).toEqual([[`Ignoring extra certs from \`${file}\`, load failed: ENOENT`]]);
  } finally {
    warn.mockRestore();
    tls.getCACertificates = native;
    delete process.env.NODE_EXTRA_CA_CERTS;
  }
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 is honoured, with one warning', () => {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  expect(rejectUnauthorizedByDefault()).toBe(true);
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  expect(rejectUnauthorizedByDefault()).toBe(false);
  expect(rejectUnauthorizedByDefault()).toBe(false);
  delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  expect(warn).toHaveBeenCalledTimes(1);
  warn.mockRestore();
});
