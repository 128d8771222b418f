'use strict';

/** The command line in processes of its own, against an emulator of each test. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');

const { RelayEmulator } = require('../../emulator.js');

const bin = path.join(__dirname, '..', '..', 'bin', 'hyco-ws-rs.js');

/** Registers what starts and ends the processes of a test. */
class Commands {
  #children = new Set();
  /** What to close at the end of the test. */
  closers = [];
  /** @type {RelayEmulator} */
  relay;
  /** What the emulator is reached by. */
  env;

  constructor() {
    beforeEach(() => this.start());
    afterEach(() => this.#end());
  }

  /** An emulator in the place of the test's own. */
  async start(options) {
    await this.relay?.close({ force: true });
    const relay = await RelayEmulator.start(options);
    this.relay = relay;
    this.env = {
      SB_HC_NAMESPACE: relay.address,
      SB_HC_PATH: 'hyco',
      SB_HC_KEYRULE: relay.keyName,
      SB_HC_KEY: relay.key,
      SB_HC_SECURE: 'false'
    };
  }

  async #end() {
    for (const child of this.#children) child.kill('SIGKILL');
    this.#children.clear();
    for (const close of this.closers.splice(0)) await close();
    await this.relay.close({ force: true });
    this.relay = undefined;
  }

  /** A command with nothing in its environment but what is given. */
  run(args, variables = this.env, options = {}) {
    const { PATH, SystemRoot, NODE_EXTRA_CA_CERTS: _, ...rest } = process.env;
    const clean = Object.fromEntries(Object.entries(rest).filter(([name]) => !/proxy|^SB_HC_/i.test(name)));
    const child = spawn(process.execPath, [bin, ...args], {
      ...options,
      env: { ...clean, PATH, SystemRoot, ...variables }
    });
    this.#children.add(child);
    child.text = '';
    child.errors = '';
    child.stdout.setEncoding('utf8').on('data', (data) => (child.text += data));
    child.stderr.setEncoding('utf8').on('data', (data) => (child.errors += data));
    child.ended = once(child, 'close').then(([code]) => code);
    return child;
  }

  async listening(args = [], variables = this.env) {
    const child = this.run(['listen', ...args], variables);
    await (args.includes('--json')
      ? seen(child, child.stdout, '"listening"')
      : seen(child, child.stderr, 'listening on'));
    return child;
  }

  /** @return {Promise<number>} The port of a server that ends with the test */
  async tcpServer(onConnection) {
    const sockets = new Set();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return server.address().port;
  }
}

/** Waits until a command has said something. */
async function seen(child, stream, text) {
  const name = stream === child.stdout ? 'text' : 'errors';
  while (!child[name].includes(text)) await once(stream, 'data');
}

/** What a command printed, line by line. */
function json(child) {
  return child.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

module.exports = { Commands, json, seen };
