'use strict';

const { once } = require('node:events');
const { createInterface } = require('node:readline');
const { finished } = require('node:stream');
const { parseArgs } = require('node:util');

const { entityPath, hostAndPort } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');
const { readNumber } = require('./flags.js');
const {
  describeClose,
  describeEnd,
  describeError,
  describeTraffic,
  note,
  plain,
  printJson,
  stopped,
  teller,
  waiting
} = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readEndpoint, readTarget } = require('./target.js');

const summary = 'connects to a listener; stdin and stdout, or a local port';

const help = `Usage: hyco-ws-rs connect [options]

Connects to a listener. Each line of stdin is sent as a text message, and messages are printed, one a line.
When stdin ends it waits for answers, and then closes.

Options:
  --raw                  stdin and stdout are bytes and not lines, as for ssh's ProxyCommand; the listener is told of
                         the end of stdin, and what it still sends is printed until it ends, too
  --local <[host:]port>  forwards each TCP connection to this port of this machine through the relay
  --wait <seconds>       how long to wait for answers to lines after the end of stdin (default 1)
  --json                 prints one JSON object for each message
  --help                 prints this

${TARGET_HELP}`;

const OPTIONS = {
  ...TARGET_OPTIONS,
  raw: { type: 'boolean' },
  local: { type: 'string' },
  wait: { type: 'string' }
};

/** How long a listener may take to close once a signal has come, in milliseconds. */
const GOODBYE = 2_000;
/** How long a listener may go on after the end of stdin, in milliseconds; of a silent one the relay tires sooner. */
const ANSWER_TIME = 24 * 3600 * 1000;

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const wait = readNumber(values, 'wait', { least: 0, most: 2_147_483, whole: false, unit: 'seconds' }) ?? 1;
  excludeEachOther(values);
  const local = values.local === undefined ? undefined : readEndpoint(values.local, 'local', 0);
  const { uri, options } = await readTarget(values, 'connect');
  if (local !== undefined) return forward(local, uri, options, values.json);
  const { connectRelayed } = require('../socket/connect.js');
  const how = { ...options, keepAlive: true };
  if (values.raw) how.closeTimeout = ANSWER_TIME;
  const socket = await waiting('connecting', connectRelayed(uri, how));
  return values.raw ? carry(socket) : converse(socket, wait * 1000, values.json);
}

/** Each says what stdin, stdout and the end of stdin are. */
function excludeEachOther(values) {
  const [one, other] = ['raw', 'local', 'wait'].filter((name) => values[name] !== undefined);
  if (other !== undefined) throw invalidValue(`--${one} and --${other} exclude each other`);
}

/** Bytes out, bytes in; the listener's end is the end. The end of stdin ends one direction only. */
async function carry(socket) {
  const { createWebSocketStream } = require('../ws/websocket.js');
  const duplex = createWebSocketStream(socket);
  // An error is the socket's, which is thrown below, or that of a write to one that has just closed.
  const read = new Promise((done) => finished(duplex, { writable: false }, () => done()));
  process.stdin.pipe(duplex).pipe(process.stdout, { end: false });
  stopped().then(() => {
    // What came behind the end would be an error, and keep it from ending.
    process.stdin.unpipe(duplex);
    duplex.end();
    // Nobody reads it any more, perhaps.
    duplex.resume();
    setTimeout(() => socket.terminate(), GOODBYE).unref();
  });
  const [code, reason] = await once(socket, 'close');
  await read;
  process.stdin.destroy();
  return judge(code, reason);
}

/** Lines out, messages in. */
async function converse(socket, wait, json) {
  let timer;
  let ended = false;
  const close = () => socket.close(1000);
  const linger = () => {
    clearTimeout(timer);
    if (ended) timer = setTimeout(close, wait);
  };
  socket.on('message', (data, isBinary) => {
    if (json) printJson(isBinary ? { base64: data.toString('base64') } : { text: data.toString() });
    else process.stdout.write(isBinary ? data : `${data}\n`);
    linger();
  });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    if (socket.readyState === socket.OPEN) socket.send(line);
  });
  lines.on('close', () => {
    ended = true;
    linger();
  });
  stopped().then(close);
  try {
    const [code, reason] = await once(socket, 'close');
    return judge(code, reason);
  } finally {
    clearTimeout(timer);
    process.stdin.destroy();
  }
}

/** @return {Number} the exit code */
function judge(code, reason) {
  const text = describeClose(code, reason);
  if (text === 'closed') return 0;
  note(`the connection ${text}`, 'red');
  return 1;
}

/** Each connection to the local port gets one of its own through the relay. */
async function forward(bind, uri, options, json) {
  const tell = teller(json, describe, (_, { error }) => (error === undefined ? undefined : 'yellow'));
  const { LocalStreams } = require('../forward/local-streams.js');
  const local = new LocalStreams(uri, options, { bind });
  const fromOf = ({ remoteAddress, remotePort }) => hostAndPort(remoteAddress, remotePort);
  local.on('connect', (info) => tell('connection', { from: fromOf(info) }));
  local.on('disconnect', ({ bytesReceived, bytesSent, error, ...info }) =>
    tell('close', { from: fromOf(info), bytesReceived, bytesSent, error: error && plain(error) })
  );
  local.on('refused', (error, info) => tell('error', { from: fromOf(info), error: plain(error) }));
  const lost = once(local, 'error').then(([error]) => error);
  const { host, port } = await local.listen();
  const url = new URL(uri);
  tell('listening', { host, port, to: url.host + entityPath(url) });
  const end = await Promise.race([lost, stopped()]);
  if (end instanceof Error) throw end;
  tell('stopping', { signal: end });
  await local.close();
  return 0;
}

function describe(event, fields) {
  const { host, port, to, from, signal, error } = fields;
  switch (event) {
    case 'listening':
      return `forwarding ${hostAndPort(host, port)} to ${to}`;
    case 'connection':
      return `${from} connected`;
    case 'close':
      return `${from} ${describeEnd(error)}: ${describeTraffic(fields)}`;
    case 'stopping':
      return `stopping: ${signal}`;
    default:
      return `${from}: ${describeError(error)}`;
  }
}

module.exports = { summary, help, run };
