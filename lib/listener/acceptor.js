'use strict';

/**
 * Incoming connections, from the relay's offer to the open socket or the rejection. An offer is pending while the
 * program decides (see `verdict.js`) and while the rendezvous is dialled; each ends in exactly one of accepted,
 * rejected and failed.
 */

const { STATUS_CODES } = require('node:http');

const { isToken } = require('../shared/checks');
const { nextTick, now } = require('../shared/clock');
const diagnostics = require('../shared/diagnostics');
const { Histogram } = require('./histogram');
const { acceptSocket } = require('../socket/socket');
const { RelayedRequest, hasHeader } = require('./request');
const { socketTraits } = require('../socket/state');
const { chooseProtocol, verifyClient } = require('./verdict');

/** Rendezvous that are dialled at once. A burst of senders would otherwise be a burst of TLS handshakes. */
const MAX_DIALS = 64;

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** One offer and where it has got to. */
class Offer {
  constructor(id, accept, request) {
    this.id = id;
    this.address = accept.address;
    this.request = request;
    this.startedAt = now();
    /** Set while the rendezvous is dialled. */
    this.socket = undefined;
    /** The subprotocol, once the program has let the sender in. */
    this.protocol = undefined;
    this.settled = false;
    /** What the program's rule on hosts threw. */
    this.hostError = undefined;
  }
}

class Acceptor {
  /**
   * @param {import('./server').RelayedServer} server Where the events are emitted
   * @param {object} settings The server's options
   * @param {object} rules Where `verifyClient` and `handleProtocols` stand: programs may change them at any time
   * @param {import('../shared/context').Context} context The server's
   * @param {function(): void} onChange Called after an offer was settled or a socket was closed
   */
  constructor(server, settings, rules, context, onChange) {
    this.server = server;
    this.context = context;
    this.settings = settings;
    this.rules = rules;
    this.onChange = onChange;
    /** What all of its sockets have in common. */
    this.traits = socketTraits(settings, this);
    /** The native listener; set when it is open. */
    this.native = undefined;
    /** New offers are answered 503. */
    this.refusing = false;
    /** What opens now is closed again. */
    this.closing = false;
    /** @type {Map<number, Offer>} */
    this.pending = new Map();
    /** Offers whose rendezvous is being dialled. */
    this.dialing = 0;
    /** Accepted offers that wait for their dial, in the order in which they were accepted; settled ones included. */
    this.queue = [];
    /** Open sockets; what a server shows as `clients`, if it does. */
    this.sockets = new Set();
    this.counters = { accepted: 0, rejected: 0, failed: 0 };
    /** From the offer to the open socket: the verdict, the wait for a dial and the rendezvous. */
    this.latency = new Histogram();
  }

  /**
   * A sender waits.
   *
   * @param {object} event The engine's event
   */
  offer(event) {
    const { accept, target, host } = event;
    const request = new RelayedRequest(accept, target, host);
    const offer = new Offer(event.id, accept, request);
    this.pending.set(offer.id, offer);
    const { server } = this;
    if (diagnostics.hasSubscribers('accept:offer')) diagnostics.publish('accept:offer', { server, request });

    if (this.refusing || this.isFull()) return this.reject(offer, 503);
    this.decide(offer);
  }

  /** Asks the program, where there is anything to decide. */
  decide(offer) {
    const { rules } = this;
    const { request } = offer;
    if (!rules.verifyClient && !hasHeader(request, 'sec-websocket-protocol')) {
      return this.enqueue(offer, undefined);
    }
    verifyClient(
      rules,
      request,
      (verified, code, name) => {
        if (offer.settled) return;
        if (!verified) return this.reject(offer, code || 401, name);
        chooseProtocol(
          rules,
          request,
          (verdict) => {
            if (offer.settled) return;
            if (verdict.statusCode !== undefined) this.reject(offer, verdict.statusCode, verdict.reason);
            else this.enqueue(offer, verdict.protocol);
          },
          (error) => this.userFailed(offer, error)
        );
      },
      (error) => this.userFailed(offer, error)
    );
  }

  /** The engine, whose clock alone counts, has turned the sender away: `acceptTimeout` was over before the dial. */
  expire(id) {
    const offer = this.pending.get(id);
    if (offer !== undefined && offer.socket === undefined) this.expired(offer);
  }

  expired(offer) {
    this.settle(offer, 'rejected', { statusCode: 504, reason: STATUS_CODES[504] });
  }

  /** Rejects everything that still waits for a verdict. */
  rejectUndecided() {
    for (const offer of [...this.pending.values()]) {
      if (offer.socket === undefined) this.reject(offer, 503);
    }
  }

