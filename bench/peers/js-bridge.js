'use strict';

/** The bridge of the command line before byte streams were moved in Rust, kept to be compared with: streams of ws. */

const { connect, createServer } = require('node:net');
const { once } = require('node:events');
const { pipeline } = require('node:stream');

const { RelayedServer, connectRelayed, createWebSocketStream } = require('../..');

async function bridge(socket, stream) {
  const duplex = createWebSocketStream(socket);
  const carry = (from, to) => new Promise((done) => pipeline(from, to, () => done()));
  await Promise.all([carry(stream, duplex), carry(duplex, stream)]);
}

/** @return {Promise<number>} The local port */
async function start({ listenUri, sendUri, token, port }) {
  const server = new RelayedServer({ server: listenUri, token });
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.pause();
    const target = connect({ host: '127.0.0.1', port, noDelay: true });
    target.once('connect', () => {
      bridge(socket, target);
      socket.resume();
    });
    target.on('error', () => {});
    socket.once('close', () => target.destroy());
  });
  await once(server, 'listening');
  const local = createServer({ noDelay: true, pauseOnConnect: true }, async (client) => {
    client.on('error', () => client.destroy());
    const socket = await connectRelayed(sendUri, { token, keepAlive: true });
    client.resume();
    await bridge(socket, client);
  });
  local.listen(0, '127.0.0.1');
  await once(local, 'listening');
  return local.address().port;
}

module.exports = { start };
