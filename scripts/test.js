'use strict';

// `npm test`: the addon, the Rust tests, the JavaScript tests, the type tests. Arguments go to jest.

const { execFileSync } = require('node:child_process');

const { ensureInstalled, root, shell } = require('./ensure-installed.js');

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

try {
  ensureInstalled();
  run('npm', ['run', '--silent', 'build']);
  run('cargo', ['test', '--lib', '--target', hostTriple()]);
  run('npx', ['--no-install', 'jest', ...process.argv.slice(2)]);
  run('npm', ['run', '--silent', 'types']);
} catch (error) {
  // The command has said what is wrong.
  if (error.status === undefined) throw error;
  process.exitCode = error.status || 1;
}
