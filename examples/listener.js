'use strict';

// Prints the JSON messages that senders send. Flags and environment are those of the hyco-ws sample:
//
//     node examples/listener.js --ns=contoso.servicebus.windows.net --path=hyco --keyrule=rule --key=…
//
// With `npx hyco-ws-rs emulator` running, the variables that it prints are all it takes.

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('listener.js');
const server = WebSocket.createRelayedServer(
  {
    server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
    keyName: settings.keyrule,
    key: settings.key
  },
  (socket, request) => {
    console.log(`connection accepted from ${request.socket.remoteAddress}`);
    socket.onmessage = (event) => {
      try {
        console.log(JSON.parse(event.data));
      } catch (error) {
        console.log(`not JSON: ${error.message}`);
      }
    };
    socket.on('error', (error) => console.log(`connection failed: ${error.message}`));
    socket.on('close', () => console.log('connection closed'));
  }
);

server.on('listening', () => console.log('listening'));
server.on('reconnecting', ({ delay, reason }) => console.log(`reconnecting in ${delay} ms: ${reason}`));
server.on('error', (error) => {
  console.log(`error: ${error.message}`);
  process.exitCode = 1;
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => console.log('closed')));
}
