'use strict';

// The export of ws with the relay on it, as hyco-ws has it. ws's own export is left alone.

const { forward, forwardLocal } = require('./lib/forward/forward.js');
const { RelayError } = require('./lib/shared/errors.js');
const helpers = require('./lib/shared/helpers.js');
const { connectRelayed, relayedConnect } = require('./lib/socket/connect.js');
const { RelayedServer, createRelayedServer } = require('./lib/listener/server.js');
const { RelayedWebSocket } = require('./lib/socket/socket.js');
const WebSocket = require('./lib/ws/websocket.js');
const aliases = require('./lib/ws/ws1-aliases.js');

module.exports = Object.assign(WebSocket, aliases, helpers, {
  RelayError,
  RelayedServer,
  RelayedWebSocket,
  connectRelayed,
  createRelayedListener: createRelayedServer,
  createRelayedServer,
  forward,
  forwardLocal,
  relayedConnect
});
