'use strict';

/**
 * The options of `RelayedServer`: one table of names, defaults and checks. They are read once, at construction;
 * `undefined` and, as hyco-ws's own defaults are written, `null` stand for the default. Times are in milliseconds,
 * sizes in bytes; `false` or 0 switches a thing off.
 */

const { randomUUID } = require('node:crypto');
const { inspect } = require('node:util');

const { invalidArgType, invalidArgValue } = require('./errors');
const { splitToken, translate } = require('./relay-address');

const MAX_TIME = 2 ** 31 - 1;

const isObject = (value) => typeof value === 'object' && value !== null;

/** Checks of one value: each returns what to keep, or throws. */
const check = {
  string(value, name) {
    if (typeof value !== 'string') throw invalidArgType(name, 'a string', value);
    return value;
  },
  word(value, name) {
    if (check.string(value, name) === '') throw invalidArgValue(name, 'it must not be empty');
    return value;
  },
  boolean(value, name) {
    if (typeof value !== 'boolean') throw invalidArgType(name, 'a boolean', value);
    return value;
  },
  function(value, name) {
    if (typeof value !== 'function') throw invalidArgType(name, 'a function', value);
    return value;
  },
  object(value, name) {
    if (!isObject(value)) throw invalidArgType(name, 'an object', value);
    return value;
  },
  time(value, name) {
    if (value === false) return 0;
    if (typeof value !== 'number') throw invalidArgType(name, 'a number of milliseconds', value);
    if (!(value >= 0 && value <= MAX_TIME)) throw invalidArgValue(name, `it must be 0 to ${MAX_TIME}`);
    return value;
  },
  integer(least, most) {
    return (value, name) => {
      if (value === false && least === 0) return 0;
      if (typeof value !== 'number') throw invalidArgType(name, 'a number', value);
      if (!Number.isInteger(value) || value < least || value > most) {
        throw invalidArgValue(name, `it must be an integer from ${least} to ${most}`);
      }
      return value;
    };
  },
  oneOf(...allowed) {
    return (value, name) => {
      if (!allowed.includes(value)) {
        throw invalidArgValue(name, `it must be one of ${allowed.map((word) => inspect(word)).join(', ')}`);
      }
      return value;
    };
  },
  /** ws takes any number here and coerces it. */
  limit(value, name) {
    if (typeof value !== 'number' || Number.isNaN(value)) throw invalidArgType(name, 'a number', value);
    return value;
  }
};

const KEEP_ALIVE = {
  interval: [30_000, check.time],
  timeout: [60_000, check.time],
  mode: ['ping', check.oneOf('ping', 'pong')]
};

const RECONNECT = {
  minDelay: [1_000, check.time],
  maxDelay: [30_000, check.time],
  stableAfter: [30_000, check.time],
  retryTerminal: [false, check.boolean],
  recycleAfter: [23 * 3600_000, check.time],
  delay: [undefined, check.function]
};

const TLS = {
  ca: [undefined, checkPem],
  cert: [undefined, checkPem],
  key: [undefined, checkTlsKey],
  passphrase: [undefined, check.string],
  rejectUnauthorized: [undefined, check.boolean],
  servername: [undefined, check.string],
  minVersion: [undefined, check.oneOf('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')],
  maxVersion: [undefined, check.oneOf('TLSv1.2', 'TLSv1.3')]
};

const CREDENTIALS = {
  token: [undefined, checkToken],
  keyName: [undefined, check.word],
  key: [undefined, checkKey],
  tokenLifetime: [3_600, checkLifetime],
  credential: [undefined, checkCredential]
};

