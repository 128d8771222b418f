'use strict';

/**
 * The benchmarks: `npm run bench -- [options]`, see README.md.
 *
 *   --only a,b       workloads whose names begin so      --rounds 5    rounds of each
 *   --peers a,b      who is compared                     --seconds 1   length of a measurement
 *   --tls            only wss://, --no-tls: only ws://   --direct      peers dial by themselves
 *   --json FILE      every single figure                 --out NAME    results/NAME.md and .svg
 *   --list           names of the workloads              --awake       keep the cores from sleeping
 */

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { keepAwake } = require('./lib/awake.js');
const { chart } = require('./lib/chart.js');
const loadgen = require('./lib/loadgen.js');
const { machine } = require('./lib/machine.js');
const { PEERS, Peer, REFERENCE, SUBJECT } = require('./lib/peers.js');
const { format, markdown } = require('./lib/report.js');
const { drawn } = require('./speed.js');
const workloads = require('./workloads/index.js');

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: Object.keys(PEERS).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'string' },
    out: { type: 'string' },
    tls: { type: 'boolean' },
    'no-tls': { type: 'boolean', default: false },
    direct: { type: 'boolean', default: false },
    awake: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false }
  }
});
const settings = {
  peers: options.peers.split(','),
  rounds: Number(options.rounds),
  seconds: Number(options.seconds),
  direct: options.direct,
  awake: options.awake,
  reference: REFERENCE
};

const say = (text) => process.stderr.write(text);

function chosen() {
  const names = options.only.split(',').filter(Boolean);
  return workloads.filter(({ name }) => names.length === 0 || names.some((start) => name.startsWith(start)));
}

function canRun(workload, name) {
  if (workload.peers !== undefined) return workload.peers.includes(name);
  const { script, native, deflate } = PEERS[name];
  if (workload.deflate && deflate === false) return false;
  return script !== undefined || (!workload.nodeOnly && native !== undefined);
}

async function startPeer(name, relay, workload, secure) {
  const peer = new Peer(name, relay, { secure, direct: settings.direct, deflate: workload.deflate });
  await peer.start();
  return peer;
}

async function calibrate(workload, relay, secure, context) {
  if (workload.calibrate === undefined) return context;
  const peer = await startPeer(REFERENCE, relay, workload, secure);
  await workload.calibrate(peer, context);
  const found = await workload.calibrate(peer, context);
  await peer.stop();
  return { ...context, ...found };
}

/** All rounds of a workload, peers in turn: A B A B … */
async function measure(workload, relay, secure) {
  const names = settings.peers.filter((name) => canRun(workload, name));
  const figures = Object.fromEntries(names.map((name) => [name, []]));
  const started = new Map();
  const context = await calibrate(workload, relay, secure, { seconds: settings.seconds });
  const [{ metric }] = workload.rows;
  try {
    for (let round = 0; round < settings.rounds; round++) {
      for (const name of names) {
        let figure;
        try {
          if (workload.alone) {
            figure = await workload.measure(name, context);
          } else {
            const peer = started.get(name) ?? (await startPeer(name, relay, workload, secure));
            started.set(name, peer);
            figure = await workload.measure(peer, context);
            if (workload.fresh) {
              started.delete(name);
              await peer.stop();
            }
          }
        } catch (error) {
          // One peer's failure is part of the result; the next round gets a new process.
          say(`\n    ${name}: ${error.message}\n`);
          figure = { error: error.message };
          await started.get(name)?.stop();
          started.delete(name);
        }
        figures[name].push(figure);
        say(` ${name} ${format(figure[metric])}${name === names.at(-1) ? '\n   ' : ','}`);
      }
    }
  } finally {
    await Promise.all([...started.values()].map((peer) => peer.stop()));
  }
  return figures;
}

function write(results, about) {
  const directory = path.join(__dirname, 'results');
  const stem = path.join(directory, options.out ?? (settings.direct ? 'direct' : 'latest'));
  fs.mkdirSync(directory, { recursive: true });
  const table = markdown(results, about, settings, SUBJECT);
  fs.writeFileSync(`${stem}.md`, table);
  fs.writeFileSync(`${stem}.svg`, chart(results, settings, SUBJECT));
  if (options.json !== undefined) {
    const plain = results.map(({ workload, scheme, peers }) => ({ workload: workload.name, scheme, peers }));
    fs.writeFileSync(options.json, JSON.stringify({ machine: about, settings, results: plain }, null, 1));
  }
  return { table, stem };
}

async function main() {
  if (options.list) {
    for (const { name, rows } of workloads) console.log(`${name.padEnd(18)} ${rows[0].label}`);
    return;
  }
  const unknown = settings.peers.filter((name) => PEERS[name] === undefined);
  if (unknown.length > 0) {
    throw new Error(`no such peers: ${unknown}; there are ${Object.keys(PEERS).join(', ')}`);
  }
  say('building the load generator …\n');
  loadgen.build();
  const about = machine();
  const relay = await loadgen.start();
  const letSleep = settings.awake ? keepAwake() : () => {};
  const results = [];
  try {
    for (const workload of chosen()) {
      const schemes = workload.alone
        ? ['']
        : [...(options.tls ? [] : ['ws']), ...(options['no-tls'] ? [] : ['wss'])];
      for (const scheme of schemes) {
        say(`${workload.name} ${scheme}\n   `);
        const peers = await measure(workload, relay, scheme === 'wss');
        results.push({ workload, scheme, reference: workload.reference ?? REFERENCE, peers });
        say('\r');
        // After each, so that an interrupted run leaves what it has.
        write(results, about);
      }
    }
  } finally {
    letSleep();
    await relay.stop();
  }
  const { table, stem } = write(results, about);
  if (stem === path.join(__dirname, 'results', 'latest')) {
    for (const { file, text } of drawn()) fs.writeFileSync(file, text);
  }
  console.log(`\n${table}\nwritten: ${stem}.md, ${stem}.svg`);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
