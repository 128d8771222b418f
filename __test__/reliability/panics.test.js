'use strict';

// A panic on JavaScript's thread would end the process. Each function that the addon exports panics once, in a process of
// its own (`panicOnce`, in debug builds): what was struck ends with ERR_HYCO_INTERNAL, and everything else goes on.

const { execFile } = require('node:child_process');
const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const FOLDER = path.join(__dirname, '..', '..', 'src', 'node');
const CHILD = path.join(__dirname, '..', 'fixtures', 'panic-child.js');

const sources = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.rs'))
  .map((name) => readFileSync(path.join(FOLDER, name), 'utf8'));
const names = sources.flatMap((source) =>
  [...source.matchAll(/\b(?:guard|attempt|with)\("(\w+)"/g)].map(([, name]) => name)
);

/** Where nobody is left to be struck, it is only asked once more, or whoever waits gives up by itself. */
const SILENT = new Set([
  'addresses',
  'admitHost',
  'closeListener',
  'closeLocalStreams',
  'closeRemoteStreams',
  // Comes with the end of its server only, which may be over before it is told.
  'cutRemoteStream',
  'drain',
  'fail',
  'giveBack',
  'listenerStats',
  'panicOnce',
  'release',
  'unref'
]);

function run(name) {
  return new Promise((resolve) => {
    const env = { ...process.env, RUST_BACKTRACE: '0' };
    const options = { timeout: 200_000, killSignal: 'SIGKILL', env };
    execFile(process.execPath, ['--expose-gc', CHILD, name], options, (error, stdout, stderr) => {
      resolve({ ended: error === null ? 0 : (error.signal ?? error.code), stdout, stderr });
    });
  });
}

test('each exported function catches panics, its arguments included', () => {
  for (const source of sources) {
    const exported = [...source.matchAll(/#\[napi(\([^\]]*\))?\]\s*(?:#\[[^\]]*\]\s*)*pub fn (\w+)/g)];
    for (const [, options, name] of exported) {
      expect([name, options]).toEqual([name, expect.stringMatching('catch_unwind')]);
    }
  }
  expect(names.length).toBeGreaterThan(50);
  expect(new Set(names).size).toBe(names.length);
});

test.concurrent.each(names)('a panic in %s', async (name) => {
  const { ended, stdout, stderr } = await run(name);
  expect({ ended, tripped: stderr.match(/on purpose, in \w+/g) }).toEqual({
    ended: 0,
    tripped: [`on purpose, in ${name}`]
  });
  const { struck, goesOn } = JSON.parse(stdout);
  expect(goesOn).toBe(true);
  if (!SILENT.has(name)) expect(struck).toContain('ERR_HYCO_INTERNAL');
});
