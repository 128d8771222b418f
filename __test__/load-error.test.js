'use strict';

// An addon that does not load: each case with its own remedy.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { loadError } = require('../lib/shared/load-error');

const root = path.join(__dirname, '..');
const script = `try { require('./emulator.js'); console.log('loaded'); } catch (error) { console.log(error.code, error.message); }`;

function run(args, { cwd = root, env } = {}) {
  const { stdout } = spawnSync(process.execPath, [...args, '-e', script], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 100_000
  });
  return stdout;
}

/** What the loader throws: a chain that ends where it began to look. */
const thrown = (...texts) =>
  texts.reduce((cause, text) => new Error(text, { cause }), new Error('Cannot find native binding'));
const nothing = thrown("Cannot find module './hyco-ws-rs.node'", "Cannot find module 'hyco-ws-rs-x'");

describe('in a clone without its addon', () => {
  let clone;
  beforeAll(() => {
    clone = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-clone-'));
    for (const name of ['lib', 'emulator.js', 'native.js', 'package.json', 'Cargo.toml']) {
      fs.cpSync(path.join(root, name), path.join(clone, name), { recursive: true });
    }
  });
  afterAll(() => fs.rmSync(clone, { recursive: true, force: true }));

  test('the build is named', () => {
    expect(run([], { cwd: clone })).toMatch(/^ERR_HYCO_NATIVE .*"npm run build" in .*hyco-clone-/);
  });

  test('an addon for another system is told from none', () => {
    const [addon] = fs.readdirSync(root).filter((name) => /^hyco-ws-rs\..*\.node$/.test(name));
    fs.writeFileSync(path.join(clone, addon), 'not for this system');
    expect(run([], { cwd: clone })).toMatch(
      /^ERR_HYCO_NATIVE .*One is there, but: .*on the system that runs it/
    );
    fs.rmSync(path.join(clone, addon));
  });

  test('without the sources of a clone, the missing package is named', () => {
    fs.renameSync(path.join(clone, 'Cargo.toml'), path.join(clone, 'other'));
    const output = run([], { cwd: clone });
    expect(output).toMatch(/^ERR_HYCO_NATIVE .*--omit=optional.*npm run tarball/);
    expect(output).toContain(`hyco-ws-rs-${process.platform}-${process.arch}`);
  });
});

test('--no-addons is named', () => {
  expect(run(['--no-addons'])).toMatch(/^ERR_HYCO_NATIVE .*started with --no-addons/);
});

test('--permission wants --allow-addons, and takes it', () => {
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const flags = [flag, '--allow-fs-read=*'];
  expect(run(flags)).toMatch(/^ERR_HYCO_NATIVE .*--permission, which blocks addons: add --allow-addons/);
  expect(run([...flags, '--allow-addons'])).toBe('loaded\n');
});

test('a file that NAPI_RS_NATIVE_LIBRARY_PATH names in vain is told', () => {
  const env = { NAPI_RS_NATIVE_LIBRARY_PATH: path.join(root, 'nowhere.node') };
  expect(run([], { env })).toMatch(/^ERR_HYCO_NATIVE .*NAPI_RS_NATIVE_LIBRARY_PATH is .*nowhere\.node/);
});

test.each([
  ['linux', 'x64', 'glibc', 'hyco-ws-rs-linux-x64-gnu is missing'],
  ['linux', 'arm64', 'musl', 'hyco-ws-rs-linux-arm64-musl is missing'],
  ['darwin', 'arm64', '', 'hyco-ws-rs-darwin-arm64 is missing'],
  ['win32', 'x64', '', 'hyco-ws-rs-win32-x64-msvc is missing'],
  ['win32', 'ia32', '', 'No addon is made for win32-ia32-msvc'],
  ['linux', 's390x', 'glibc', 'No addon is made for linux-s390x-gnu'],
  ['freebsd', 'x64', '', 'No addon is made for freebsd-x64']
])('on %s %s %s: %s', (platform, arch, library, text) => {
  const elsewhere = { platform, arch, library, root: os.tmpdir(), permission: false, override: undefined };
  const error = loadError(nothing, elsewhere);
  expect(error.code).toBe('ERR_HYCO_NATIVE');
  expect([error.cause.message, error.cause.cause]).toEqual([
    "Cannot find module './hyco-ws-rs.node'",
    undefined
  ]);
  expect(error.message).toContain(text);
  expect(error.message).toContain([platform, arch, library].filter(Boolean).join(' '));
});

test('a bundle without its .node file is told so', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-bundle-'));
  const outfile = path.join(folder, 'app.js');
  require('esbuild').buildSync({
    stdin: { contents: script, resolveDir: root },
    outfile,
    bundle: true,
    platform: 'node',
    loader: { '.node': 'copy' },
    logLevel: 'silent'
  });
  for (const name of fs.readdirSync(folder)) if (name.endsWith('.node')) fs.rmSync(path.join(folder, name));
  const { stdout } = spawnSync(process.execPath, [outfile], { encoding: 'utf8', timeout: 100_000 });
  fs.rmSync(folder, { recursive: true });
  expect(stdout).toMatch(/^ERR_HYCO_NATIVE .*In a bundle, the \.node file has to lie beside it/);
});

test.each([[undefined], [null], ['text'], [{}]])('a cause that is %p is borne', (cause) => {
  expect(loadError(cause).code).toBe('ERR_HYCO_NATIVE');
});
