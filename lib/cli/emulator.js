'use strict';

const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');
const { parseArgs } = require('node:util');

const { bareHost } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');
const { createRelayBaseUri } = require('../shared/helpers.js');
const { checkEnvFile, removeEnvFile, writeEnvFile } = require('./env-file.js');
const { readNumber } = require('./flags.js');
const { log, stopped } = require('./output.js');
const { record } = require('./record.js');

const summary = 'runs a relay for development and tests on this machine';

const help = `Usage: hyco-ws-rs emulator [options]

Runs the service's side of Azure Relay Hybrid Connections and prints what to paste into a shell so that
listeners and senders find it. What happens is told on stderr, a line for each event. Ctrl+C stops it.

Options:
  --host <host>       address to bind (default 127.0.0.1)
  --port <port>       port to bind (default: a free one)
  --path <path>       a hybrid connection; may be repeated (default hyco)
  --anonymous         lets senders come without a token
  --key-name <name>   name of the SAS rule (default RootManageSharedAccessKey)
  --key <key>         its key (default: a fixed one for development, and a random one where other
                      machines can reach the relay)
  --tls-cert <file>   certificate chain, PEM: serves wss:// and https://
  --tls-key <file>    its private key, PEM
  --write-env <file>  writes the variables into a file for "node --env-file" and shells, and removes it at
                      the end; --env-file writes into one that exists, and leaves it
  --inspect           serves a page that shows what passes, and prints its address
  --record <file>     writes what passes into this file, a JSON object a line, without secrets
  --json              prints one JSON object instead
  --quiet             tells no events
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
  'write-env': { type: 'string' },
  // Node.js looks at this one wherever it stands, and ends where the file is not there yet.
  'env-file': { type: 'string' },
  inspect: { type: 'boolean' },
  record: { type: 'string' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean' }
};

/** The same at each start, so that programs and files can keep it. It is no secret, and says so. */
const DEVELOPMENT_KEY = 'development-only-this-key-protects-nothing';

/** Seconds that the tokens in send URIs are good for: longer than anybody leaves an emulator running. */
const SENDER_LIFETIME = 30 * 24 * 3600;

/** What is told of each event. Pings are left out: they are the quiet. */
const EVENTS = {
  listener: ({ path, id }) => `${path}: listener ${id} is online`,
  listenerClosed: ({ path, id }) => `${path}: listener ${id} is gone`,
  renewed: ({ path, id }) => `${path}: listener ${id} has renewed its token`,
  sender: ({ path, id }) => `${path}: sender ${id} asks for a listener`,
  rendezvous: ({ path, id }) => `${path}: sender ${id} has met a listener`,
  rendezvousClosed: ({ path, id, senderCode, listenerCode }) =>
    `${path}: sender ${id} has ended, with ${senderCode} of the sender and ${listenerCode} of the listener`,
  request: ({ path, id, method }) => `${path}: HTTP ${method}, ${id}`,
  rejected: ({ path, id, status, reason }) =>
    `${path}: sender ${id} was rejected by a listener: ${status} ${reason}`,
  timedOut: ({ path, id }) => `${path}: sender ${id} was taken by no listener in time`,
  refused: ({ target, status, reason }) => `refused, at ${target}: ${status} ${reason}`
};
const UNWELCOME = new Set(['rejected', 'timedOut', 'refused']);

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code, once a signal has stopped the relay
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const { RelayEmulator } = require('../emulator/relay-emulator.js');
  const file = values['write-env'] ?? values['env-file'];
  if (file !== undefined) checkEnvFile(file);
  // Where the file is there, so is the relay. With --env-file Node.js itself wants it at the next start.
  const isSign = values['write-env'] !== undefined;
  if (isSign) removeEnvFile(file);
  const relay = await RelayEmulator.start(toOptions(values));
  let recording;
  let written;
  try {
    if (values.record !== undefined) recording = record(relay, values.record);
    // Whoever reads the output may send the signal at once.
    const signal = stopped();
    if (!values.quiet) tell(relay);
    if (file !== undefined) {
      written = writeEnvFile(file, { ...variablesOf(relay, values), ...addressesOf(relay, values) });
    }
    process.stdout.write(values.json ? asJson(relay) : asText(relay, values, file));
    await Promise.race([signal, recording?.failed ?? signal]);
  } finally {
    if (isSign && written !== undefined) removeEnvFile(file, written);
    await relay.close();
  }
  await recording?.done;
  return 0;
}

function toOptions(values) {
  const { inspect } = values;
  const key = values.key ?? (isPrivate(values.host) ? DEVELOPMENT_KEY : undefined);
  const options = { inspect, sharedAccessPolicies: [{ keyName: values['key-name'], key }] };
  if (values.host !== undefined) options.host = values.host;
  options.port = readNumber(values, 'port', { least: 0, most: 65_535 });
  const requiresClientAuthorization = !values.anonymous;
  options.hybridConnections = [...new Set(values.path ?? ['hyco'])].map((path) => ({
    path,
    requiresClientAuthorization
  }));
  const [cert, tlsKey] = [values['tls-cert'], values['tls-key']];
  if ((cert === undefined) !== (tlsKey === undefined)) {
    throw invalidValue('--tls-cert and --tls-key belong together');
  }
  if (cert !== undefined) {
    options.tls = { cert: readFileSync(cert, 'utf8'), key: readFileSync(tlsKey, 'utf8') };
  }
  return options;
}

/** Whether nobody but this machine can reach what is bound there. That is where ws: may go, and the core knows. */
function isPrivate(host = '127.0.0.1') {
  const bare = bareHost(host);
  try {
    createRelayBaseUri(`ws://${bare.includes(':') ? `[${bare}]` : bare}`, '');
    return true;
  } catch {
    return false;
  }
}

