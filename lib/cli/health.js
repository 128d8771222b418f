'use strict';

/** What watches over a command asks here: whether it lives, whether senders can come, and for numbers. */

const { once } = require('node:events');
const { createServer } = require('node:http');

/** Of a forward: Prometheus' name, its type, what it says, and where it stands in `stats()`. */
const METRICS = [
  ['up', 'gauge', 'Whether senders or clients can come', ({ isUp }) => Number(isUp)],
  ['streams_open', 'gauge', 'Streams that are open', of('streams', 'open')],
  ['streams_total', 'counter', 'Streams that have been opened', of('streams', 'opened')],
  ['streams_refused_total', 'counter', 'Streams that came to nothing', of('streams', 'refused')],
  ['streams_cut_total', 'counter', 'Streams that ended by a failure', of('streams', 'cut')],
  ['received_bytes_total', 'counter', 'Bytes of streams from the relay', of('streams', 'bytesReceived')],
  ['sent_bytes_total', 'counter', 'Bytes of streams to the relay', of('streams', 'bytesSent')],
  ['http_requests_open', 'gauge', 'HTTP requests under way', of('requests', 'open')],
  ['http_requests_total', 'counter', 'HTTP requests', of('requests', 'requests')],
  ['http_requests_failed_total', 'counter', 'HTTP requests without a whole answer', of('requests', 'failed')],
  ['websockets_open', 'gauge', 'WebSockets that are open', of('webSockets', 'open')],
  ['websockets_total', 'counter', 'WebSockets that have been opened', of('webSockets', 'opened')],
  ['websockets_refused_total', 'counter', 'WebSockets that came to nothing', of('webSockets', 'refused')]
];

function of(group, field) {
  return ({ stats }) => stats[group]?.[field];
}

/**
 * @param {{host: string, port: number}} place
 * @param {import('./forwards').Forwards} forwards
 * @return {Promise<import('node:http').Server>}
 */
async function serveHealth({ host, port }, forwards) {
  const server = createServer((req, res) => {
    const path = req.url.replace(/\?.*/s, '');
    if (path === '/healthz') answer(res, 200, 'ok\n');
    else if (path === '/readyz') answer(res, forwards.isReady ? 200 : 503, readiness(forwards));
    else if (path === '/metrics') {
      answer(res, 200, metrics(forwards), 'text/plain; version=0.0.4; charset=utf-8');
    } else answer(res, 404, 'There are /healthz, /readyz and /metrics\n');
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

function answer(res, status, text, type = 'text/plain; charset=utf-8') {
  res.writeHead(status, { 'Content-Type': type });
  res.end(text);
}

function readiness({ running, stopping }) {
  if (stopping) return 'stopping\n';
  return [...running].map(({ isUp, title }) => `${isUp ? 'up' : 'down'} ${title}\n`).join('');
}

/** @return {string} In the text format of Prometheus */
function metrics({ running }) {
  const all = [...running].map((forward) => ({ ...forward, stats: statsOf(forward) }));
  const lines = [];
  for (const [name, type, help, valueOf] of METRICS) {
    const samples = all
      .map((forward) => [forward, valueOf(forward)])
      .filter(([, value]) => value !== undefined)
      .map(([forward, value]) => `hyco_forward_${name}${labels(forward)} ${value}`);
    if (samples.length === 0) continue;
    lines.push(`# HELP hyco_forward_${name} ${help}.`, `# TYPE hyco_forward_${name} ${type}`, ...samples);
  }
  return `${lines.join('\n')}\n`;
}

/** A tunnel's are beside those of its listener; a local end has streams only. */
function statsOf({ end, kind }) {
  return kind === 'remote' ? end.stats().forwarded : { streams: end.stats() };
}

function labels({ kind, relay, title }) {
  return `{kind="${kind}",relay="${escaped(relay)}",forward="${escaped(title)}"}`;
}

const escaped = (text) => text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');

module.exports = { serveHealth };
