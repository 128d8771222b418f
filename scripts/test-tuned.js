'use strict';

// The tests of our sockets once more with the engine's fast paths switched off, and with IO of single bytes. With
// `--all` the whole suite runs without the fast paths.

const { execFileSync } = require('node:child_process');

const { ensureInstalled, root, shell } = require('./ensure-installed.js');

const SOCKETS = ['contract', 'engine', 'relayed', 'server', 'accept'].map(
  (name) => `__test__/${name}.test.js`
);

/** What moves bytes, without the scenarios of many megabytes: byte by byte they would take minutes. */
const SCENARIOS =
  '^(?!.*back-pressure)(data (a value|options|a message in)|receiving|closing|errors|deflate) ';

const RUNS = {
  'no-outbox,no-direct-write,no-direct-read,no-spin': process.argv.includes('--all') ? [] : SOCKETS,
  'short-io': ['__test__/contract.test.js', '-t', SCENARIOS]
};

ensureInstalled();
for (const [tuning, args] of Object.entries(RUNS)) {
  console.log(`\n> HYCO_WS_RS_TUNING=${tuning}`);
  const env = { ...process.env, HYCO_WS_RS_TUNING: tuning };
  try {
    execFileSync('npx', ['--no-install', 'jest', ...args], { cwd: root, stdio: 'inherit', shell, env });
  } catch {
    // jest has said what is wrong.
    process.exitCode = 1;
  }
}
