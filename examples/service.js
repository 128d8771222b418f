'use strict';

// A listener as it goes into production: it answers probes, shows its numbers to Prometheus, writes a line of JSON for
// each event, and finishes what it has begun when it is told to stop. docs/deploying.md has the unit file, the image and
// the manifests for it.
//
//     SB_HC_CONNECTION_STRING=… node examples/service.js
//     curl http://127.0.0.1:9464/metrics

const http = require('node:http');

const { RelayedServer } = require('hyco-ws-rs');

const { metricsOf } = require('./prometheus.js');

const { env } = process;
/** Where probes and Prometheus come to; in a container, 0.0.0.0. */
const HEALTH_HOST = env.HEALTH_HOST ?? '127.0.0.1';
const HEALTH_PORT = Number(env.HEALTH_PORT ?? 9464);
/** What has begun may take as long to finish; less than whoever stops us waits before it kills. */
const DRAIN_SECONDS = Number(env.DRAIN_SECONDS ?? 45);

const log = (event, fields) =>
  console.log(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
const told = ({ code, message }) => ({ code, message });

if (!env.SB_HC_CONNECTION_STRING) {
  console.error('set SB_HC_CONNECTION_STRING');
  process.exit(2);
}
const server = RelayedServer.fromConnectionString(env.SB_HC_CONNECTION_STRING);

// What the service does.
server.on('connection', (socket, request) => {
  log('connection', { from: request.socket.remoteAddress, url: request.url });
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('error', (error) => log('socket error', told(error)));
});
server.on('request', (req, res) => res.end(`${req.method} ${req.url}\n`));

// What becomes of it.
server.on('listening', () => log('listening'));
server.on('reconnecting', ({ delay, error }) => log('reconnecting', { delay, ...told(error) }));
server.on('rendezvousError', (error) => log('sender lost', told(error)));
server.on('requestError', (error, req) => log('request failed', { url: req?.url, ...told(error) }));
server.on('error', (error) => log('error', told(error)));
// It would stay so: whoever runs us is to start us again, with what has been put right.
server.on('offline', (error) => {
  log('offline', error && told(error));
  process.exitCode = 1;
  stop('offline');
});

const health = http.createServer((req, res) => {
  switch (req.url) {
    case '/live':
      return void res.end('ok\n');
    case '/ready':
      res.statusCode = server.listening ? 200 : 503;
      return void res.end(`${server.state}\n`);
    case '/metrics':
      res.setHeader('Content-Type', 'text/plain; version=0.0.4');
      return void res.end(metricsOf(server));
    default:
      res.statusCode = 404;
      res.end();
  }
});
// The port is taken, say. The listener goes on; whoever asks for its health finds none, and sees to it.
health.on('error', (error) => log('health', told(error)));
health.listen(HEALTH_PORT, HEALTH_HOST, () => log('health', { port: health.address().port }));

let stopping = false;
async function stop(why) {
  log('stopping', { why });
  // The second time somebody is in a hurry.
  if (stopping) return void server.close({ timeout: 0 });
  stopping = true;
  await server.close({ drain: true, timeout: DRAIN_SECONDS * 1000 });
  health.close();
  health.closeAllConnections();
  log('stopped');
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, stop);
