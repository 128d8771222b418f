'use strict';

// Floods: what the program or the peer does not read must not fill the memory. Each in a process of its own.

const { execFile } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const FLOOD = join(__dirname, '..', 'fixtures', 'flood.js');

function flood(scene, senders) {
  return new Promise((resolve, reject) => {
    const options = { timeout: 200_000, killSignal: 'SIGKILL' };
    execFile(process.execPath, [FLOOD, scene, String(senders)], options, (error, stdout, stderr) => {
      if (error !== null) return reject(Object.assign(error, { stderr }));
      expect(stderr).toBe('');
      resolve(JSON.parse(stdout));
    });
  });
}

/** What the kernel may buffer of one connection, in MiB. A busy machine makes more use of it than an idle one. */
function kernelBuffers() {
  const most = (name) => {
    const file = `/proc/sys/net/ipv4/${name}`;
    return existsSync(file) ? Number(readFileSync(file, 'utf8').trim().split(/\s+/)[2]) : 4 * 2 ** 20;
  };
  return (most('tcp_rmem') + most('tcp_wmem')) / 2 ** 20;
}

test.each([1, 100])(
  '%d senders that flood a listener which never reads: they are stalled',
  async (senders) => {
    const { growth, taken } = await flood('paused', senders);
    // What they got rid of lies in the buffers of relay and kernel, on both of a sender's legs, and not here.
    expect(growth).toBeLessThan(32);
    expect(taken).toBeLessThan(senders * (8 + 2 * kernelBuffers()));
  }
);

test.each([1, 200])(
  '%d sender(s) that flood a program which is busy: 64 MiB wait, no more',
  async (senders) => {
    const { growth, received } = await flood('busy', senders);
    expect(received).toBeGreaterThanOrEqual(32);
    // Each of 200 may have 1 MiB waiting, but not all of them together. Beside that: what V8 has not collected yet.
    expect(growth).toBeLessThan(64 + 120);
  }
);

test('30 senders that never end their messages: the largest are given up, a modest one is served', async () => {
  const { growth, codes, given, closed, echo, state } = await flood('unfinished', 31);
  expect({ codes, echo, state }).toEqual({
    codes: ['ERR_HYCO_LIMIT'],
    echo: `${'part'.repeat(30)}end`,
    state: 'online'
  });
  // Up to 32 MiB of theirs are left, for good.
  expect(given).toBeGreaterThanOrEqual(30 - 4);
  expect(given).toBeLessThan(30);
  expect(closed.every((code) => code === 1009)).toBe(true);
  expect(growth).toBeLessThan(32 + 64);
});

test('a single turn that sends 800 MiB to senders that do not read: it is dropped, and every callback told', async () => {
  const { growth, codes, given, ends, callbacks } = await flood('turn', 4);
  expect({ codes, given, ends }).toEqual({
    codes: ['ERR_HYCO_LIMIT'],
    given: 4,
    ends: [1006, 1006, 1006, 1006]
  });
  expect(callbacks).toBe(4 * 10_100);
  expect(growth).toBeLessThan(4 * (4 + 8) + 96);
});

test('20 senders that flood an echo and never read: they are given up', async () => {
  const { growth, codes, given, state } = await flood('echo', 20);
  expect({ codes, given, state }).toEqual({ codes: ['ERR_HYCO_LIMIT'], given: 20, state: 'online' });
  expect(growth).toBeLessThan(20 * 4 + 96);
});