/** Name: [default, check]. */
const SERVER = {
  server: [undefined, checkServer],
  ...CREDENTIALS,
  id: [undefined, check.word],
  path: [undefined, check.string],
  verifyClient: [undefined, check.function],
  handleProtocols: [undefined, check.function],
  clientTracking: [true, (value) => Boolean(value)],
  maxPayload: [100 * 1024 * 1024, check.limit],
  maxFragments: [16 * 1024, check.limit],
  maxPendingAutoPongs: [60, check.limit],
  perMessageDeflate: [false, checkDeflate],
  allowSynchronousEvents: [true, check.boolean],
  autoPong: [true, check.boolean],
  skipUTF8Validation: [false, check.boolean],
  textMessages: ['buffer', check.oneOf('buffer', 'string')],
  keepAlive: [{}, group(KEEP_ALIVE)],
  reconnect: [{}, group(RECONNECT)],
  handshakeTimeout: [60_000, check.time],
  acceptTimeout: [20_000, check.time],
  closeTimeout: [30_000, check.time],
  controlChannels: [1, check.integer(1, 25)],
  maxConnections: [0, check.integer(0, Number.MAX_SAFE_INTEGER)],
  maxPendingAccepts: [256, check.integer(0, 2 ** 31 - 1)],
  highWaterMark: [1024 * 1024, check.integer(1, Number.MAX_SAFE_INTEGER)],
  maxBufferedAmount: [256 * 1024 * 1024, check.integer(0, Number.MAX_SAFE_INTEGER)],
  maxAssembling: [256 * 1024 * 1024, check.integer(0, Number.MAX_SAFE_INTEGER)],
  rendezvousHosts: [undefined, check.function],
  proxy: [undefined, checkProxy],
  tls: [undefined, checkTls],
  signal: [undefined, checkSignal]
};

/** Options of hyco-ws and ws that have nothing to act on here and harm nobody. */
const IGNORED = new Set(['disableHixie', 'backlog', 'maxBufferedChunks', 'host', 'port', 'noServer']);

/** What neither `util.inspect()` nor JSON shows of the settings. */
const HIDDEN = ['server', 'token', 'key', 'credential', 'proxy', 'tls', 'uri'];

/** A group of options, or `false` for none of it, or `true` for its defaults. */
function group(table) {
  return (value, name) => {
    if (value === false || value === 0) return null;
    if (value === true) value = {};
    return readTable(table, check.object(value, name), `${name}.`);
  };
}

function readTable(table, given, prefix) {
  const result = {};
  for (const [name, [fallback, read]] of Object.entries(table)) {
    const value = given[name] ?? fallback;
    result[name] = value === undefined ? undefined : read(value, prefix + name);
  }
  return result;
}

/** What a listener cannot do about TLS it must not seem to do, so nothing is left out in silence. */
function checkTls(value, name) {
  check.object(value, name);
  for (const [given, setting] of Object.entries(value)) {
    if (Object.hasOwn(TLS, given) || setting === undefined || setting === null) continue;
    throw invalidArgValue(`${name}.${given}`, unsupportedTls(given));
  }
  return readTable(TLS, value, `${name}.`);
}

function unsupportedTls(given) {
  if (given === 'pfx') return 'a listener takes "cert" and "key" in its place';
  const beginning = given.slice(0, 3).toLowerCase();
  const near = Object.keys(TLS).find((known) => known.toLowerCase().startsWith(beginning));
  return near === undefined ? 'a listener does not support it' : `it is not known; is "${near}" meant?`;
}

/** PEM in one or several texts or buffers. */
function checkPem(value, name) {
  for (const each of Array.isArray(value) ? value.flat() : [value]) {
    if (typeof each === 'string' || ArrayBuffer.isView(each) || each instanceof ArrayBuffer) continue;
    throw invalidArgType(name, 'a string, a Buffer or an array of these', each);
  }
  return value;
}

/** The same, or `{ pem, passphrase }`, as Node takes it. */
function checkTlsKey(value, name) {
  for (const each of Array.isArray(value) ? value.flat() : [value]) {
    const pem = each?.pem ?? each;
    if (typeof pem === 'string' || ArrayBuffer.isView(pem)) continue;
    throw invalidArgType(name, 'a string, a Buffer or an array of these', pem);
  }
  return value;
}

