'use strict';

/** Addresses of hybrid connections, and connection strings, as servers and senders take them. They are read in Rust. */

const { nonEmpty } = require('./checks');
const { blameArgument, invalidArgType, invalidArgValue } = require('./errors');
const native = require('./native');

/** What may have come along when it was copied: the core leaves it out, or refuses it by name. */
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060\ufeff]/g;
const START = /(?:^|;)[\s"'`\u2018-\u201f«»]*Endpoint\s*=/i;

/**
 * @param {string|URL} address Of a hybrid connection, with `sb:` for a scheme, too
 * @param {'listen'|'connect'} action
 * @return {{uri: string|URL, bare: string, token: string|undefined, opposed: boolean}} The URI to dial, the same without
 *     the token in its query, that token, and whether it is a URI for the other action
 */
function readRelayUri(address, action) {
  const text = String(address);
  const { uri, bare, token, opposed } = native.readRelayUri(text, action === 'listen');
  return { uri: uri ?? address, bare: bare ?? uri ?? text, token, opposed };
}

/** @param {unknown} address @return {boolean} Whether it is a connection string and not a URI */
function isConnectionString(address) {
  return typeof address === 'string' && START.test(address.replace(INVISIBLE, ''));
}

/**
 * @param {string} text The connection string
 * @param {'listen'|'connect'} action
 * @param {object} [given] The caller's options; credentials among them take the place of the string's
 * @return {{uri: string, options: object}} `options` without `path`, and with credentials
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; quotes no secret
 */
function readConnectionString(text, action, given = {}) {
  nonEmpty('connectionString', text);
  const { path, ...rest } = given;
  if (typeof (path ?? '') !== 'string') throw invalidArgType('options.path', 'a string', path);
  const { uri, properties } = parse(text, action, path ?? undefined);
  const options = { ...credentialsOf(properties, rest), ...rest };
  if (properties.operationTimeout !== undefined) options.handshakeTimeout ??= properties.operationTimeout;
  return { uri, options };
}

function parse(text, action, path) {
  try {
    return native.readConnectionString(text, action === 'listen', path);
  } catch (error) {
    const ofPath = error.code === 'ERR_INVALID_ARG_VALUE';
    throw blameArgument(ofPath ? 'options.path' : 'connectionString', error);
  }
}

function credentialsOf(parsed, { token, credential, keyName }) {
  if ((token ?? credential ?? keyName ?? undefined) !== undefined) return {};
  if (parsed.sharedAccessSignature !== undefined) return { token: parsed.sharedAccessSignature };
  if (parsed.sharedAccessKeyName !== undefined) {
    return { keyName: parsed.sharedAccessKeyName, key: parsed.sharedAccessKey };
  }
  if (parsed.authentication === undefined) return {};
  throw invalidArgValue(
    'options.credential',
    'it is needed, for the connection string has an Authentication'
  );
}

/** @param {string} protocol `'wss:'` or another of a URL @return {number} Its port, where a URL names none */
function defaultPort(protocol) {
  return protocol === 'wss:' || protocol === 'https:' ? 443 : 80;
}

/** @param {string} hostname Of a URL @return {string} The same without the brackets of an IPv6 address */
function bareHost(hostname) {
  return hostname.replace(/^\[|\]$/g, '');
}

/** @param {string} host @param {number} port @return {string} Both, as an address has them */
function hostAndPort(host, port) {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * @param {URL} url
 * @return {{secure: boolean, host: string, port: number}} Where it leads
 */
function placeOf({ protocol, hostname, port }) {
  const own = defaultPort(protocol);
  return { secure: own === 443, host: bareHost(hostname), port: Number(port) || own };
}

/** @param {URL} url `wss://namespace/$hc/hyco?…` @return {string} `/hyco` */
function entityPath({ pathname }) {
  return pathname.replace(/^\/(\$|%24)hc(?=\/|$)/i, '') || '/';
}

module.exports = {
  bareHost,
  defaultPort,
  entityPath,
  hostAndPort,
  isConnectionString,
  placeOf,
  readConnectionString,
  readRelayUri
};
