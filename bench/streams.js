'use strict';

/**
 * Byte streams: `npm run bench:streams -- [--rounds 5] [--seconds 1] [--json FILE]`, see README.md.
 */

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { Lines } = require('./lib/lines.js');
const loadgen = require('./lib/loadgen.js');
const { machine } = require('./lib/machine.js');
const { median, ratio } = require('./lib/stats.js');

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'string' }
  }
});
const PEERS = ['hyco-ws-rs', 'js-bridge', 'tcp-proxies'];
const WORKLOADS = {
  'one stream, MB/s': { streams: 1, ping: false, figure: 'megabytes' },
  '50 streams, MB/s': { streams: 50, ping: false, figure: 'megabytes' },
  'a byte there and back, per second': { streams: 1, ping: true, figure: 'trips' }
};

function start(command, args, name) {
  return new Lines(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }), name);
}

/** What a round needs of a peer: where it begins, and how it ends. */
async function startPeer(name, target) {
  if (name === 'tcp-proxies') {
    const proxies = start(loadgen.BINARY, ['proxies', String(target), '3'], name);
    return { port: (await proxies.ready).port, stop: () => proxies.stop() };
  }
  const script = path.join(__dirname, 'peers', 'streams.js');
  const relay = start(process.execPath, [script, 'relay'], 'relay');
  const addresses = await relay.ready;
  const peer = start(process.execPath, [script, name], name);
  peer.child.stdin.write(`${JSON.stringify({ ...addresses, port: target })}\n`);
  const { port } = await peer.ready;
  return {
    port,
    async stop() {
      await peer.stop();
      await relay.stop();
    }
  };
}

async function main() {
  loadgen.build();
  const load = start(loadgen.BINARY, ['streams'], 'loadgen');
  const { port: target } = await load.ready;
  const figures = {};
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const name of PEERS) {
      const peer = await startPeer(name, target);
      for (const [workload, { figure, ...settings }] of Object.entries(WORKLOADS)) {
        const result = await load.ask('load', {
          port: peer.port,
          seconds: Number(options.seconds),
          ...settings
        });
        ((figures[workload] ??= {})[name] ??= []).push(result[figure]);
      }
      await peer.stop();
    }
  }
  await load.stop();
  process.stdout.write(`${JSON.stringify(machine())}\n`);
  for (const [workload, all] of Object.entries(figures)) {
    const ours = all['hyco-ws-rs'];
    const cells = PEERS.map((name) => {
      const times = name === 'hyco-ws-rs' ? '' : ` (ours: ${ratio(ours, all[name]).toFixed(2)}x)`;
      return `${name} ${median(all[name]).toFixed(0)}${times}`;
    });
    process.stdout.write(`${workload}: ${cells.join(', ')}\n`);
  }
  if (options.json) fs.writeFileSync(options.json, JSON.stringify(figures, undefined, 2));
}

main();
