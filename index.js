'use strict';

// The export of ws with the relay on it, as hyco-ws has it. ws's own export is left alone.

const { RelayError } = require('./lib/errors.js');
const helpers = require('./lib/helpers.js');
const { connectRelayed, relayedConnect } = require('./lib/relayed-connect.js');
const { RelayedServer, createRelayedServer } = require('./lib/relayed-server.js');
const { RelayedWebSocket } = require('./lib/relayed-socket.js');
const WebSocket = require('./lib/websocket.js');
const aliases = require('./lib/ws1-aliases.js');

module.exports = Object.assign(WebSocket, aliases, helpers, {
  RelayError,
  RelayedServer,
  RelayedWebSocket,
  connectRelayed,
  createRelayedListener: createRelayedServer,
  createRelayedServer,
  relayedConnect
});
