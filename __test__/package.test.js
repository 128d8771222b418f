'use strict';

// The package as npm makes it: its contents, and a program in an empty project that has installed it.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const meta = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
const shell = process.platform === 'win32';

let folder;
let packed;

function npm(args, cwd) {
  return execFileSync('npm', args, {
    cwd,
    encoding: 'utf8',
    shell,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 200_000
  });
}

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-package-'));
  [packed] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test('it has what it needs and nothing else', () => {
  const names = packed.files.map((file) => file.path);
  const allowed =
    /^(index|emulator|https|native)\.(m?js|d\.m?ts)$|^(bin|lib)\/[\w/-]+\.js$|^lib\/inspector\/(page\/[\w-]+\.(mjs|css|html|svg)|records\.schema\.json)$|^docs\/([\w-]+\.md|speed\.svg|images\/[\w-]+\.png)$|^examples\/[\w/-]+\.(m?js|html)$|^bench\/(README|results\/latest)\.md$|^(package\.json|[A-Z_]+(\.md)?)$/;
  expect(names.filter((name) => !allowed.test(name))).toEqual([]);
  const sources = fs.readdirSync(path.join(root, 'lib'), { recursive: true, withFileTypes: true });
  for (const entry of sources.filter((file) => file.isFile())) {
    const name = path
      .relative(root, path.join(entry.parentPath ?? entry.path, entry.name))
      .split(path.sep)
      .join('/');
    expect(names).toContain(name);
  }
  for (const name of [...meta.files, 'LICENSE', 'README.md']) {
    expect(names.some((file) => file === name || file.startsWith(`${name}/`))).toBe(true);
  }
  expect(packed.unpackedSize).toBeLessThan(2_000_000);
});

describe('in an empty project', () => {
  let project;

  beforeAll(() => {
    project = path.join(folder, 'project');
    // What the release makes of the addon: a package for this platform.
    const [addon] = fs.readdirSync(root).filter((name) => /^hyco-ws-rs\..*\.node$/.test(name));
    const platform = addon.split('.')[1];
    const name = `hyco-ws-rs-${platform}`;
    const native = path.join(folder, name);
    fs.mkdirSync(native);
    fs.copyFileSync(path.join(root, addon), path.join(native, addon));
    fs.writeFileSync(
      path.join(native, 'package.json'),
      JSON.stringify({ name, version: meta.version, main: addon, files: [addon] })
    );
    const from = (dependency) => `file:${path.dirname(require.resolve(`${dependency}/package.json`))}`;
    const dependencies = {
      'hyco-ws-rs': `file:${path.join(folder, packed.filename)}`,
      [name]: `file:${native}`,
      ws: from('ws'),
      '@types/ws': from('@types/ws'),
      '@types/node': from('@types/node'),
      'undici-types': from('undici-types')
    };
    fs.mkdirSync(project);
    fs.writeFileSync(
      path.join(project, 'package.json'),
      JSON.stringify({ name: 'empty', private: true, dependencies })
    );
    npm(
      [
        'install',
        '--offline',
        '--install-links',
        '--ignore-scripts',
        '--no-audit',
        '--no-fund',
        '--no-package-lock'
      ],
      project
    );
  });

  const conversation = `
    async function main() {
      const relay = await RelayEmulator.start();
      const server = RelayedServer.fromConnectionString(relay.connectionString(), (socket) => {
        socket.on('message', (data) => socket.send(data.toString().toUpperCase()));
      });
      await once(server, 'listening');
      const socket = await connectRelayed(relay.connectionString());
      socket.send('from the package');
      const [answer] = await once(socket, 'message');
      console.log(answer.toString());
      await socket[Symbol.asyncDispose]();
      await server.close();
      await relay.close();
    }
    main();`;

  test.each([
    [
      'program.js',
      `const { once } = require('node:events');
       const { RelayedServer, connectRelayed } = require('hyco-ws-rs');
       const { RelayEmulator } = require('hyco-ws-rs/emulator');`
    ],
    [
      'program.mjs',
      `import { once } from 'node:events';
       import { RelayedServer, connectRelayed } from 'hyco-ws-rs';
       import { RelayEmulator } from 'hyco-ws-rs/emulator';`
    ]
  ])('a listener and a sender talk: %s', (name, head) => {
    fs.writeFileSync(path.join(project, name), head + conversation);
    const output = execFileSync(process.execPath, [name], {
      cwd: project,
      encoding: 'utf8',
      timeout: 200_000
    });
    expect(output).toBe('FROM THE PACKAGE\n');
    // It did not come from the repository.
    expect(fs.lstatSync(path.join(project, 'node_modules', 'hyco-ws-rs')).isSymbolicLink()).toBe(false);
  });

  test('the demo runs from there', () => {
    const demo = fs
      .readFileSync(path.join(root, 'scripts', 'demo.js'), 'utf8')
      .replace("require('..')", "require('hyco-ws-rs')")
      .replace("require('../emulator.js')", "require('hyco-ws-rs/emulator')");
    expect(demo).not.toContain("'..");
    fs.writeFileSync(path.join(project, 'demo.js'), demo);
    const output = execFileSync(process.execPath, ['demo.js'], {
      cwd: project,
      encoding: 'utf8',
      timeout: 200_000
    });
    expect(output).toContain('has renewed its token on the open control channel');
    expect(output).toMatch(/that was the demo\n$/);
  });

  test('the command line is there', () => {
    const output = npm(['exec', '--offline', '--', 'hyco-ws-rs', '--version'], project);
    expect(output.trim()).toBe(meta.version);
  });

  test('without the addon, the error names platform and remedy', () => {
    const lone = path.join(folder, 'lone');
    fs.cpSync(
      path.join(project, 'node_modules', 'hyco-ws-rs'),
      path.join(lone, 'node_modules', 'hyco-ws-rs'),
      { recursive: true }
    );
    const script = `try { require('hyco-ws-rs/emulator'); } catch (error) { console.log(error.code, error.message); }`;
    const output = execFileSync(process.execPath, ['-e', script], { cwd: lone, encoding: 'utf8' });
    expect(output).toMatch(/^ERR_HYCO_NATIVE .*optional/);
    expect(output).toContain(process.platform);
  });
});
