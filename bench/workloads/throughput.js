'use strict';

/** How many messages go through, and what of it the JavaScript thread pays. */

/** Opens sockets, runs once, closes them. */
function steady(sockets, values) {
  return async (peer, { seconds }) => {
    await peer.open(sockets);
    const result = await peer.run({ seconds, warmup: Math.min(0.3, seconds), ...values });
    await peer.close();
    return result;
  };
}

const rate = (label, goals) => ({ metric: 'rate', label, unit: 'msg/s', higher: true, goals });
const cpu = (label, goals) => ({
  metric: 'cpuMain',
  label: `${label}: JS-thread CPU`,
  unit: 'µs/msg',
  higher: false,
  goals
});
const CPU_GOALS = { ws: [0.33, 0.2], wss: [0.35, 0.2] };

module.exports = [
  {
    name: 'echo-small',
    rows: [rate('echo 32 B, 1 socket', { ws: [6, 9], wss: [2.5, 4] }), cpu('echo 32 B, 1 socket', CPU_GOALS)],
    measure: steady(1, { kind: 'echo', size: 32, window: 64 })
  },
  {
    name: 'echo-small-50',
    rows: [
      rate('echo 32 B, 50 sockets', { ws: [10, 18], wss: [3, 5] }),
      cpu('echo 32 B, 50 sockets', CPU_GOALS)
    ],
    measure: steady(50, { kind: 'echo', size: 32, window: 64 })
  },
  {
    name: 'echo-text',
    rows: [rate('echo 32 characters of text with `{ binary }`, 1 socket')],
    measure: steady(1, { kind: 'echo', size: 32, window: 64, text: true })
  },
  {
    name: 'receive-small',
    rows: [rate('receive 32 B', { ws: [3, 5], wss: [2.5, 4] }), cpu('receive 32 B', CPU_GOALS)],
    measure: steady(1, { kind: 'receive', size: 32 })
  },
  {
    name: 'receive-1k',
    rows: [rate('receive 1 KiB', { ws: [1.8, 2.5], wss: [1.2, 1.6] }), cpu('receive 1 KiB', CPU_GOALS)],
    measure: steady(1, { kind: 'receive', size: 1024 })
  },
  {
    name: 'receive-1m',
    rows: [rate('receive 1 MiB', { ws: [1.7, 2], wss: [1.7, 2] }), cpu('receive 1 MiB')],
    measure: steady(1, { kind: 'receive', size: 1024 * 1024 })
  },
  {
    name: 'send-small',
    rows: [rate('send 32 B'), cpu('send 32 B')],
    measure: steady(1, { kind: 'send', size: 32, burst: 128 })
  },
  {
    name: 'send-1k',
    rows: [rate('send 1 KiB'), cpu('send 1 KiB')],
    measure: steady(1, { kind: 'send', size: 1024, burst: 64 })
  },
  {
    name: 'echo-1m',
    rows: [rate('echo 1 MiB', { ws: [1.3, 2], wss: [1.4, 2] }), cpu('echo 1 MiB')],
    measure: steady(1, { kind: 'echo', size: 1024 * 1024, window: 4 })
  },
  {
    name: 'echo-16m',
    rows: [rate('echo 16 MiB', { ws: [1.4, 2], wss: [1.5, 2] }), cpu('echo 16 MiB')],
    measure: steady(1, { kind: 'echo', size: 16 * 1024 * 1024, window: 2 })
  },
  {
    name: 'deflate',
    deflate: true,
    rows: [
      rate('permessage-deflate echo of 1 KiB JSON', { ws: [1.3, 2], wss: [1.3, 2] }),
      cpu('permessage-deflate echo')
    ],
    measure: steady(1, { kind: 'echo', size: 1024, window: 16 })
  }
];
module.exports.steady = steady;
