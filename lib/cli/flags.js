'use strict';

/** Options of a command as their user wrote them: numbers, and the names that an error has for them. */

const { invalidValue } = require('../shared/errors.js');

/**
 * @param {object} values Of `parseArgs`
 * @param {string} flag Its name without the dashes
 * @param {{least: number, most: number, whole?: boolean, unit?: string}} range `unit` such as `'seconds'`
 * @return {number|undefined} `undefined` where it is not given
 */
function readNumber(values, flag, { least, most, whole = true, unit }) {
  const text = values[flag];
  if (text === undefined) return undefined;
  const number = (whole ? /^\d+$/ : /^(\d+\.?\d*|\.\d+)$/).test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  const kind = `${whole ? 'a whole number' : 'a number'}${unit === undefined ? '' : ` of ${unit}`}`;
  throw invalidValue(`--${flag} takes ${kind} from ${least} to ${most}`);
}

/** What the arguments and options of functions are to whoever goes to a relay: see `target.js`. */
const NAMES = {
  connectionString: 'SB_HC_CONNECTION_STRING',
  'options.path': '--path (SB_HC_PATH)',
  'options.credential': '--credential default',
  'options.keyName': '--keyrule (SB_HC_KEYRULE)',
  'options.key': 'SB_HC_KEY',
  'options.token': 'SB_HC_TOKEN',
  'options.handshakeTimeout': 'OperationTimeout in SB_HC_CONNECTION_STRING'
};

/**
 * The same error in the words of the command line: "The "options.port" argument is invalid: it must be …" becomes
 * "--port must be …".
 *
 * @template {Error} E
 * @param {E} error
 * @param {Object<string, string>} [names] What an argument or option of a function is here; without indices:
 *     `options.hybridConnections.path`
 * @return {E}
 */
function inFlags(error, names = NAMES) {
  const [start, name] = /^The "([^"]+)" (?:argument|option)(?= )/.exec(error.message) ?? [];
  const flag = /_PROXY$/i.test(name) ? name : names[name?.replace(/\[\d+\]/g, '')];
  if (flag === undefined) return error;
  error.message = flag + error.message.slice(start.length).replace(' is invalid: it ', ' ');
  return error;
}

module.exports = { inFlags, readNumber };
