'use strict';

/** What the commands print: results on stdout, what happens on stderr; colours only where somebody sees them. */

const { redact } = require('../shared/redact.js');

const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90 };

function paint(colour, text, stream = process.stdout) {
  if (!stream.isTTY || process.env.NO_COLOR) return text;
  return `\u001b[${COLOURS[colour]}m${text}\u001b[39m`;
}

/** @param {object} value One line of JSON on stdout */
function printJson(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/**
 * @param {string} text A remark on stderr
 * @param {string} [colour]
 */
function note(text, colour = 'grey') {
  process.stderr.write(`${paint(colour, redact(text), process.stderr)}\n`);
}

/**
 * Says what is being waited for, once the wait is a noticeable one and somebody watches; the text goes when it is over.
 *
 * @template T
 * @param {string} text
 * @param {Promise<T>} work
 * @param {{stream?: object, after?: number}} [options] After how many milliseconds
 * @return {Promise<T>} `work`
 */
async function waiting(text, work, { stream = process.stderr, after = 500 } = {}) {
  if (!stream.isTTY) return work;
  let shown = false;
  const timer = setTimeout(() => {
    shown = true;
    stream.write(paint('grey', `${text} …`, stream));
  }, after);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    // Back to the start of the line, and erase it.
    if (shown) stream.write('\r\u001b[K');
  }
}

/** An error as an object for `--json`. */
function plain({ code, message, statusCode, reason, trackingId }) {
  return {
    code,
    message: redact(message),
    statusCode,
    reason: reason === undefined ? undefined : redact(reason),
    trackingId
  };
}

/** Fulfilled with the first signal that asks the process to end. */
function stopped() {
  return new Promise((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, settle);
  });
}

module.exports = { note, paint, plain, printJson, stopped, waiting };
