'use strict';

// docs/api.md leaves nothing out: exports, options, members, events, error codes, channels.

const fs = require('node:fs');
const path = require('node:path');

const WebSocket = require('..');
const { optionsOf } = require('../lib/shared/option-table');

const root = path.join(__dirname, '..');
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');
const api = read('docs/api.md');
/** Words in code, and what stands before the first bracket or dot of them. */
const words = new Set(
  [...api.matchAll(/`([^`\n]+)`/g)].flatMap(([, text]) => [
    text,
    ...text.split(/[^\w$.:-]+/),
    ...text.split(/\W+/)
  ])
);

function sources(folder, ending) {
  return fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(ending) && !/tests?\.rs$/.test(name))
    .map((name) => read(path.join(folder, name)))
    .join('\n');
}

test.each(Object.keys(WebSocket))('export %s', (name) => {
  expect(words).toContain(name);
});

const LISTENER = optionsOf('listener');
const EMULATOR = optionsOf('emulator');
const CLIENT = { ...optionsOf('socket'), ...optionsOf('sender') };

/** How a default may be written. */
function spellings(value) {
  if (typeof value === 'string') return [`'${value}'`, value];
  if (typeof value !== 'number') return [String(value)];
  const all = [String(value), value.toLocaleString('en')];
  if (value >= 2 ** 20) all.push(`${value / 2 ** 20} MiB`);
  return all;
}

/** Name: { comment, type } of an interface's fields. */
function fieldsOf(file, name) {
  const [, body] = new RegExp(`interface ${name}\\b[^{]*\\{([\\s\\S]*?)\\n *\\}\\n`).exec(read(file));
  const field = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^ +(\w+)\??: ([\s\S]*?);$/gm;
  return Object.fromEntries(
    [...body.matchAll(field)].map(([, comment = '', field, type]) => [field, { comment, type }])
  );
}

/** The row of a table in the documentation that has `name` in its first column. */
const rowOf = (text, name) =>
  text.split('\n').find((line) => line.startsWith('|') && line.split('|')[1].includes(`\`${name}\``));

