'use strict';

const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');
const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { readNumber } = require('./flags.js');
const { stopped } = require('./output.js');

const summary = 'runs a relay for development and tests on this machine';

const help = `Usage: hyco-ws-rs emulator [options]

Runs the service's side of Azure Relay Hybrid Connections and prints what to paste into a shell so that
listeners and senders find it. Ctrl+C stops it.

Options:
  --host <host>       address to bind (default 127.0.0.1)
  --port <port>       port to bind (default: a free one)
  --path <path>       a hybrid connection; may be repeated (default hyco)
  --anonymous         lets senders come without a token
  --key-name <name>   name of the SAS rule (default RootManageSharedAccessKey)
  --key <key>         its key (default: a random one)
  --tls-cert <file>   certificate chain, PEM: serves wss:// and https://
  --tls-key <file>    its private key, PEM
  --json              prints one JSON object instead
  --help              prints this
`;

const OPTIONS = {
  host: { type: 'string' },
  port: { type: 'string' },
  path: { type: 'string', multiple: true },
  anonymous: { type: 'boolean' },
  'key-name': { type: 'string' },
  key: { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  json: { type: 'boolean' }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code, once a signal has stopped the relay
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const { RelayEmulator } = require('../emulator/relay-emulator.js');
  const relay = await RelayEmulator.start(toOptions(values));
  // Whoever reads the output may send the signal at once.
  const signal = stopped();
  process.stdout.write(values.json ? asJson(relay) : asText(relay, values['tls-cert']));
  await signal;
  await relay.close();
  return 0;
}

function toOptions(values) {
  const options = { sharedAccessPolicies: [{ keyName: values['key-name'], key: values.key }] };
  if (values.host !== undefined) options.host = values.host;
  options.port = readNumber(values, 'port', { least: 0, most: 65_535 });
  const requiresClientAuthorization = !values.anonymous;
  options.hybridConnections = (values.path ?? ['hyco']).map((path) => ({
    path,
    requiresClientAuthorization
  }));
  const [cert, key] = [values['tls-cert'], values['tls-key']];
  if ((cert === undefined) !== (key === undefined)) {
    throw invalidValue('--tls-cert and --tls-key belong together');
  }
  if (cert !== undefined) options.tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  return options;
}

/** The key is the emulator's own and opens nothing else; otherwise it would not be printed. */
function asJson(relay) {
  const paths = relay.paths.map((path) => ({
    path,
    listenUri: relay.listenUri(path),
    sendUri: relay.sendUri(path),
    connectionString: relay.connectionString(path)
  }));
  const { host, port, address, secure, keyName, key } = relay;
  return `${JSON.stringify({ host, port, address, secure, keyName, key, hybridConnections: paths })}\n`;
}

function asText(relay, certificate) {
  const variables = {
    SB_HC_NAMESPACE: relay.address,
    SB_HC_PATH: relay.paths[0],
    SB_HC_KEYRULE: relay.keyName,
    SB_HC_KEY: relay.key,
    SB_HC_SECURE: String(relay.secure)
  };
  if (certificate !== undefined) variables.NODE_EXTRA_CA_CERTS = resolve(certificate);
  const lines = Object.entries(variables).map(([name, value]) => assignment(name, value));
  const strings = relay.paths.map((path) => `  ${relay.connectionString(path)}`);
  const scheme = relay.secure ? 'wss' : 'ws';
  return `Relay emulator on ${scheme}://${relay.address}, hybrid connections: ${relay.paths.join(', ')}

${lines.join('\n')}

Connection strings:
${strings.join('\n')}

Ctrl+C stops it.
`;
}

function assignment(name, value) {
  if (process.platform === 'win32') return `set "${name}=${value}"`;
  const plain = /^[\w./:=+@-]+$/.test(value);
  return `export ${name}=${plain ? value : `'${value.replaceAll("'", "'\\''")}'`}`;
}

module.exports = { summary, help, run };
