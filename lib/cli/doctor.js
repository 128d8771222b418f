'use strict';

const { parseArgs } = require('node:util');

const { redact } = require('../shared/redact.js');
const { kindOf, remedyFor } = require('../shared/remedy.js');
const { examineWay } = require('./doctor-way.js');
const { examineRelay } = require('./doctor-relay.js');
const { paint, printJson, waiting } = require('./output.js');
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

/** Does one step after the other, and reports each. */
class Steps {
  #report;

  /** @param {function(object): void} report Gets `{ name, result, text, code, remedy }` */
  constructor(report) {
    this.#report = report;
  }

  /**
   * @template T
   * @param {string} name
   * @param {function(): Promise<{text: string, result?: string, error?: Error, value?: T}>} work `error` is what a
   *     step that has not failed stumbled over
   * @return {Promise<T|undefined>} `value`; `undefined` if it has failed
   */
  async take(name, work) {
    try {
      const { text, result = 'ok', error, value } = await waiting(`   ${name}`, work());
      const details = error && { code: kindOf(error), remedy: remedyFor(error, name) };
      this.#report({ name, result, text, ...details });
      return value;
    } catch (error) {
      const code = kindOf(error);
      const text = redact(`${textOf(error)}${code && !textOf(error).includes(code) ? ` (${code})` : ''}`);
      this.#report({ name, result: 'failed', text, code, remedy: remedyFor(error, name) });
      return undefined;
    }
  }

  /** @param {string} text Why it is not taken */
  skip(name, text) {
    this.#report({ name, result: 'skipped', text });
  }
}

const textOf = (error) => error.errors?.map(({ message }) => message).join(', ') || error.message.trim();

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
  if (!ok) return 'See docs/troubleshooting.md for more.';
  return isWarned ? 'The way is free; see what is marked with !!.' : 'All is well.';
}

module.exports = { summary, help, run };
