'use strict';

/** Makes the pictures of the inspector that the documentation shows, as its test does, for good. */

const { spawnSync } = require('node:child_process');
const { mkdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const folder = path.join(root, 'docs', 'images');

mkdirSync(folder, { recursive: true });
const { status } = spawnSync(
  process.execPath,
  [require.resolve('jest/bin/jest'), '__test__/inspector-page.test.js', '-t', 'pictures'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, HYCO_WS_RS_PICTURES: folder } }
);
process.exitCode = status ?? 1;
