'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { BINARY } = require('./loadgen.js');
const { Lines } = require('./lines.js');

const MAIN = path.join(__dirname, '..', 'peers', 'main.js');

/** All that are compared; figures are ratios to `REFERENCE`. */
const PEERS = {
  'hyco-ws': { script: 'hyco-ws', deflate: false },
  ws8: { script: 'ws8', env: { WS_NO_BUFFER_UTIL: '1' } },
  'ws8-bufferutil': { script: 'ws8' },
  'hyco-ws-rs': { script: 'hyco-ws-rs' },
  'rust-codec': { native: 'codec' },
  ceiling: { native: 'ceiling', deflate: false },
  // No sockets: see `http-peer.js`.
  'hyco-https': {},
  'node-http': {}
};
const REFERENCE = 'ws8-bufferutil';
const SUBJECT = 'hyco-ws-rs';

/** A peer at work: its process, and the load generator's end of it. */
class Peer {
  /**
   * @param {string} name One of `PEERS`
   * @param {object} relay As `loadgen.start()` gives it
   * @param {{secure: boolean, direct: boolean, deflate?: boolean}} mode
   */
  constructor(name, relay, mode) {
    this.name = name;
    this.relay = relay;
    this.mode = mode;
    this.isNode = PEERS[name].script !== undefined;
    const scheme = mode.secure ? 'wss' : 'ws';
    const origin = `${scheme}://${mode.secure ? relay.wss : relay.ws}`;
    // A name of its own for each process, so that the relay cannot take one for another.
    this.opened = 0;
    this.entity = `${name}-${++Peer.count}`;
    this.listenUrl = `${origin}/$hc/${this.entity}?sb-hc-action=listen&sb-hc-id=bench`;
    this.directUrl = `${origin}/direct/${this.entity}`;
  }

  async start() {
    const { script, native, env } = PEERS[this.name];
    const flags = [];
    if (this.mode.direct) flags.push('--direct');
    if (this.isNode && this.mode.deflate) flags.push('--deflate');
    const [file, args] = this.isNode
      ? [
          process.execPath,
          ['--expose-gc', ...(process.env.BENCH_NODE_ARGS ?? '').split(' ').filter(Boolean), MAIN, script]
        ]
      : [BINARY, ['peer', native]];
    if (!this.isNode) flags.push('--ca', this.relay.ca);
    const child = spawn(file, [...args, this.listenUrl, ...flags], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: this.relay.ca, ...env }
    });
    this.lines = new Lines(child, this.name);
    await this.lines.ready;
    await this.tell('expect', { deflate: this.mode.deflate === true });
    if (!this.mode.direct) await this.tell('listening');
  }

  get pid() {
    return this.lines.child.pid;
  }

  /** A command to the load generator. */
  tell(cmd, values) {
    return this.relay.lines.ask(cmd, { peer: this.entity, ...values });
  }

  /** Waits until there are so many sockets. */
  async open(sockets) {
    const { direct } = this.mode;
    if (!direct) await this.tell('open', { sockets });
    // By itself a peer dials all at once; not more than a backlog takes.
    for (let have = this.opened; direct && have < sockets;) {
      const number = Math.min(64, sockets - have);
      have += number;
      await this.lines.ask('dial', { url: this.directUrl, sockets: number });
      await this.tell('open', { sockets: have, direct });
    }
    this.opened = sockets;
  }

  async close() {
    await this.tell('close');
    this.opened = 0;
  }

  run(values) {
    return this.tell('run', {
      ...values,
      pid: this.pid,
      direct: this.mode.direct,
      deflate: this.mode.deflate === true
    });
  }

  /** Resident memory in KiB, after a garbage collection. */
  async memory() {
    if (this.isNode) await this.lines.ask('gc');
    const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  }

  stop() {
    return this.lines.stop();
  }
}
Peer.count = 0;

module.exports = { PEERS, Peer, REFERENCE, SUBJECT };
