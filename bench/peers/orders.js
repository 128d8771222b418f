'use strict';

/** What a peer in a process of its own is told, and says: JSON lines over stdin and stdout. It ends with stdin. */

const readline = require('node:readline');

function say(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

/** @param {Record<string, function(object): unknown>} orders By name; what they return is said */
function takeOrders(orders) {
  const all = { gc, ...orders };
  readline
    .createInterface({ input: process.stdin })
    .on('line', (line) => {
      const order = JSON.parse(line);
      say({ id: order.id, result: all[order.cmd](order) });
    })
    .on('close', () => process.exit());
}

/** Several times: what is only reachable from what goes goes with the next. */
function gc() {
  for (let i = 0; i < 4; i++) global.gc();
}

module.exports = { say, takeOrders };
