'use strict';

/** What a socket has carried: `socket.stats()`; and all of a server's, for `server.stats()`. */

const { Kind } = require('../engine/records');
const { DEFLATE } = require('./sending');

/** In the order in which `src/node/engine.rs` tells them, before the bytes that wait in the engine and the round trip. */
const COUNTS = [
  'messagesSent',
  'bytesSent',
  'wireBytesSent',
  'messagesReceived',
  'bytesReceived',
  'wireBytesReceived'
];
const NOTHING = [0, 0, 0, 0, 0, 0, 0, NaN];

/**
 * @param {import('./native-socket').NativeSocket} socket
 * @return {object} See `docs/api.md`
 */
function socketStats(socket) {
  const { bufferedAmount } = socket;
  const tally = readTally(socket);
  const [undrained, rtt] = tally.slice(COUNTS.length);
  return {
    ...Object.fromEntries(COUNTS.map((name, at) => [name, tally[at]])),
    bufferedAmount,
    heldAmount: undrained + heldBytes(socket._held),
    compression: socket._extensions[DEFLATE] !== undefined,
    rtt: Number.isNaN(rtt) ? undefined : rtt
  };
}

/** What the sockets of one server have carried that are gone; of those that are there the engine makes the sums. */
class Carried {
  #gone = new Float64Array(COUNTS.length);

  /** @param {ArrayLike<number>} tally The last numbers of a socket, whose slot is free now */
  add(tally) {
    for (let at = 0; at < COUNTS.length; at++) this.#gone[at] += tally[at];
  }

  /**
   * @param {object} stats With the sums of those that are there
   * @return {object} The same with those of all
   */
  within(stats) {
    COUNTS.forEach((name, at) => (stats[name] = (stats[name] ?? 0) + this.#gone[at]));
    return stats;
  }
}

/** The engine's numbers. */
function readTally(socket) {
  const { _engine: engine, _slot: slot } = socket;
  if (slot < 0) return socket._left?.tally ?? NOTHING;
  engine.tally.set(NOTHING);
  engine.native.socketStats(slot, engine.tally);
  return engine.tally;
}

/** Payloads of messages that have crossed and wait here, while paused for example. */
function heldBytes(held) {
  let bytes = 0;
  for (let at = 0; held !== null && at < held.length; at += 3) {
    if (held[at] <= Kind.BINARY) bytes += held[at + 2].length;
  }
  return bytes;
}

module.exports = { Carried, socketStats };
