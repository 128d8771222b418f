'use strict';

/** What the commands that go to a relay have in common: which one, and with which credentials. */

const { entityPath, readConnectionString } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');
const { parseConnectionString } = require('../shared/helpers.js');
const { readCredential } = require('./credential.js');
const { isOurs } = require('./env-file.js');
const { note } = require('./output.js');

/** For `parseArgs`. There is no option for the key: argument lists are for everybody to read. */
const TARGET_OPTIONS = {
  ns: { type: 'string' },
  path: { type: 'string' },
  keyrule: { type: 'string' },
  'key-stdin': { type: 'boolean' },
  credential: { type: 'string' },
  insecure: { type: 'boolean' },
  json: { type: 'boolean' }
};

const TARGET_HELP = `Where to, and with which credentials:
  SB_HC_CONNECTION_STRING   the connection string of a namespace or a hybrid connection; or
                            (it comes before all variables below, which fill in what it lacks)
  --ns <namespace>          contoso.servicebus.windows.net (SB_HC_NAMESPACE)
  --path <path>             the hybrid connection (SB_HC_PATH)
  --keyrule <name>          the SAS rule (SB_HC_KEYRULE)
  SB_HC_KEY                 its key; or
  --key-stdin               reads the key from the first line of stdin
  SB_HC_TOKEN               a token instead of a rule and its key
  --credential default      Entra ID instead of all these, by DefaultAzureCredential of @azure/identity
  --insecure                no TLS to an emulator on this machine (SB_HC_SECURE=false; --ns ws://127.0.0.1:8090)
`;

/** The first line of stdin; the rest stays for whoever reads on. */
async function readKey(stdin = process.stdin) {
  let text = '';
  for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const end = text.indexOf('\n');
    if (end < 0) continue;
    stdin.unshift(Buffer.from(text.slice(end + 1)));
    text = text.slice(0, end);
    break;
  }
  const key = text.replace(/\r$/, '');
  if (key === '') throw invalidValue('--key-stdin: stdin has no key');
  return key;
}

/**
 * @param {object} values Of `parseArgs`
 * @param {'listen'|'connect'} action
 * @returns {Promise<{uri: string, options: object}>} the address without a token, and options with credentials; senders
 *     may have none
 */
async function readTarget(values, action) {
  const { env } = process;
  const string = values.ns === undefined ? env.SB_HC_CONNECTION_STRING : undefined;
  const said = string ? parseConnectionString(string) : {};
  const path = values.path ?? (said.entityPath === undefined ? env.SB_HC_PATH || undefined : undefined);
  if (said.entityPath !== undefined) remarkUnused('SB_HC_PATH', said.entityPath);
  const credentials = await readCredentials(values, said);
  const given = { path, ...credentials };
  const target = string ? readConnectionString(string, action, given) : readNames(values, action, given);
  if (entityPath(new URL(target.uri)).startsWith('//')) {
    throw invalidValue('the path begins with a slash, and no hybrid connection does: leave it out');
  }
  const { token, credential, key } = target.options;
  if (action === 'listen' && (token ?? credential ?? key) === undefined) {
    throw invalidValue(
      'a listener needs SB_HC_CONNECTION_STRING, SB_HC_KEYRULE and SB_HC_KEY, SB_HC_TOKEN, or --credential default'
    );
  }
  return target;
}

/** @param {object} said By the connection string: credentials in it come before those of other variables */
async function readCredentials(values, said) {
  const { env } = process;
  const { keyrule, credential } = values;
  const keyOnStdin = values['key-stdin'];
  if (credential !== undefined) {
    if (keyrule !== undefined || keyOnStdin) {
      throw invalidValue('--credential takes the place of --keyrule and --key-stdin');
    }
    return { credential: readCredential(credential) };
  }
  if (env.SB_HC_TOKEN) return { token: env.SB_HC_TOKEN };
  const hasOwn = said.sharedAccessKeyName ?? said.sharedAccessSignature ?? said.authentication;
  if (hasOwn !== undefined && keyrule === undefined && !keyOnStdin) {
    remarkUnused('SB_HC_KEYRULE', said.sharedAccessKeyName);
    remarkUnused('SB_HC_KEY', said.sharedAccessKey);
    return {};
  }
  const keyName = keyrule ?? (env.SB_HC_KEYRULE || undefined);
  const key = keyOnStdin ? await readKey() : env.SB_HC_KEY || undefined;
  if (keyName === undefined && key === undefined) return {};
  need(keyName, 'a key needs its rule: --keyrule or SB_HC_KEYRULE');
  need(key, 'a rule needs its key: SB_HC_KEY or --key-stdin');
  return { keyName, key };
}

/** Of a variable that says something else than the connection string, which comes first. */
function remarkUnused(name, said) {
  const own = process.env[name];
  if (own && own !== said) note(`${name} is not used: SB_HC_CONNECTION_STRING has another`, 'yellow');
}

function readNames(values, action, given) {
  const { env } = process;
  const ns = need(
    values.ns ?? env.SB_HC_NAMESPACE,
    `--ns, SB_HC_NAMESPACE or SB_HC_CONNECTION_STRING is needed${isOurs('.env') ? '; .env here has them: set -a; . ./.env' : ''}`
  );
  need(given.path, '--path or SB_HC_PATH is needed');
  const [, scheme, name] = /^(?:(wss?):\/\/)?([^]*)$/i.exec(ns);
  const endpoint = `Endpoint=sb://${name}/`;
  // It may have brought more than a name along.
  if (parsed(endpoint)?.fullyQualifiedNamespace !== name) {
    throw invalidValue(
      '--ns (SB_HC_NAMESPACE) takes the name of a host; a connection string goes into SB_HC_CONNECTION_STRING'
    );
  }
  const isPlain = values.insecure === true || env.SB_HC_SECURE === 'false' || /^ws$/i.test(scheme);
  const text = isPlain ? `${endpoint};UseDevelopmentEmulator=true` : endpoint;
  if (parsed(text) === undefined) {
    throw invalidValue('--insecure (SB_HC_SECURE=false, ws://) is for an emulator on this machine');
  }
  return readConnectionString(text, action, given);
}

function parsed(text) {
  try {
    return parseConnectionString(text);
  } catch {
    return undefined;
  }
}

function need(value, complaint) {
  if (value) return value;
  throw invalidValue(complaint);
}

/**
 * Host and port of `host:port`, `[::1]:port` or `port`.
 *
 * @param {string} text
 * @param {string} option Its name without the dashes
 * @param {number} [least=1] 0 for a port that is bound, where it means any
 */
function readEndpoint(text, option, least = 1) {
  const [, bracketed, host, port] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) < least || Number(port) > 65_535) {
    throw invalidValue(`--${option} takes [host:]port, with a port from ${least} to 65535`);
  }
  return { host: bracketed || host || '127.0.0.1', port: Number(port) };
}

module.exports = { TARGET_HELP, TARGET_OPTIONS, readEndpoint, readTarget };
