'use strict';

/**
 * `createWebSocketStream()` under Bun, which answers `require('ws')` with a ws of its own: the streams of that one end
 * with a connection only if it is one of Bun's. The package's own implementation is installed all the same.
 */

const path = require('node:path');

const ws = require('ws');

const createPackageStream = require(
  path.join(path.dirname(require.resolve('ws/package.json')), 'lib', 'stream.js')
);

/**
 * @param {import('ws').WebSocket} socket
 * @param {import('node:stream').DuplexOptions} [options]
 * @return {import('node:stream').Duplex}
 */
function createWebSocketStream(socket, options) {
  const create = socket._engine === undefined ? ws.createWebSocketStream : createPackageStream;
  return create(socket, options);
}

module.exports = { createWebSocketStream };
