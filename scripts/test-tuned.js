'use strict';

// The tests of our sockets once more with the engine's fast paths switched off, and with IO of single bytes. With
// `--all` the whole suite runs both ways.

const { execFileSync } = require('node:child_process');

const { ensureInstalled, root, shell } = require('./ensure-installed.js');
const { BYTE_BY_BYTE, WITHOUT_FAST_PATHS } = require('./tuning.js');

const all = process.argv.includes('--all');

const suites = (...names) => names.map((name) => `__test__/${name}.test.js`);

/** What can't be cut into single bytes: frames that must come in one packet, and floods of hundreds of megabytes. */
const WHOLE =
  'receiving terminate\\(\\) in a message|receiving too many pongs are pending|stream destroy\\(\\) while the other side sends';
const FLOODS = 'reliability/memory';

/** What moves bytes, without the scenarios of many megabytes: byte by byte they take a minute. */
const SCENARIOS = `^(?!.*back-pressure|${WHOLE})(data (a value|options|a message in)|receiving|closing|errors|deflate) `;

const RUNS = all
  ? [
      [WITHOUT_FAST_PATHS],
      [
        BYTE_BY_BYTE,
        ...['-t', `^(?!${WHOLE})`],
        ...['--testPathIgnorePatterns', FLOODS, '/fixtures/'],
        '--testTimeout=150000'
      ]
    ]
  : [
      [WITHOUT_FAST_PATHS, ...suites('contract', 'engine', 'relayed', 'server', 'accept')],
      [BYTE_BY_BYTE, ...suites('contract'), '-t', SCENARIOS],
      [BYTE_BY_BYTE, ...suites('relayed', 'server', 'accept', 'reliability/hostile')]
    ];

ensureInstalled();
for (const [tuning, ...args] of RUNS) {
  console.log(`\n> HYCO_WS_RS_TUNING=${tuning}`);
  const env = { ...process.env, HYCO_WS_RS_TUNING: tuning };
  try {
    execFileSync('npx', ['--no-install', 'jest', ...args], { cwd: root, stdio: 'inherit', shell, env });
  } catch {
    // jest has said what is wrong.
    process.exitCode = 1;
  }
}
