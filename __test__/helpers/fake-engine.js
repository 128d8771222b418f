'use strict';

/**
 * Stands in for `lib/listener/handle.js` and `lib/socket/socket.js`: a listener that does what the test says. Use with
 *
 *     jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
 *     jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);
 */

const { EventEmitter } = require('node:events');

const opened = [];

/** The handle and the native listener in one, which remembers what it was asked. */
class FakeListener {
  constructor(config, owner) {
    this.config = config;
    this.owner = owner;
    this.calls = [];
    this.dials = new Map();
    /** What the next accept throws. */
    this.fault = undefined;
    /** Offers that the engine still has. */
    this.undecided = new Set();
    this.referenced = true;
    this.closes = [];
    this.ended = false;
    opened.push(this);
  }

  get native() {
    return this;
  }

  /** Reports an event to the server. */
  event(type, fields) {
    this.owner.onListenerEvent({ type, ...fields });
  }

  /** A sender arrives; returns the offer's number. `refused` is what the engine has turned it away with already. */
  offer({ id = FakeListener.nextId++, headers = {}, path = '/hyco', refused = 0, ...record } = {}) {
    const host = 'g1.ns.test';
    const address = `wss://${host}:443/$hc${path}${path.includes('?') ? '&' : '?'}sb-hc-action=accept&sb-hc-id=t${id}`;
    const lines = Object.entries({ Host: 'ns.test', 'Sec-WebSocket-Version': '13', ...headers }).flat();
    const offersProtocols = lines.includes('Sec-WebSocket-Protocol');
    if (refused === 0) this.undecided.add(id);
    this.owner.onOffer({
      id,
      refused,
      offersProtocols,
      target: path,
      host,
      address,
      trackingId: `t${id}`,
      remoteAddress: '203.0.113.7',
      port: 51234,
      headerLines: () => lines,
      ...record
    });
    return id;
  }

  /** The engine turns a sender away: nobody decided in time, or the server closes. */
  turnAway(id, status) {
    this.undecided.delete(id);
    this.event('turnedAway', { id, status });
  }

  /** Waits for the rendezvous dial of an offer and lets it succeed. */
  open(id) {
    return this.dials.get(id).open();
  }

  fail(id, error) {
    this.dials.get(id).fail(error);
  }

  provideToken(token) {
    this.calls.push(['provideToken', token]);
  }

  failToken(message) {
    this.calls.push(['failToken', message]);
  }

  updateToken(token) {
    this.calls.push(['updateToken', token]);
  }

  reject(id, status, reason) {
    this.calls.push(['reject', id, status, reason]);
    return this.undecided.delete(id);
  }

  failOffer(id) {
    this.calls.push(['failOffer', id]);
    this.undecided.delete(id);
  }

  left() {
    this.calls.push(['left']);
  }

  admitHost(question, admitted) {
    this.calls.push(['admitHost', question, admitted]);
  }

  retryIn(channel, delay) {
    this.calls.push(['retryIn', delay, channel]);
  }

  ref() {
    this.referenced = true;
  }

  unref() {
    this.referenced = false;
  }

  stats() {
    return JSON.stringify({ rtt: 5 });
  }

  close(drain) {
    this.closes.push(drain ? 'drain' : 'now');
    const waiting = drain ? [] : [...this.undecided];
    setImmediate(() => {
      waiting.forEach((id) => this.turnAway(id, 503));
      this.endIfDrained();
    });
  }

  /** Somebody who was being let in is in, or has failed. */
  endIfDrained() {
    const dialling = [...this.dials.values()].some(({ settled }) => !settled);
    if (this.ended || this.closes.length === 0 || this.undecided.size > 0) return;
    if (dialling && !this.closes.includes('now')) return;
    this.ended = true;
    this.event('closed');
  }
}

FakeListener.nextId = 1;

class FakeSocket extends EventEmitter {
  constructor(address, protocols, options) {
    super();
    this.readyState = 0;
    this.url = String(address);
    this.arguments = { address, protocols, options };
    this.paused = false;
    this.sent = [];
    FakeSocket.last = this;
    if (options !== undefined) {
      const headers = new Map(
        Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), { name, value }])
      );
      this._opening = { request: { headers, options } };
      this._dial(this._opening.request);
    }
  }

  _dial(request) {
    this.dialled = request;
  }

  _abort(error) {
    this.readyState = 2;
    process.nextTick(() => {
      this.emit('error', error);
      this.readyState = 3;
      this.emit('close', 1006, Buffer.alloc(0));
    });
  }

  pause() {
    this.paused = true;
  }

  resume() {
    this.paused = false;
  }

  close(code) {
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.closedWith = code;
    if (!this.stubborn) setImmediate(() => this.end(code));
  }

  terminate() {
    this.terminated = true;
    this.end(1006);
  }

  end(code) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.owner?.closed(this);
    this.emit('close', code, Buffer.alloc(0));
  }
}

FakeSocket.CONNECTING = 0;

function acceptSocket(listener, offerId, accept) {
  if (listener.fault !== undefined) throw listener.fault;
  if (!listener.undecided.delete(offerId)) return undefined;
  const socket = new FakeSocket(accept.address);
  listener.dials.set(offerId, {
    accept,
    socket,
    settled: false,
    open() {
      this.settled = true;
      socket.readyState = 1;
      socket.owner = accept.traits.owner;
      socket.owner.opened(accept.offer, socket);
      process.nextTick(() => socket.emit('open'));
      listener.endIfDrained();
      return socket;
    },
    fail(error) {
      this.settled = true;
      accept.traits.owner.fail(accept.offer, error);
      listener.endIfDrained();
    }
  });
  return socket;
}

module.exports = {
  listener: { ListenerHandle: FakeListener },
  relayedSocket: { RelayedWebSocket: FakeSocket, acceptSocket },
  FakeSocket,
  /** The listener that was opened last. */
  lastListener: () => opened.at(-1)
};
