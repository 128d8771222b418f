'use strict';

const { inspect } = require('node:util');

const { RelayedServer, parseConnectionString, relayedConnect } = require('..');

const ENDPOINT = 'Endpoint=sb://contoso.servicebus.windows.net/';
const SECRET = 'q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=';

test('takes what the portal hands out apart', () => {
  const text = `${ENDPOINT};SharedAccessKeyName=rule;SharedAccessKey=${SECRET};EntityPath=hyco`;
  const properties = parseConnectionString(text);
  expect(properties).toEqual({
    endpoint: 'sb://contoso.servicebus.windows.net/',
    fullyQualifiedNamespace: 'contoso.servicebus.windows.net',
    entityPath: 'hyco',
    sharedAccessKeyName: 'rule',
    sharedAccessKey: SECRET
  });
  expect(Object.keys(properties)).not.toContain('sharedAccessSignature');
  expect(JSON.parse(JSON.stringify(properties)).sharedAccessKey).toBe(SECRET);
});

test('printing shows no secret', () => {
  const key = parseConnectionString(`${ENDPOINT};SharedAccessKeyName=rule;SharedAccessKey=${SECRET}`);
  const signature = parseConnectionString(`${ENDPOINT};SharedAccessSignature=${SECRET}`);
  for (const shown of [
    inspect(key),
    inspect(signature),
    inspect({ nested: [key, signature] }, { depth: 9 })
  ]) {
    expect(shown).not.toContain(SECRET);
    expect(shown).toContain('***');
  }
});

test.each([
  [
    `${ENDPOINT};SharedAccessSignature=SharedAccessSignature sr=a&sig=b%3D`,
    { sharedAccessSignature: 'SharedAccessSignature sr=a&sig=b%3D' }
  ],
  [`${ENDPOINT};Authentication=Managed Identity`, { authentication: 'Managed Identity' }],
  [`${ENDPOINT};OperationTimeout=00:01:00`, { operationTimeout: 60000 }],
  [
    'endpoint=sb://localhost:5671;USEDEVELOPMENTEMULATOR=true;',
    { useDevelopmentEmulator: true, fullyQualifiedNamespace: 'localhost:5671' }
  ],
  [
    'Endpoint=sb://[::1]:80/;UseDevelopmentEmulator=true',
    { useDevelopmentEmulator: true, fullyQualifiedNamespace: '[::1]:80' }
  ]
])('reads %s', (text, expected) => {
  expect(parseConnectionString(text)).toMatchObject(expected);
});

test.each([
  ['EntityPath=a', 'Endpoint is missing'],
  [`${ENDPOINT};Foo=${SECRET}`, 'part 2 begins with an unknown name'],
  [`${ENDPOINT};${SECRET.replace('=', '')}`, 'part 2 has no equals sign'],
  [`${ENDPOINT};SharedAccessKey=${SECRET}`, 'go together'],
  [`${ENDPOINT};SharedAccessKeyName=a;SharedAccessKey=${SECRET};SharedAccessSignature=b`, 'excludes'],
  [`${ENDPOINT};SharedAccessSignature=${SECRET};Authentication=Managed Identity`, 'excludes'],
  [`${ENDPOINT};UseDevelopmentEmulator=true`, 'on this machine'],
  [`${ENDPOINT};OperationTimeout=soon`, 'OperationTimeout'],
  ['Endpoint=contoso', 'sb://host/']
])('refuses %s', (text, reason) => {
  expect(() => parseConnectionString(text)).toThrow(
    expect.objectContaining({
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: expect.stringMatching(new RegExp(`^The "connectionString" argument .*${reason}`))
    })
  );
  expect(() => parseConnectionString(text)).not.toThrow(SECRET.slice(0, 10));
});

test.each([undefined, null, 42, {}])('refuses %p', (value) => {
  expect(() => parseConnectionString(value)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' })
  );
});

const WHOLE = `${ENDPOINT};SharedAccessKeyName=rule;SharedAccessKey=${SECRET};EntityPath=hyco`;

test.each([
  ['a BOM', `\ufeff${WHOLE}`],
  ['a line break behind it', `${WHOLE}\r\n`],
  [
    'zero-width spaces',
    `\u200b${WHOLE.replace('Key=', 'Key=\u200b').replace('Endpoint', 'End\u2060point')}\u200d`
  ],
  ['marks of direction', `\u200e\u202a${WHOLE}\u202c`],
  ['quotes', `"${WHOLE}"`],
  ['single quotes and blanks', ` '${WHOLE}' `],
  ["a word processor's quotes", `\u201c${WHOLE}\u201d`],
  ['quotes and a BOM', `\ufeff"${WHOLE}"`]
])('what came along when it was copied is left out: %s', async (_, text) => {
  expect(parseConnectionString(text)).toEqual(parseConnectionString(WHOLE));
  const server = RelayedServer.fromConnectionString(text);
  server.on('error', () => {});
  expect(server.options.uri).toContain('wss://contoso.servicebus.windows.net:443/$hc/hyco?');
  await server.close();
  const sender = relayedConnect(text).on('error', () => {});
  expect(sender.url).toContain('wss://contoso.servicebus.windows.net/$hc/hyco?');
  sender.terminate();
});

test.each([
  ['one quote before it', `"${WHOLE}`, 'part 1 begins with an unknown name'],
  ['one quote behind it', `${WHOLE}"`, 'EntityPath has a quotation mark'],
  ['quotes around a value', WHOLE.replace(SECRET, `"${SECRET}"`), 'SharedAccessKey has a quotation mark'],
  ['quotes around the endpoint', WHOLE.replace(/(sb:.*?);/, "'$1';"), 'Endpoint has a quotation mark'],
  ['quotes twice', `''${WHOLE}''`, 'part 1 begins with an unknown name']
])('or named: %s', (_, text, reason) => {
  for (const read of [
    () => parseConnectionString(text),
    () => RelayedServer.fromConnectionString(text),
    () => relayedConnect(text)
  ]) {
    expect(read).toThrow(expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }));
    expect(read).toThrow(reason);
    expect(read).not.toThrow(SECRET.slice(0, 8));
  }
});
