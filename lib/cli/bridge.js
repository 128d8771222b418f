'use strict';

const { finished } = require('node:stream');

const { createWebSocketStream } = require('../ws/websocket.js');

/**
 * Carries the bytes of a stream over a socket, both ways. The end of either is the end of both: WebSockets have no half
 * of a connection. What has come until then is passed on, and the sender is told of an orderly end as of one.
 *
 * @param {import('../socket/socket.js').RelayedWebSocket} socket Open, and paused until now
 * @param {import('node:stream').Duplex} stream
 * @returns {Promise<void>} fulfilled when both are done, whatever ended them
 */
async function bridge(socket, stream) {
  const closed = new Promise((done) => socket.once('close', () => done()));
  const duplex = createWebSocketStream(socket);
  duplex.on('error', () => {});
  for (const event of ['end', 'close']) duplex.on(event, () => finishOff(stream));
  const over = new Promise((done) => finished(stream, () => done())).then(() => {
    // What comes now has nowhere to go.
    duplex.resume();
    if (stream.errored) socket.close(1011, 'What is behind it broke off');
    else duplex.end();
  });
  stream.pipe(duplex).pipe(stream);
  await Promise.all([over, closed]);
}

/** Ends it once it has written all that it was given. */
function finishOff(stream) {
  stream.end();
  finished(stream, { readable: false }, () => stream.destroy());
}

module.exports = { bridge };
