'use strict';

// `npm run fuzz -- --seed N --rounds M`: random conversations between our sockets and peers of all kinds, under each
// tuning of the engine; what arrives is compared with what was sent. Everything follows from the seed. Exits with 1 if
// something is wrong, and says how to see it again. docs/reliability.md tells what it does.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { parseArgs } = require('node:util');

const { BYTE_BY_BYTE, FAST_PATHS, WITHOUT_FAST_PATHS } = require('./tuning.js');

const USAGE = `npm run fuzz -- [options]
  --seed N      makes a run repeatable
  --rounds M    how many (100)
  --round N     only this one, as a report names it`;

/** What the rounds run under, in turn; as shipped most of all. */
const TUNINGS = [
  '',
  FAST_PATHS[0],
  '',
  FAST_PATHS[1],
  '',
  FAST_PATHS[2],
  '',
  FAST_PATHS[3],
  WITHOUT_FAST_PATHS,
  BYTE_BY_BYTE
];
/** After this time a round is stuck, in milliseconds; some take several seconds on a busy machine. */
const LIMIT = 60_000;
/** Some time more for the child to tell that by itself: it can't if its event loop hangs. */
const GRACE = 10_000;
const CHILD = join(__dirname, 'fuzz', 'child.js');

/** Runs `rounds` in one process, or the first of them up to the first fault. */
class Run {
  constructor(seed, tuning, rounds) {
    Object.assign(this, { seed, tuning, rounds, round: rounds[0], done: false, faults: [], stderr: '' });
    const args = [CHILD, seed, LIMIT, ...rounds].map(String);
    const env = { ...process.env, HYCO_WS_RS_TUNING: tuning, RUST_BACKTRACE: '0' };
    this.child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stderr.on('data', (text) => (this.stderr += text));
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#told(JSON.parse(line)));
    this.#patience();
  }

  /** @return {Promise<string[]>} What went wrong in `round`, or nothing */
  async over() {
    const [code, signal] = await once(this.child, 'close');
    clearTimeout(this.timer);
    if (this.stuck) {
      this.faults.push(this.done ? 'the process does not end by itself' : 'the event loop hangs');
    } else if (!this.done && this.faults.length === 0) {
      this.faults.push(`the process died: ${signal ?? code}`);
    }
    return this.faults;
  }

  #told({ round, faults, done }) {
    this.round = round ?? this.round;
    this.done = done === true;
    this.faults.push(...(faults ?? []));
    this.#patience();
  }

  #patience() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.stuck = true;
      this.child.kill('SIGKILL');
    }, LIMIT + GRACE);
  }
}

function report({ seed, tuning, round, faults, stderr }) {
  console.log(`\nFAULT: seed ${seed}, round ${round}, tuning '${tuning}'`);
  for (const fault of faults) console.log(`  ${fault}`);
  if (stderr !== '') console.log(stderr.trim().split('\n').slice(0, 12).join('\n'));
  console.log(`again: npm run fuzz -- --seed ${seed} --round ${round}`);
}

/** @return {Promise<number>} How many rounds failed */
async function fuzz(seed, rounds) {
  let failed = 0;
  for (const tuning of new Set(TUNINGS)) {
    let left = rounds.filter((round) => TUNINGS[round % TUNINGS.length] === tuning);
    const started = performance.now();
    const count = left.length;
    while (left.length > 0) {
      const run = new Run(seed, tuning, left);
      if ((await run.over()).length === 0) break;
      report(run);
      failed++;
      // A new process for those behind it.
      left = left.slice(left.indexOf(run.round) + 1);
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (count > 0) {
      console.log(`${count} rounds in ${seconds} s under ${tuning === '' ? 'no tuning' : tuning}`);
    }
  }
  return failed;
}

async function main() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      rounds: { type: 'string', default: '100' },
      round: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  });
  if (values.help) return console.log(USAGE);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const only = values.round === undefined ? undefined : Number(values.round);
  const count = Number(values.rounds);
  if (![seed, count, only ?? 0].every(Number.isSafeInteger) || count < 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  console.log(`seed ${seed}`);
  const rounds = only === undefined ? Array.from({ length: count }, (_, round) => round) : [only];
  const failed = await fuzz(seed, rounds);
  console.log(
    failed === 0 ? `${rounds.length} rounds, nothing wrong` : `\n${failed} of ${rounds.length} rounds failed`
  );
  if (failed > 0) process.exitCode = 1;
}

main();
