'use strict';

/**
 * The listener's end of byte streams: senders that a server lets in are joined with a TCP port or a unix socket, in Rust.
 * JavaScript hears of the beginning and the end of each, and of nothing in between.
 */

const EventEmitter = require('node:events');

const { ForwarderHandle } = require('./handle');
const { REMOTE } = require('./options');
const { readTable } = require('../shared/checks');
const { keepAliveOf } = require('../engine/native-options');
const { now } = require('../shared/clock');
const { RelayError, fromReport, invalidArgValue, lostByFault } = require('../shared/errors');
const native = require('../shared/native');
const { takeSenders } = require('../listener/server');

/** One stream, in the place of a socket: what the server's acceptor needs of it. */
class RemoteStream {
  /** Of a stream that has been refused nothing is heard any more. */
  _isRefused = true;

  constructor(forwarder, offer) {
    const { id, request } = offer;
    this.forwarder = forwarder;
    this.offer = offer;
    this.accepted = false;
    this.startedAt = now();
    this.info = { id, remoteAddress: request.socket?.remoteAddress, request };
    // Nobody but the server may put it into a log.
    Object.defineProperty(this.info, 'request', { enumerable: false });
  }

  /** It is told by an event of its own that it is open. */
  _join() {}

  close() {
    this.forwarder.cut(this.info.id);
  }

  terminate() {
    this.close();
  }
}

/**
 * Events: `connect(info)`, `disconnect(info)`, `refused(error, info)`.
 */
class RemoteStreams extends EventEmitter {
  #handle;
  #acceptor;
  #server;
  #closing = false;
  /** @type {Map<number, RemoteStream>} */
  #streams = new Map();

  /**
   * From now on all WebSockets that `server` lets in are streams.
   *
   * @param {import('../listener/server').RelayedServer} server That has just been made
   * @param {object} options
   * @param {{host: string, port: number}|{path: string}} [options.target] Where all of them lead; with azbridge's preamble
   *     those whose name is a number, and not among `targets`
   * @param {Object<string, object>} [options.targets] With azbridge's preamble: where the others lead, by name
   * @param {string} [options.preamble='none'] Or `'azbridge'`
   * @param {number} [options.connectTimeout=10000] For the dial of a target
   * @param {number} [options.preambleTimeout=10000] For the sender's preamble
   * @throws {TypeError} for options that are wrong
   */
  constructor(server, options) {
    super();
    const { target, targets, preamble, ...times } = readTable(REMOTE, options ?? {}, 'options.');
    const named = preamble === 'azbridge';
    if (targets !== undefined && !named) {
      throw invalidArgValue('options.targets', 'senders say names in the preamble only');
    }
    if (target === undefined && (targets === undefined || targets.size === 0)) {
      throw invalidArgValue('options.target', 'there is nothing to forward to');
    }
    const routes = {
      preamble: named,
      target,
      names: [...(targets?.keys() ?? [])],
      places: [...(targets?.values() ?? [])]
    };
    this.#server = server;
    const streams = { accept: (...args) => this.#accept(...args), closeNow: () => this.#cutAll() };
    const { acceptor, settings } = takeSenders(server, streams);
    this.#acceptor = acceptor;
    const common = { ...times, keepAlive: keepAliveOf(settings) };
    try {
      this.#handle = new ForwarderHandle(
        (engine, slot) => new native.NativeRemoteStreams(engine, slot, routes, common),
        (event) => this.#hear(event)
      );
    } catch (error) {
      acceptor.streams = undefined;
      throw error;
    }
    // The server itself keeps the process alive, if it is to.
    this.#handle.unref();
    server.once('close', () => this.#end());
  }

  /**
   * @return {{open: number, opened: number, refused: number, cut: number, bytesReceived: number, bytesSent: number}} Bytes
   *     that were received came from senders
   */
  stats() {
    return JSON.parse(this.#handle.native.stats());
  }

  /**
   * Closes the server: see there.
   *
   * @param {object} [options]
   * @return {Promise<void>}
   */
  close(options) {
    return this.#server.close(options);
  }

  /** A sender is let in: in the place of a socket the acceptor gets this. */
  #accept(offer, headers) {
    const { native: forwarder } = this.#handle;
    const stream = new RemoteStream(forwarder, offer);
    if (!forwarder.accept(this.#acceptor.native, offer.id, offer.protocol, headers)) {
      throw new RelayError('Nothing is forwarded any more', { code: 'ERR_HYCO_ABORTED' });
    }
    offer.stream = stream;
    this.#streams.set(offer.id, stream);
    return stream;
  }

  #hear(event) {
    if (event.type === 'closed') return this.#over();
    const stream = this.#streams.get(event.stream);
    if (stream === undefined) return;
    const { info, offer } = stream;
    if (event.name !== undefined) info.name = event.name;
    switch (event.type) {
      case 'accepted':
        stream.accepted = true;
        this.#acceptor.opened(offer, stream);
        break;
      case 'open':
        this.emit('connect', info);
        break;
      case 'refused':
        this.#leave(stream, fromReport(event.error), event.status);
        break;
      case 'ended': {
        const { received: bytesReceived, sent: bytesSent } = event;
        const error = event.error && fromReport(event.error);
        this.#streams.delete(info.id);
        this.#acceptor.closed(stream);
        const duration = now() - stream.startedAt;
        this.emit('disconnect', Object.assign(info, { bytesReceived, bytesSent, duration, error }));
      }
    }
  }

  /** A stream has not come about. */
  #leave(stream, error, statusCode) {
    const { info, offer, accepted } = stream;
    this.#streams.delete(info.id);
    if (accepted) this.#acceptor.closed(stream);
    else if (statusCode === undefined) this.#acceptor.failed(offer, error);
    else this.#acceptor.settle(offer, 'rejected', { statusCode, reason: error.message });
    this.emit('refused', error, info);
  }

  #cutAll() {
    for (const stream of this.#streams.values()) stream.close();
  }

  #end() {
    this.#closing = true;
    this.#handle.native.close(false);
  }

  /** The engine has ended it. Not by our will, that is a fault of this package, which costs the server. */
  #over() {
    for (const stream of this.#streams.values()) this.#leave(stream, lostByFault('stream'));
    if (this.#closing) return;
    this.#server.close({ timeout: 0 });
    this.#server.emit('error', lostByFault('server'));
  }
}

module.exports = { RemoteStreams };
