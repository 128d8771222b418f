'use strict';

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** What each module of the crate may use; arrows only point down. */
const MAY_USE = {
  sync: [],
  buffers: [],
  error: [],
  head: ['error'],
  keep_alive: [],
  stats: [],
  uri: ['error'],
  config: ['error'],
  connection_string: ['error', 'protocol', 'uri'],
  sas: ['error', 'uri'],
  protocol: ['error', 'head', 'uri'],
  frame: ['buffers', 'error', 'head'],
  fuzz: [],
  transport: ['error', 'config', 'head', 'protocol'],
  socket: ['buffers', 'error', 'config', 'frame', 'keep_alive', 'transport', 'stats'],
  listener: [
    'error',
    'keep_alive',
    'config',
    'head',
    'uri',
    'sas',
    'connection_string',
    'protocol',
    'transport',
    'socket',
    'frame',
    'stats'
  ],
  dial: ['error', 'config', 'uri', 'sas', 'protocol', 'transport', 'socket', 'frame', 'stats'],
  emulator: ['error', 'uri', 'sas', 'protocol'],
  node: null
};

function filesUnder(folder, extension) {
  return readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) =>
      path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/')
    );
}

/** The modules that a source names behind `crate::`, also in `use crate::{a, b::c};`. */
function modulesUsedIn(source) {
  const code = source.replace(/\/\/.*$/gm, '');
  const used = new Set();
  for (const [, name, group] of code.matchAll(/\bcrate::(?:([a-z_]+)|\{([^;]*)\})/g)) {
    if (name) used.add(name);
    let depth = 0;
    for (const [token] of (group ?? '').matchAll(/[a-z_]+(?=\s*(?:::|,|\}|$))|[{}]|::\s*[A-Za-z_*]+/g)) {
      if (token === '{') depth++;
      else if (token === '}') depth--;
      else if (depth === 0 && !token.startsWith('::')) used.add(token);
    }
  }
  return used;
}

test('the reader of use lines sees through groups', () => {
  const source =
    'use crate::{error, sas::{parse, verify}, uri::base};\n// crate::node\nlet x = crate::frame::y();';
  expect([...modulesUsedIn(source)].sort()).toEqual(['error', 'frame', 'sas', 'uri']);
});

// Tests may use the emulator and whatever else helps.
const sources = filesUnder('src', '.rs').filter(
  (file) => file !== 'src/lib.rs' && !/\/tests?(\.rs|\/)/.test(file)
);

test.each(sources)('%s uses only what lies below it', (file) => {
  const module = /^src\/([a-z_]+)/.exec(file)[1];
  expect(Object.keys(MAY_USE)).toContain(module);
  if (MAY_USE[module] === null) return;
  // Locks are everybody's.
  const allowed = [module, 'sync', ...MAY_USE[module]];
  const used = modulesUsedIn(readFileSync(path.join(root, file), 'utf8'));
  expect([...used].filter((name) => !allowed.includes(name))).toEqual([]);
});

test('only the binding names napi, and only it may hold unsafe code', () => {
  for (const file of sources.filter((name) => !name.startsWith('src/node/'))) {
    const source = readFileSync(path.join(root, file), 'utf8');
    expect(/\bnapi(_derive)?::/.test(source) ? file : '').toBe('');
    expect(/\bunsafe\s*(?:\{|fn|impl)/.test(source) ? file : '').toBe('');
  }
});

test('only lib/shared/native.js loads the addon', () => {
  const loaders = ['index.js', 'index.mjs', ...filesUnder('lib', '.js')].filter((file) => {
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