function tell(relay) {
  for (const [name, text] of Object.entries(EVENTS)) {
    relay.on(name, (event) => {
      log(text(event), UNWELCOME.has(name) ? 'yellow' : 'grey');
    });
  }
}

/** What the samples, the examples and the other commands read. */
function variablesOf(relay, values) {
  const variables = {
    SB_HC_NAMESPACE: relay.secure ? relay.address : `ws://${relay.address}`,
    SB_HC_PATH: relay.paths[0],
    SB_HC_KEYRULE: relay.keyName,
    SB_HC_KEY: relay.key,
    SB_HC_CONNECTION_STRING: relay.connectionString()
  };
  if (values['tls-cert'] !== undefined) variables.NODE_EXTRA_CA_CERTS = resolve(values['tls-cert']);
  return variables;
}

/** What senders of other makes dial, and what tells several hybrid connections apart. */
function addressesOf(relay, { anonymous }) {
  const sendUri = (path) => {
    const token = anonymous ? undefined : relay.createToken(path, { expirationSeconds: SENDER_LIFETIME });
    // A quotation mark would need one more kind of quotes.
    return relay.sendUri(path, { token }).replaceAll("'", '%27');
  };
  const variables = { SB_HC_SEND_URI: sendUri(relay.paths[0]) };
  if (relay.paths.length === 1) return variables;
  for (const path of relay.paths) {
    const plain = path.toUpperCase().replace(/[^A-Z0-9]+/g, '_');
    let name = plain;
    for (let n = 2; `SB_HC_SEND_URI_${name}` in variables; n++) name = `${plain}_${n}`;
    variables[`SB_HC_SEND_URI_${name}`] = sendUri(path);
    variables[`SB_HC_CONNECTION_STRING_${name}`] = relay.connectionString(path);
  }
  return variables;
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
  const { inspectorUrl } = relay;
  const developmentOnly = key === DEVELOPMENT_KEY;
  const shown = {
    host,
    port,
    address,
    secure,
    keyName,
    key,
    developmentOnly,
    inspectorUrl,
    hybridConnections: paths
  };
  return `${JSON.stringify(shown)}\n`;
}

function asText(relay, values, file) {
  const lines = Object.entries(variablesOf(relay, values)).map(([name, value]) => assignment(name, value));
  const strings = relay.paths.map((path) => `  ${relay.connectionString(path)}`);
  const scheme = relay.secure ? 'wss' : 'ws';
  const known = `
The key is the fixed one for development on this machine: everybody knows it, and it protects nothing.
`;
  const written = `Written to ${file}: node --env-file=${file} your-program.js\n\n`;
  const several = `Connection strings:\n${strings.join('\n')}\n\n`;
  return `Relay emulator on ${scheme}://${relay.address}, hybrid connections: ${relay.paths.join(', ')}

${lines.join('\n')}
${relay.key === DEVELOPMENT_KEY ? known : ''}
${file === undefined ? '' : written}${strings.length > 1 ? several : ''}${relay.inspectorUrl === undefined ? '' : `Inspector: ${relay.inspectorUrl}\n\n`}Ctrl+C stops it.
`;
}

function assignment(name, value) {
  if (process.platform === 'win32') return `set "${name}=${value}"`;
  const plain = /^[\w./:=+@-]+$/.test(value);
  return `export ${name}=${plain ? value : `'${value.replaceAll("'", "'\\''")}'`}`;
}

module.exports = { summary, help, run };
