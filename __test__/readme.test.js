'use strict';

// The README, followed to the letter in an empty folder, with the tarball that it has you make; and the figures in it.

const { execFileSync, spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { drawn } = require('../bench/speed.js');
const { speed } = require('../bench/lib/speed.js');
const { blocksOf } = require('./helpers/markdown.js');

const root = path.join(__dirname, '..');
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');
const readme = read('README.md');
const testing = read('docs/testing.md');
const meta = JSON.parse(read('package.json'));

/** The lines of the first block for a shell behind a heading, without their remarks. */
function shellLines(markdown, heading) {
  const [, block] = /```sh\n([^]*?)```/.exec(markdown.slice(markdown.indexOf(`\n## ${heading}\n`)));
  return block
    .trim()
    .split('\n')
    .map((line) => line.replace(/ +# .*$/, ''));
}

describe('in an empty folder', () => {
  const children = new Set();
  let folder;
  let program;
  let env;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-readme-'));
    const clone = path.join(folder, 'hyco-ws-rs');
    program = path.join(folder, 'program');
    fs.mkdirSync(clone);
    fs.mkdirSync(program);
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('SB_HC_'));
    // Without a network. What the package depends on is here already.
    env = {
      ...Object.fromEntries(clean),
      npm_config_offline: 'true',
      npm_config_install_links: 'true',
      npm_config_ignore_scripts: 'true',
      npm_config_audit: 'false',
      npm_config_fund: 'false'
    };
    const from = (name) => [name, `file:${path.dirname(require.resolve(`${name}/package.json`))}`];
    const dependencies = Object.fromEntries(['ws', '@types/ws', '@types/node', 'undici-types'].map(from));
    fs.writeFileSync(path.join(program, 'package.json'), JSON.stringify({ private: true, dependencies }));

    const [tarball, install] = shellLines(readme, 'Install');
    expect(tarball).toBe('npm run tarball');
    // Its first half is a release build.
    const [, make] = /^npm run build:release && (node .*)$/.exec(meta.scripts.tarball);
    execFileSync(`${make} ${clone}`, { cwd: root, env, shell: true, timeout: 100_000 });
    execFileSync(install, { cwd: program, env, shell: true, timeout: 100_000 });
    for (const { saved, code } of [...blocksOf(readme), ...blocksOf(testing)]) {
      if (saved !== undefined) fs.writeFileSync(path.join(program, saved), code);
    }
  }, 240_000);
  afterEach(async () => {
    for (const child of children) await stop(child);
    children.clear();
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** A line in a terminal of its own. */
  function terminal(line, more) {
    const child = spawn(line, { cwd: program, env: { ...env, ...more }, shell: true, detached: true });
    children.add(child);
    child.text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (data) => {
        child.text += data;
        child.emit('text');
      });
    }
    child.ended = once(child, 'close').then(([code]) => code);
    return child;
  }

  async function shown(child, text) {
    while (!child.text.includes(text)) await once(child, 'text');
  }

  /** With all that it has started. */
  async function stop(child) {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGKILL');
    await child.ended;
  }

  const onUnix = process.platform === 'win32' ? test.skip : test;

  onUnix('the three terminals talk, and tell what is wrong', async () => {
    const [emulator, listen, send, ...rest] = shellLines(readme, 'Run it');
    expect(rest).toEqual([]);
    // Others run on this machine, too.
    const relay = terminal(emulator.replace('--port 8090', '--port 0'));
    await shown(relay, 'Ctrl+C');
    const listener = terminal(listen);
    await shown(listener, 'online');
    const sender = terminal(send);
    expect(await sender.ended).toBe(0);
    expect(sender.text).toBe('hello\n');
    await shown(listener, 'sender from');
    await shown(relay, 'has ended');

    // The environment goes before the file.
    const lost = terminal(send, { SB_HC_PATH: 'nowhere' });
    await lost.ended;
    expect(lost.text).toMatch(/^ERR_HYCO_NOT_FOUND .*404/);
    const astray = terminal(listen, { SB_HC_PATH: 'nowhere' });
    await shown(astray, 'ERR_HYCO_NOT_FOUND');
    const wrong = terminal(send, { SB_HC_KEY: 'wrong' });
    await wrong.ended;
    expect(wrong.text).toMatch(/^ERR_HYCO_UNAUTHORIZED .*401/);

    await stop(relay);
    await shown(listener, 'again in');
  });

  test('the line for TypeScript compiles', () => {
    const [, line] = /TypeScript: `([^`]*)`/.exec(readme);
    const use = `const options: RelayedServerOptions = { server: 'sb://ns/hyco', keyName: 'rule', key: 'key' };
      export const start = (): RelayedServer => WebSocket.createRelayedServer(options);`;
    fs.writeFileSync(path.join(program, 'check.ts'), `${line};\n${use}\n`);
    const tsc = require.resolve('typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'node16', '--skipLibCheck', 'check.ts'];
    expect(execFileSync(process.execPath, [tsc, ...flags], { cwd: program, encoding: 'utf8' })).toBe('');
  });

  test('its programs compile as TypeScript', () => {
    const files = ['listener', 'sender'].map((name) => {
      const code = fs.readFileSync(path.join(program, `${name}.js`), 'utf8');
      const file = `${name}.check.ts`;
      // What else TypeScript has against them is that variables of the environment may be missing.
      const typed = code
        .replace("const WebSocket = require('hyco-ws-rs');", "import WebSocket from 'hyco-ws-rs';")
        .replace('= process.env;', '= process.env as Record<string, string>;');
      fs.writeFileSync(path.join(program, file), typed);
      return file;
    });
    const tsc = require.resolve('typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'node16', '--esModuleInterop', '--skipLibCheck'];
    const { stdout } = spawnSync(process.execPath, [tsc, ...flags, ...files], {
      cwd: program,
      encoding: 'utf8'
    });
    expect(stdout).toBe('');
  });

  onUnix('what docs/testing.md has a machine run is run', async () => {
    fs.writeFileSync(
      path.join(program, 'machine.test.js'),
      `const { once } = require('node:events');
       require('node:test').test('it', async () => {
         const [error] = await once(new (require('ws'))(process.env.SB_HC_SEND_URI), 'error');
         require('node:assert').match(error.message, /404/);
         console.log('nobody listens yet');
       });`
    );
    const child = terminal(`set -e\n${shellLines(testing, 'Continuous integration').join('\n')}`);
    expect([await child.ended, child.text]).toEqual([0, expect.stringContaining('nobody listens yet')]);
  });
});

test('every script of npm that is named is there', () => {
  const named = [...(readme + testing).matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name);
  expect(named).toEqual(expect.arrayContaining(['demo', 'tarball', 'build', 'lint']));
  for (const name of named) expect(Object.keys(meta.scripts)).toContain(name);
});

describe('the speed', () => {
  const results = read('bench/results/latest.md');

  test('picture and figures are those of the results', () => {
    for (const { file, text } of drawn()) expect([file, fs.readFileSync(file, 'utf8')]).toEqual([file, text]);
    expect(drawn()).toHaveLength(2);
    expect(readme).toContain('](docs/speed.svg)');
  });

  test('has six bars, and nothing beyond its edges', () => {
    const { svg, text } = speed(results);
    expect(svg.match(/<rect [^>]*rx=/g)).toHaveLength(6);
    expect(text.match(/ ×/g)).toHaveLength(6);
    const [, width] = /^<svg [^>]*width="(\d+)"/.exec(svg);
    for (const [, x, more, content] of svg.matchAll(/<text x="([\d.]+)" y="[\d.]+"([^>]*)>([^<]*)</g)) {
      // A letter is about as wide as 0.6 of its height.
      const size = /title|times/.test(more) ? 18 : /small/.test(more) ? 13 : 16;
      const length = content.length * size * 0.6;
      const left = more.includes('end') ? x - length : more.includes('middle') ? x - length / 2 : Number(x);
      expect([content, left >= 0 && left + length <= Number(width)]).toEqual([content, true]);
    }
  });

  test('is not drawn of a part of the workloads, or of nothing', () => {
    expect(speed(results.replace(/^\| echo 1 MiB \|.*\n/gm, ''))).toBeUndefined();
    expect(speed('')).toBeUndefined();
  });

  test('says how many times less, where less is better', () => {
    const { text } = speed(
      results.replace(/(connection at 5,000 \| wss:.*?) 9\.07 \([\d.]+x\)/, '$1 20 (0.5x)')
    );
    expect(text).toContain('| Memory of an idle connection | 20 KiB | 57.4 | 2.0 × |');
  });
});
