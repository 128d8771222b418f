'use strict';

const { inspect } = require('node:util');

const { readSenderOptions, readServerOptions } = require('../lib/shared/options');

const SERVER = 'wss://ns.test:443/$hc/hyco?sb-hc-action=listen';
const read = (options) => readServerOptions({ server: SERVER, token: 'secret-token', ...options }).settings;
const codeOf = (options) => {
  try {
    read(options);
    return undefined;
  } catch (error) {
    expect(error.constructor.name).toBe('TypeError');
    return error.code;
  }
};

test('server and a credential are required, in the words of hyco-ws', () => {
  for (const options of [undefined, null, {}, { token: 'x' }, { server: null, token: 'x' }]) {
    expect(() => readServerOptions(options)).toThrow("'server' must be provided");
  }
  for (const options of [{}, { token: null }, { token: '' }, { key: null }]) {
    expect(() => readServerOptions({ server: SERVER, ...options })).toThrow(
      "A 'token' string or function must be provided, or 'keyName' and 'key', or a 'credential'"
    );
  }
  expect(() => readServerOptions({ server: SERVER, keyName: 'rule' })).toThrow("'key' must be provided");
  expect(() => readServerOptions({ server: SERVER, key: 'k' })).toThrow("'keyName' must be provided");
  expect(() => readServerOptions('x')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
});

test('defaults are those of the documentation', () => {
  expect(read({})).toMatchObject({
    clientTracking: true,
    maxPayload: 104857600,
    perMessageDeflate: false,
    textMessages: 'buffer',
    keepAlive: { interval: 30000, timeout: 60000, mode: 'ping' },
    reconnect: {
      minDelay: 1000,
      maxDelay: 30000,
      stableAfter: 30000,
      retryTerminal: false,
      recycleAfter: 82800000
    },
    handshakeTimeout: 60000,
    acceptTimeout: 20000,
    closeTimeout: 30000,
    controlChannels: 1,
    maxConnections: 0,
    maxPendingAccepts: 256,
    highWaterMark: 1048576,
    maxBufferedAmount: 268435456,
    maxAssembling: 268435456,
    tokenLifetime: 3600
  });
  expect(read({}).id).toMatch(/^[\da-f]{8}-/);
  expect(read({ handshakeTimeout: null }).handshakeTimeout).toBe(60000);
});

test('a wrong option is named in a TypeError with a code', () => {
  expect(codeOf({ server: 5 })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ server: 'not a uri' })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ server: 'ftp://ns.test/x' })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ token: 5 })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ credential: {} })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ keyName: '', key: 'x' })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ keyName: 'rule', key: ['a', 7] })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ verifyClient: 'x' })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ controlChannels: 26 })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ controlChannels: 1.5 })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ acceptTimeout: -1 })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ textMessages: 'text' })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ keepAlive: { mode: 'x' } })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ keepAlive: 5 })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ reconnect: { minDelay: 5, maxDelay: 2 } })).toBe('ERR_INVALID_ARG_VALUE');
  expect(codeOf({ signal: {} })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ proxy: 1 })).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeOf({ tokenLifetime: 0 })).toBe('ERR_INVALID_ARG_VALUE');
  expect(() => read({ reconnect: { stableAfter: 'x' } })).toThrow('options.reconnect.stableAfter');
});

test('false and 0 switch things off', () => {
  expect(read({ keepAlive: false }).keepAlive).toBeNull();
  expect(read({ reconnect: false }).reconnect).toBeNull();
  expect(read({ acceptTimeout: false, maxConnections: false })).toMatchObject({
    acceptTimeout: 0,
    maxConnections: 0
  });
  expect(read({ reconnect: { minDelay: 60000 } }).reconnect.maxDelay).toBe(60000);
});

