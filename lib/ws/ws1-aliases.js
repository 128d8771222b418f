'use strict';

// What the ws 1.x under hyco-ws 1.0.5 exported and ws 8 no longer has.

const { deprecate } = require('node:util');

const WebSocket = require('./websocket.js');

/**
 * @param {import('ws').ServerOptions} options
 * @param {(socket: WebSocket, request: import('node:http').IncomingMessage) => void} [fn] For `connection`
 * @return {import('ws').WebSocketServer}
 */
function createServer(options, fn) {
  const server = new WebSocket.Server(options);
  if (typeof fn === 'function') server.on('connection', fn);
  return server;
}

/**
 * @param {string|URL} address
 * @param {() => void} [fn] For `open`
 * @return {WebSocket}
 */
function connect(address, fn) {
  const client = new WebSocket(address);
  if (typeof fn === 'function') client.on('open', fn);
  return client;
}

const connectAlias = deprecate(connect, 'connect() is ws 1.x: use new WebSocket(address)', 'HYCO_WS_DEP0001');

module.exports = {
  connect: connectAlias,
  createConnection: connectAlias,
  createServer: deprecate(
    createServer,
    'createServer() is ws 1.x: use new WebSocket.Server(options)',
    'HYCO_WS_DEP0002'
  )
};
