'use strict';

// Makes `npm test` and `npm run demo` work on a fresh clone: installs the dependencies if they are missing and
// says what else is. Plain Node, because nothing else is there yet.

const { execFileSync, spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
// npm on Windows is a batch file, which only a shell starts.
const shell = process.platform === 'win32';

/** @return {string[]} The packages that package.json asks for and node_modules lacks */
function missing() {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const names = Object.keys({ ...dependencies, ...devDependencies });
  return names.filter((name) => !existsSync(path.join(root, 'node_modules', name, 'package.json')));
}

/** @return {string|undefined} What keeps the addon from being built, for people */
function complaint() {
  const [, least] = /^rust-version = "(.*)"$/m.exec(readFileSync(path.join(root, 'Cargo.toml'), 'utf8'));
  const wanted = `The addon is built with stable Rust ${least} or newer`;
  const absent = ['cargo', 'rustc'].find((name) => spawnSync(name, ['--version']).status !== 0);
  if (absent !== undefined) return `${absent} was not found. ${wanted}: https://rustup.rs`;
  const [, found] = /(\d+\.\d+\.\d+)/.exec(execFileSync('rustc', ['--version'], { encoding: 'utf8' }));
  const [major, minor] = found.split('.').map(Number);
  const [leastMajor, leastMinor] = least.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return undefined;
  return `Rust ${found} is too old. ${wanted}: run "rustup update stable"`;
}

function ensureRust() {
  const text = complaint();
  if (text === undefined) return;
  console.error(text);
  process.exit(1);
}

function ensurePackages() {
  const names = missing();
  if (names.length === 0) return;
  console.log(`> npm ci   (not installed: ${names.join(', ')})`);
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit', shell });
}

function ensureInstalled() {
  ensureRust();
  ensurePackages();
}

module.exports = { ensureInstalled, ensurePackages, ensureRust, root, shell };

if (require.main === module) ensureInstalled();
