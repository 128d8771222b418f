'use strict';

/** What connections cost: to open, to keep, and in numbers. */

const { steady } = require('./throughput.js');

/** Connections take more code than messages do, and a JIT compiler longer for it: short rounds measure the warm-up. */
async function churn(peer, concurrency, { seconds }) {
  const values = { kind: 'churn', concurrency, warmup: 1, seconds: Math.max(1, seconds) };
  if (!peer.mode.direct) return peer.run(values);
  await peer.lines.ask('churn', { url: `${peer.directUrl}?churn=1`, concurrency });
  const result = await peer.run(values);
  await peer.lines.ask('churn-stop');
  return result;
}

async function idle(peer) {
  await peer.open(64);
  const before = await peer.memory();
  const perSocket = async (sockets) => {
    await peer.open(64 + sockets);
    return ((await peer.memory()) - before) / sockets;
  };
  return { at2000: await perSocket(2000), at5000: await perSocket(5000) };
}

const accept = (name, concurrency, label, goals, limits) => ({
  name,
  rows: [
    { metric: 'rate', label, unit: '1/s', higher: true },
    {
      metric: 'rate',
      label: `${label}: beside bare Rust`,
      unit: '1/s',
      higher: true,
      reference: 'rust-codec',
      goals
    },
    { metric: 'cpuMain', label: `${label}: JS-thread CPU`, unit: 'µs', higher: false, limits },
    { metric: 'cpuProcess', label: `${label}: CPU of all threads`, unit: 'µs', higher: false }
  ],
  measure: (peer, context) => churn(peer, concurrency, context)
});

const scale = (sockets, window) => ({
  name: `scale-${sockets}`,
  rows: [
    {
      metric: 'rate',
      label: `echo 32 B, ${sockets} sockets, ${window * sockets} in flight`,
      unit: 'msg/s',
      higher: true
    },
    { metric: 'cpuMain', label: `${sockets} sockets: JS-thread CPU`, unit: 'µs/msg', higher: false },
    { metric: 'cpuProcess', label: `${sockets} sockets: CPU of all threads`, unit: 'µs/msg', higher: false }
  ],
  measure: steady(sockets, { kind: 'echo', size: 32, window })
});

const memory = (metric, sockets) => ({
  metric,
  label: `memory of an idle connection at ${sockets}`,
  unit: 'KiB',
  higher: false,
  goals: { ws: [0.5, 0.25], wss: [0.33, 0.22] }
});

module.exports = [
  accept('accept-1', 1, 'accept + echo + close, one at a time'),
  accept(
    'accept-32',
    32,
    'accept + echo + close, 32 at once',
    { ws: [1, 1.2], wss: [0.85, 1] },
    { ws: [26, 20] }
  ),
  {
    name: 'memory',
    fresh: true,
    rows: [memory('at2000', '2,000'), memory('at5000', '5,000')],
    measure: idle
  },
  scale(1, 1),
  scale(100, 1),
  scale(1000, 1),
  scale(5000, 1)
];
