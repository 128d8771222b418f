'use strict';

/** What the emulator's recorder costs the relay. */

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const ROOT = path.join(__dirname, '..', '..');

/** With the recorder the relay may lose a twentieth. */
const row = (metric, label) => ({ metric, label, unit: 'x', higher: true, limits: { '': [0.95, 1] } });

module.exports = [
  {
    name: 'recorder',
    alone: true,
    reference: 'hyco-ws-rs',
    peers: ['hyco-ws-rs'],
    rows: [
      row('small', 'emulator, 32-byte echo: recording / not'),
      row('kilobyte', 'emulator, 1 KiB echo: recording / not'),
      row('large', 'emulator, 64 KiB echo: recording / not'),
      row('request', 'emulator, 1 KiB requests: recording / not')
    ],
    measure(_name, { seconds }) {
      const file = path.join(__dirname, '..', 'peers', 'recorder.js');
      return JSON.parse(execFileSync(process.execPath, [file, ROOT, String(seconds)], { encoding: 'utf8' }));
    }
  }
];
