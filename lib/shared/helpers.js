'use strict';

// The helpers of hyco-ws with its arguments and its results. Types are checked here; all else is done in Rust.

const { inspect } = require('node:util');

const { publicly } = require('./caller.js');
const { nonEmpty, text } = require('./checks.js');
const { blameArgument, invalidArgType, invalidArgValue } = require('./errors.js');
const native = require('./native.js');

/** Seconds that a token is good for unless the caller says otherwise. */
const DEFAULT_LIFETIME = 3600;
/** The last instant of a Date, in milliseconds. */
const LAST_INSTANT = 8.64e15;

/**
 * @param {unknown} value A string, a URL, or the result of `url.parse`
 * @return {string}
 */
function uriText(value) {
  if (typeof value === 'object' && typeof value?.href === 'string') return text('uri', value.href);
  if (typeof value !== 'string') throw invalidArgType('uri', 'of type string or an instance of URL', value);
  return text('uri', value);
}

/** Does what only the value of `argument` can make fail, unless we do. */
function named(argument, act) {
  try {
    return act();
  } catch (error) {
    throw blameArgument(argument, error);
  }
}

/**
 * When a token expires, as hyco-ws computes it (`moment().add(n, 'seconds').unix()`): milliseconds are cut off,
 * seconds are rounded down, and everything falsy is an hour.
 *
 * @param {number|string} [expirationSeconds=3600]
 * @return {number} Unix seconds
 */
function expiry(expirationSeconds) {
  const lifetime = expirationSeconds || DEFAULT_LIFETIME;
  if (typeof lifetime !== 'number' && typeof lifetime !== 'string') {
    throw invalidArgType('expirationSeconds', 'of type number', lifetime);
  }
  // `Date.now` and not Rust's clock: tests and schedulers replace it.
  const instant = Math.trunc(Math.trunc(Date.now()) + lifetime * 1000);
  if (!(Math.abs(instant) <= LAST_INSTANT)) {
    throw invalidArgValue('expirationSeconds', 'it is no number of seconds, or too large');
  }
  return Math.floor(instant / 1000);
}

/** The arguments of the two functions below, checked. */
function tokenParts(uri, keyName, key, expirationSeconds) {
  const address = uriText(uri);
  nonEmpty('keyName', keyName);
  if (typeof key !== 'string') throw invalidArgType('key', 'of type string', key);
  return [address, keyName, key, expiry(expirationSeconds)];
}

/**
 * Makes a shared access signature for a relay URI.
 *
 * @param {string|URL} uri The URI; scheme and query do not matter
 * @param {string} keyName The name of the SAS rule
 * @param {string} key The key of the SAS rule
 * @param {number|string} [expirationSeconds=3600] How long the token is good for, in seconds
 * @return {string} The token
 */
function createRelayToken(uri, keyName, key, expirationSeconds) {
  const parts = tokenParts(uri, keyName, key, expirationSeconds);
  return named('uri', () => native.createRelayToken(...parts));
}

/**
 * Makes a shared access signature for a relay URI and puts it into the URI's query.
 *
 * @param {string|URL} uri
 * @param {string} keyName The name of the SAS rule
 * @param {string} key The key of the SAS rule
 * @param {number|string} [expirationSeconds=3600] How long the token is good for, in seconds
 * @return {string} The URI with `sb-hc-token`
 */
function appendRelayToken(uri, keyName, key, expirationSeconds) {
  const parts = tokenParts(uri, keyName, key, expirationSeconds);
  return named('uri', () => native.appendRelayToken(...parts));
}

/**
 * @param {string} name
 * @param {unknown} value
 * @return {string|undefined} `undefined` for a part that is left out
 */
function optional(name, value) {
  return value === undefined || value === null ? undefined : text(name, value);
}

/**
 * @param {string} namespaceName `contoso.servicebus.windows.net`; of an emulator `host:port`, without TLS `ws://host:port`
 * @param {string} path The name of the hybrid connection
 * @return {string} The address of the hybrid connection
 */
function createRelayBaseUri(namespaceName, path) {
  const parts = [nonEmpty('namespaceName', namespaceName), text('path', path)];
  return named('namespaceName', () => native.createRelayBaseUri(...parts));
}

/** The arguments of the functions below, checked. */
function uriParts(namespaceName, path, token, id) {
  return [
    nonEmpty('namespaceName', namespaceName),
    text('path', path),
    optional('token', token),
    optional('id', id)
  ];
}

/**
 * @param {string} namespaceName `contoso.servicebus.windows.net`; of an emulator `host:port`, without TLS `ws://host:port`
 * @param {string} path The name of the hybrid connection, with a query if need be
 * @param {string} [token] A token to put into the URI, where headers cannot be set
 * @param {string} [id] An id for tracing a connection from end to end
 * @return {string} The URI to listen on
 */
function createRelayListenUri(namespaceName, path, token, id) {
  const parts = uriParts(namespaceName, path, token, id);
  return named('namespaceName', () => native.createRelayListenUri(...parts));
}

/**
 * @param {string} namespaceName `contoso.servicebus.windows.net`; of an emulator `host:port`, without TLS `ws://host:port`
 * @param {string} path The name of the hybrid connection, with a sub-path and a query if need be
 * @param {string} [token] A token to put into the URI, where headers cannot be set
 * @param {string} [id] An id for tracing a connection from end to end
 * @return {string} The URI to send to
 */
function createRelaySendUri(namespaceName, path, token, id) {
  const parts = uriParts(namespaceName, path, token, id);
  return named('namespaceName', () => native.createRelaySendUri(...parts));
}

/**
 * @param {string} namespaceName `contoso.servicebus.windows.net`; of an emulator `host:port`, without TLS `ws://host:port`
 * @param {string} path The name of the hybrid connection, with a sub-path and a query if need be
 * @param {string} [token] A token to put into the URI, where headers cannot be set
 * @param {string} [id] An id for tracing a request from end to end
 * @return {string} The URI for plain HTTPS requests, as hyco-https builds it
 */
function createRelayHttpsUri(namespaceName, path, token, id) {
  const parts = uriParts(namespaceName, path, token, id);
  return named('namespaceName', () => native.createRelayHttpsUri(...parts));
}

/** What printing a parsed connection string shows. */
function masked() {
  const shown = { ...this };
  for (const name of ['sharedAccessKey', 'sharedAccessSignature']) {
    if (name in shown) shown[name] = '***';
  }
  return shown;
}

/**
 * Takes a connection string apart. Printing the result shows no secret.
 *
 * @param {string} connectionString `Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`
 * @return {import('..').ConnectionStringProperties} With the names of @azure/service-bus
 */
function parseConnectionString(connectionString) {
  nonEmpty('connectionString', connectionString);
  const properties = named('connectionString', () => native.parseConnectionString(connectionString));
  return Object.defineProperty({ ...properties }, inspect.custom, { value: masked });
}

module.exports = {
  appendRelayToken: publicly(appendRelayToken),
  createRelayBaseUri: publicly(createRelayBaseUri),
  createRelayHttpsUri: publicly(createRelayHttpsUri),
  createRelayListenUri: publicly(createRelayListenUri),
  createRelaySendUri: publicly(createRelaySendUri),
  createRelayToken: publicly(createRelayToken),
  parseConnectionString: publicly(parseConnectionString)
};
