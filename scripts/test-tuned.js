'use strict';

// The contract of our sockets once more with the engine's fast paths switched off, and with IO of single bytes.

const { execFileSync } = require('node:child_process');

const { ensureInstalled, root, shell } = require('./ensure-installed.js');

const TUNINGS = ['no-outbox,no-direct-write,no-direct-read', 'short-io'];

/** What moves bytes, without the scenarios of many megabytes: byte by byte they would take minutes. */
const SCENARIOS =
  '^(?!.*back-pressure)(data (a value|options|a message in)|receiving|closing|errors|deflate) ';

ensureInstalled();
for (const tuning of TUNINGS) {
  console.log(`\n> HYCO_WS_RS_TUNING=${tuning}`);
  const args = ['--no-install', 'jest', '__test__/contract.test.js', '-t', SCENARIOS];
  const env = { ...process.env, HYCO_WS_RS_TUNING: tuning };
  try {
    execFileSync('npx', args, { cwd: root, stdio: 'inherit', shell, env });
  } catch {
    // jest has said what is wrong.
    process.exitCode = 1;
  }
}
