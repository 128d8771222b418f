'use strict';

const { readFileSync } = require('node:fs');
const { parseArgs } = require('node:util');

const { invalidValue } = require('../shared/errors.js');
const { readForwardTarget, targetText } = require('../forward/target.js');
const { Forwards } = require('./forwards.js');
const { RUN_HELP, RUN_OPTIONS, keepOpen, logger, readRunOptions } = require('./keep-open.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget } = require('./target.js');

const summary = 'makes a web server or a port of this machine reachable';

const help = `Usage: hyco-ws-rs forward <target> [options]

Makes a target reachable through the relay, prints its URL, and a line for each request or connection. Ctrl+C stops it;
so does a refusal that waiting does not cure, with exit code 1.

Targets:
  3000                        the web server at that port of this machine: HTTP and WebSockets
  http://host:port/base       any other; https://, too
  host:port, unix:/path       bytes of any kind, for senders that speak azbridge's protocol: hyco-ws-rs bridge -L

Options:
  --host-header <name>         what a web server gets as Host: its own name, this one, or 'preserve' for the sender's
  --target-ca <file>           whom to trust, PEM, for https:// targets
  --target-insecure            does not check the certificate of an https:// target
  --raw                        bytes without azbridge's preamble: for connect --local, and for App Service
${RUN_HELP}
  --json                       prints one JSON object for each thing that happens
  --help                       prints this

${TARGET_HELP}`;

const OPTIONS = {
  ...TARGET_OPTIONS,
  ...RUN_OPTIONS,
  'host-header': { type: 'string' },
  'target-ca': { type: 'string' },
  'target-insecure': { type: 'boolean' },
  raw: { type: 'boolean' }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, strict: true, allowPositionals: true });
  if (positionals.length !== 1) throw invalidValue('forward takes one target, such as 3000 or 127.0.0.1:22');
  const target = named('the target', () => readForwardTarget(positionals[0]));
  const how = readRunOptions(values);
  const own = { raw: values.raw, hostHeader: values['host-header'], targetTls: targetTls(values) };
  const { uri, options } = await readTarget(values, 'listen');

  const tell = logger({ json: values.json });
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const forwards = new Forwards(tell, { onLost: (_, { message }) => end(message) });
  const { Tunnel } = require('../forward/tunnel.js');
  const tunnel = new Tunnel(target, { ...options, ...own, server: uri });
  forwards.addTunnel({ title: targetText(target), relay: tunnel.path.slice(1) }, tunnel);
  if (!values.json) tunnel.once('listening', () => greet(tunnel, target, values));
  return keepOpen(forwards, { ...how, ended });
}

/** The URL alone on stdout, for scripts; and what to do with one that is not for browsers. */
function greet({ path, url }, { kind, port }, { raw }) {
  process.stdout.write(`${url}\n`);
  if (kind !== 'stream') return;
  const local = port === undefined || port < 1024 ? 2222 : port;
  const other = raw ? `connect --local ${local}` : `bridge -L ${local}:${path.slice(1)}`;
  process.stdout.write(`The other end: npx hyco-ws-rs ${other}\n`);
}

function targetTls(values) {
  const file = values['target-ca'];
  if (values['target-insecure']) return { rejectUnauthorized: false };
  if (file === undefined) return undefined;
  try {
    return { ca: readFileSync(file) };
  } catch (error) {
    throw invalidValue(`--target-ca: ${error.message}`, error);
  }
}

/** An argument has no name of its own on the command line. */
function named(name, read) {
  try {
    return read();
  } catch (error) {
    error.message = error.message.replace(/^The "[^"]*" argument is invalid: it /, `${name} `);
    throw error;
  }
}

module.exports = { summary, help, run };
