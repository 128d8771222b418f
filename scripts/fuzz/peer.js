'use strict';

/**
 * A raw peer on a thread of its own, so that it writes while the receiver's event loop is busy: it plays the chunks that
 * `wire.js` has made, and reports what its clients said.
 */

const { once } = require('node:events');
const { setImmediate: turn, setTimeout: sleep } = require('node:timers/promises');
const { parentPort, workerData } = require('node:worker_threads');

const { Opcode } = require('../../__test__/helpers/frames.js');
const { RawPeer } = require('../../__test__/helpers/raw-peer.js');

/** Plays one connection to its end. */
async function play(connection, { chunks, glued, end, reply, headers }, tls) {
  const { socket } = connection;
  // A reset by the client is an end like another.
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.setNoDelay();
  let from = 0;
  const first = glued && chunks.length > 0 ? [chunks[from++].bytes] : [];
  await connection.accept({ headers, frames: first });
  for (; from < chunks.length && !socket.destroyed; from++) {
    const { bytes, wait } = chunks[from];
    if (!socket.write(bytes)) await Promise.race([once(socket, 'drain').catch(() => {}), closed]);
    if (wait !== undefined) await (wait < 0 ? turn() : sleep(wait));
  }
  const closeFrame = () => connection.log.find(({ opcode }) => opcode === Opcode.CLOSE);
  if (end === 'reset') {
    if (tls) socket.destroy();
    else connection.reset();
  } else if (end === 'end') {
    connection.end();
  } else {
    await connection.until(() => closeFrame() || connection.log.includes('END') || socket.destroyed);
    if (reply !== undefined && !socket.destroyed) connection.send(reply);
    connection.end();
  }
  await connection.over();
  await closed;
  return { pongs: connection.log.filter(({ opcode }) => opcode === Opcode.PONG), close: closeFrame() };
}

async function main() {
  const { plans, tls } = workerData;
  const peer = await RawPeer.listen(tls);
  parentPort.postMessage({ port: peer.port });
  const reports = [];
  const playing = plans.map(async () => {
    const connection = await peer.connection();
    const head = await connection.request();
    const number = Number(/^GET \/(\d+) /.exec(head)[1]);
    reports[number] = await play(connection, plans[number], tls);
  });
  await Promise.all(playing);
  await peer.close();
  parentPort.postMessage({ reports });
}

main();
