'use strict';

// A short soak, with a seed that can be played again: `npm run soak -- --seconds 5 --seed 20251`.

const { execFile } = require('node:child_process');
const { join } = require('node:path');

const script = join(__dirname, '..', '..', 'scripts', 'soak.js');

function soak(...args) {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--expose-gc', script, ...args],
      { timeout: 200_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    );
  });
}

test('five seconds of random faults lose nothing that they do not explain', async () => {
  const { code, stdout, stderr } = await soak('--seconds', '5', '--seed', '20251', '--json');
  expect(stderr).toBe('');
  const result = JSON.parse(stdout);
  expect(result).toMatchObject({
    complaints: [],
    unexplainedLosses: 0,
    duplicates: 0,
    disorder: 0,
    corrupt: 0,
    leftOpen: 0
  });
  expect(result.messages).toBeGreaterThan(100);
  expect(result.requests).toMatchObject({ corrupt: 0 });
  expect(result.requests.answered).toBeGreaterThan(20);
  expect(Object.keys(result.faults).length).toBeGreaterThan(3);
  expect(code).toBe(0);
});

test('the seed makes the choice of faults repeatable, whatever they meet', async () => {
  const runs = [];
  for (const senders of ['1', '6']) {
    const { stdout } = await soak('--seconds', '4', '--seed', '7', '--senders', senders, '--json');
    runs.push(JSON.parse(stdout).plan);
  }
  const length = Math.min(runs[0].length, runs[1].length);
  expect(length).toBeGreaterThan(3);
  expect(runs[0].slice(0, length)).toEqual(runs[1].slice(0, length));
});

test('options that make no sense are told', async () => {
  expect(await soak('--minutes', 'many')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--seed')
  });
});
