'use strict';

const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { createRelayToken } = require('../shared/helpers.js');
const { tokenExpiry } = require('../shared/native.js');
const { TokenSource } = require('../shared/token-source.js');
const { readNumber } = require('./flags.js');
const { printJson } = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget, tokenFields } = require('./target.js');

const summary = 'makes a SAS token';

const help = `Usage: hyco-ws-rs token [options]

Prints a token for a hybrid connection, made from a SAS rule and its key, or the one that Entra ID gives.

Options:
  --seconds <n>   how long it is good for (default 3600)
  --json          prints one JSON object with token, resource and expiresAt
  --help          prints this

${TARGET_HELP}`;

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values } = parseArgs({
    args,
    options: { ...TARGET_OPTIONS, seconds: { type: 'string' } },
    strict: true
  });
  const seconds = readNumber(values, 'seconds', { least: 1, most: 2 ** 31 - 1, unit: 'seconds' }) ?? 3600;
  const { uri, options } = await readTarget(values, 'connect');
  const token = await makeToken(uri, options, seconds);
  if (values.json) {
    const resource = tokenFields(token).get('sr') ?? undefined;
    const expiresAt = new Date(tokenExpiry(token) * 1000).toISOString();
    printJson({ token, resource, expiresAt });
  } else {
    process.stdout.write(`${token}\n`);
  }
  return 0;
}

/** Of a rule; those of Entra ID are made elsewhere, and so is their lifetime. */
async function makeToken(uri, options, seconds) {
  if (options.credential !== undefined) return new TokenSource({ ...options, uri }).get();
  if (options.key === undefined) {
    throw invalidValue('a token needs a SAS rule and its key: SB_HC_KEYRULE, SB_HC_KEY');
  }
  return createRelayToken(uri, options.keyName, options.key, seconds);
}

module.exports = { summary, help, run };
