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

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
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