test('a token in the URI is a credential and leaves the URI', () => {
  const uri = `${SERVER}&sb-hc-token=${encodeURIComponent('SharedAccessSignature sr=a&sig=b')}&sb-hc-id=7`;
  const { settings } = readServerOptions({ server: uri });
  expect(settings.token).toBe('SharedAccessSignature sr=a&sig=b');
  expect(settings.uri).toBe(`${SERVER}&sb-hc-id=7`);
  expect(settings.server).toBe(uri);
  expect(readServerOptions({ server: uri, token: 'mine' }).settings.token).toBe('mine');
});

test('sb: and https: URIs stand for the WebSocket URI', () => {
  expect(read({ server: 'sb://ns.test/a/b' }).uri).toBe('wss://ns.test/$hc/a/b?sb-hc-action=listen');
  expect(read({ server: 'http://127.0.0.1:80/$hc/a' }).uri).toBe('ws://127.0.0.1:80/$hc/a');
  expect(read({ server: new URL(SERVER) }).uri).toContain('/$hc/hyco');
});

test('unknown options are collected, those of ws and hyco-ws that mean nothing here are not', () => {
  const given = { server: SERVER, token: 'x', colour: 1, backlog: null, reconnect: { colour: 2 } };
  expect(readServerOptions(given).unknown).toEqual(['colour', 'reconnect.colour']);
});

test('printing the settings shows no credential', () => {
  const settings = read({
    keyName: 'rule',
    key: 'secret-key',
    proxy: 'http://u:secret-pw@p',
    tls: { key: 'secret-pem' }
  });
  expect(inspect(settings, { depth: 9 }) + JSON.stringify(settings)).not.toMatch(/secret/);
  expect(Object.isFrozen(settings)).toBe(true);
});

test('a sender may have no credential at all', () => {
  expect(readSenderOptions({}).credentials).toBeUndefined();
  expect(readSenderOptions({ token: 'x' }).credentials).toMatchObject({ token: 'x' });
  expect(() => readSenderOptions({ token: 4 })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' })
  );
});

test("a listener's tls takes what it supports, in Node's forms", () => {
  const tls = {
    ca: ['a', Buffer.from('b')],
    cert: Buffer.from('c'),
    key: [{ pem: 'k', passphrase: 'p' }],
    passphrase: 'p',
    rejectUnauthorized: false,
    servername: 'ns.test',
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3'
  };
  expect(read({ tls }).tls).toEqual(tls);
  expect(read({ tls: { ca: null, crl: undefined } }).tls.ca).toBeUndefined();
  expect(read({}).tls).toBeUndefined();
});

test.each([
  ['checkServerIdentity', () => undefined, 'a listener does not support it'],
  ['crl', 'x', 'a listener does not support it'],
  ['ciphers', 'x', 'a listener does not support it'],
  ['ALPNProtocols', ['x'], 'a listener does not support it'],
  ['rejectUnauthorised', false, '"rejectUnauthorized"'],
  ['serverName', 'x', '"servername"'],
  ['pfx', Buffer.from('x'), '"cert" and "key"']
])("a listener's tls.%s is refused", (name, value, text) => {
  const wrong = () => read({ tls: { [name]: value } });
  expect(wrong).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }));
  expect(wrong).toThrow(`options.tls.${name}`);
  expect(wrong).toThrow(text);
});

test.each([
  ['ca', 5],
  ['ca', ['x', {}]],
  ['cert', {}],
  ['key', { pem: 5 }],
  ['passphrase', Buffer.from('x')],
  ['rejectUnauthorized', 0],
  ['servername', 5]
])('tls.%s of another type is named: %#', (name, value) => {
  const wrong = () => read({ tls: { [name]: value } });
  expect(wrong).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }));
  expect(wrong).toThrow(`options.tls.${name}`);
});

test('a TLS version that is not spoken is refused', () => {
  for (const tls of [{ minVersion: 'SSLv3' }, { maxVersion: 'TLSv1.1' }, { maxVersion: 1.3 }]) {
    expect(codeOf({ tls })).toBe('ERR_INVALID_ARG_VALUE');
  }
  expect(codeOf({ tls: 'x' })).toBe('ERR_INVALID_ARG_TYPE');
});
