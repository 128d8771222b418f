'use strict';

/** Options of our sockets that must not change what arrives. */

const { setTimeout: sleep } = require('node:timers/promises');

/** @param {import('./dice.js').Dice} dice */
function drawOptions(dice) {
  const options = { maxPendingAutoPongs: 0, allowSynchronousEvents: !dice.chance(0.1) };
  // Almost no credit: reading stops after each delivery.
  if (dice.chance(0.2)) options.highWaterMark = dice.pick([1, 1000, 65_536]);
  if (dice.chance(0.1)) {
    const own = dice.fork();
    options.generateMask = (mask) => mask.writeUInt32BE(own.seed());
  }
  return options;
}

/** Most sockets of a round are opened together; some come when others have slots, and buffers, to leave. */
async function comeLate(dice) {
  if (dice.chance(0.2)) await sleep(dice.int(0, 20));
}

module.exports = { comeLate, drawOptions };
