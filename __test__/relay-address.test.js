'use strict';

const { readRelayUri } = require('../lib/shared/address');
const { redact } = require('../lib/shared/redact');

test.each([
  ['sb://ns.test/hyco', 'wss://ns.test/$hc/hyco?sb-hc-action=connect'],
  ['sb://ns.test:123/$hc/hyco?a=1', 'wss://ns.test:123/$hc/hyco?a=1&sb-hc-action=connect'],
  ['SB://ns.test/h?sb-hc-action=connect', 'wss://ns.test/$hc/h?sb-hc-action=connect'],
  ['wss://ns.test/h', 'wss://ns.test/h']
])('%s is dialled as %s', (address, dialled) => {
  expect(readRelayUri(address, 'connect').uri).toBe(dialled);
});

test('a token is taken out of a URI wherever it stands', () => {
  const split = (uri) => readRelayUri(uri, 'connect');
  expect(split('wss://ns/h?sb-hc-token=a%20b')).toMatchObject({ bare: 'wss://ns/h', token: 'a b' });
  expect(split('wss://ns/h?x=1&sb-hc-token=a&y=2')).toMatchObject({ bare: 'wss://ns/h?x=1&y=2', token: 'a' });
  expect(split('wss://ns/h?x=1')).toMatchObject({ bare: 'wss://ns/h?x=1', token: undefined });
  expect(split('sb://ns/h?sb-hc-token=a').bare).toBe('wss://ns/$hc/h?sb-hc-action=connect');
});

test('a URI for the other end is told', () => {
  const uri = (action) => `wss://ns/$hc/h?x&SB-HC-Action=${action}`;
  expect(readRelayUri(uri('Listen'), 'connect').opposed).toBe(true);
  expect(readRelayUri(uri('listen'), 'listen').opposed).toBe(false);
  expect(readRelayUri(uri('connect'), 'listen').opposed).toBe(true);
});

test('nothing secret is left in what is printed', () => {
  const jwt = 'eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl';
  for (const text of [
    'wss://ns/h?sb-hc-token=SECRET&x=1',
    'refused SharedAccessSignature sr=http&sig=SECRET&se=1 by the relay',
    'wss%3A%2F%2Fns sig=1 http://user:SECRET@proxy:80/',
    `token ${jwt} refused`,
    'Endpoint=sb://ns/;SharedAccessKeyName=a;SharedAccessKey=SECRET=;EntityPath=b'
  ]) {
    expect(redact(text)).not.toMatch(/SECRET|c2lnbmF0dXJl/);
  }
  expect(redact('the key is k+y', ['k+y'])).toBe('the key is ***');
});
