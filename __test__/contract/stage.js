'use strict';

/** Where a scenario is played: one class of sockets, one raw peer, one log of all that is to be seen from outside. */

const { spawn } = require('node:child_process');
const path = require('node:path');

const { patience } = require('../helpers/patience');
const { RawPeer } = require('../helpers/raw-peer');
const { Recorder } = require('../helpers/recorder');

/** A scenario that waits for something that does not come is cut off, and its log says so. */
const LIMIT = Math.max(20_000, 3000 * patience);

class Stage {
  constructor(Subject, peer, source) {
    this.Subject = Subject;
    this.source = source;
    this.peer = peer;
    this.peers = [peer];
    this.sockets = [];
    // For attempts that are given up at once: how far they have come by then is chance.
    this.ignoresPeers = false;
    const normalise = (text) => this.#normalise(text);
    this.recorder = new Recorder(normalise);
    // Of callbacks only their own order is promised, and not how they lie among the events.
    this.callbacks = new Recorder(normalise);
  }

  /** Constructs a socket and writes down what it looks like, or what was thrown. */
  create(...args) {
    return this.createWatched([], ...args);
  }

  /** The same, with listeners for `events` too. */
  createWatched(events, ...args) {
    try {
      const socket = new this.Subject(...args);
      this.sockets.push(socket);
      this.recorder.watch(socket, events);
      this.look(socket);
      return socket;
    } catch (error) {
      this.note('new', 'threw', error);
      return undefined;
    }
  }

  /**
   * Opens a connection to the peer.
   *
   * @param {object} [options] The socket's options
   * @param {object} [acceptance] What `accept()` of the connection takes
   */
  async open(options, acceptance) {
    const socket = this.create(this.peer.url(), options);
    const connection = await this.peer.connection();
    await connection.accept(acceptance);
    await this.until('open');
    return { socket, connection };
  }

  look(socket) {
    const { url, readyState, protocol, extensions, binaryType, isPaused } = socket;
    // With a fast path switched off it is chance how much the other thread has taken.
    const bufferedAmount = process.env.HYCO_WS_RS_TUNING ? 'any' : socket.bufferedAmount;
    this.note('looks', { url, readyState, protocol, extensions, binaryType, bufferedAmount, isPaused });
  }

  note(...values) {
    this.recorder.note(...values);
  }

  call(...args) {
    return this.recorder.call(...args);
  }

  callback(name) {
    return this.callbacks.callback(name);
  }

  until(name, count) {
    return this.recorder.until(name, count);
  }

  /** A second peer; `options` make it one of TLS. */
  async another(options) {
    const peer = await RawPeer.listen(options);
    this.peers.push(peer);
    return peer;
  }

  /** Sees every connection to its end: the client's first, then the peer's, then `close`. */
  async finish(closes = this.sockets.length) {
    for (const { connections } of this.peers) {
      for (const connection of connections) {
        await connection.over();
        connection.end();
      }
    }
    await this.until('close', closes);
  }

  /**
   * Plays `play` in a process of its own, for what would take a test runner down, and writes down what it prints and
   * how it ends.
   *
   * @param {function(Function, string): void} play A method of that name. Gets the class and the peer's URL; uses nothing else from here
   */
  async child(play) {
    const script = `({ ${play} }).play(${this.source}, ${JSON.stringify(this.peer.url())})`;
    const options = { cwd: path.join(__dirname, '..', '..'), stdio: ['ignore', 'pipe', 'pipe'] };
    const child = spawn(process.execPath, ['-e', script], options);
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.resume();
    return new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.note('child', output.split('\n'), code, signal);
        resolve();
      });
    });
  }

  #normalise(text) {
    let plain = text.replace(/[A-Za-z0-9+/]{27}=/g, '<digest>');
    this.peers.forEach(({ port }, index) => (plain = plain.replaceAll(`:${port}`, `:<port ${index}>`)));
    return plain;
  }

  /** Everything that was seen. */
  async result() {
    await this.recorder.settle();
    await this.callbacks.settle();
    const connections = this.ignoresPeers ? [] : this.peers.flatMap((peer) => peer.connections);
    return {
      events: this.recorder.log,
      callbacks: this.callbacks.log,
      heads: connections.map(({ head }) => this.#lines(head)),
      received: connections.map(({ log }) => log)
    };
  }

  #lines(head) {
    return this.#normalise(head.replace(/^(sec-websocket-key): .*$/im, '$1: <key>'))
      .split('\r\n')
      .sort();
  }
}

/**
 * @param {Function} Subject The class under test
 * @param {function(Stage): Promise<void>} play
 * @param {string} source An expression for the class, for child processes
 * @return {Promise<object>} What was seen
 */
async function perform(Subject, play, source) {
  const stage = new Stage(Subject, await RawPeer.listen(), source);
  let timer;
  const limit = new Promise((resolve) => {
    timer = setTimeout(() => {
      stage.note('STUCK');
      resolve();
    }, LIMIT);
  });
  try {
    await Promise.race([play(stage), limit]);
    // What must not come any more gets the time to come.
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    return structuredClone(await stage.result());
  } finally {
    clearTimeout(timer);
    for (const socket of stage.sockets) {
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.terminate();
    }
    for (const peer of stage.peers) await peer.close();
  }
}

module.exports = { perform };
