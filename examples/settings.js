'use strict';

// What the samples read: the flags and the environment variables of the hyco-ws samples.

const { parseArgs } = require('node:util');

const USAGE = '--ns=[namespace] --path=[path] --keyrule=[keyrule] --key=[key] [--insecure]';

/**
 * @param {string} program For the usage line
 * @return {{ns: string, path: string, keyrule: string, key: string, insecure: boolean}}
 */
function readSettings(program) {
  const string = { type: 'string' };
  const { values } = parseArgs({
    options: { ns: string, path: string, keyrule: string, key: string, insecure: { type: 'boolean' } },
    strict: false
  });
  const { env } = process;
  const settings = {
    ns: values.ns ?? env.SB_HC_NAMESPACE,
    path: values.path ?? env.SB_HC_PATH,
    keyrule: values.keyrule ?? env.SB_HC_KEYRULE,
    key: values.key ?? env.SB_HC_KEY,
    // Plain ws://, for the emulator.
    insecure: values.insecure === true || env.SB_HC_SECURE === 'false'
  };
  for (const name of ['ns', 'path', 'keyrule', 'key']) {
    if (typeof settings[name] === 'string' && settings[name] !== '') continue;
    console.log(`${program} ${USAGE}`);
    process.exit(1);
  }
  return settings;
}

/**
 * The URI without TLS, where that is asked for. A namespace such as `ws://127.0.0.1:8090` says so by itself.
 *
 * @param {string} uri What `createRelayListenUri()`, `createRelaySendUri()` or `createRelayHttpsUri()` gave
 * @param {{insecure: boolean}} settings
 * @return {string}
 */
function adapt(uri, { insecure }) {
  return insecure ? uri.replace(/^(ws|http)s:/, '$1:') : uri;
}

module.exports = { adapt, readSettings };
