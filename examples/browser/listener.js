'use strict';

// What the page talks to: it answers each message in capitals. The rule needs the Listen right.

const { RelayedServer, createRelayListenUri } = require('hyco-ws-rs');

const { adapt, readSettings } = require('../settings.js');

const settings = readSettings('listener.js');
const server = new RelayedServer(
  {
    server: adapt(createRelayListenUri(settings.ns, settings.path), settings),
    keyName: settings.keyrule,
    key: settings.key
  },
  (socket, request) => {
    console.log(`connection from a page of ${request.headers.origin}`);
    socket.on('message', (data) => socket.send(data.toString().toUpperCase()));
    socket.on('error', (error) => console.log(`connection failed: ${error.message}`));
  }
);
server.on('listening', () => console.log('listening'));
server.on('reconnecting', ({ delay, reason }) => console.log(`reconnecting in ${delay} ms: ${reason}`));
server.on('error', (error) => {
  console.log(`error: ${error.message}`);
  process.exitCode = 1;
});
