'use strict';

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { Lines } = require('./lines.js');

const CRATE = path.join(__dirname, '..', 'loadgen');
const BINARY = path.join(
  CRATE,
  'target',
  'release',
  process.platform === 'win32' ? 'loadgen.exe' : 'loadgen'
);

/** Builds the load generator; cargo knows whether there is anything to do. */
function build() {
  const args = ['build', '--release', '--locked', '--quiet', '--target-dir', path.join(CRATE, 'target')];
  execFileSync('cargo', args, { cwd: CRATE, stdio: 'inherit' });
}

/**
 * Starts the relay.
 *
 * @return {Promise<{lines: Lines, ws: string, wss: string, ca: string, stop: function(): Promise<void>}>}
 */
async function start() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-bench-'));
  const ca = path.join(directory, 'ca.pem');
  const child = spawn(BINARY, ['serve', '--ca', ca], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = new Lines(child, 'loadgen');
  const { ws, wss } = await lines.ready;
  const stop = async () => {
    await lines.stop();
    fs.rmSync(directory, { recursive: true, force: true });
  };
  return { lines, ws, wss, ca, stop };
}

module.exports = { BINARY, build, start };
