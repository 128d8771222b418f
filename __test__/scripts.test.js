'use strict';

// The scripts of contributors: what they ask for, what they run, and what they make.

const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { ONCE } = require('../scripts/runtimes.js');

const root = path.join(__dirname, '..');
const scripts = path.join(root, 'scripts');
const hasCargo = spawnSync('cargo', ['--version']).status === 0;
const onPosix = process.platform !== 'win32';

let folder;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-scripts-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A program that tells `log` how it was called and prints `text`. */
function program(name, text = '') {
  const file = path.join(folder, 'bin', name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `#!/bin/sh\necho "${name} $*" >> "${folder}/log"\n${text && `echo "${text}"`}\n`);
  fs.chmodSync(file, 0o755);
}
const log = () =>
  fs.existsSync(path.join(folder, 'log')) ? fs.readFileSync(path.join(folder, 'log'), 'utf8') : '';

/** Runs a script where nothing but these programs is found. */
const run = (script, ...args) =>
  spawnSync(process.execPath, [script, ...args], {
    encoding: 'utf8',
    env: { ...process.env, PATH: path.join(folder, 'bin') }
  });

const [, least] = /^rust-version = "(.*)"$/m.exec(fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'));

(onPosix ? describe : describe.skip)('the version of Rust', () => {
  const ensure = path.join(scripts, 'ensure-installed.js');
  const withRust = (version) => {
    program('cargo', `cargo ${version} (0123 2026-01-01)`);
    program('rustc', `rustc ${version} (0123 2026-01-01)`);
    return run(ensure);
  };

  test.each([`${least}.0`, `${least}.3`, '1.999.0-nightly', '2.0.0'])('%s is enough', (version) => {
    expect(withRust(version)).toMatchObject({ status: 0, stderr: '' });
  });

  test.each(['1.87.0', '1.9.0', '1.70.0', '0.9.9'])('%s is not, and a text says so', (version) => {
    const { status, stderr } = withRust(version);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `Rust ${version} is too old. The addon is built with stable Rust ${least} or newer: run "rustup update stable"\n`
    );
  });

  test('what is not there at all is named', () => {
    const rest = `was not found. The addon is built with stable Rust ${least} or newer: https://rustup.rs\n`;
    expect(run(ensure)).toMatchObject({ status: 1, stderr: `cargo ${rest}` });
    program('cargo');
    expect(run(ensure)).toMatchObject({ status: 1, stderr: `rustc ${rest}` });
  });
});

(onPosix ? describe : describe.skip)('npm test', () => {
  /** A clone of its own, as far as the script looks at it. */
  function clone() {
    fs.mkdirSync(path.join(folder, 'scripts'));
    for (const name of ['test.js', 'ensure-installed.js']) {
      fs.copyFileSync(path.join(scripts, name), path.join(folder, 'scripts', name));
    }
    fs.writeFileSync(path.join(folder, 'package.json'), '{}');
    fs.writeFileSync(path.join(folder, 'Cargo.toml'), `rust-version = "${least}"\n`);
    fs.mkdirSync(path.join(folder, 'src', 'deep'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'src', 'deep', 'lib.rs'), '');
    program('npm');
    program('npx');
    program('cargo', 'cargo 1.999.0');
    program('rustc', 'rustc 1.999.0\nhost: here');
    return path.join(folder, 'scripts', 'test.js');
  }
  const addon = () => path.join(folder, `hyco-ws-rs.${process.platform}-${process.arch}-gnu.node`);
  /** What is run, less what is only asked. */
  const done = () =>
    log()
      .split('\n')
      .filter((line) => line && !/^(cargo|rustc) (--version|-vV)/.test(line));
  const at = (file, seconds) => fs.utimesSync(file, seconds, seconds);

  test('builds and tests everything', () => {
    expect(run(clone()).status).toBe(0);
    expect(done()).toEqual([
      'npm run --silent build',
      'cargo test --lib --target here',
      'npx --no-install jest',
      'npm run --silent types'
    ]);
  });

  test('of a name runs jest alone, where the addon is as new as its sources', () => {
    const script = clone();
    fs.writeFileSync(addon(), '');
    expect(run(script, 'uri', '-t', 'sends').status).toBe(0);
    expect(done()).toEqual(['npx --no-install jest uri -t sends']);
    // Nobody needs Rust for that.
    expect(log()).not.toContain('cargo');
  });

  test.each([
    ['there is none', () => {}],
    [
      'a source is newer',
      () => {
        fs.writeFileSync(addon(), '');
        at(addon(), 1_000);
      }
    ],
    ['it is another platform', () => fs.writeFileSync(path.join(folder, 'hyco-ws-rs.plan9-mips.node'), '')]
  ])('of a name builds before, where %s', (_, prepare) => {
    const script = clone();
    prepare();
    expect(run(script, 'uri').status).toBe(0);
    expect(done()).toEqual(['npm run --silent build', 'npx --no-install jest uri']);
  });

  test('ends as what it runs ends', () => {
    const script = clone();
    fs.writeFileSync(addon(), '');
    fs.writeFileSync(path.join(folder, 'bin', 'npx'), '#!/bin/sh\nexit 3\n');
    expect(run(script, 'uri')).toMatchObject({ status: 3, stderr: '' });
  });
});

test('what the other runtimes leave out is there, and is not what their engines matter to', () => {
  const files = fs.readdirSync(__dirname, { recursive: true }).map((name) => name.replaceAll(path.sep, '/'));
  for (const name of ONCE) expect([name, files.some((file) => file.startsWith(name))]).toEqual([name, true]);
  const kept = ['contract.test.js', 'engine.test.js', 'reliability/process.test.js', 'http/requests.test.js'];
  for (const name of kept) expect(ONCE.some((left) => name.startsWith(left))).toBe(false);
});

(hasCargo ? describe : describe.skip)('the bill of materials (skipped without cargo)', () => {
  test('has all that is linked and installed, each once, with its hash', () => {
    const text = execFileSync(process.execPath, [path.join(scripts, 'bill-of-materials.js')], {
      cwd: folder,
      encoding: 'utf8'
    });
    const bill = JSON.parse(text);
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 });
    const meta = require('../package.json');
    expect(bill.metadata.component).toMatchObject({
      name: meta.name,
      version: meta.version,
      type: 'library'
    });
    const names = bill.components.map(({ name, version }) => `${name} ${version}`);
    // The licences tell of the same crates.
    const told = fs
      .readFileSync(path.join(root, 'THIRD_PARTY_LICENSES.md'), 'utf8')
      .split('| --- | --- | --- | --- |\n')[1]
      .split('\n\n')[0]
      .split('\n')
      .map((row) => row.split(' | ').slice(0, 2).join(' ').replace('| ', ''))
      .filter((name) => !name.startsWith('ws '));
    expect(told.length).toBeGreaterThan(50);
    for (const name of told) expect(names).toContain(name);
    for (const name of Object.keys(meta.dependencies)) {
      expect(bill.components.map((part) => part.name)).toContain(name);
    }
    for (const { purl, licenses, hashes, type } of bill.components) {
      expect(type).toBe('library');
      expect(purl).toMatch(/^pkg:(npm|cargo)\/[^@]+@\d/);
      expect(licenses[0].expression).toEqual(expect.any(String));
      const [{ alg, content }] = hashes;
      expect([purl, content.length]).toEqual([purl, alg === 'SHA-256' ? 64 : 128]);
    }
    const refs = bill.components.map((part) => part['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(bill.dependencies[0].dependsOn).toEqual(refs);
  });
});
