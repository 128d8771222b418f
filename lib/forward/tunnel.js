'use strict';

/** The listener's end of forwarding: a `RelayedServer` whose senders go to a target. */

const http = require('node:http');

const { entityPath } = require('../shared/address');
const { check, readTable } = require('../shared/checks');
const { invalidArgValue } = require('../shared/errors');
const { RelayedServer } = require('../listener/server');
const { HttpRequests } = require('./http-requests');
const { HttpUpgrades } = require('./http-upgrades');
const { RemoteStreams } = require('./remote-streams');

/** Beside those of `RelayedServer`. */
const OPTIONS = {
  family: [undefined, check.oneOf(4, 6)],
  hostHeader: [undefined, hostName],
  localAddress: [undefined, check.word],
  raw: [false, check.boolean],
  // The relay gives a sender 504 after 60 seconds, and nothing of ours could reach it any more.
  targetTimeout: [undefined, check.time],
  targetTls: [undefined, check.object]
};
const HTTP_TIMEOUT = 55_000;

/**
 * Events, beside those of `RelayedServer`: `connect(info)` and `disconnect(info)` of a stream or a WebSocket,
 * `refused(error, info)` of one that has not come that far, and `answered(info, error)` of an HTTP request.
 */
class Tunnel extends RelayedServer {
  #forwarded;

  /**
   * @param {import('./target').ForwardTarget} target
   * @param {object} options Of `RelayedServer`, and those above
   */
  constructor(target, options) {
    const own = readTable(OPTIONS, options, 'options.');
    super(withoutOwn(options));
    const { kind } = target;
    /** The address for senders: of a web server its own, and for streams what `relayedConnect()` takes. */
    this.url = addressFor(kind === 'stream' ? 'wss' : 'https', this.listenUri);
    try {
      this.#forwarded = FORWARDS[kind](this, target, own, options);
    } catch (error) {
      // It would listen on, and nobody could close it.
      this.close();
      throw error;
    }
  }

  /** Those of the listener, and under `forwarded` those of what goes to the target. */
  stats() {
    return { ...super.stats(), forwarded: this.#forwarded() };
  }
}

function forwardStreams(tunnel, target, own) {
  const { raw, targetTimeout } = own;
  const streams = new RemoteStreams(tunnel, {
    ...streamTargets(target, own),
    preamble: raw ? 'none' : 'azbridge',
    ...(targetTimeout === undefined ? {} : { connectTimeout: targetTimeout })
  });
  for (const name of ['connect', 'disconnect', 'refused']) {
    streams.on(name, (...args) => tunnel.emit(name, ...args));
  }
  return () => ({ streams: streams.stats() });
}

/** By the names that azbridge's senders ask for; a single one takes the number of any port, too. */
function streamTargets({ host, path, port, targets = {} }, { family, localAddress, raw }) {
  // An address of a family that is nobody's in particular leaves the other family out.
  const any = { 4: '0.0.0.0', 6: '::' }[family];
  const from = ({ host, path, port }) =>
    path === undefined ? { host, port, localAddress: localAddress ?? any } : { path };
  const named = Object.entries(targets).map(([name, place]) => [name, from(place)]);
  const single = path ?? port;
  if (single !== undefined && named.length === 0) named.push([String(single), from({ host, path, port })]);
  const target = named.length === 1 ? named[0][1] : undefined;
  if (!raw) return { targets: Object.fromEntries(named), target };
  if (target !== undefined) return { target };
  throw invalidArgValue('options.raw', 'without names there can be one target only');
}

/** A web server that is reached over the network gets what an attached one would get, from a proxy. */
function forwardHttp(tunnel, { url }, own, { verifyClient }) {
  const { family, hostHeader, localAddress, targetTimeout = HTTP_TIMEOUT, targetTls } = own;
  const connection = { ...targetTls, family, localAddress };
  const settings = { hostHeader, targetTimeout, connection, verifyClient };
  const requests = new HttpRequests(url, settings, tunnel);
  const upgrades = new HttpUpgrades(url, settings, tunnel);
  const proxy = http.createServer((req, res) => requests.handle(req, res));
  proxy.on('upgrade', (req, stream) => upgrades.handle(req, stream));
  tunnel.attach(proxy);
  tunnel.once('close', () => requests.close());
  return () => ({ requests: requests.stats(), webSockets: upgrades.stats() });
}

function forwardToServer(tunnel, { server }) {
  tunnel.attach(server);
  return () => ({});
}

/** How each kind of target is served; the result tells the numbers. */
const FORWARDS = { http: forwardHttp, server: forwardToServer, stream: forwardStreams };

/** What can stand in a `Host` header. */
function hostName(value, name) {
  if (/^[\w.:[\]-]+$/.test(check.word(value, name))) return value;
  throw invalidArgValue(name, "it must be a host, with a port if need be, or 'preserve'");
}

function withoutOwn(options) {
  const rest = { ...options };
  for (const name of Object.keys(OPTIONS)) delete rest[name];
  return rest;
}

/** @param {'https'|'wss'} scheme Without its `s` where the relay is reached without TLS */
function addressFor(scheme, listenUri) {
  const url = new URL(listenUri);
  const plain = /^(?:ws|http):$/.test(url.protocol);
  const start = `${plain ? scheme.slice(0, -1) : scheme}://${url.host}`;
  const path = entityPath(url);
  return scheme === 'https' ? start + path : `${start}/$hc${path}?sb-hc-action=connect`;
}

module.exports = { Tunnel };
