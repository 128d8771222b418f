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
 * A line of the log of a command that goes on, on stderr: when, and what.
 *
 * @param {string} text
 * @param {string} [colour]
 */
function log(text, colour) {
  note(`${new Date().toISOString()} ${text}`, colour);
}

/**
 * What a command tells of its events: a sentence each on stderr, and what to do about it where there is a `remedy`; or as
 * JSON, on stdout.
 *
 * @param {boolean|undefined} json
 * @param {function(string, object): string} describe
 * @param {function(string, object): string|undefined} colourOf
 * @return {function(string, object): void}
 */
function teller(json, describe, colourOf) {
  if (json) return (event, fields) => printJson({ event, time: new Date().toISOString(), ...fields });
  return (event, fields) => {
    log(describe(event, fields), colourOf(event, fields));
    if (fields.remedy !== undefined) note(fields.remedy);
  };
}

/** @param {{code?: string, message: string}} error @return {string} */
function describeError({ code, message }) {
  return `${code ?? 'error'}: ${message}`;
}

/**
 * @param {number} code Of a socket's `close`
 * @param {string|Buffer} [reason]
 * @return {string} What that says: `closed`, or how else it ended
 */
function describeClose(code, reason = '') {
  // 1005: a close frame without a code, as of `close()` without arguments.
  if (code === 1000 || code === 1005) return 'closed';
  if (code === 1006) return 'broke off without a closing handshake (1006)';
  return `closed with ${code}${reason.length > 0 ? `, ${reason}` : ''}`;
}

/** @param {{code: string, message: string}} [error] Of a stream that was cut @return {string} How it ended */
function describeEnd(error) {
  return error === undefined ? 'closed' : `broke off (${error.code ?? error.message})`;
}

/** @return {string} `1.5 kB` */
function describeBytes(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (bytes >= 1000 && at < units.length - 1) {
    bytes /= 1000;
    at++;
  }
  return `${at === 0 || bytes >= 100 ? Math.round(bytes) : bytes.toFixed(1)} ${units[at]}`;
}

/** @param {{bytesReceived: number, bytesSent: number}} stats Of a socket */
function describeTraffic({ bytesReceived, bytesSent }) {
  return `${describeBytes(bytesReceived)} received, ${describeBytes(bytesSent)} sent`;
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

/** Who waits for the end of the command. */
const enders = new Set();

/** Fulfilled with the first signal that asks the process to end, or with words when nobody reads it any more. */
function stopped() {
  return new Promise((settle) => {
    enders.add(settle);
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, settle);
  });
}

/** As programs do in a pipe: when its reader is gone, as `head` soon is, the command ends, and without a word. */
function endWithReader() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error;
      if (enders.size === 0) process.exit(0);
      for (const end of enders) end('nobody reads its output any more');
    });
  }
}

module.exports = {
  describeClose,
  describeEnd,
  describeError,
  describeTraffic,
  endWithReader,
  log,
  note,
  paint,
  plain,
  printJson,
  stopped,
  teller,
  waiting
};
