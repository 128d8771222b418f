'use strict';

// The export of ws with the relay on it, as hyco-ws has it. ws's own export is left alone.

const { RelayError } = require('./lib/errors.js');
const helpers = require('./lib/helpers.js');
const { relayedConnect } = require('./lib/relayed-connect.js');
const { RelayedServer } = require('./lib/relayed-server.js');
const { RelayedWebSocket } = require('./lib/relayed-socket.js');
const WebSocket = require('./lib/websocket.js');
const aliases = require('./lib/ws1-aliases.js');

/**
 * Starts a listener of a hybrid connection.
 *
 * @param {import('.').RelayedServerOptions} options
 * @param {(socket: RelayedWebSocket, request: import('.').RelayedRequest) => void} [fn] For `connection`
 * @return {RelayedServer}
 */
function createRelayedServer(options, fn) {
  const server = new RelayedServer(options);
  if (typeof fn === 'function') server.on('connection', fn);
  return server;
}

module.exports = Object.assign(WebSocket, aliases, helpers, {
  RelayError,
  RelayedServer,
  RelayedWebSocket,
  createRelayedListener: createRelayedServer,
  createRelayedServer,
  relayedConnect
});
