'use strict';

/** The life of a command that keeps forwards open: until a signal, or until nothing is left to be kept open. */

const { appendFileSync } = require('node:fs');

const { hostAndPort } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');
const { readNumber } = require('./flags.js');
const { colourOf, describe } = require('./forwards.js');
const { serveHealth } = require('./health.js');
const { stopped, teller } = require('./output.js');
const { readEndpoint } = require('./target.js');

/** For `parseArgs`. */
const RUN_OPTIONS = { 'health-port': { type: 'string' }, drain: { type: 'string' } };

const RUN_HELP = `  --health-port <[host:]port>  answers /healthz, /readyz and /metrics there (Prometheus)
  --drain <seconds>            how long SIGTERM lets what is open finish (default 10); a second signal ends it`;

/** Milliseconds for closing handshakes. */
const GOODBYE = 2_000;

/**
 * @param {object} values Of `parseArgs`
 * @return {{health: {host: string, port: number}|undefined, drain: number}} `drain` in milliseconds
 */
function readRunOptions(values) {
  const given = values['health-port'];
  const drain = readNumber(values, 'drain', { least: 0, most: 86_400, whole: false, unit: 'seconds' }) ?? 10;
  return {
    health: given === undefined ? undefined : readEndpoint(given, 'health-port', 0),
    drain: drain * 1000
  };
}

const FAILURES = new Set(['error', 'refused', 'offline']);
const TRAFFIC = new Set(['connect', 'disconnect', 'request']);

/** What a level of azbridge's leaves out. */
function isLogged(level, event, { error }) {
  if (level === 'QUIET' || level === 'NONE') return false;
  if (level === 'FATAL') return event === 'offline';
  if (level === 'ERROR') return FAILURES.has(event);
  return level !== 'INFO' || error !== undefined || !TRAFFIC.has(event);
}

/**
 * @param {{json?: boolean, level?: string, file?: string}} how
 * @return {function(string, object): void} Writes one line of the log
 */
function logger({ file, json, level = 'VERBOSE' }) {
  const intoFile = (event, fields) => {
    const time = new Date().toISOString();
    const line = json ? JSON.stringify({ event, time, ...fields }) : `${time} ${describe(event, fields)}`;
    appendFileSync(file, `${line}\n`);
  };
  const tell = file === undefined ? teller(json, describe, colourOf) : intoFile;
  return (event, fields) => {
    if (isLogged(level, event, fields)) tell(event, fields);
  };
}

/**
 * @param {import('./forwards').Forwards} forwards
 * @param {object} how
 * @param {{host: string, port: number}} [how.health]
 * @param {number} how.drain
 * @param {Promise<string>} how.ended Why to stop, where it is not a signal: that is exit code 1
 * @return {Promise<number>} The exit code
 */
async function keepOpen(forwards, { drain, ended, health }) {
  const { tell } = forwards;
  let server;
  if (health !== undefined) {
    try {
      server = await serveHealth(health, forwards);
    } catch (error) {
      await forwards.close({ timeout: 0 });
      throw invalidValue(`--health-port: ${error.message}`, error);
    }
    const { address, port } = server.address();
    tell('notice', { message: `health at http://${hostAndPort(address, port)}/readyz` });
  }
  const lost = ended.then((reason) => ({ reason, code: 1 }));
  const { reason, code } = await Promise.race([
    lost,
    stopped().then((signal) => ({ reason: signal, code: 0 }))
  ]);
  const drains = reason === 'SIGTERM' && drain > 0;
  if (drains) stopped().then(() => forwards.close({ timeout: 0 }));
  tell('stopping', { reason });
  const closing = forwards.close(drains ? { drain: true, timeout: drain } : { timeout: GOODBYE });
  await closing;
  server?.close();
  server?.closeAllConnections();
  return code;
}

module.exports = { RUN_HELP, RUN_OPTIONS, keepOpen, logger, readRunOptions };
