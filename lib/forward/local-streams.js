'use strict';

/**
 * The sender's end of byte streams: a TCP port or a unix socket of this machine, each of whose clients goes out as a sender.
 * Rust moves the bytes; JavaScript says how to dial.
 */

const EventEmitter = require('node:events');

const { ForwarderHandle } = require('./handle');
const { LOCAL } = require('./options');
const { readTable } = require('../shared/checks');
const { clearTimeout, now, setTimeout } = require('../shared/clock');
const { addAsyncDispose } = require('../shared/dispose');
const { finishDial, prepareRequest } = require('../socket/dial');
const { readSender } = require('../socket/connect');
const { RelayError, fromReport, lostByFault } = require('../shared/errors');
const native = require('../shared/native');

/**
 * Events: `connect(info)`, `disconnect(info)`, `refused(error, info)`, `error(error)` where a fault ends it, `close()`.
 */
class LocalStreams extends EventEmitter {
  #sender;
  #options;
  #place;
  #handle;
  /** Gives up asking for tokens. */
  #asking = new AbortController();
  #listening;
  #bound;
  /** The end, once it is asked for or there. */
  #closing;
  #resolve;
  #timer;
  /** @type {Map<number, {info: object, startedAt: number}>} */
  #streams = new Map();
  #refused = 0;

  /**
   * @param {string|URL} address As for `relayedConnect()`
   * @param {?string|function|object} [options] The same
   * @param {object} local
   * @param {{host: string, port: number}|{path: string}} [local.bind={ host: '127.0.0.1', port: 0 }]
   * @param {string} [local.preamble='none'] Or `'azbridge'`
   * @param {string} [local.name] What that asks for; the text of the bound port, or the path
   * @param {number} [local.maxConnections=1000] Clients at once; others wait
   * @param {number} [local.preambleTimeout=30000] For the listener's answer
   * @throws {SyntaxError|TypeError} for what is wrong
   */
  constructor(address, options, local) {
    super();
    const { bind, maxConnections, ...rest } = readTable(LOCAL, local ?? {}, 'options.');
    this.#place = bind;
    this.#options = rest;
    this.#sender = readSender(address, options);
    const { settings } = this.#sender;
    Object.assign(settings, { perMessageDeflate: false, followRedirects: false });
    settings.keepAlive ??= true;
    const { keepAlive } = this.#prepare('').dial.limits;
    const { preambleTimeout } = rest;
    const common = { connectTimeout: 0, preambleTimeout, keepAlive };
    this.#handle = new ForwarderHandle(
      (engine, slot) => new native.NativeLocalStreams(engine, slot, maxConnections, common),
      (event) => this.#hear(event)
    );
  }

  /**
   * Binds, and lets clients in.
   *
   * @return {Promise<{host: string, port: number}|{path: string}>}
   */
  listen() {
    this.#listening ??= new Promise((resolve, reject) => {
      this.#bound = { resolve, reject };
      this.#handle.native.listen(this.#place);
    });
    return this.#listening;
  }

  /** @return {?{host: string, port: number}|{path: string}} What is bound */
  address() {
    return this.#bound?.place ?? null;
  }

  /**
   * @return {{open: number, opened: number, refused: number, cut: number, bytesReceived: number, bytesSent: number}} Bytes
   *     that were received came from the relay
   */
  stats() {
    const stats = JSON.parse(this.#handle.native.stats());
    return { ...stats, refused: stats.refused + this.#refused };
  }

  /**
   * Lets nobody in any more.
   *
   * @param {object} [options]
   * @param {boolean} [options.drain] Streams that are here may finish
   * @param {number} [options.timeout] For so long; in milliseconds
   * @return {Promise<void>} Fulfilled when nothing is left
   */
  close({ drain = false, timeout } = {}) {
    this.#closing ??= new Promise((resolve) => (this.#resolve = resolve));
    this.#asking.abort();
    this.#handle.native.close(drain);
    if (drain && timeout > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#handle.native.close(false), timeout);
    }
    return this.#closing;
  }

  /** Keeps the process alive until it is closed, which it does from the start. */
  ref() {
    this.#handle.ref();
    return this;
  }

  unref() {
    this.#handle.unref();
    return this;
  }

  #hear(event) {
    switch (event.type) {
      case 'bound':
        return this.#bind(event);
      case 'unbound':
        this.#bound.reject(fromReport(event.error));
        return void this.close();
      case 'client':
        return void this.#dial(event);
      case 'closed':
        return this.#over();
    }
    const stream = this.#streams.get(event.stream);
    if (stream === undefined) return;
    const { info, startedAt } = stream;
    if (event.type === 'open') return this.emit('connect', info);
    this.#streams.delete(event.stream);
    if (event.type === 'refused') return this.emit('refused', fromReport(event.error), info);
    const { received: bytesReceived, sent: bytesSent } = event;
    const error = event.error && fromReport(event.error);
    this.emit(
      'disconnect',
      Object.assign(info, { bytesReceived, bytesSent, duration: now() - startedAt, error })
    );
  }

  #bind({ address, port }) {
    const { host } = this.#place;
    this.#bound.place = host === undefined ? { path: address } : { host: address, port };
    this.#options.name ??= String(port ?? address);
    this.#bound.resolve(this.#bound.place);
  }

  /** Somebody has connected. */
  async #dial({ stream: id, address, port }) {
    const info = address === '' ? { id } : { id, remoteAddress: address, remotePort: port };
    this.#streams.set(id, { info, startedAt: now() });
    const { source } = this.#sender;
    try {
      const token = source && (source.immediate() ?? (await source.get({ signal: this.#asking.signal })));
      const { preamble, name } = this.#options;
      const prepared = this.#prepare(token);
      if (prepared.failure !== undefined) throw prepared.failure;
      const dialled = this.#handle.native.dial(
        id,
        finishDial(prepared),
        preamble === 'none' ? undefined : name
      );
      if (!dialled) throw new RelayError('The stream was ended', { code: 'ERR_HYCO_ABORTED' });
    } catch (error) {
      this.#handle.native.refuse(id);
      this.#refused++;
      this.#streams.delete(id);
      this.emit('refused', error, info);
    }
  }

  #prepare(token) {
    const { target, settings, source } = this.#sender;
    return prepareRequest({}, target, [], { ...settings, relay: source && { token } });
  }

  #over() {
    clearTimeout(this.#timer);
    const asked = this.#closing !== undefined;
    this.#closing ??= Promise.resolve();
    this.#resolve?.();
    this.emit('close');
    if (asked) return;
    this.#asking.abort();
    this.emit('error', lostByFault('local port'));
  }
}

addAsyncDispose(LocalStreams.prototype);

module.exports = { LocalStreams };
