'use strict';

/**
 * TLS settings, from Node's forms to those of rustls. A context is built once for each distinct set of settings: it
 * holds the parsed trust store and the sessions to resume, which is what makes many connections to one relay cheap.
 */

const { createHash, createPrivateKey } = require('node:crypto');
const tls = require('node:tls');

const { readTable } = require('../shared/checks');
const { trustedRoots, rejectUnauthorizedByDefault } = require('./environment');
const { invalidValue, withCode } = require('../shared/errors');
const { NativeTlsContext } = require('../shared/native');
const { SOCKET_TLS } = require('../shared/option-table');

/** Settings of one program are few; a program that makes new ones for each connection must not grow for ever. */
const MAX_CONTEXTS = 32;

/** Those that were used last. Who holds a context keeps it, whatever becomes of it here. */
const contexts = new Map();

/**
 * The native context for TLS options.
 *
 * @param {object} options `ca`, `cert`, `key`, `passphrase`, `rejectUnauthorized`, `minVersion`, `maxVersion`; of the
 *     types that the table of options has
 * @param {string} [prefix] Of the names of these options in errors
 * @return {NativeTlsContext}
 * @throws {TypeError} `ERR_INVALID_ARG_VALUE`, naming the option, for what cannot be used
 */
function tlsContext(options, prefix = 'options.') {
  try {
    return contextFor(options);
  } catch (error) {
    if (error.code !== 'ERR_INVALID_ARG_VALUE') throw error;
    throw invalidValue(error.message.replace(/"(\w+)"/g, `"${prefix}$1"`), error.cause);
  }
}

/**
 * The same for a socket.
 *
 * @param {object} options As they were given
 * @return {NativeTlsContext}
 * @throws {Error} What ws has for an `error` event, if it has an error for it; otherwise as `tlsContext()`
 */
function socketTlsContext(options) {
  const { maxVersion } = options;
  if (maxVersion === 'TLSv1' || maxVersion === 'TLSv1.1') {
    const error = new Error(`${maxVersion} is not supported, only TLSv1.2 and TLSv1.3`);
    throw withCode(error, 'ERR_SSL_UNSUPPORTED_PROTOCOL');
  }
  const settings = readTable(SOCKET_TLS, options, 'options.');
  try {
    return tlsContext(settings);
  } catch (error) {
    tls.createSecureContext(settings);
    throw error;
  }
}

function contextFor(options) {
  const settings = {
    ca: options.ca === undefined ? trustedRoots() : list(options.ca).map(text),
    cert: options.cert === undefined ? undefined : list(options.cert).map(text).join('\n'),
    key: options.key === undefined ? undefined : privateKey(options.key, options.passphrase),
    rejectUnauthorized: options.rejectUnauthorized ?? rejectUnauthorizedByDefault(),
    minVersion: options.minVersion,
    maxVersion: options.maxVersion
  };
  const name = fingerprint(settings);
  let context = contexts.get(name);
  if (context === undefined) {
    context = new NativeTlsContext(settings);
    if (contexts.size >= MAX_CONTEXTS) contexts.delete(contexts.keys().next().value);
  } else {
    contexts.delete(name);
  }
  contexts.set(name, context);
  return context;
}

let defaultRoots;
let defaultRootsName;

/** Keys are part of it, so it is a hash and not a text that could be seen. */
function fingerprint(settings) {
  const hash = createHash('sha256');
  for (const [name, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    hash.update(`${name}\0`);
    if (name === 'ca' && value === defaultRoots) hash.update(defaultRootsName);
    else if (name === 'ca' && value === trustedRoots()) hash.update(nameDefaultRoots(value));
    else hash.update(JSON.stringify(value));
  }
  return hash.digest('base64');
}

/** The bundled roots are many and the same each time: hashed once. */
function nameDefaultRoots(roots) {
  defaultRoots = roots;
  defaultRootsName = createHash('sha256').update(roots.join('')).digest('base64');
  return defaultRootsName;
}

function list(value) {
  return Array.isArray(value) ? value.flat() : [value];
}

/** PEM as text; the older label of a certificate is the same to OpenSSL. */
function text(value) {
  const pem =
    typeof value === 'string'
      ? value
      : Buffer.from(value.buffer ?? value, value.byteOffset, value.byteLength).toString('latin1');
  return pem.includes('X509')
    ? pem.replace(/^-----(BEGIN|END) X509 CERTIFICATE-----/gm, '-----$1 CERTIFICATE-----')
    : pem;
}

/** A PEM key that rustls reads: encrypted ones are opened here, by OpenSSL. */
function privateKey(key, passphrase) {
  const first = list(key)[0];
  const given =
    first !== null && typeof first === 'object' && first.pem !== undefined
      ? first
      : { pem: first, passphrase };
  const pem = text(given.pem);
  const secret = given.passphrase ?? passphrase;
  if (secret === undefined || !pem.includes('ENCRYPTED')) return pem;
  try {
    return createPrivateKey({ key: pem, passphrase: secret }).export({ type: 'pkcs8', format: 'pem' });
  } catch (cause) {
    throw invalidValue('The "passphrase" does not open the "key"', cause);
  }
}

module.exports = { socketTlsContext, tlsContext };
