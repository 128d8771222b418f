'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { BINARY } = require('./loadgen.js');
const { Lines } = require('./lines.js');

const MAIN = path.join(__dirname, '..', 'peers', 'http.js');
/** How often the memory of a peer at work is looked at, in ms. */
const LOOK = 20;

/** A peer that answers HTTP requests, and a load generator that makes them. */
class HttpPeer {
  /** @param {string} name One of those in `peers/http.js` */
  static async start(name) {
    const relay = new Lines(spawn(BINARY, ['web'], { stdio: ['pipe', 'pipe', 'inherit'] }), 'loadgen');
    const { ws } = await relay.ready;
    const url = `ws://${ws}/$hc/${name}?sb-hc-action=listen&sb-hc-id=bench`;
    const flags = ['--expose-gc', ...(process.env.BENCH_NODE_ARGS ?? '').split(' ').filter(Boolean)];
    const child = spawn(process.execPath, [...flags, MAIN, name, url], {
      stdio: ['pipe', 'pipe', 'inherit']
    });
    const lines = new Lines(child, name);
    const { port } = await lines.ready;
    if (port === undefined) await relay.ask('listening', { peer: name });
    return new HttpPeer(name, relay, lines, port);
  }

  constructor(name, relay, lines, port) {
    this.name = name;
    this.relay = relay;
    this.lines = lines;
    this.port = port;
  }

  /** One measurement; `via` is for those behind a relay. */
  run({ via, ...values }) {
    const to = this.port === undefined ? { peer: this.name, via } : { port: this.port, via: 'plain' };
    return this.relay.ask('run', { ...to, ...values, pid: this.lines.child.pid });
  }

  /** By how many MiB the resident memory grows at most while something runs. */
  async growth(work) {
    await this.lines.ask('gc');
    const before = this.resident();
    let most = before;
    const looking = setInterval(() => {
      most = Math.max(most, this.resident());
    }, LOOK);
    try {
      await work();
    } finally {
      clearInterval(looking);
    }
    return (most - before) / 1024;
  }

  /** In KiB. */
  resident() {
    const status = fs.readFileSync(`/proc/${this.lines.child.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
  }

  async stop() {
    await Promise.all([this.lines.stop(), this.relay.stop()]);
  }
}

module.exports = { HttpPeer };
