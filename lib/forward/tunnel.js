'use strict';

/** The listener's end of forwarding: a `RelayedServer` whose senders go to a target. */

const http = require('node:http');

const { entityPath } = require('../shared/address');
const { check, readTable } = require('../shared/checks');
const { invalidArgValue } = require('../shared/errors');
const { RelayedServer } = require('../listener/server');
const { HttpRequests } = require('./http-requests');
const { HttpUpgrades } = require('./http-upgrades');

/** Beside those of `RelayedServer`. */
const OPTIONS = {
  hostHeader: [undefined, hostName],
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
    /** The address for senders: of a web server its own, and for streams what `relayedConnect()` takes. */
    this.url = addressFor(target.kind === 'stream' ? 'wss' : 'https', this.listenUri);
    if (target.kind === 'stream') this.#forwarded = forwardStreams(this, target, own);
    else if (target.kind === 'http')
      {this.#forwarded = forwardHttp(this, target.url, own, options.verifyClient);}
    else this.#forwarded = forwardToServer(this, target.server);
  }

  /** Those of the listener, and under `forwarded` those of what goes to the target. */
  stats() {
    return { ...super.stats(), forwarded: this.#forwarded() };
  }
}

function forwardStreams(tunnel, { targets, ...target }, { raw, targetTimeout }) {
  const { RemoteStreams } = require('./remote-streams');
  const streams = new RemoteStreams(tunnel, {
    ...(targets === undefined ? { target: placeOf(target) } : { targets }),
    preamble: raw ? 'none' : 'azbridge',
    ...(targetTimeout === undefined ? {} : { connectTimeout: targetTimeout })
  });
  for (const name of ['connect', 'disconnect', 'refused']) {
    streams.on(name, (...args) => tunnel.emit(name, ...args));
  }
  return () => ({ streams: streams.stats() });
}

function placeOf({ host, path, port }) {
  return path === undefined ? { host, port } : { path };
}

/** A web server that is reached over the network gets what an attached one would get, from a proxy. */
function forwardHttp(tunnel, url, { hostHeader, targetTimeout = HTTP_TIMEOUT, targetTls }, verify) {
  const settings = { hostHeader, targetTimeout, targetTls, verifyClient: verify };
  const requests = new HttpRequests(url, settings, tunnel);
  const upgrades = new HttpUpgrades(url, settings, tunnel);
  const proxy = http.createServer((req, res) => requests.handle(req, res));
  proxy.on('upgrade', (req, stream) => upgrades.handle(req, stream));
  tunnel.attach(proxy);
  tunnel.once('close', () => requests.close());
  return () => ({ requests: requests.stats(), webSockets: upgrades.stats() });
}

function forwardToServer(tunnel, server) {
  tunnel.attach(server);
  return () => ({});
}

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
