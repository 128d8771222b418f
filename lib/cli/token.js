'use strict';

const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { createRelayToken } = require('../shared/helpers.js');
const { tokenExpiry } = require('../shared/native.js');
const { TokenSource } = require('../shared/token-source.js');
const { readNumber } = require('./flags.js');
const { printJson } = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget } = require('./target.js');

const summary = 'makes a SAS token';

const help = `Usage: hyco-ws-rs token [options]

Prints a token for a hybrid connection, made from a SAS rule and its key, or the one that Entra ID gives.

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
  const seconds = readNumber(values, 'seconds', { least: 1, most: 2 ** 31 - 1, unit: 'seconds' }) ?? 3600;
  if (values.uri !== undefined && !Object.hasOwn(URIS, values.uri)) {
    throw invalidValue('--uri takes send, listen or http');
  }
  const { uri, options } = await readTarget(values, values.uri === 'listen' ? 'listen' : 'connect');
  const token = await makeToken(uri, options, seconds);
  const address = values.uri === undefined ? undefined : withToken(URIS[values.uri](uri), token);
  if (values.json) {
    // Tokens of Entra ID have none.
    const resource = new URLSearchParams(token.slice(token.indexOf(' ') + 1)).get('sr') ?? undefined;
    const expiresAt = new Date(tokenExpiry(token) * 1000).toISOString();
    printJson({ token, resource, expiresAt, uri: address });
  } else {
    process.stdout.write(`${address ?? token}\n`);
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

function withToken(uri, token) {
  return `${uri}${uri.includes('?') ? '&' : '?'}sb-hc-token=${encodeURIComponent(token)}`;
}

module.exports = { summary, help, run };
