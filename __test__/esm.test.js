'use strict';

const { execFileSync } = require('node:child_process');
const path = require('node:path');

const X = require('..');

const root = path.join(__dirname, '..');

function runModule(source) {
  const args = ['--input-type=module', '--eval', source];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }));
}

test('the default export is that of require, in a program without require', () => {
  const result = runModule(`
    import WebSocket, { Server, WebSocketServer, RelayedServer, createRelayToken } from 'hyco-ws-rs';
    import { createRequire } from 'node:module';
    const required = createRequire(import.meta.url)('hyco-ws-rs');
    console.log(JSON.stringify({
      server: WebSocket.Server === WebSocketServer && Server === WebSocketServer,
      named: RelayedServer === WebSocket.RelayedServer && createRelayToken === WebSocket.createRelayToken,
      same: required === WebSocket,
      constructor: typeof WebSocket
    }));`);
  expect(result).toEqual({ server: true, named: true, same: true, constructor: 'function' });
});

test('everything has a name of its own', () => {
  const names = runModule(`
    import * as all from 'hyco-ws-rs';
    for (const [name, value] of Object.entries(all)) {
      if (name !== 'default' && value !== all.default[name]) throw new Error(name);
    }
    console.log(JSON.stringify(Object.keys(all)));`);
  expect(names.filter((name) => name !== 'default').sort()).toEqual(Object.keys(X).sort());
});

test('the named exports of ws are there', () => {
  const missing = runModule(`
    import * as ws from 'ws';
    import * as all from 'hyco-ws-rs';
    console.log(JSON.stringify(Object.keys(ws).filter((name) => !(name in all))));`);
  expect(missing).toEqual([]);
});
