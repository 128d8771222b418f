'use strict';

// Server-sent events through the relay:
//
//     node examples/server-sent-events.js
//
// runs both sides. Flags and environment are those of listener.js. A browser's EventSource cannot send headers, so its
// token goes into the URL: createRelayHttpsUri(namespace, path, token).

const { once } = require('node:events');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('server-sent-events.js');

/** The service ends a stream on which nothing comes for 60 seconds. */
const HEARTBEAT = 20_000;

function startListener() {
  const server = new WebSocket.RelayedServer({
    server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
    keyName: settings.keyrule,
    key: settings.key
  });
  server.on('request', (req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
    let number = Number(req.headers['last-event-id'] ?? 0);
    const ticking = setInterval(() => res.write(`id: ${++number}\ndata: tick ${number}\n\n`), 100);
    const beating = setInterval(() => res.write(':\n\n'), HEARTBEAT);
    // The sender has left, or the server is closed.
    res.on('close', () => {
      clearInterval(ticking);
      clearInterval(beating);
      console.log('the stream is closed');
    });
  });
  return server;
}

async function main() {
  const server = startListener();
  await once(server, 'listening');

  const url = adapt(WebSocket.createRelayHttpsUri(settings.ns, settings.path), settings);
  const token = WebSocket.createRelayToken(url, settings.keyrule, settings.key);
  const headers = { ServiceBusAuthorization: token, 'Last-Event-ID': '6' };
  const response = await fetch(url, { headers });
  console.log(response.status, response.headers.get('content-type'));
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('tick 9')) break;
  }
  console.log(text.match(/tick \d/g).join(', '));

  await server.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
