'use strict';

// What a process with a listener does: ends, lives on, and stays within its bounds.

const { execFile } = require('node:child_process');
const { join } = require('node:path');

const { run } = require('../helpers/child.js');

test.each(['closing', 'unref', 'client'])('%s: the process ends by itself', async (scene) => {
  const { code, signal, stderr } = await run(scene);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
});

test.each([
  'dialling',
  'listening',
  'reconnecting',
  'verdict',
  'connection',
  'message',
  'traffic',
  'closing'
])('process.exit() while %s is clean', async (when) => {
  const { code, signal, stderr } = await run('exit', when);
  expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
});

test('an exception in a listener is an uncaughtException, and the server lives on if it is handled', async () => {
  const { code, said } = await run('exception');
  expect(said).toEqual({ seen: ['in connection', 'in message'], answer: 'go on', state: 'online' });
  expect(code).toBe(0);
});

test('an exception that nobody handles ends the process, as in Node', async () => {
  const { code, stderr } = await run('uncaught');
  expect(code).toBe(1);
  expect(stderr).toMatch(/Error: in connection/);
});

test('threads that are terminated mid-traffic leave the others alone', async () => {
  const { code, signal, said, stderr } = await run('workers');
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(said).toEqual({ answer: 'still here' });
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('threads that are terminated mid-traffic leave no thread of ours behind', async () => {
  const { code, signal, said, stderr } = await run('threads');
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  // The IO thread, and the thread of the relays.
  expect(said).toEqual({ during: 2 });
});

test('jest --detectOpenHandles has nothing to report', async () => {
  const jest = require.resolve('jest/bin/jest');
  const config = {
    rootDir: join(__dirname, '..', 'fixtures', 'handles'),
    testEnvironment: 'node',
    transform: {}
  };
  const args = [jest, '--detectOpenHandles', '--config', JSON.stringify(config)];
  const { code, stderr } = await new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 200_000 }, (error, stdout, text) => {
      resolve({ code: error === null ? 0 : (error.signal ?? error.code), stderr: text });
    });
  });
  expect(stderr).toMatch(/Tests: +1 passed/);
  expect(stderr).not.toMatch(/open handle|did not exit/);
  expect(code).toBe(0);
});
