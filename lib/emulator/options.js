'use strict';

const { randomBytes } = require('node:crypto');

const { readEmulatorOptions, warnOfMisspelt } = require('../shared/options');

/**
 * Checks the options of `RelayEmulator.start` and fills in the defaults.
 *
 * @param {Object} [options]
 * @returns {Object} plain data for the native side
 */
function readOptions(options) {
  const read = readEmulatorOptions(options);
  warnOfMisspelt('RelayEmulator', options ?? {});
  for (const policy of read.sharedAccessPolicies) policy.key ??= randomBytes(32).toString('base64');
  return read;
}

module.exports = { readOptions };
