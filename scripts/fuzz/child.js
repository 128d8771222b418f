'use strict';

/**
 * Runs rounds and says on its standard output, a line of JSON each, which one begins and what is wrong with it; the
 * first fault ends it. `scripts/fuzz.js` starts one for each tuning of the engine, which is read but once; for Valgrind
 * it can be started by hand:
 *
 *     node scripts/fuzz/child.js <seed> <milliseconds a round> <round> <round> ...
 */

const { writeSync } = require('node:fs');

const { tls } = require('../../__test__/helpers/emulator-peers.js');
const { BYTE_BY_BYTE } = require('../tuning.js');
const { Dice } = require('./dice.js');
const { receive } = require('./receive.js');
const { relay } = require('./relay.js');
const { requests } = require('./requests.js');
const { send } = require('./send.js');

const KINDS = { receive, send, relay, requests };
const MIB = 1024 * 1024;

/** What a round may carry; byte by byte it is a system call for each. */
const BUDGET =
  process.env.HYCO_WS_RS_TUNING === BYTE_BY_BYTE
    ? { bytes: 0.2 * MIB, frames: 3000 }
    : { bytes: 16 * MIB, frames: 40_000 };

const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);

/** @return {Promise<string[]>} What is wrong with one round */
async function play(seed, round, limit) {
  const dice = Dice.forRound(seed, round);
  const kind = dice.pick(['receive', 'receive', 'receive', 'send', 'send', 'relay', 'requests']);
  say({ round, kind });
  const watches = [];
  let timer;
  const late = new Promise((resolve) => {
    // What is thrown in a listener or a callback ends a program, too.
    process.on('uncaughtException', (error) => resolve([error.stack]));
    timer = setTimeout(() => {
      resolve([
        'it does not end',
        ...watches.map(({ state }) => state),
        ...watches.flatMap(({ faults }) => faults)
      ]);
    }, limit);
  });
  const follow = (watch) => watches.push(watch);
  const faults = await Promise.race([KINDS[kind](dice, { budget: BUDGET, tls, follow }), late]);
  clearTimeout(timer);
  process.removeAllListeners('uncaughtException');
  return faults;
}

async function main() {
  const [seed, limit, ...rounds] = process.argv.slice(2).map(Number);
  for (const round of rounds) {
    const faults = await play(seed, round, limit);
    if (faults.length > 0) {
      say({ round, faults });
      process.exit(1);
    }
  }
  say({ done: true });
}

main();
