'use strict';

// What a process with a listener does: ends, lives on, and stays within its bounds.

const { run } = require('../helpers/child.js');

jest.setTimeout(60_000);

test.each(['closing', 'unref', 'client'])('%s: the process ends by itself', async (scene) => {
  const { code, signal, stderr } = await run(scene);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
});

test.each(['dialling', 'listening', 'verdict', 'connection', 'message', 'traffic', 'closing'])(
  'process.exit() while %s is clean',
  async (when) => {
    const { code, signal, stderr } = await run('exit', when);
    expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
  }
);

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

test('a sender that floods a listener which never reads: it is stalled, and memory stays bounded', async () => {
  const { code, said, stderr } = await run('flood');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // A thread, its engine and 4 MiB of its own queue are part of this.
  expect(said.peak - said.before).toBeLessThan(80);
  expect(said.taken).toBeLessThan(64);
});

test('rounds of connecting and closing: nothing grows', async () => {
  const { code, said, stderr } = await run('rounds', '1000');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(said).toMatchObject({ accepted: 1260, connections: 0, pendingAccepts: 0 });
  expect(said.after - said.before).toBeLessThan(25);
});
