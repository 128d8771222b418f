'use strict';

// One http.Server for HTTP requests and for WebSockets, which knows nothing of the relay:
//
//     node examples/http-and-websocket.js
//
// runs both sides. Flags and environment are those of listener.js.

const { once } = require('node:events');
const http = require('node:http');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('http-and-websocket.js');
const credentials = { keyName: settings.keyrule, key: settings.key };

/** It could as well listen on a port: `httpServer.listen(8080)`. */
function makeServer() {
  const httpServer = http.createServer((req, res) => res.end(`${req.method} ${req.url}`));
  const wss = new WebSocket.Server({ server: httpServer, path: '/chat' });
  wss.on('connection', (socket) => {
    socket.on('message', (data) => {
      for (const client of wss.clients) client.send(String(data));
    });
  });
  return httpServer;
}

async function main() {
  const server = new WebSocket.RelayedServer({
    server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
    ...credentials
  });
  server.attach(makeServer());
  await once(server, 'listening');

  const url = adapt(WebSocket.createRelayHttpsUri(settings.ns, `${settings.path}/page?id=7`), settings);
  const token = WebSocket.createRelayToken(url, settings.keyrule, settings.key);
  const response = await fetch(url, { headers: { ServiceBusAuthorization: token } });
  console.log(response.status, await response.text());

  const uri = adapt(WebSocket.createRelaySendUri(settings.ns, `${settings.path}/chat`), settings);
  const people = await Promise.all(
    ['ann', 'bob'].map(() => WebSocket.connectRelayed(uri, { ...credentials, textMessages: 'string' }))
  );
  const heard = people.map((socket) => once(socket, 'message'));
  people[0].send('hello, everybody');
  for (const [text] of await Promise.all(heard)) console.log(text);

  for (const socket of people) socket.close();
  await server.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
