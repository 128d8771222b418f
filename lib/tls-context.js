'use strict';

/**
 * TLS settings, from Node's forms to those of rustls. A context is built once for each distinct set of settings: it
 * holds the parsed trust store and the sessions to resume, which is what makes many connections to one relay cheap.
 */

const { createHash, createPrivateKey } = require('node:crypto');

const { trustedRoots, rejectUnauthorizedByDefault } = require('./environment');
const { NativeTlsContext } = require('./native');

/** Settings of one program are few; a program that makes new ones for each connection must not grow for ever. */
const MAX_CONTEXTS = 32;

/** Those that were used last. Who holds a context keeps it, whatever becomes of it here. */
const contexts = new Map();

/**
 * The native context for ws's flat TLS options.
 *
 * @param {object} options `ca`, `cert`, `key`, `passphrase`, `rejectUnauthorized`, `minVersion`, `maxVersion`
 * @return {NativeTlsContext}
 * @throws {Error} With Node's code for a key that is not the certificate's; a `TypeError` with
 *     `ERR_INVALID_ARG_VALUE`, naming the option, for what cannot be used
 */
function tlsContext(options) {
  const settings = {
    ca: options.ca === undefined || options.ca === null ? trustedRoots() : list(options.ca).map(text),
    cert:
      options.cert === undefined || options.cert === null
        ? undefined
        : list(options.cert).map(text).join('\n'),
    key:
      options.key === undefined || options.key === null
        ? undefined
        : privateKey(options.key, options.passphrase),
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
  return createPrivateKey({ key: pem, passphrase: secret }).export({ type: 'pkcs8', format: 'pem' });
}

module.exports = { tlsContext };
