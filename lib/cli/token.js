'use strict';

const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { readNumber } = require('./flags.js');
const { printJson } = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget, tokenFields } = require('./target.js');

const summary = 'makes a SAS token';

const help = `Usage: hyco-ws-rs token [options]

Prints a token for a hybrid connection, made from a SAS rule and its key.

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
  if (options.key === undefined) {
    throw invalidValue('A token needs a SAS rule and its key: SB_HC_KEYRULE, SB_HC_KEY');
  }
  const { createRelayToken } = require('../shared/helpers.js');
  const token = createRelayToken(uri, options.keyName, options.key, seconds);
  if (values.json) {
    const fields = tokenFields(token);
    const expiresAt = new Date(Number(fields.get('se')) * 1000).toISOString();
    printJson({ token, resource: fields.get('sr'), expiresAt });
  } else {
    process.stdout.write(`${token}\n`);
  }
  return 0;
}

module.exports = { summary, help, run };
