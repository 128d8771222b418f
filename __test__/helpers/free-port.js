'use strict';

const { once } = require('node:events');
const net = require('node:net');

/** @return {Promise<number>} A port of this machine that was free just now */
async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

module.exports = { freePort };
