'use strict';

const { execFileSync } = require('node:child_process');
const os = require('node:os');

function rustc() {
  try {
    return execFileSync('rustc', ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
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