describe.each([
  ['RelayedServerOptions', 'index.d.ts', LISTENER],
  ['RelayEmulatorOptions', 'emulator.d.ts', EMULATOR]
])('the types %s', (name, file, table) => {
  const fields = fieldsOf(file, name);
  test('have the options of the table, and no others', () => {
    expect(Object.keys(fields).sort()).toEqual(Object.keys(table).sort());
  });
  test.each(
    Object.keys(table).filter((option) => ['number', 'string', 'boolean'].includes(typeof table[option][0]))
  )('have the type and the default of %s', (option) => {
    const [value] = table[option];
    const { comment, type } = fields[option];
    expect(type).toMatch(typeof value === 'string' ? /string|'/ : typeof value);
    const said = spellings(value).some((text) => new RegExp(`@default ${text}(?![\\d,]*\\d)`).test(comment));
    expect([comment.trim(), said]).toEqual([comment.trim(), true]);
  });
});

test.each([
  ['KeepAliveOptions', 'index.d.ts', LISTENER.keepAlive],
  ['ReconnectOptions', 'index.d.ts', LISTENER.reconnect],
  ['TlsOptions', 'index.d.ts', LISTENER.tls],
  ['HybridConnectionOptions', 'emulator.d.ts', EMULATOR.hybridConnections],
  ['SharedAccessPolicyOptions', 'emulator.d.ts', EMULATOR.sharedAccessPolicies]
])('the types %s have the options of their group', (name, file, [, { table }]) => {
  expect(Object.keys(fieldsOf(file, name)).sort()).toEqual(Object.keys(table).sort());
});

test('the types of senders have what ws has not', () => {
  const fields = Object.keys(fieldsOf('index.d.ts', 'RelayedClientOptions'));
  expect(fields.filter((name) => CLIENT[name] === undefined)).toEqual([]);
  const own = [
    'proxy',
    'keepAlive',
    'highWaterMark',
    'maxBufferedAmount',
    'textMessages',
    'protocols',
    'signal'
  ];
  for (const name of [...own, ...Object.keys(optionsOf('sender'))]) {
    // ws has a `key`, too.
    if (name !== 'key') expect(fields).toContain(name);
  }
});

test.each(Object.keys(LISTENER))(
  'docs/api.md has the option %s of RelayedServer, and its default',
  (name) => {
    const row = rowOf(api.slice(api.indexOf('### Options'), api.indexOf('### Events')), name);
    expect(row).toEqual(expect.any(String));
    const [value, { table }] = LISTENER[name];
    if (['number', 'string', 'boolean'].includes(typeof value)) {
      expect(spellings(value).some((text) => row.split('|')[2].includes(text))).toBe(true);
    }
    if (!['keepAlive', 'reconnect'].includes(name)) return;
    const parts = api.slice(api.indexOf('#### Keeping alive'), api.indexOf('#### Limits of memory'));
    for (const [inner, [own]] of Object.entries(table)) {
      const part = parts.split('\n').find((line) => line.startsWith(`| \`${name}.${inner}`));
      expect(part).toContain(own === undefined ? '| – |' : '|');
      if (own !== undefined) {
        expect(spellings(own).some((text) => part.split('|')[2].includes(text))).toBe(true);
      }
    }
  }
);

test.each(
  Object.keys(optionsOf('sender')).concat(
    'proxy',
    'keepAlive',
    'highWaterMark',
    'maxBufferedAmount',
    'textMessages',
    'closeTimeout'
  )
)('docs/api.md has the option %s of a sender, and its default', (name) => {
  const row = rowOf(api.slice(api.indexOf('## Senders'), api.indexOf('## Sockets')), name);
  expect(row).toEqual(expect.any(String));
  const [value] = CLIENT[name];
  if (typeof value === 'number' && name !== 'tokenLifetime') {
    expect(spellings(value).some((text) => row.split('|')[2].includes(text))).toBe(true);
  }
});

test.each(Object.keys(EMULATOR))(
  'docs/emulator.md has the option %s of the emulator, and its default',
  (name) => {
    const row = rowOf(read('docs/emulator.md'), name);
    expect(row).toEqual(expect.any(String));
    const [value] = EMULATOR[name];
    if (['number', 'string', 'boolean'].includes(typeof value)) {
      expect(spellings(value).some((text) => row.split('|')[2].includes(text))).toBe(true);
    }
  }
);

test('docs/websocket.md says which engine reads which option', () => {
  const text = read('docs/websocket.md');
  const follows = text.slice(text.indexOf('## Options that the native engine follows')).split('\n\n')[1];
  const named = [...follows.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  const expected = Object.keys(optionsOf('socket')).filter((name) => name !== 'protocols');
  expect(named.sort()).toEqual(expected.sort());
  const rows = text.slice(
    text.indexOf('## What makes'),
    text.indexOf('## Options that the native engine follows')
  );
  for (const name of Object.keys(optionsOf('node'))) expect(rowOf(rows, name)).toEqual(expect.any(String));
});

test('what the types say of TLS and of closing is in docs/api.md', () => {
  for (const name of ['RelayedCloseOptions', 'TlsOptions']) {
    for (const field of Object.keys(fieldsOf('index.d.ts', name))) expect(words).toContain(field);
  }
});

test('every error code of the types', () => {
  const types = read('index.d.ts');
  const [union] = /type RelayErrorCode =[^;]*/.exec(types);
  const codes = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
  expect(codes.filter((code) => !words.has(code))).toEqual([]);
  // What the engine can report, the types have.
  const reported = new Set(
    read('src/error.rs')
      .match(/"ERR_HYCO_[A-Z_]+"/g)
      .map((text) => text.slice(1, -1))
  );
  expect([...reported].filter((code) => !codes.includes(code))).toEqual([]);
});

test('every error code of the sources', () => {
  const text = sources('src', '.rs') + sources('lib', '.js');
  const codes = new Set(text.match(/\bERR_(HYCO|INVALID_ARG)_[A-Z_]*[A-Z]\b/g));
  expect([...codes].filter((code) => !words.has(code))).toEqual([]);
});

test('every member and event of a server', () => {
  const members = Object.getOwnPropertyNames(WebSocket.RelayedServer.prototype).filter(
    (name) => name !== 'constructor'
  );
  for (const name of [...members, 'clients', 'options', 'path', 'fromConnectionString']) {
    expect(words).toContain(name);
  }
  const types = read('index.d.ts');
  const events = types.slice(types.indexOf('interface RelayedServerEvents'));
  for (const [, name] of events.slice(0, events.indexOf('\n  }')).matchAll(/^ {4}(\w+): \[/gm)) {
    expect(words).toContain(name);
  }
});

test.each(['RelayedServerStats', 'LatencyHistogram', 'RelayedSocketStats'])('every field of %s', (name) => {
  const types = read('index.d.ts');
  const [, body] = new RegExp(`interface ${name} \\{([^}]*)\\}`).exec(types);
  const fields = [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field]) => field);
  expect(fields.length).toBeGreaterThan(3);
  for (const field of fields) expect(words).toContain(field);
});

test('every diagnostics channel', () => {
  const list = /const NAMES = \[([^\]]*)\]/.exec(read('lib/shared/diagnostics.js'))[1];
  for (const [, name] of list.matchAll(/'([^']+)'/g)) expect(words).toContain(`hyco-ws-rs:${name}`);
});

test('every variable of the environment that the sources read', () => {
  const names = sources('lib', '.js').matchAll(/(?:process\.env\.|variable\(')([A-Z][A-Z_]+)/g);
  // A CGI program's, and nothing to set.
  for (const [, name] of names) if (name !== 'REQUEST_METHOD') expect(words).toContain(name);
});
