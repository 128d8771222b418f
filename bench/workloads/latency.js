'use strict';

/** How long a message is under way, there and back. */

const { steady } = require('./throughput.js');

const GOALS = { p50: { ws: [1.2, 0.85], wss: [1.15, 0.85] }, p99: { ws: [1, 0.7], wss: [0.7, 0.7] } };
const row = (metric, label) => ({
  metric,
  label: `${label}: ${metric}`,
  unit: 'µs',
  higher: false,
  goals: GOALS[metric]
});

/** The quiet sockets' p99 without and with a socket that is flooded. */
async function fairness(peer, { seconds }) {
  const values = { kind: 'echo', size: 32, window: 1, gapMs: 10, warmup: 0.2, seconds };
  await peer.open(50);
  const idle = await peer.run(values);
  await peer.close();
  await peer.open(51);
  const busy = await peer.run({ ...values, flood: true });
  await peer.close();
  return { idle: idle.p99, busy: busy.p99, ratio: busy.p99 / idle.p99 };
}

module.exports = [
  {
    name: 'ping-pong',
    rows: [row('p50', 'ping-pong back to back'), row('p99', 'ping-pong back to back')],
    measure: steady(1, { kind: 'echo', size: 32, window: 1 })
  },
  {
    name: 'ping-pong-gaps',
    rows: [row('p50', 'ping-pong with 1 ms gaps'), row('p99', 'ping-pong with 1 ms gaps')],
    measure: steady(1, { kind: 'echo', size: 32, window: 1, gapMs: 1 })
  },
  {
    name: 'fairness',
    rows: [
      { metric: 'idle', label: '50 quiet sockets: p99', unit: 'µs', higher: false },
      { metric: 'busy', label: '50 quiet sockets beside a flooded one: p99', unit: 'µs', higher: false },
      { metric: 'ratio', label: 'what the flooded one costs the others', unit: 'x', higher: false }
    ],
    measure: fairness
  }
];
