'use strict';

/** Runs a scene of `fixtures/reliability-child.js` in a process of its own. */

const { execFile } = require('node:child_process');
const { join } = require('node:path');

const SCENES = join(__dirname, '..', 'fixtures', 'reliability-child.js');

/**
 * @param {...string} args The scene and its arguments
 * @return {Promise<{code: number|null, signal: string|null, said: *, stderr: string}>} When the process has ended
 */
function run(...args) {
  return new Promise((resolve) => {
    // A process that does not end by itself is ended, and its signal tells.
    const options = { timeout: 200_000, killSignal: 'SIGKILL' };
    execFile(process.execPath, ['--expose-gc', SCENES, ...args], options, (error, stdout, stderr) => {
      const said = stdout === '' ? undefined : JSON.parse(stdout);
      resolve({ code: error === null ? 0 : error.code, signal: error?.signal ?? null, said, stderr });
    });
  });
}

module.exports = { run };
