'use strict';

/**
 * `createWebSocketStream()` under Bun, which answers `require('ws')` with a ws of its own: the streams of that one end
 * with a connection only if it is one of Bun's.
 */

const ws = require('ws');

const { requirePackageFile } = require('./package-file');

/**
 * @param {import('ws').WebSocket} socket
 * @param {import('node:stream').DuplexOptions} [options]
 * @return {import('node:stream').Duplex}
 */
function createWebSocketStream(socket, options) {
  const create = socket._engine === undefined ? ws.createWebSocketStream : requirePackageFile('stream.js');
  return create(socket, options);
}

module.exports = { createWebSocketStream };
