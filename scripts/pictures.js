'use strict';

/** Makes the pictures of the inspector anew that are in `docs/images`; its test makes these and more. */

const { spawnSync } = require('node:child_process');
const { copyFileSync, mkdtempSync, readdirSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const shown = path.join(root, 'docs', 'images');
const made = mkdtempSync(path.join(tmpdir(), 'hyco-pictures-'));

const { status } = spawnSync(
  process.execPath,
  [require.resolve('jest/bin/jest'), '__test__/inspector-page.test.js', '-t', 'pictures'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, HYCO_WS_RS_PICTURES: made } }
);
if (status === 0) {
  for (const name of readdirSync(shown)) copyFileSync(path.join(made, name), path.join(shown, name));
}
rmSync(made, { recursive: true });
process.exitCode = status ?? 1;
