'use strict';

const { pipeline } = require('node:stream');

const { createWebSocketStream } = require('../ws/websocket.js');

/**
 * Carries the bytes of a stream over a socket, both ways. The end of either is the end of both: WebSockets have no half
 * of a connection.
 *
 * @param {import('../socket/socket.js').RelayedWebSocket} socket Open, and paused until now
 * @param {import('node:stream').Duplex} stream
 * @returns {Promise<void>} fulfilled when both are done, whatever ended them
 */
async function bridge(socket, stream) {
  const duplex = createWebSocketStream(socket);
  const carry = (from, to) => new Promise((done) => pipeline(from, to, () => done()));
  await Promise.all([carry(stream, duplex), carry(duplex, stream)]);
}

module.exports = { bridge };