  isFull() {
    const { maxConnections, maxPendingAccepts } = this.settings;
    // The offer itself is among the pending ones.
    if (maxPendingAccepts > 0 && this.pending.size > maxPendingAccepts) return true;
    return maxConnections > 0 && this.sockets.size + this.pending.size > maxConnections;
  }

  /**
   * The engine is about to dial, for an offer or for something else, and the program has a rule of its own on hosts: only
   * `true` or a promise of it lets one through. Never rejects; who does not answer is not dialled.
   */
  async admit({ id, offer, host }) {
    let admitted = false;
    try {
      admitted = (await this.settings.rendezvousHosts(host)) === true;
    } catch (error) {
      const asked = this.pending.get(offer);
      if (asked !== undefined) asked.hostError = error;
    }
    this.native.admitHost(id, admitted);
  }

  /** Lets the sender in, as soon as there are few enough dials under way; `acceptTimeout` goes on meanwhile. */
  enqueue(offer, protocol) {
    offer.protocol = protocol;
    this.queue.push(offer);
    this.advance();
  }

  /** Starts dials that wait. Whoever has called, in whatever context: what follows belongs to the server. */
  advance() {
    while (this.dialing < MAX_DIALS && this.queue.length > 0) {
      const offer = this.queue.shift();
      if (!offer.settled) this.context.apart(this.accept, this, offer);
    }
  }

  /** Asks for headers, then dials the rendezvous. */
  accept(offer) {
    const { server, native, traits } = this;
    const headers = [];
    if (server.listenerCount('headers') > 0) {
      try {
        server.emit('headers', headers, offer.request);
      } catch (error) {
        return this.userFailed(offer, error);
      }
      // A listener may have closed the server.
      if (offer.settled) return;
    }
    try {
      headers.forEach(checkHeaderLine);
      offer.socket = true;
      this.dialing++;
      const { address, protocol } = offer;
      const socket = acceptSocket(native, offer.id, { address, protocol, headers, traits, offer });
      // The verdict and the limit came at the same time, and the engine's report of it is on its way.
      if (socket === undefined) return this.expired(offer);
      offer.socket = socket;
    } catch (error) {
      if (offer.settled) throw error;
      native.reject(offer.id, 500, STATUS_CODES[500]);
      this.fail(offer, error);
    }
  }

  opened(offer, socket) {
    const { server, sockets } = this;
    const { request } = offer;
    sockets.add(socket);
    const duration = now() - offer.startedAt;
    this.latency.record(duration);
    this.settle(offer, 'accepted');
    if (this.closing) {
      socket.close(1001);
      return;
    }
    if (diagnostics.hasSubscribers('accept:accepted')) {
      diagnostics.publish('accept:accepted', { server, request, socket, duration });
    }
    server.emit('connection', socket, request);
  }

  /** A socket is about to emit `close`. */
  closed(socket) {
    this.sockets.delete(socket);
    this.onChange();
  }

  /**
   * @param {Offer} offer
   * @param {number} statusCode What the sender's handshake is answered with
   * @param {string} [reason]
   */
  reject(offer, statusCode, reason) {
    if (offer.settled || offer.socket !== undefined) return;
    reason = String(reason || STATUS_CODES[statusCode] || '');
    this.native.reject(offer.id, Number(statusCode), reason);
    this.settle(offer, 'rejected', { statusCode, reason });
  }

  /** An exception in the program's own code: the sender is turned away, and it stays an uncaught exception. */
  userFailed(offer, error) {
    this.reject(offer, 500);
    nextTick(() => {
      throw error;
    });
  }

  /** The rendezvous could not be dialled. Nobody has to listen for that. */
  fail(offer, error) {
    if (offer.settled) return;
    if (offer.hostError !== undefined) error.cause ??= offer.hostError;
    this.settle(offer, 'failed', { error });
    this.server.emit('rendezvousError', error, offer.request);
  }

  settle(offer, outcome, fields) {
    offer.settled = true;
    this.pending.delete(offer.id);
    this.counters[outcome]++;
    if (offer.socket !== undefined) {
      this.dialing--;
      // Not within the caller, who is about to tell the program of this one.
      if (this.queue.length > 0) nextTick(() => this.advance());
    }
    if (fields !== undefined) {
      diagnostics.publish(`accept:${outcome}`, { server: this.server, request: offer.request, ...fields });
    }
    this.onChange();
  }
}

/** Listeners often build headers from what the sender sent: a line must not smuggle in another. */
function checkHeaderLine(line) {
  const at = typeof line === 'string' ? line.indexOf(':') : -1;
  if (at > 0 && isToken(line.slice(0, at)) && HEADER_VALUE.test(line.slice(at + 1))) return;
  const error = new TypeError("A 'headers' listener added a line that is not a valid 'Name: value'");
  error.code = 'ERR_INVALID_CHAR';
  throw error;
}

module.exports = { Acceptor };
