'use strict';

/** How long timers wait while messages come in as fast as ws can take them. */

const { steady } = require('./throughput.js');

const receive = steady(1, { kind: 'receive', size: 32 });

module.exports = [
  {
    name: 'event-loop-delay',
    nodeOnly: true,
    rows: [
      {
        metric: 'p99',
        label: "event-loop delay p99 at ws's top speed",
        unit: 'ms',
        higher: false,
        goals: { ws: [0.5, 0.2], wss: [0.5, 0.2] }
      },
      { metric: 'cpuMain', label: "JS-thread CPU at ws's top speed", unit: 'µs/msg', higher: false }
    ],
    /** The reference's top speed, which all others are then fed at. */
    calibrate: async (reference, context) => ({ rate: (await receive(reference, context)).rate }),
    measure: async (peer, { seconds, rate }) => {
      await peer.open(1);
      await peer.lines.ask('delay-start');
      const run = await peer.run({ kind: 'pace', size: 32, rate, seconds, warmup: 0.3 });
      const { result } = await peer.lines.ask('delay-stop');
      await peer.close();
      // The timer that measures runs once a millisecond; what is above that is delay.
      return {
        p50: result.p50 - 1,
        p99: result.p99 - 1,
        max: result.max - 1,
        cpuMain: run.cpuMain,
        rate: run.rate
      };
    }
  }
];
