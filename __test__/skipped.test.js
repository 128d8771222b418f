'use strict';

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const root = path.join(__dirname, '..');
const runner = path.join(root, 'node_modules', 'jest', 'bin', 'jest.js');

test('a run says what it has skipped because it is not installed', () => {
  const args = [runner, '--verbose=false', '__test__/browser.test.js', '__test__/proxy.test.js'];
  // No program is found there.
  const env = { ...process.env, PATH: path.join(root, 'none') };
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
  expect(status).toBe(0);
  const [, skipped] = stdout.split('Skipped:\n');
  expect(skipped.trim().split(/\n\s*/).sort()).toEqual([
    'chromium is not installed: apt-get install chromium',
    'microsocks is not installed: apt-get install microsocks',
    'tinyproxy is not installed: apt-get install tinyproxy'
  ]);
});
