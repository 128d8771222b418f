'use strict';

// docs/api.md leaves nothing out: exports, options, members, events, error codes, channels.

const fs = require('node:fs');
const path = require('node:path');

const WebSocket = require('..');
const { readServerOptions } = require('../lib/options');

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

test('every option of RelayedServer, with its default where that is a number', () => {
  const { settings } = readServerOptions({ server: 'wss://h/$hc/p', token: 't' });
  const table = api.slice(api.indexOf('### Options'), api.indexOf('### Events'));
  for (const name of Object.getOwnPropertyNames(settings)) {
    if (name === 'uri') continue;
    const row = table
      .split('\n')
      .find((line) => line.startsWith('|') && line.split('|')[1].includes(`\`${name}\``));
    expect([name, row]).toEqual([name, expect.any(String)]);
    const value = settings[name];
    if (typeof value === 'number') {
      expect([name, row.split('|')[2]]).toEqual([name, expect.stringContaining(String(value))]);
    }
    if (['keepAlive', 'reconnect'].includes(name)) {
      for (const [inner, own] of Object.entries(value)) {
        expect(row).toContain(`${name}.${inner}`);
        if (typeof own === 'number') expect(row).toContain(`\`${name}.${inner}\` ${own}`);
      }
    }
  }
});

test('the options of index.d.ts are those that are read, and docs/api.md has them', () => {
  const types = read('index.d.ts');
  const fieldsOf = (name) => {
    const [, body] = new RegExp(`interface ${name}[^{]*\\{([\\s\\S]*?)\\n  \\}`).exec(types);
    return [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field]) => field);
  };
  const { settings } = readServerOptions({ server: 'wss://h/$hc/p', token: 't' });
  const known = Object.getOwnPropertyNames(settings).filter((name) => name !== 'uri');
  expect(known.filter((name) => !fieldsOf('RelayedServerOptions').includes(name))).toEqual([]);
  for (const name of ['RelayedServerOptions', 'RelayedClientOptions', 'RelayedCloseOptions']) {
    for (const field of fieldsOf(name)) expect(words).toContain(field);
  }
  for (const name of ['KeepAliveOptions', 'ReconnectOptions', 'TlsOptions']) {
    for (const field of fieldsOf(name)) expect(words).toContain(field);
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
  const text = sources('src', '.rs') + sources('lib', '.js') + read('emulator.js');
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
  const list = /const NAMES = \[([^\]]*)\]/.exec(read('lib/diagnostics.js'))[1];
  for (const [, name] of list.matchAll(/'([^']+)'/g)) expect(words).toContain(`hyco-ws-rs:${name}`);
});

test('every variable of the environment that the sources read', () => {
  const names = sources('lib', '.js').matchAll(/(?:process\.env\.|variable\(')([A-Z][A-Z_]+)/g);
  // A CGI program's, and nothing to set.
  for (const [, name] of names) if (name !== 'REQUEST_METHOD') expect(words).toContain(name);
});
