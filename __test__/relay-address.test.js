'use strict';

const { logicalTarget, splitToken, translate } = require('../lib/shared/relay-address');
const { redact } = require('../lib/shared/redact');

test.each([
  ['wss://g1.test:443/$hc/hyco?sb-hc-action=accept&sb-hc-id=1', '/hyco'],
  ['wss://g1.test/$hc/hyco/sub/path?a=1&sb-hc-action=accept&b=%20x&sb-hc-id=1', '/hyco/sub/path?a=1&b=%20x'],
  ['wss://g1.test/%24hc/hyco?SB-HC-Id=1&sb%2Dhc-x=2', '/hyco'],
  ['wss://g1.test/$hc/hyco?sb-hc-flag&sb-hc-id=1', '/hyco?sb-hc-flag'],
  ['wss://g1.test/$hcx/hyco?%zz=1', '/$hcx/hyco?%zz=1'],
  ['wss://g1.test/$hc', '/'],
  ['wss://g1.test?x=1', '/?x=1']
])('the program sees %s as %s', (address, target) => {
  expect(logicalTarget(address)).toBe(target);
});

test.each([
  ['sb://ns.test/hyco', 'wss://ns.test/$hc/hyco?sb-hc-action=connect'],
  ['sb://ns.test:123/$hc/hyco?a=1', 'wss://ns.test:123/$hc/hyco?a=1&sb-hc-action=connect'],
  ['SB://ns.test/h?sb-hc-action=connect', 'wss://ns.test/$hc/h?sb-hc-action=connect'],
  ['wss://ns.test/h', 'wss://ns.test/h']
])('%s is dialled as %s', (address, dialled) => {
  expect(translate(address, 'connect')).toBe(dialled);
});

test('a token is taken out of a URI wherever it stands', () => {
  expect(splitToken('wss://ns/h?sb-hc-token=a%20b')).toEqual({ uri: 'wss://ns/h', token: 'a b' });
  expect(splitToken('wss://ns/h?x=1&sb-hc-token=a&y=2')).toEqual({ uri: 'wss://ns/h?x=1&y=2', token: 'a' });
  expect(splitToken('wss://ns/h?x=1')).toEqual({ uri: 'wss://ns/h?x=1', token: undefined });
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
