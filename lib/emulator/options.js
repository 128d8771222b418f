'use strict';

const { randomBytes } = require('node:crypto');

const check = require('./check.js');

const RIGHTS = ['Listen', 'Send', 'Manage'];
const LONGEST = 2 ** 31 - 1;

/** Times in milliseconds with their defaults. */
const TIMES = {
  rendezvousLifetime: 30_000,
  acceptTimeout: 30_000,
  responseTimeout: 60_000,
  handshakeTimeout: 15_000,
  closeTimeout: 10_000,
  tokenGrace: 300_000,
  recycleAfter: 86_400_000
};

/**
 * Checks the options of `RelayEmulator.start` and fills in the defaults.
 *
 * @param {Object} [options]
 * @returns {Object} plain data for the native side
 */
function readOptions(options = {}) {
  check.object('options', options);
  const get = (name, fallback) => options[name] ?? fallback;
  const read = {
    host: check.nonEmpty('options.host', get('host', '127.0.0.1')),
    port: check.integer('options.port', get('port', 0), 0, 65535),
    hybridConnections: check
      .array('options.hybridConnections', get('hybridConnections', [{ path: 'hyco' }]))
      .map(readHybridConnection),
    sharedAccessPolicies: check
      .array('options.sharedAccessPolicies', get('sharedAccessPolicies', [{}]))
      .map(readPolicy),
    maxListeners: check.integer('options.maxListeners', get('maxListeners', 25), 0, LONGEST),
    maxHead: check.integer('options.maxHead', get('maxHead', 65_536), 1024, LONGEST),
    grantExtensions: check.boolean('options.grantExtensions', get('grantExtensions', false)),
    carryCloseCodes: check.boolean('options.carryCloseCodes', get('carryCloseCodes', true))
  };
  for (const [name, fallback] of Object.entries(TIMES)) {
    // 0 switches the recycling off; elsewhere it means "at once".
    const value = name === 'recycleAfter' && options[name] === false ? 0 : get(name, fallback);
    read[name] = Math.ceil(check.number(`options.${name}`, value, 0, LONGEST));
  }
  const { publicHost, seed, tls } = options;
  if (publicHost !== undefined) {
    if (!/^[\w.[\]:-]+$/.test(check.string('options.publicHost', publicHost))) {
      throw check.invalidValue('options.publicHost', 'must be a host with or without a port');
    }
    read.publicHost = publicHost;
  }
  if (seed !== undefined) read.seed = check.integer('options.seed', seed, 0, Number.MAX_SAFE_INTEGER);
  if (tls !== undefined && tls !== null) {
    check.object('options.tls', tls);
    read.tls = { cert: readPem('options.tls.cert', tls.cert), key: readPem('options.tls.key', tls.key) };
  }
  return read;
}

function readHybridConnection(entry, index) {
  const name = `options.hybridConnections[${index}]`;
  if (typeof entry === 'string') entry = { path: entry };
  check.object(name, entry);
  const path = check.nonEmpty(`${name}.path`, entry.path);
  if (!path.replaceAll('/', '') || /[?#]/.test(path)) {
    throw check.invalidValue(`${name}.path`, 'must be a path without a query');
  }
  const requires = entry.requiresClientAuthorization ?? true;
  return {
    path,
    requiresClientAuthorization: check.boolean(`${name}.requiresClientAuthorization`, requires)
  };
}

function readPolicy(entry, index) {
  const name = `options.sharedAccessPolicies[${index}]`;
  check.object(name, entry);
  const rights = check.array(`${name}.rights`, entry.rights ?? RIGHTS);
  for (const right of rights) {
    if (!RIGHTS.includes(right)) {
      throw check.invalidValue(`${name}.rights`, `must be some of ${RIGHTS.join(', ')}`);
    }
  }
  const policy = {
    keyName: check.nonEmpty(`${name}.keyName`, entry.keyName ?? 'RootManageSharedAccessKey'),
    key: check.nonEmpty(`${name}.key`, entry.key ?? randomBytes(32).toString('base64')),
    rights
  };
  if (entry.path !== undefined && entry.path !== null) {
    policy.path = check.nonEmpty(`${name}.path`, entry.path);
  }
  return policy;
}

function readPem(name, value) {
  if (Buffer.isBuffer(value)) value = value.toString('utf8');
  return check.nonEmpty(name, value);
}

module.exports = { readOptions };
