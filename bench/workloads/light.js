'use strict';

/** What little traffic costs: a message now and then, on a few sockets. */

const SOCKETS = 10;

const light = (rate, name) => {
  const label = `${rate.toLocaleString('en-US')} messages/s on ${SOCKETS} sockets`;
  const cpu = (metric, threads, goals) => ({
    metric,
    label: `${label}: CPU of ${threads}`,
    unit: '% of a core',
    higher: false,
    goals
  });
  const goals = { ws: [1.1, 0.8], wss: [1.1, 0.8] };
  return {
    name,
    rows: [cpu('process', 'all threads', goals), cpu('main', 'the JS thread')],
    measure: async (peer, { seconds }) => {
      await peer.open(SOCKETS);
      // Long enough for a hundred messages at the lowest rate.
      const run = await peer.run({
        kind: 'pace',
        size: 32,
        rate,
        seconds: Math.max(seconds, 2),
        warmup: 0.5
      });
      await peer.close();
      return { ...run, process: run.processBusy * 100, main: run.mainBusy * 100 };
    }
  };
};

module.exports = [light(50, 'light-50'), light(1000, 'light-1k'), light(10000, 'light-10k')];
