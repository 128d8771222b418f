'use strict';

// `npm test`: the addon, the Rust tests, the JavaScript tests, the type tests. With arguments, which go to jest, only what
// those need: the JavaScript tests, and before them the addon if it is older than its sources.

const { execFileSync } = require('node:child_process');
const { existsSync, readdirSync, statSync } = require('node:fs');
const path = require('node:path');

const { ensurePackages, ensureRust, root, shell } = require('./ensure-installed.js');

/** What the addon is made of. */
const SOURCES = ['src', 'build.rs', 'Cargo.toml', 'Cargo.lock'];

/**
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function run(command, args, env) {
  console.log(`\n> ${[command, ...args].join(' ')}`);
  execFileSync(command, args, { cwd: root, stdio: 'inherit', shell, env: { ...process.env, ...env } });
}

/** @return {string} The triple of this machine; with it cargo shares its cache with `napi build` */
function hostTriple() {
  const version = execFileSync('rustc', ['-vV'], { encoding: 'utf8' });
  return /^host: (.*)$/m.exec(version)[1];
}

/** @return {number} When a file, or the last one of a folder, was changed */
function changedAt(name) {
  const stats = statSync(name);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(...readdirSync(name).map((entry) => changedAt(path.join(name, entry))));
}

/** @return {boolean} Whether the addon of this platform is there, and is as new as its sources */
function isBuilt() {
  const prefix = `hyco-ws-rs.${process.platform}-${process.arch}`;
  const addons = readdirSync(root).filter((name) => name.startsWith(prefix) && name.endsWith('.node'));
  const sources = SOURCES.map((name) => path.join(root, name)).filter((file) => existsSync(file));
  const newest = Math.max(...sources.map(changedAt));
  return addons.length > 0 && addons.every((name) => changedAt(path.join(root, name)) >= newest);
}

function main() {
  const args = process.argv.slice(2);
  const everything = args.length === 0;
  const builds = everything || !isBuilt();
  if (builds) ensureRust();
  ensurePackages();
  if (builds) run('npm', ['run', '--silent', 'build']);
  if (everything) run('cargo', ['test', '--lib', '--target', hostTriple()]);
  run('npx', ['--no-install', 'jest', ...args]);
  if (everything) run('npm', ['run', '--silent', 'types']);
}

try {
  main();
} catch (error) {
  // The command has said what is wrong.
  if (error.status === undefined) throw error;
  process.exitCode = error.status || 1;
}
