'use strict';

const { once } = require('node:events');
const { createServer } = require('node:net');
const { createInterface } = require('node:readline');
const { parseArgs } = require('node:util');

const { bridge } = require('./bridge.js');
const { entityPath } = require('../shared/address.js');
const { redact } = require('../shared/redact.js');
const { readNumber } = require('./flags.js');
const {
  describeClose,
  describeTraffic,
  log,
  note,
  plain,
  printJson,
  stopped,
  waiting
} = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readEndpoint, readTarget } = require('./target.js');

const summary = 'connects to a listener; stdin and stdout, or a local port';

const help = `Usage: hyco-ws-rs connect [options]

Connects to a listener. Each line of stdin is sent as a text message, and messages are printed, one a line.
When stdin ends it waits for answers, and then closes.

Options:
  --raw                  stdin and stdout are bytes and not lines, as for ssh's ProxyCommand
  --local <[host:]port>  forwards each TCP connection to this port of this machine through the relay
  --wait <seconds>       how long to wait for answers after the end of stdin (default 1)
  --json                 prints one JSON object for each message
  --help                 prints this

${TARGET_HELP}`;

const OPTIONS = {
  ...TARGET_OPTIONS,
  raw: { type: 'boolean' },
  local: { type: 'string' },
  wait: { type: 'string' }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const wait = readNumber(values, 'wait', { least: 0, most: 2_147_483, whole: false, unit: 'seconds' }) ?? 1;
  const local = values.local === undefined ? undefined : readEndpoint(values.local, 'local', 0);
  const { uri, options } = await readTarget(values, 'connect');
  const { connectRelayed } = require('../socket/connect.js');
  const dial = () => connectRelayed(uri, { ...options, keepAlive: true });

  if (local !== undefined) return forward(local, uri, dial, values.json);
  const socket = await waiting('connecting', dial());
  return values.raw ? carry(socket) : converse(socket, wait * 1000, values.json);
}

/** Bytes out, bytes in; the listener's end is the end. */
async function carry(socket) {
  const { createWebSocketStream } = require('../ws/websocket.js');
  const duplex = createWebSocketStream(socket);
  // It is the socket's error, which is thrown below.
  duplex.on('error', () => {});
  process.stdin.pipe(duplex).pipe(process.stdout, { end: false });
  stopped().then(() => {
    duplex.end();
    // Nobody reads it any more, perhaps.
    duplex.resume();
  });
  const [code, reason] = await once(socket, 'close');
  if (!duplex.readableEnded) await once(duplex, 'end');
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
async function forward({ host, port }, uri, dial, json) {
  const tell = json
    ? (event, fields) => printJson({ event, time: new Date().toISOString(), ...fields })
    : (event, fields) => log(describe(event, fields), event === 'error' ? 'yellow' : undefined);
  const clients = new Set();
  const server = createServer({ noDelay: true, pauseOnConnect: true }, async (client) => {
    const from = `${client.remoteAddress}:${client.remotePort}`;
    clients.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => clients.delete(client));
    try {
      const socket = await dial();
      tell('connection', { from });
      socket.on('error', (error) => tell('error', { from, error: plain(error) }));
      socket.on('close', (code, reason) => {
        const { bytesReceived, bytesSent } = socket.stats();
        tell('close', { from, code, reason: redact(String(reason)), bytesReceived, bytesSent });
      });
      client.resume();
      await bridge(socket, client);
    } catch (error) {
      client.destroy();
      tell('error', { from, error: plain(error) });
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  const url = new URL(uri);
  tell('listening', { host, port: server.address().port, to: url.host + entityPath(url) });
  tell('stopping', { signal: await stopped() });
  server.close();
  for (const client of clients) client.destroy();
  return 0;
}

function describe(event, fields) {
  const { host, port, to, from, code, reason, signal, error } = fields;
  switch (event) {
    case 'listening':
      return `forwarding ${host}:${port} to ${to}`;
    case 'connection':
      return `${from} connected`;
    case 'close':
      return `${from} ${describeClose(code, reason)}: ${describeTraffic(fields)}`;
    case 'stopping':
      return `stopping: ${signal}`;
    default:
      return `${from}: ${error.code ?? 'error'}: ${error.message}`;
  }
}

module.exports = { summary, help, run };
