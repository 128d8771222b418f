'use strict';

/** What happens in one process, without a relay: tokens and URIs, loading, size. */

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { PEERS } = require('../lib/peers.js');

const ROOT = path.join(__dirname, '..', '..');
const REQUIRES = { 'hyco-ws': 'hyco-ws', ws8: 'ws', 'ws8-bufferutil': 'ws', 'hyco-ws-rs': ROOT };

function child(script, name, seconds) {
  const file = path.join(__dirname, '..', 'peers', script);
  const args = [file, REQUIRES[name], String(seconds)];
  const env = { ...process.env, ...PEERS[name].env };
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', env, cwd: ROOT }));
}

function binarySize() {
  const file = fs.readdirSync(ROOT).find((name) => name.endsWith('.node'));
  return file === undefined ? 0 : fs.statSync(path.join(ROOT, file)).size / 1048576;
}

const helper = (metric, label, goals) => ({ metric, label, unit: '1/s', higher: true, goals });

module.exports = [
  {
    name: 'helpers',
    alone: true,
    reference: 'hyco-ws',
    peers: ['hyco-ws', 'hyco-ws-rs'],
    rows: [
      helper('token', 'createRelayToken, one key', { '': [3.5, 5] }),
      helper('tokens', 'createRelayToken, changing keys'),
      // No goals: the addresses are Rust's, as the tokens are, and a call there costs more than joining strings.
      helper('listenUri', 'createRelayListenUri with a token'),
      helper('sendUri', 'createRelaySendUri with a token'),
      helper('plainUri', 'createRelaySendUri without a token')
    ],
    measure: (name, { seconds }) => child('helpers.js', name, seconds)
  },
  {
    name: 'start',
    alone: true,
    peers: ['hyco-ws', 'ws8-bufferutil', 'hyco-ws-rs'],
    rows: [
      { metric: 'require', label: 'require()', unit: 'ms', higher: false },
      { metric: 'rss', label: 'resident memory after require()', unit: 'MiB', higher: false },
      { metric: 'threads', label: 'threads after require()', unit: '', higher: false },
      { metric: 'size', label: 'size of the addon', unit: 'MiB', higher: false }
    ],
    measure: (name, { seconds }) => ({
      ...child('start.js', name, seconds),
      size: name === 'hyco-ws-rs' ? binarySize() : undefined
    })
  }
];
