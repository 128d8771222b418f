'use strict';

/** What the commands that go to a relay have in common: which one, and with which credentials. */

const { readConnectionString } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');

/** For `parseArgs`. There is no option for the key: argument lists are for everybody to read. */
const TARGET_OPTIONS = {
  ns: { type: 'string' },
  path: { type: 'string' },
  keyrule: { type: 'string' },
  'key-stdin': { type: 'boolean' },
  insecure: { type: 'boolean' },
  json: { type: 'boolean' }
};

const TARGET_HELP = `Where to, and with which credentials:
  SB_HC_CONNECTION_STRING   the connection string of a namespace or a hybrid connection; or
  --ns <namespace>          contoso.servicebus.windows.net (SB_HC_NAMESPACE)
  --path <path>             the hybrid connection (SB_HC_PATH)
  --keyrule <name>          the SAS rule (SB_HC_KEYRULE)
  SB_HC_KEY                 its key; or
  --key-stdin               reads the key from the first line of stdin
  SB_HC_TOKEN               a token instead of a rule and its key
  --insecure                ws:// to an emulator on this machine (SB_HC_SECURE=false)
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
 * @returns {Promise<{uri: string, options: object}>} the address without a token, and options with credentials
 */
async function readTarget(values, action) {
  const { env } = process;
  const credentials = {};
  if (env.SB_HC_TOKEN) credentials.token = env.SB_HC_TOKEN;
  else if (values['key-stdin']) credentials.key = await readKey();
  else if (env.SB_HC_KEY) credentials.key = env.SB_HC_KEY;
  const keyName = values.keyrule ?? (env.SB_HC_KEYRULE || undefined);

  if (values.ns === undefined && env.SB_HC_CONNECTION_STRING) {
    const given = { path: values.path };
    if (credentials.token !== undefined) given.token = credentials.token;
    else if (values['key-stdin']) {
      Object.assign(given, { keyName: need(keyName, 'keyrule', 'SB_HC_KEYRULE'), ...credentials });
    }
    return readConnectionString(env.SB_HC_CONNECTION_STRING, action, given);
  }
  const ns = need(values.ns ?? env.SB_HC_NAMESPACE, 'ns', 'SB_HC_NAMESPACE or SB_HC_CONNECTION_STRING');
  if (credentials.key !== undefined) credentials.keyName = need(keyName, 'keyrule', 'SB_HC_KEYRULE');
  const path = need(values.path ?? env.SB_HC_PATH, 'path', 'SB_HC_PATH');
  const insecure = values.insecure === true || env.SB_HC_SECURE === 'false';
  const text = `Endpoint=sb://${ns}/${insecure ? ';UseDevelopmentEmulator=true' : ''}`;
  return readConnectionString(text, action, { path, ...credentials });
}

function need(value, option, variable) {
  if (value) return value;
  throw invalidValue(`--${option} or ${variable} is needed`);
}

/** Host and port of `host:port`, `[::1]:port` or `port`. */
function readEndpoint(text, option) {
  const [, bracketed, host, port] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) throw invalidValue(`--${option} takes host:port`);
  return { host: bracketed || host || '127.0.0.1', port: Number(port) };
}

/** What a SAS token says: `sr`, `se`, `skn`. Of other tokens there is none of it. */
function tokenFields(token) {
  return new URLSearchParams(token.slice(token.indexOf(' ') + 1));
}

module.exports = { TARGET_HELP, TARGET_OPTIONS, readEndpoint, readTarget, tokenFields };
