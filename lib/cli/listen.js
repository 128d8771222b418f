'use strict';

const { pipeline } = require('node:stream');
const { parseArgs } = require('node:util');

const { redact } = require('../shared/redact.js');
const { remedyFor } = require('../shared/remedy.js');
const {
  describeClose,
  describeEnd,
  describeError,
  describeTraffic,
  plain,
  printJson,
  stopped,
  teller
} = require('./output.js');
const { TARGET_HELP, TARGET_OPTIONS, readEndpoint, readTarget } = require('./target.js');

const summary = 'listens; prints messages or forwards connections to a local port';

const help = `Usage: hyco-ws-rs listen [options]

Listens at a hybrid connection and prints the messages that senders send. With --to, each connection is
forwarded to a TCP port instead. Ctrl+C stops it; so does a refusal that waiting does not cure, with exit code 1.

Options:
  --to <[host:]port>  forwards to this port, such as 127.0.0.1:22
  --echo              sends each message back, and to an HTTP request its own body
  --inspect           serves a page on 127.0.0.1 that shows what passes
  --json              prints one JSON object for each thing that happens
  --help              prints this

${TARGET_HELP}`;

/** What somebody has to do something about; the rest is grey. */
const COLOURS = { error: 'yellow', offline: 'red' };

const OPTIONS = {
  ...TARGET_OPTIONS,
  to: { type: 'string' },
  echo: { type: 'boolean' },
  inspect: { type: 'boolean' }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code, once a signal has stopped it or the server is offline for good
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const to = values.to === undefined ? undefined : readEndpoint(values.to, 'to');
  const { uri, options } = await readTarget(values, 'listen');
  const { RelayedServer } = require('../listener/server.js');

  const tell = teller(values.json, describe, (event) => COLOURS[event]);
  const server = new RelayedServer({ ...options, server: uri, inspect: values.inspect });
  const { host } = new URL(uri);
  const advise = advice();
  const shorten = repeats();
  server.on('inspecting', (url) => tell('inspecting', { url }));
  server.on('listening', () => shorten(''));
  server.on('listening', () => tell('listening', { host, path: server.path, to: values.to }));
  server.on('reconnecting', ({ delay, reason, error }) =>
    tell('reconnecting', {
      delay: Math.round(delay),
      reason: values.json ? reason : shorten(reason),
      remedy: advise(error)
    })
  );
  server.on('rendezvousError', (error, { id }) => tell('rendezvousError', { id, error: plain(error) }));
  server.on('connection', (socket, request) => {
    const { id } = request;
    const { remoteAddress } = request.socket;
    tell('connection', { id, url: redact(request.url), remoteAddress });
    socket.on('error', (error) => tell('error', { id, error: plain(error) }));
    socket.on('close', (code, reason) => {
      const { bytesReceived, bytesSent } = socket.stats();
      tell('close', { id, code, reason: redact(String(reason)), bytesReceived, bytesSent });
    });
    socket.on('message', (data, isBinary) => onMessage(values, socket, id, data, isBinary));
  });
  server.on('request', (req, res) => onRequest(values, tell, req, res));
  if (to !== undefined) forward(server, to, values.to, tell);

  let last;
  server.on('error', (error) => {
    last = error;
    tell('error', { error: plain(error), remedy: advise(error) });
  });
  const ended = new Promise((resolve) => {
    server.once('offline', (error) => resolve({ error: error ?? last }));
    // Where it is given up without having been told to.
    server.once('close', () => resolve({ error: last }));
  });
  const { error, signal } = await Promise.race([ended, stopped().then((signal) => ({ signal }))]);
  if (error !== undefined) tell('offline', { error: plain(error), remedy: advise(error) });
  else tell('stopping', { signal });
  await server.close({ timeout: 2_000 });
  return error === undefined ? 0 : 1;
}

/** @return {function(Error): string|undefined} What to do about an error, unless that has been said already */
function advice() {
  const told = new Set();
  return (error) => {
    const remedy = remedyFor(error, 'listen');
    if (told.has(remedy)) return undefined;
    told.add(remedy);
    return remedy;
  };
}

/** @return {function(string): string} The relay's words, unless they are those of the last time but for ids and times */
function repeats() {
  let last;
  return (reason) => {
    const words = reason.replace(/TrackingId:[^]*/, '');
    const isSame = words === last;
    last = words;
    return isSame ? 'same reason' : reason;
  };
}

function onMessage({ json, echo }, socket, id, data, isBinary) {
  if (json) {
    printJson({
      event: 'message',
      id,
      ...(isBinary ? { base64: data.toString('base64') } : { text: data.toString() })
    });
  } else process.stdout.write(isBinary ? data : `${data}\n`);
  if (echo) socket.send(data, { binary: isBinary });
}

/** Only `--echo` has an answer; the other one is what senders get where nobody listens for requests. */
function onRequest({ echo }, tell, req, res) {
  tell('request', {
    id: req.id,
    method: req.method,
    url: redact(req.url),
    remoteAddress: req.socket.remoteAddress
  });
  if (!echo) return void res.writeHead(501).end();
  const type = req.headers['content-type'];
  if (type !== undefined) res.setHeader('Content-Type', type);
  pipeline(req, res, () => {});
}

/** Connections are streams of bytes, which go to the target without passing through here. */
function forward(server, target, to, tell) {
  const { RemoteStreams } = require('../forward/remote-streams.js');
  const streams = new RemoteStreams(server, { target });
  streams.on('connect', ({ remoteAddress, request: { id, url } }) =>
    tell('connection', { id, url: redact(url), remoteAddress, to })
  );
  streams.on('disconnect', ({ bytesReceived, bytesSent, error, request: { id } }) =>
    tell('close', { id, bytesReceived, bytesSent, error: error && plain(error) })
  );
  streams.on('refused', (error, { request: { id } }) => tell('error', { id, error: plain(error) }));
}

function describe(event, fields) {
  const { id, host, url, method, remoteAddress, path, to, delay, reason, code, signal, error } = fields;
  const onwards = to === undefined ? '' : `, forwarded to ${to}`;
  switch (event) {
    case 'listening':
      return `listening on ${host}${path}${onwards}`;
    case 'inspecting':
      return `what passes is shown at ${url}`;
    case 'reconnecting':
      return `connecting again in ${delay} ms: ${reason}`;
    case 'connection':
      return `${id ?? '-'} connected from ${remoteAddress ?? 'unknown'} to ${url}${onwards}`;
    case 'request':
      return `${id} HTTP ${method} ${url} from ${remoteAddress ?? 'unknown'}`;
    case 'close':
      return `${id ?? '-'} ${code === undefined ? describeEnd(error) : describeClose(code, reason)}: ${describeTraffic(fields)}`;
    case 'stopping':
      return `stopping: ${signal}`;
    case 'offline':
      return `offline for good: ${describeError(error)}`;
    default:
      return `${id ?? 'listener'}: ${describeError(error)}`;
  }
}

module.exports = { summary, help, run };
