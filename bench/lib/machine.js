'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');

function rustc() {
  try {
    return execFileSync('rustc', ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

/** How TCP decides how much to send: of the peers' own sockets, for the load generator's always use cubic. */
function congestionControl() {
  try {
    return fs.readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  } catch {
    return "the system's";
  }
}

/** What the figures were measured on and with. */
function machine() {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString(),
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    congestionControl: congestionControl(),
    node: process.version,
    rust: rustc(),
    package: require('../../package.json').version,
    ws: require('ws/package.json').version,
    bufferutil: require('bufferutil/package.json').version,
    hycoWs: require('hyco-ws/package.json').version,
    load: os.loadavg().map((load) => Number(load.toFixed(2)))
  };
}

module.exports = { machine };
