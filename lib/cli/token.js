'use strict';

const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { printJson } = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget, tokenFields } = require('./target.js');

const summary = 'makes a SAS token';

const help = `Usage: hyco-ws-rs token [options]

Prints a token for a hybrid connection, made from a SAS rule and its key.

Options:
  --uri <kind>    prints a whole address with the token in it: send (wss:), listen (wss:) or http (https:)
  --seconds <n>   how long it is good for (default 3600)
  --json          prints one JSON object with token, resource and expiresAt, and uri
  --help          prints this

${TARGET_HELP}`;

/** How each kind of address is made of the one that the relay is dialled at; it is encoded, as others expect it. */
const URIS = {
  send: (uri) => new URL(uri).href,
  listen: (uri) => new URL(uri).href,
  http: (uri) => {
    const url = new URL(uri.replace(/^ws/, 'http').replace('/$hc/', '/'));
    url.search = url.search.replace(/[?&]sb-hc-action=connect$/, '');
    return url.href;
  }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values } = parseArgs({
    args,
    options: { ...TARGET_OPTIONS, seconds: { type: 'string' }, uri: { type: 'string' } },
    strict: true
  });
  const seconds = Number(values.seconds ?? 3600);
  if (!(Number.isInteger(seconds) && seconds > 0)) throw invalidValue('--seconds takes a number of seconds');
  if (values.uri !== undefined && !Object.hasOwn(URIS, values.uri)) {
    throw invalidValue('--uri takes send, listen or http');
  }
  const { uri, options } = await readTarget(values, values.uri === 'listen' ? 'listen' : 'connect');
  if (options.key === undefined) {
    throw invalidValue('A token needs a SAS rule and its key: SB_HC_KEYRULE, SB_HC_KEY');
  }
  const { createRelayToken } = require('../shared/helpers.js');
  const token = createRelayToken(uri, options.keyName, options.key, seconds);
  const address = values.uri === undefined ? undefined : withToken(URIS[values.uri](uri), token);
  if (values.json) {
    const fields = tokenFields(token);
    const expiresAt = new Date(Number(fields.get('se')) * 1000).toISOString();
    printJson({ token, resource: fields.get('sr'), expiresAt, uri: address });
  } else {
    process.stdout.write(`${address ?? token}\n`);
  }
  return 0;
}

function withToken(uri, token) {
  return `${uri}${uri.includes('?') ? '&' : '?'}sb-hc-token=${encodeURIComponent(token)}`;
}

module.exports = { summary, help, run };
