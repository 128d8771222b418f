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

function ensureCargo() {
  if (spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0) return;
  console.error('cargo was not found. The addon is built with stable Rust: https://rustup.rs');
  process.exit(1);
}

function ensureInstalled() {
  ensureCargo();
  const names = missing();
  if (names.length === 0) return;
  console.log(`> npm ci   (not installed: ${names.join(', ')})`);
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: 'inherit', shell });
}

module.exports = { ensureInstalled, root, shell };

if (require.main === module) ensureInstalled();
