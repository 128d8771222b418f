'use strict';

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const { circlesOf, readScripts } = require('./helpers/circles');
const { readCrate } = require('./helpers/rust-modules');

const root = path.join(__dirname, '..');

/** What each module of the crate uses, all of it. Each stands below what it uses, so that arrows only point up here. */
const CRATE = {
  error: [],
  keep_alive: [],
  sync: [],
  buffers: ['sync'],
  http: ['error'],
  uri: ['error'],
  uuid: [],
  protocol: ['error', 'http', 'uri'],
  connection_string: ['error', 'uri'],
  sas: ['error', 'sync', 'uri'],
  frame: ['buffers', 'http'],
  transport: ['error', 'http', 'sync', 'uri'],
  socket: ['buffers', 'error', 'frame', 'http', 'keep_alive', 'sync', 'transport'],
  listener: [
    'buffers',
    'error',
    'frame',
    'http',
    'keep_alive',
    'protocol',
    'sas',
    'sync',
    'transport',
    'uuid'
  ],
  forward: ['error', 'frame', 'keep_alive', 'listener', 'socket', 'sync', 'transport'],
  emulator: ['error', 'frame', 'http', 'protocol', 'sas', 'sync', 'uri', 'uuid'],
  node: [
    'buffers',
    'connection_string',
    'emulator',
    'error',
    'forward',
    'frame',
    'http',
    'keep_alive',
    'listener',
    'protocol',
    'sas',
    'socket',
    'sync',
    'transport',
    'uri'
  ]
};

/** The same for the folders of lib/, and for the files beside it that a program requires. */
const SCRIPTS = {
  shared: [],
  ws: [],
  engine: ['shared'],
  socket: ['engine', 'shared'],
  http: ['engine', 'shared', 'ws'],
  inspector: ['shared'],
  listener: ['engine', 'http', 'inspector', 'shared', 'socket'],
  forward: ['engine', 'listener', 'shared', 'socket'],
  https: ['listener', 'shared'],
  'https.js': ['https', 'shared'],
  emulator: ['inspector', 'shared'],
  'emulator.js': ['emulator'],
  cli: ['emulator', 'engine', 'forward', 'listener', 'shared', 'socket', 'ws'],
  'index.js': ['forward', 'listener', 'shared', 'socket', 'ws']
};

/** Type names that stand twice in the crate, each with its reason. */
const SAME_NAME = {};

function filesUnder(folder, extension) {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) =>
      path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/')
    );
}

function sourcesOf(files) {
  return Object.fromEntries(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));
}

const rust = sourcesOf(filesUnder('src', '.rs'));
const crate = readCrate(rust);
const scripts = readScripts(sourcesOf(['index.js', 'emulator.js', 'https.js', ...filesUnder('lib', '.js')]));

/** The arrows of files as arrows of the modules or folders that they are in. */
function partsOf(arrows, nameOf) {
  const parts = new Map();
  for (const [file, used] of arrows) {
    const part = nameOf(file);
    if (!parts.has(part)) parts.set(part, new Set());
    for (const name of [...used].map(nameOf)) if (name !== part) parts.get(part).add(name);
  }
  return Object.fromEntries([...parts].map(([part, used]) => [part, [...used].sort()]));
}

const moduleOf = (file) => /^src\/(\w+)/.exec(file)[1];
const folderOf = (file) => /^lib\/(\w+)/.exec(file)?.[1] ?? file;

describe.each([
  ['the modules of the crate', CRATE, () => partsOf(withoutRoot(crate.arrows), moduleOf)],
  ['the folders of lib/', SCRIPTS, () => partsOf(scripts, folderOf)]
])('%s', (_name, expected, read) => {
  test('use what the table says, and all that it says', () => {
    expect(read()).toEqual(expected);
  });

  test('use only what stands above them', () => {
    const above = new Set();
    for (const [part, used] of Object.entries(expected)) {
      expect(used.filter((name) => !above.has(name))).toEqual([]);
      above.add(part);
    }
  });
});

