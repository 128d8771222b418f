'use strict';

/**
 * What the program has to do with incoming connections: it decides (see `verdict.js`), adds headers, and is told what
 * became of each. The engine keeps limits, time and numbers (`src/listener/offers.rs`). The order in which dials begin is
 * kept here, because `headers` is emitted right before each.
 */

const { STATUS_CODES } = require('node:http');

const { isToken } = require('../shared/checks');
const { nextTick, now } = require('../shared/clock');
const diagnostics = require('../shared/diagnostics');
const { withCode } = require('../shared/errors');
const { acceptSocket } = require('../socket/socket');
const { Carried } = require('../socket/stats');
const { RelayedRequest } = require('./request');
const { socketTraits } = require('../socket/state');
const { upgrade, upgradeRequest } = require('./upgrade');
const { chooseProtocol, verifyClient } = require('./verdict');

/** Rendezvous that are dialled at once. A burst of senders would otherwise be a burst of TLS handshakes. */
const MAX_DIALS = 64;

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** One sender, as far as the program has been told of it; what it may wait for is the engine's business. */
class Offer {
  constructor(record, request) {
    this.id = record.id;
    this.address = record.address;
    this.offersProtocols = record.offersProtocols;
    this.request = request;
    this.startedAt = now();
    /** Set while the rendezvous is dialled. */
    this.socket = undefined;
    /** What listeners of `upgrade` of an attached server have got. */
    this.stream = undefined;
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
    /** @type {import('../http/attachment').Attachment|undefined} Where senders go in place of the server. */
    this.attachment = undefined;
    /** @type {{accept: function, closeNow: function}|undefined} Where senders go that are let in, in place of sockets. */
    this.streams = undefined;
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
    /** What those have carried that are gone. */
    this.carried = new Carried();
  }

  /**
   * A sender has come.
   *
   * @param {import('./offer-record').OfferRecord} record
   */
  offer(record) {
    const { attachment, server } = this;
    if (record.refused !== 0) return this.refused(record);
    const upgrades = attachment?.upgrades === true;
    const request = upgrades ? upgradeRequest(record, attachment) : new RelayedRequest(record);
    const offer = new Offer(record, request);
    this.pending.set(offer.id, offer);
    if (diagnostics.hasSubscribers('accept:offer')) diagnostics.publish('accept:offer', { server, request });
    // Of those who still waited when the server was closed, the engine's report is on its way.
    if (this.closing) return;
    if (upgrades) upgrade(this, offer, attachment);
    else this.decide(offer);
  }

  /** The engine has turned a sender away, for there is no room: that is only told. */
  refused(record) {
    if (!diagnostics.hasSubscribers('accept:offer') && !diagnostics.hasSubscribers('accept:rejected')) return;
    const { server } = this;
    const request = new RelayedRequest(record);
    diagnostics.publish('accept:offer', { server, request });
    diagnostics.publish('accept:rejected', { server, request, ...refusal(record.refused) });
  }

  /** Asks the program, where there is anything to decide. */
  decide(offer) {
    const { rules } = this;
    const { request } = offer;
    if (!rules.verifyClient && !offer.offersProtocols) {
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

  /** The engine has turned a sender away that was neither let in nor rejected: it was too late, or the server closes. */
  turnedAway(id, statusCode) {
    const offer = this.pending.get(id);
    if (offer !== undefined && offer.socket === undefined) {
      this.settle(offer, 'rejected', refusal(statusCode));
    }
  }

  /** The engine has ended: of those who still wait nothing is heard any more. */
  forsake() {
    for (const id of [...this.pending.keys()]) this.turnedAway(id, 503);
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
    // The engine has turned those away who still waited.
    if (this.closing) return;
    const { server, native, traits } = this;
    const headers = [];
    if (server.listenerCount('headers') > 0) {
      try {
        server.emit('headers', headers, offer.request);
      } catch (error) {
        return this.userFailed(offer, error);
      }
      // A listener may have closed the server.
      if (this.closing) return;
    }
    try {
      headers.forEach(checkHeaderLine);
      const { address, protocol } = offer;
      offer.socket =
        this.streams === undefined
          ? acceptSocket(native, offer.id, { address, protocol, headers, traits, offer })
          : this.streams.accept(offer, headers);
      // Undefined: the engine turned the sender away at the same moment; `turnedAway` follows.
      if (offer.socket !== undefined) this.dialing++;
    } catch (error) {
      native.failOffer(offer.id);
      this.failed(offer, error);
    }
  }

  opened(offer, socket) {
    const { server, sockets } = this;
    const { request } = offer;
    sockets.add(socket);
    this.settle(offer);
    if (this.closing) {
      offer.stream?._join(socket);
      socket.close(1001);
      return;
    }
    if (diagnostics.hasSubscribers('accept:accepted')) {
      const duration = now() - offer.startedAt;
      diagnostics.publish('accept:accepted', { server, request, socket, duration });
    }
    if (offer.stream === undefined) server.emit('connection', socket, request);
    else offer.stream._join(socket);
  }

  /** A socket is about to emit `close`. */
  closed(socket) {
    this.sockets.delete(socket);
    // Whoever limits them does so by what the program sees: the next one comes after this one's `close`.
    if (this.settings.maxConnections > 0) this.native.left();
    this.onChange();
  }

  /**
   * @param {Offer} offer
   * @param {number} statusCode What the sender's handshake is answered with
   * @param {string} [reason]
   */
  reject(offer, statusCode, reason) {
    if (offer.settled || offer.socket !== undefined) return;
    const told = refusal(statusCode, reason);
    // Otherwise it was too late, and the engine's report is on its way.
    if (this.native.reject(offer.id, Number(statusCode), told.reason)) this.settle(offer, 'rejected', told);
  }

  /** An exception in the program's own code: the sender is turned away, and it stays an uncaught exception. */
  userFailed(offer, error) {
    this.reject(offer, 500);
    nextTick(() => {
      throw error;
    });
  }

  /** The rendezvous could not be dialled: the word of the socket that was to have the connection. */
  fail(offer, error) {
    if (offer.hostError !== undefined) error.cause ??= offer.hostError;
    this.failed(offer, error);
  }

  /** Nobody has to listen for that. */
  failed(offer, error) {
    if (offer.settled) return;
    this.settle(offer, 'failed', { error });
    this.server.emit('rendezvousError', error, offer.request);
  }

  /** The end of an offer; with an outcome, it is told. */
  settle(offer, outcome, fields) {
    offer.settled = true;
    this.pending.delete(offer.id);
    if (offer.socket !== undefined) {
      this.dialing--;
      // Not within the caller, who is about to tell the program of this one.
      if (this.queue.length > 0) nextTick(() => this.advance());
    }
    if (outcome !== undefined) {
      if (offer.stream !== undefined && !offer.stream._isRefused) offer.stream._lose();
      diagnostics.publish(`accept:${outcome}`, { server: this.server, request: offer.request, ...fields });
    }
    this.onChange();
  }
}

/** What a sender is told that is turned away. */
function refusal(statusCode, reason) {
  return { statusCode, reason: String(reason || STATUS_CODES[statusCode] || '') };
}

/** Listeners often build headers from what the sender sent: a line must not smuggle in another. */
function checkHeaderLine(line) {
  const at = typeof line === 'string' ? line.indexOf(':') : -1;
  if (at > 0 && isToken(line.slice(0, at)) && HEADER_VALUE.test(line.slice(at + 1))) return;
  const error = new TypeError("A 'headers' listener added a line that is not a valid 'Name: value'");
  throw withCode(error, 'ERR_INVALID_CHAR');
}

module.exports = { Acceptor };
