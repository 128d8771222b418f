'use strict';

const fc = require('fast-check');
const hycoWs = require('hyco-ws');

const { createRelayBaseUri, createRelayHttpsUri, createRelayListenUri, createRelaySendUri } = require('..');

const NS = 'contoso.servicebus.windows.net';

/** createRelayHttpsUri of hyco-https 1.4.5, by its rules. */
function httpsUri(ns, path, token, id) {
  let uri = `https://${ns}/${path}`;
  const add = (name, value) => {
    if (value === undefined || value === null) return;
    uri += `${uri.includes('?') ? '&' : '?'}${name}=${encodeURIComponent(value)}`;
  };
  add('sb-hc-token', token);
  add('sb-hc-id', id);
  return uri;
}

/** What hyco-ws knows: a name. Of a host with a port, or with a scheme, it makes an address that nothing can read. */
function isName(text) {
  if (/^wss?:\/\//i.test(text)) return false;
  const [, host = ':', port] = /^([^\s\x85/\\?#@]+):(\d+)\/?$/.exec(text.replaceAll('\ufeff', 'x')) ?? [];
  return host.replace(/^.*\]/s, '').includes(':') || !(Number(port) > 0 && Number(port) < 65_536);
}
const name = fc
  .tuple(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.constantFrom('', '', ':', ':0', ':65536', ':80', ':80/', ':80//', ':80:', 'ws://', '://h', ':８０')
  )
  .map((parts) => parts.join(''))
  .filter((text) => text !== '' && isName(text));
const path = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('a?b=1', 'a/b/c', '?', 'a#b')
);
const optional = fc.option(fc.string({ unit: 'binary', maxLength: 40 }), { nil: undefined });

test('the documented forms', () => {
  expect(createRelayBaseUri(NS, 'hyco')).toBe(`wss://${NS}:443/$hc/hyco`);
  expect(createRelayListenUri(NS, 'hyco')).toBe(`wss://${NS}:443/$hc/hyco?sb-hc-action=listen`);
  expect(createRelaySendUri(NS, 'hyco?a=1', 't=', 'id')).toBe(
    `wss://${NS}:443/$hc/hyco?a=1&sb-hc-action=connect&sb-hc-token=t%3D&sb-hc-id=id`
  );
  expect(createRelayHttpsUri(NS, 'hyco', 't=', 'id')).toBe(`https://${NS}/hyco?sb-hc-token=t%3D&sb-hc-id=id`);
  expect(createRelayHttpsUri(NS, 'hyco', null, 'id')).toBe(`https://${NS}/hyco?sb-hc-id=id`);
});

test.each([
  ['createRelayBaseUri', createRelayBaseUri],
  ['createRelayListenUri', createRelayListenUri],
  ['createRelaySendUri', createRelaySendUri]
])('%s agrees with hyco-ws for any arguments', (helper, create) => {
  fc.assert(
    fc.property(name, path, optional, optional, (...args) => {
      expect(create(...args)).toBe(hycoWs[helper](...args));
    }),
    { numRuns: 500 }
  );
});

test('createRelayHttpsUri agrees with the rules of hyco-https for any arguments', () => {
  fc.assert(
    fc.property(name, path, optional, optional, (...args) => {
      expect(createRelayHttpsUri(...args)).toBe(httpsUri(...args));
    }),
    { numRuns: 500 }
  );
});

describe('a namespace with a port or a scheme', () => {
  test.each([
    ['127.0.0.1:18090', 'wss://127.0.0.1:18090', 'https://127.0.0.1:18090'],
    ['contoso.test:443/', 'wss://contoso.test:443', 'https://contoso.test:443'],
    ['[::1]:8090', 'wss://[::1]:8090', 'https://[::1]:8090'],
    ['ws://127.0.0.1:18090', 'ws://127.0.0.1:18090', 'http://127.0.0.1:18090'],
    ['WS://localhost/', 'ws://localhost:80', 'http://localhost'],
    ['ws://[::1]:8090', 'ws://[::1]:8090', 'http://[::1]:8090'],
    [`wss://${NS}`, `wss://${NS}:443`, `https://${NS}`],
    ['WSS://contoso.test:444', 'wss://contoso.test:444', 'https://contoso.test:444']
  ])('%s keeps them', (ns, webSocket, http) => {
    expect(createRelayBaseUri(ns, 'hyco')).toBe(`${webSocket}/$hc/hyco`);
    expect(createRelayListenUri(ns, 'hyco', null, 'i')).toBe(
      `${webSocket}/$hc/hyco?sb-hc-action=listen&sb-hc-id=i`
    );
    expect(createRelaySendUri(ns, 'hyco?a=1', 't')).toBe(
      `${webSocket}/$hc/hyco?a=1&sb-hc-action=connect&sb-hc-token=t`
    );
    expect(createRelayHttpsUri(ns, 'hyco')).toBe(`${http}/hyco`);
    // Whatever stands there is an address, as hyco-ws's is where there is neither.
    expect(() => new URL(createRelayListenUri(ns, 'hyco'))).not.toThrow();
  });

  test.each(['[::1]', '::1', 'contoso:', ':80', 'contoso:0', 'contoso:65536', 'a/b:80', 'u@contoso:80'])(
    '%j has neither, and stays as with hyco-ws',
    (ns) => expect(createRelayListenUri(ns, 'hyco')).toBe(hycoWs.createRelayListenUri(ns, 'hyco'))
  );

  test.each([
    [`ws://${NS}`, /this machine/],
    ['ws://10.0.0.1:8090', /this machine/],
    ['ws://', /host:port/],
    ['ws://127.0.0.1:0', /host:port/],
    ['wss://contoso.test/hyco', /host:port/],
    ['wss://u:secret@contoso.test', /^(?!.*secret).*host:port/]
  ])('%s is refused', (ns, message) => {
    for (const create of [
      createRelayBaseUri,
      createRelayListenUri,
      createRelaySendUri,
      createRelayHttpsUri
    ]) {
      expect(() => create(ns, 'hyco')).toThrow(
        expect.objectContaining({
          name: 'TypeError',
          code: 'ERR_INVALID_ARG_VALUE',
          message: expect.stringMatching(message)
        })
      );
    }
  });
});

test('null and undefined leave a part out, an empty string does not', () => {
  for (const create of [createRelayListenUri, createRelaySendUri, createRelayHttpsUri]) {
    expect(create(NS, 'p', null, null)).toBe(create(NS, 'p'));
    expect(create(NS, 'p', '')).toMatch(/[?&]sb-hc-token=$/);
    expect(create(NS, 'p', undefined, '')).toMatch(/[?&]sb-hc-id=$/);
  }
});

describe.each([
  ['createRelayBaseUri', createRelayBaseUri],
  ['createRelayListenUri', createRelayListenUri],
  ['createRelaySendUri', createRelaySendUri],
  ['createRelayHttpsUri', createRelayHttpsUri]
])('%s', (helper, create) => {
  test.each([
    ['namespaceName', [], 'TYPE'],
    ['namespaceName', [42, 'p'], 'TYPE'],
    ['namespaceName', ['', 'p'], 'VALUE'],
    ['path', [NS], 'TYPE'],
    ['path', [NS, null], 'TYPE'],
    ['path', [NS, '\ud800'], 'VALUE'],
    ['token', [NS, 'p', 42], 'TYPE'],
    ['token', [NS, 'p', () => 'secret'], 'TYPE'],
    ['id', [NS, 'p', 'secret', {}], 'TYPE']
  ])('refuses a wrong %s: %#', (argument, args, kind) => {
    if (helper === 'createRelayBaseUri' && args.length > 2) return;
    expect(() => create(...args)).toThrow(
      expect.objectContaining({
        name: 'TypeError',
        code: `ERR_INVALID_ARG_${kind}`,
        message: expect.stringMatching(new RegExp(`^The "${argument}" argument (?!.*secret)`))
      })
    );
  });
});
