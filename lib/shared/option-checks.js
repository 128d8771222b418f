'use strict';

/** Checks of options that are of one kind only; those of general use are in `checks.js`. */

const { isConnectionString, readRelayUri } = require('./address');
const { check, group, isObject, nearest, optionalGroup } = require('./checks');
const { invalidArgType, invalidArgValue } = require('./errors');

function server(value, name) {
  if (value instanceof URL) value = value.href;
  value = check.string(value, name);
  if (isConnectionString(value)) {
    throw invalidArgValue(name, 'it is a connection string, for RelayedServer.fromConnectionString()');
  }
  const { uri, opposed } = readRelayUri(value, 'listen');
  const parsed = URL.canParse(uri) ? new URL(uri) : undefined;
  if (parsed === undefined || parsed.hostname === '' || !/^(wss?|https?):$/.test(parsed.protocol)) {
    throw invalidArgValue(name, 'it must be a URI such as wss://namespace/$hc/path');
  }
  if (opposed) {
    throw invalidArgValue(
      name,
      'it is a URI to send to (sb-hc-action=connect); createRelayListenUri() makes one to listen on'
    );
  }
  return value;
}

function token(value, name) {
  if (typeof value !== 'string' && typeof value !== 'function') {
    throw invalidArgType(name, 'a string or a function', value);
  }
  return value;
}

/** One key, or the primary and the secondary key: the next one is tried when the relay refuses a token. */
function key(value, name) {
  const keys = Array.isArray(value) ? value : [value];
  if (keys.length === 0) throw invalidArgType(name, 'a string', undefined);
  for (const each of keys) check.word(each, name);
  return value;
}

function lifetime(value, name) {
  if (typeof value !== 'number') throw invalidArgType(name, 'a number of seconds', value);
  if (!(value > 0 && Number.isFinite(value))) {
    throw invalidArgValue(name, 'it must be more than 0 seconds');
  }
  return value;
}

function credential(value, name) {
  if (!isObject(value) || typeof value.getToken !== 'function') {
    throw invalidArgType(name, 'an object with a getToken() method', value);
  }
  return value;
}

/** It goes into a URI. */
function id(value, name) {
  if (!/^[\t\x20-\x7e]+$/.test(check.word(value, name))) {
    throw invalidArgValue(name, 'it has characters that no URI may have');
  }
  return value;
}

/** What a listener cannot do about TLS it must not seem to do, so nothing is left out in silence. */
function listenerTls(table) {
  const read = group(table);
  const readAll = (value, name) => {
    check.object(value, name);
    for (const [given, setting] of Object.entries(value)) {
      if (Object.hasOwn(table, given) || setting === undefined || setting === null) continue;
      throw invalidArgValue(`${name}.${given}`, unsupportedTls(given, table));
    }
    const settings = read(value, name);
    if (settings.cert !== undefined && settings.key === undefined) {
      throw invalidArgValue(`${name}.key`, 'it is needed with "cert"');
    }
    return settings;
  };
  return Object.assign(readAll, { table });
}

function unsupportedTls(given, table) {
  if (given === 'pfx') return 'a listener takes "cert" and "key" in its place';
  const near = nearest(given, Object.keys(table));
  return near === undefined ? 'a listener does not support it' : `it is not known; is "${near}" meant?`;
}

/** As ws has it: `true`, `false` or the parameters. */
function deflate(table) {
  const whole = group(table);
  const read = (value, name) => {
    if (typeof value === 'boolean') return value ? whole({}, name) : false;
    if (!isObject(value)) throw invalidArgType(name, 'a boolean or an object', value);
    return whole(value, name);
  };
  return Object.assign(read, { table });
}

/** A parameter that may be asked for, refused (`false`), or left to the other side. */
function parameter(value) {
  return value === false ? false : value ? true : undefined;
}

/** A group that is on with whatever counts as true, as in ws. */
function looseGroup(table) {
  const read = optionalGroup(table);
  return Object.assign((value, name) => read(isObject(value) ? value : Boolean(value), name), { table });
}

/** A hybrid connection of the emulator, or just its path. */
function hybridConnection(table) {
  const read = group(table);
  return Object.assign((value, name) => read(typeof value === 'string' ? { path: value } : value, name), {
    table
  });
}

function entity(value, name) {
  check.word(value, name);
  if (!value.replaceAll('/', '') || /[?#]/.test(value)) {
    throw invalidArgValue(name, 'it must be a path without a query');
  }
  return value;
}

function publicHost(value, name) {
  if (!/^[\w.[\]:-]+$/.test(check.string(value, name))) {
    throw invalidArgValue(name, 'it must be a host with or without a port');
  }
  return value;
}

function pemText(value, name) {
  return check.word(Buffer.isBuffer(value) ? value.toString('utf8') : value, name);
}

/** Whole milliseconds, 0 for "at once". */
function wholeTime(value, name) {
  return Math.ceil(check.number(0, 2 ** 31 - 1)(value, name));
}

module.exports = {
  credential,
  deflate,
  entity,
  hybridConnection,
  id,
  key,
  lifetime,
  listenerTls,
  looseGroup,
  parameter,
  pemText,
  publicHost,
  server,
  token,
  wholeTime
};
