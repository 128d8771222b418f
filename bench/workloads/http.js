'use strict';

/** HTTP requests through the relay, beside hyco-https and beside a plain `node:http` server with the same handler. */

const { HttpPeer } = require('../lib/http-peer.js');

const MIB = 1024 * 1024;
const PEERS = ['hyco-https', 'hyco-ws-rs', 'node-http'];

/** A peer of its own for each measurement. */
function measured(measure) {
  return async (name, context) => {
    const peer = await HttpPeer.start(name);
    try {
      return await measure(peer, context);
    } finally {
      await peer.stop();
    }
  };
}

/** Code of this kind takes a second to get warm. */
const run = (values) =>
  measured((peer, { seconds }) => peer.run({ warmup: 1, seconds: Math.max(1, seconds), ...values }));

const workload = (name, rows, measure) => ({
  name,
  alone: true,
  reference: 'hyco-https',
  peers: PEERS,
  rows,
  measure
});

function small(name, label, values) {
  const rate = { metric: 'rate', label, unit: '1/s', higher: true };
  return workload(
    name,
    [
      { ...rate, goals: { '': [3, 5] } },
      { ...rate, label: `${label}: beside node:http`, reference: 'node-http', goals: { '': [0.6, 1] } },
      { metric: 'p99', label: `${label}: p99`, unit: 'µs', higher: false },
      {
        metric: 'cpuMain',
        label: `${label}: JS-thread CPU`,
        unit: 'µs',
        higher: false,
        limits: { '': [25, 12] }
      }
    ],
    run(values)
  );
}

const large = (name, label, values) =>
  workload(
    name,
    [
      { metric: 'mebibytes', label, unit: 'MiB/s', higher: true, goals: { '': [2, 3] } },
      {
        metric: 'mebibytes',
        label: `${label}: beside node:http`,
        unit: 'MiB/s',
        higher: true,
        reference: 'node-http'
      }
    ],
    run({ inFlight: 1, via: 'control', ...values })
  );

const memory = (name, label, values) =>
  workload(
    name,
    [{ metric: 'growth', label, unit: 'MiB', higher: false, limits: { '': [32, 16] } }],
    measured(async (peer) => {
      // What the first of its kind needs for good is not what is asked for.
      const transfer = (bytes) => peer.run({ inFlight: 1, times: 1, via: 'control', ...values(bytes) });
      await transfer(64 * MIB);
      return { growth: await peer.growth(() => transfer(1024 * MIB)) };
    })
  );

const get = { method: 'GET', target: '/' };
const post = { method: 'POST', target: '/', up: 1024 };
const down = (bytes) => ({ method: 'GET', target: `/down?bytes=${bytes}`, large: true });
const up = (bytes) => ({ method: 'POST', target: '/', up: bytes });

const requests = (via, where) =>
  [1, 50].flatMap((inFlight) => [
    small(`http-get-${via}-${inFlight}`, `GET of 1 KiB ${where}, ${inFlight} in flight`, {
      ...get,
      via,
      inFlight
    }),
    small(`http-post-${via}-${inFlight}`, `POST of 1 KiB ${where}, ${inFlight} in flight`, {
      ...post,
      via,
      inFlight
    })
  ]);

module.exports = [
  ...requests('control', 'on the control channel'),
  ...requests('rendezvous', 'by rendezvous'),
  large('http-down', 'GET of 64 MiB', down(64 * MIB)),
  large('http-up', 'POST of 64 MiB', up(64 * MIB)),
  memory('http-memory-down', 'memory while 1 GiB comes down', down),
  memory('http-memory-up', 'memory while 1 GiB goes up', up)
];
