'use strict';

// A few rounds of `npm run fuzz`, and whether it sees what is wrong.

const { execFile } = require('node:child_process');
const { join } = require('node:path');

const script = join(__dirname, '..', '..', 'scripts', 'fuzz.js');
const flaw = join(__dirname, '..', 'fixtures', 'fuzz-flaw.js');

function fuzz(args, env) {
  return new Promise((resolve) => {
    const options = { timeout: 200_000, env: { ...process.env, ...env } };
    execFile(process.execPath, [script, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

const broken = (name) => ({ FUZZ_FLAW: name, NODE_OPTIONS: `--require=${flaw}` });

test('some rounds find nothing', async () => {
  const { code, stdout } = await fuzz(['--seed', '20251', '--rounds', '4']);
  expect(stdout).toContain('4 rounds, nothing wrong');
  expect(code).toBe(0);
});

test('a lost message is told, with the command that plays its round again', async () => {
  const { code, stdout } = await fuzz(['--seed', '1', '--round', '19'], broken('lose'));
  // Which message is the fiftieth, and so by what its loss is seen first, is chance.
  expect(stdout).toMatch(/FAULT: seed 1, round 19.*\n {2}socket \d+ .*event \d+/);
  expect(stdout).toContain('again: npm run fuzz -- --seed 1 --round 19');
  expect(code).toBe(1);
});

test('a process that dies is a finding, and the rounds behind it are played', async () => {
  const { code, stdout } = await fuzz(['--seed', '1', '--rounds', '8'], broken('die'));
  expect(stdout).toContain('the process died: ');
  expect(stdout.match(/FAULT/g).length).toBeGreaterThan(1);
  expect(stdout).toMatch(/rounds failed/);
  expect(code).toBe(1);
});

test('options that make no sense are told', async () => {
  expect(await fuzz(['--rounds', 'many'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--seed')
  });
});