test('CONTRIBUTING.md says the same of the crate', () => {
  const text = readFileSync(path.join(root, 'CONTRIBUTING.md'), 'utf8');
  const wordsOf = (cell) => [...cell.matchAll(/`(?:src\/)?(\w+)(?:\.rs|\/)?`/g)].map(([, word]) => word);
  const told = {};
  for (const [, place, , uses] of text.matchAll(/^\| (`src\/[^|]*)\|([^|]*)\|([^|]*)\|$/gm)) {
    for (const name of wordsOf(place)) told[name] = wordsOf(uses);
  }
  // Everybody may use `sync`, and `node` may use everything; `mutations` is for tests.
  const { node: _node, ...expected } = Object.fromEntries(
    Object.entries(CRATE).map(([name, used]) => [name, used.filter((other) => other !== 'sync')])
  );
  expect(told).toEqual({ ...expected, mutations: [], node: [] });
});

/** lib.rs only declares. */
function withoutRoot(arrows) {
  return new Map([...arrows].filter(([file]) => file !== 'src/lib.rs'));
}

test('the reader of the crate finds each file that is not for tests alone', () => {
  const forTests = /\/tests?(\.rs|\/)|^src\/(mutations|socket\/models|transport\/tls\/testdata)\.rs$/;
  const unread = Object.keys(rust).filter((file) => !crate.files.includes(file) && !forTests.test(file));
  expect(unread).toEqual([]);
});

test('no files go in a circle', () => {
  expect([...circlesOf(crate.arrows), ...circlesOf(scripts)]).toEqual([]);
});

test('no type name stands twice in the crate', () => {
  const places = new Map();
  for (const { name, file } of crate.types) places.set(name, [...(places.get(name) ?? []), file]);
  const twice = [...places].filter(([, files]) => files.length > 1);
  expect(twice.filter(([name]) => !(name in SAME_NAME))).toEqual([]);
  expect(Object.keys(SAME_NAME).filter((name) => !twice.some(([found]) => found === name))).toEqual([]);
});

test('only the binding names napi, and only it may hold unsafe code', () => {
  expect(rust['src/lib.rs']).toMatch(/^#!\[deny\(unsafe_code\)\]$/m);
  for (const [file, source] of Object.entries(rust).filter(([name]) => !name.startsWith('src/node/'))) {
    expect(/\bnapi(_derive)?::/.test(source) ? file : '').toBe('');
    expect(/\bunsafe\s*(?:\{|fn|impl)|allow\(unsafe_code\)/.test(source) ? file : '').toBe('');
  }
});

test('only lib/shared/native.js loads the addon', () => {
  const loaders = ['index.js', 'index.mjs', 'https.js', ...filesUnder('lib', '.js')].filter((file) => {
    const source = readFileSync(path.join(root, file), 'utf8');
    const names = [...source.matchAll(/(?:require\(|from |import\()\s*['"]([^'"]+)['"]/g)].map(
      ([, name]) => name
    );
    // lib/shared/native.js goes by the same name in its own folder; what counts is the generated file at the root.
    return names.some((name) => {
      const target = path.posix.join(path.posix.dirname(file), name);
      return target === 'native' || target === 'native.js' || target.endsWith('.node');
    });
  });
  expect(loaders).toEqual(['lib/shared/native.js']);
});

test('the fuzz targets are built with the dependencies of the core', () => {
  const dependencies = (file) => {
    const text = readFileSync(path.join(root, file), 'utf8');
    return /\[dependencies\]\n([^[]*)/
      .exec(text.replaceAll('features = [', 'features = ('))[1]
      .split('\n')
      .filter((line) => /^[a-z]/.test(line) && !/^(napi|libfuzzer)|optional = true/.test(line));
  };
  const core = dependencies('Cargo.toml');
  expect(core.length).toBeGreaterThan(10);
  expect(dependencies('fuzz/Cargo.toml')).toEqual(core);
});
