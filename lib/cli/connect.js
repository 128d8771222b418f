'use strict';

const { once } = require('node:events');
const { createServer } = require('node:net');
const { createInterface } = require('node:readline');
const { pipeline } = require('node:stream/promises');
const { parseArgs } = require('node:util');

const { bridge } = require('./bridge.js');
const { invalidValue } = require('../shared/errors.js');
const { note, plain, printJson, stopped, waiting } = require('./output.js');
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
  const wait = Number(values.wait ?? 1) * 1000;
  if (!(wait >= 0 && wait < 2 ** 31)) throw invalidValue('--wait takes a number of seconds');
  const local = values.local === undefined ? undefined : readEndpoint(values.local, 'local');
  const { uri, options } = await readTarget(values, 'connect');
  const { connectRelayed } = require('../socket/connect.js');
  const dial = () => connectRelayed(uri, { ...options, keepAlive: true });

  if (local !== undefined) return forward(local, dial, values.json);
  const socket = await waiting('connecting', dial());
  if (values.raw) {
    await carry(socket);
    return 0;
  }
  return converse(socket, wait, values.json);
}

/** Bytes out, bytes in; the listener's end is the end. */
async function carry(socket) {
  const { createWebSocketStream } = require('../ws/websocket.js');
  const duplex = createWebSocketStream(socket);
  // Cut off when the listener has closed; that is told below, if it is a failure.
  pipeline(process.stdin, duplex).catch(() => {});
  await pipeline(duplex, process.stdout, { end: false });
  process.stdin.destroy();
}

/** Lines out, messages in. */
async function converse(socket, wait, json) {
  let timer;
  let ended = false;
  const linger = () => {
    clearTimeout(timer);
    if (ended) timer = setTimeout(() => socket.close(1000), wait);
  };
  socket.on('message', (data, isBinary) => {
    if (json) printJson(isBinary ? { base64: data.toString('base64') } : { text: data.toString() });
    else process.stdout.write(isBinary ? data : `${data}\n`);
    linger();
  });
  const failed = new Promise((resolve) => socket.once('error', resolve));
  const closed = new Promise((resolve) => socket.once('close', (code, reason) => resolve({ code, reason })));
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    if (socket.readyState === socket.OPEN) socket.send(line);
  });
  lines.on('close', () => {
    ended = true;
    linger();
  });
  stopped().then(() => socket.close(1000));
  const end = await Promise.race([closed, failed]);
  clearTimeout(timer);
  process.stdin.destroy();
  if (end instanceof Error) throw end;
  if (end.code === 1000 || end.code === 1005) return 0;
  note(`closed by the listener: ${end.code} ${end.reason}`);
  return 1;
}

/** Each connection to the local port gets one of its own through the relay. */
async function forward({ host, port }, dial, json) {
  const tell = (event, fields) => (json ? printJson({ event, ...fields }) : note(textOf(event, fields)));
  const clients = new Set();
  const server = createServer({ noDelay: true, pauseOnConnect: true }, async (client) => {
    clients.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => clients.delete(client));
    try {
      const socket = await dial();
      client.resume();
      await bridge(socket, client);
    } catch (error) {
      client.destroy();
      tell('error', { error: plain(error) });
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  tell('listening', { host, port: server.address().port });
  await stopped();
  server.close();
  for (const client of clients) client.destroy();
  return 0;
}

function textOf(event, { host, port, error }) {
  return event === 'listening' ? `forwarding ${host}:${port}` : `${error.code ?? 'error'}: ${error.message}`;
}

module.exports = { summary, help, run };
