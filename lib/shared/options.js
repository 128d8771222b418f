'use strict';

/** Reads options by their table: once, at construction. */

const { randomUUID } = require('node:crypto');
const { inspect } = require('node:util');

const { readRelayUri } = require('./address');
const { refusal } = require('./caller');
const { check, isObject, nearest, readTable } = require('./checks');
const { invalidArgValue, withCode } = require('./errors');
const { optionsOf } = require('./option-table');

const LISTENER = optionsOf('listener');
const SENDER = optionsOf('sender');
const SOCKET = optionsOf('socket');
const EMULATOR = optionsOf('emulator');
const IGNORED = optionsOf('ignored');

/** What may be among the options, by who is called. */
const KNOWN = {
  RelayedServer: LISTENER,
  relayedConnect: { ...IGNORED, ...optionsOf('foreign'), ...optionsOf('node'), ...SOCKET, ...SENDER },
  RelayEmulator: EMULATOR
};

/** What neither `util.inspect()` nor JSON shows of the settings. */
const HIDDEN = ['server', 'token', 'key', 'credential', 'proxy', 'tls', 'uri'];

/** hyco-ws's own wording, for programs that look at it. */
function missing(message) {
  return refusal(withCode(new TypeError(message), 'ERR_INVALID_ARG_TYPE'));
}

/**
 * Checks the options of a server and fills in the defaults.
 *
 * @param {object} given
 * @return {{settings: object, options: object, unknown: string[]}} `settings` is what the server goes by: it is frozen,
 *     and `settings.uri` is the URI to dial, with no token in it. `options` is the same for programs, which may change it
 *     as they may change ws's. Neither shows credentials when it is printed
 * @throws {TypeError} with `code` `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, naming the option
 */
function readServerOptions(given) {
  if (given !== undefined && given !== null) check.object(given, 'options');
  given ??= {};
  // First: an option that is missing may be one that is misspelt.
  const unknown = warnOfMisspelt('RelayedServer', given);
  if (given.server === undefined || given.server === null) throw missing("'server' must be provided");

  const settings = readTable(LISTENER, given, 'options.');
  const { bare, token } = readRelayUri(settings.server, 'listen');
  settings.uri = bare.replace(/^http/i, 'ws');
  if (!completeCredentials(settings)) {
    if (token === undefined) {
      throw missing(
        "A 'token' string or function must be provided, or 'keyName' and 'key', or a 'credential'"
      );
    }
    settings.token = token;
  }
  const { reconnect } = settings;
  if (reconnect !== null && reconnect.maxDelay < reconnect.minDelay) {
    // A long shortest delay alone moves the longest one with it.
    if ((given.reconnect.maxDelay ?? undefined) !== undefined) {
      throw invalidArgValue('options.reconnect.maxDelay', 'it must not be less than minDelay');
    }
    reconnect.maxDelay = reconnect.minDelay;
  }
  settings.id ??= randomUUID();

  for (const name of HIDDEN) Object.defineProperty(settings, name, { enumerable: false });
  Object.defineProperty(settings, inspect.custom, { value: shown });
  const options = Object.defineProperties({}, Object.getOwnPropertyDescriptors(settings));
  return { settings: Object.freeze(settings), options, unknown };
}

/** What printing the settings shows, with `showHidden`, too. */
function shown() {
  return { ...this };
}

/** Puts credentials right; `false` if there are none. */
function completeCredentials(settings) {
  // As in hyco-ws, an empty token is none.
  settings.token = settings.token || undefined;
  const { token, credential, keyName, key } = settings;
  if (keyName === undefined && key !== undefined) throw missing("A 'keyName' must be provided with 'key'");
  if (keyName !== undefined && key === undefined) throw missing("A 'key' must be provided with 'keyName'");
  return token !== undefined || credential !== undefined || key !== undefined;
}

/**
 * The options of `relayedConnect()`.
 *
 * @param {object} given
 * @return {{credentials: object|undefined, signal: AbortSignal|undefined, rest: object}} Without credentials where there
 *     are none, which some hybrid connections allow; `rest` is the socket's, as it was given
 * @throws {TypeError} as `readServerOptions()`
 */
function readSenderOptions(given) {
  const rest = { ...given };
  // `key` is also ws's name of the TLS client key; a SAS key has a keyName.
  const ofRule = (given.keyName ?? undefined) !== undefined;
  for (const name of Object.keys(SENDER)) if (name !== 'key' || ofRule) delete rest[name];
  const table = ofRule ? SENDER : { ...SENDER, key: [undefined, () => undefined] };
  const { signal, ...credentials } = readTable(table, given, 'options.');
  return { credentials: completeCredentials(credentials) ? credentials : undefined, signal, rest };
}

/**
 * The options of a socket that dials, with their defaults.
 *
 * @param {object} [given]
 * @return {object} Without what only ws's engine reads
 * @throws {TypeError} as `readServerOptions()`; what is ws's goes by ws's rules, which refuse little
 */
function readSocketOptions(given) {
  return readTable(SOCKET, given ?? {}, 'options.');
}

/**
 * The options of an emulator, with their defaults.
 *
 * @param {object} [given]
 * @return {object} Plain data for the native side
 * @throws {TypeError} as `readServerOptions()`
 */
function readEmulatorOptions(given) {
  given = check.object(given ?? {}, 'options');
  warnOfMisspelt('RelayEmulator', given);
  return readTable(EMULATOR, given, 'options.');
}

function unknownNames(given, table, prefix = '') {
  const unknown = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      if (prefix !== '' || !Object.hasOwn(IGNORED, name)) unknown.push(prefix + name);
      continue;
    }
    const inner = table[name][1]?.table;
    const list = Array.isArray(given[name]) ? given[name] : [given[name]];
    if (inner === undefined) continue;
    for (const each of list) {
      if (isObject(each)) unknown.push(...unknownNames(each, inner, `${prefix}${name}.`));
    }
  }
  return unknown;
}

const warned = new Set();

/**
 * Warns, once for each name, of options that nothing reads and that look like others: nothing says otherwise that a limit
 * is not in force.
 *
 * @param {'RelayedServer'|'relayedConnect'|'RelayEmulator'} caller
 * @param {object} given
 * @return {string[]} All names that nothing reads
 */
function warnOfMisspelt(caller, given) {
  const unknown = unknownNames(given, KNOWN[caller]);
  for (const path of unknown) {
    const near = nearestTo(path.split('.'), KNOWN[caller]);
    const text = `${caller} has no option "${path}": is "${near}" meant?`;
    if (near === undefined || warned.has(text)) continue;
    warned.add(text);
    process.emitWarning(text, { code: 'HYCO_WS_RS_UNKNOWN_OPTION' });
  }
  return unknown;
}

function nearestTo(path, table) {
  const name = path.pop();
  for (const outer of path) ({ table } = table[outer][1]);
  const near = nearest(name, Object.keys(table));
  return near === undefined ? undefined : [...path, near].join('.');
}

module.exports = {
  readEmulatorOptions,
  readSenderOptions,
  readServerOptions,
  readSocketOptions,
  warnOfMisspelt
};
