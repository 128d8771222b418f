'use strict';

const { parseArgs } = require('node:util');

const { examineRelay } = require('./doctor-relay.js');
const { Steps } = require('./doctor-steps.js');
const { examineWay } = require('./doctor-way.js');
const { paint, printJson } = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget } = require('./target.js');

const summary = 'goes the way to the relay step by step and says what is wrong';

const help = `Usage: hyco-ws-rs doctor [options]

Checks name, proxy, port, TLS, clock and token, and comes to the listener as a sender, whose connection is closed at
once. Where no listener is connected, one of its own is, if the rule may listen: a sender meets it at the relay's
gateway, and a message and an HTTP request go there and back. Says in words what is wrong, and exits with 1 if
something is.

Options:
  --listen   has a listener of its own even where others are connected: senders that come to it meanwhile are
             turned away with 503; and for rules that may not send
  --json     prints one JSON object with all steps
  --help     prints this

${TARGET_HELP}`;

/**
 * @param {String[]} args
 * @returns {Promise<Number>} 0 if all is well, 1 if not
 */
async function run(args) {
  const options = { ...TARGET_OPTIONS, listen: { type: 'boolean' } };
  const { values } = parseArgs({ args, options, strict: true });
  const target = await readTarget(values, 'connect');
  const checks = [];
  const report = (check) => {
    checks.push(check);
    if (!values.json) process.stdout.write(lineOf(check));
  };
  await examine(target, values.listen === true, new Steps(report));
  const has = (result) => checks.some((check) => check.result === result);
  const ok = !has('failed');
  if (values.json) printJson({ ok, checks });
  else process.stdout.write(`\n${verdict(ok, has('warning'))}\n`);
  return ok ? 0 : 1;
}

async function examine({ uri, options }, listens, steps) {
  const way = await examineWay(uri, options, steps);
  if (way.isUseful) await examineRelay({ uri, options, proxy: way.proxy, listens }, steps);
}

const MARKS = {
  ok: ['green', 'ok'],
  skipped: ['grey', '--'],
  warning: ['yellow', '!!'],
  failed: ['red', 'no']
};

function lineOf({ name, result, text, remedy }) {
  const [colour, mark] = MARKS[result];
  const line = `${paint(colour, mark)} ${name.padEnd(7)} ${text}\n`;
  return remedy === undefined ? line : `${line}           ${remedy}\n`;
}

function verdict(ok, isWarned) {
  if (!ok) return 'See hyco-ws-rs/docs/troubleshooting.md for more.';
  return isWarned ? 'The way is free; see what is marked with !!.' : 'All is well.';
}

module.exports = { summary, help, run };
