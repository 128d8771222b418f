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
 * The URI for a namespace that is an emulator: it has a port of its own, and maybe no TLS.
 *
 * @param {string} uri What `createRelayListenUri()`, `createRelaySendUri()` or `createRelayHttpsUri()` gave
 * @param {{ns: string, insecure: boolean}} settings
 * @return {string}
 */
function adapt(uri, { ns, insecure }) {
  const adapted = /:\d+$/.test(ns) ? uri.replace(`wss://${ns}:443/`, () => `wss://${ns}/`) : uri;
  return insecure ? adapted.replace(/^(ws|http)s:/, '$1:') : adapted;
}

module.exports = { adapt, readSettings };