function checkServer(value, name) {
  if (value instanceof URL) value = value.href;
  value = check.string(value, name);
  const uri = String(translate(value, 'listen'));
  const parsed = URL.canParse(uri) ? new URL(uri) : undefined;
  if (parsed === undefined || parsed.hostname === '' || !/^(wss?|https?):$/.test(parsed.protocol)) {
    throw invalidArgValue(name, 'it must be a URI such as wss://namespace/$hc/path');
  }
  return value;
}

function checkToken(value, name) {
  if (typeof value !== 'string' && typeof value !== 'function') {
    throw invalidArgType(name, 'a string or a function', value);
  }
  return value;
}

/** One key, or the primary and the secondary key: the next one is tried when the relay refuses a token. */
function checkKey(value, name) {
  const keys = Array.isArray(value) ? value : [value];
  if (keys.length === 0) throw invalidArgType(name, 'a string', undefined);
  for (const key of keys) {
    if (typeof key !== 'string') throw invalidArgType(name, 'a string', key);
    if (key === '') throw invalidArgValue(name, 'it must not be empty');
  }
  return value;
}

function checkLifetime(value, name) {
  if (typeof value !== 'number') throw invalidArgType(name, 'a number of seconds', value);
  if (!(value > 0 && Number.isFinite(value))) {
    throw invalidArgValue(name, 'it must be more than 0 seconds');
  }
  return value;
}

function checkCredential(value, name) {
  if (!isObject(value) || typeof value.getToken !== 'function') {
    throw invalidArgType(name, 'an object with a getToken() method', value);
  }
  return value;
}

function checkDeflate(value, name) {
  if (typeof value !== 'boolean' && !isObject(value)) {
    throw invalidArgType(name, 'a boolean or an object', value);
  }
  return value === true ? {} : value;
}

function checkProxy(value, name) {
  if (value === false || value instanceof URL || typeof value === 'string') return value;
  throw invalidArgType(name, 'a URL or false', value);
}

function checkSignal(value, name) {
  if (
    !isObject(value) ||
    typeof value.aborted !== 'boolean' ||
    typeof value.addEventListener !== 'function'
  ) {
    throw invalidArgType(name, 'an AbortSignal', value);
  }
  return value;
}

/** hyco-ws's own wording, for programs that look at it. */
function missing(message) {
  const error = new TypeError(message);
  error.code = 'ERR_INVALID_ARG_TYPE';
  return error;
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
  if (given.server === undefined || given.server === null) throw missing("'server' must be provided");

  const settings = readTable(SERVER, given, 'options.');
  const { uri, token } = splitToken(String(translate(settings.server, 'listen')));
  settings.uri = uri.replace(/^http/i, 'ws');
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
    if (typeof given.reconnect.maxDelay === 'number') {
      throw invalidArgValue('options.reconnect.maxDelay', 'it must not be less than minDelay');
    }
    reconnect.maxDelay = reconnect.minDelay;
  }
  settings.id ??= randomUUID();

  for (const name of HIDDEN) Object.defineProperty(settings, name, { enumerable: false });
  Object.defineProperty(settings, inspect.custom, { value: shown });
  const options = Object.defineProperties({}, Object.getOwnPropertyDescriptors(settings));
  return { settings: Object.freeze(settings), options, unknown: unknownNames(given) };
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
 * The credentials among the options of `relayedConnect()`.
 *
 * @param {object} given
 * @return {object|undefined} `undefined` if there are none, which some hybrid connections allow
 * @throws {TypeError} as `readServerOptions()`
 */
function readCredentials(given) {
  const credentials = readTable(CREDENTIALS, given, 'options.');
  return completeCredentials(credentials) ? credentials : undefined;
}

function unknownNames(given) {
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(SERVER, name) && !IGNORED.has(name));
  for (const [name, table] of [
    ['keepAlive', KEEP_ALIVE],
    ['reconnect', RECONNECT]
  ]) {
    if (!isObject(given[name])) continue;
    for (const inner of Object.keys(given[name])) {
      if (!Object.hasOwn(table, inner)) unknown.push(`${name}.${inner}`);
    }
  }
  return unknown;
}

module.exports = { readCredentials, readServerOptions };
