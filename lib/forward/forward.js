'use strict';

/** `forward()` and `forwardLocal()`: the two ends of forwarding, each in one call. */

const { readConnectionString } = require('../shared/address');
const { check } = require('../shared/checks');
const { abortError, invalidArgValue } = require('../shared/errors');
const { LocalStreams } = require('./local-streams');
const { readForwardTarget, readPlace } = require('./target');
const { Tunnel } = require('./tunnel');

/**
 * Makes a tunnel that has not been up yet.
 *
 * @param {number|string|URL|import('node:http').Server|Object<string, string|number>} target
 * @param {object} options
 * @return {Tunnel}
 */
function openTunnel(target, options) {
  const destination = readForwardTarget(target);
  const { connectionString, ...given } = check.object(options, 'options');
  if (connectionString === undefined) {
    if ((given.server ?? undefined) === undefined) {
      throw invalidArgValue('options', "it needs a 'connectionString', or 'server' and credentials");
    }
    return new Tunnel(destination, given);
  }
  const { uri, options: rest } = readConnectionString(connectionString, 'listen', given);
  return new Tunnel(destination, { ...rest, server: uri });
}

/**
 * Makes a web server, or what else listens at a port or a socket, reachable through the relay.
 *
 * @param {number|string|URL|import('node:http').Server|Object<string, string|number>} target A port of this machine with a
 *     web server; `http://host:port/path` or `https://…`; an `http.Server`, which need not listen; or for bytes of any kind
 *     `host:port`, `unix:/path`, or several of these by azbridge's names for them
 * @param {object} options Those of `RelayedServer`, and `connectionString` (with `path`) in place of `server`
 * @param {string} [options.hostHeader] What web servers get as `Host` in place of their own: a name, or `'preserve'`
 * @param {object} [options.targetTls] `{ ca, cert, key, rejectUnauthorized, … }` for `https://…`
 * @param {number} [options.targetTimeout] Milliseconds for a target to begin with its answer
 * @param {boolean} [options.raw=false] Streams without azbridge's preamble
 * @return {Promise<Tunnel>} Fulfilled once senders can come, rejected where the first attempt fails
 */
async function forward(target, options) {
  const tunnel = openTunnel(target, options);
  await firstOutcome(tunnel);
  return tunnel;
}

/** Whoever waits for a tunnel wants to hear of a key that is wrong, and not that it is tried again. */
function firstOutcome(tunnel) {
  return new Promise((resolve, reject) => {
    const listeners = {
      listening: () => {
        for (const [name, listener] of Object.entries(listeners)) tunnel.off(name, listener);
        resolve();
      },
      error: (error) => giveUp(error),
      reconnecting: ({ error }) => giveUp(error),
      // Only its signal can have closed it that early.
      close: () => reject(abortError(tunnel.options.signal))
    };
    // They stay: nobody else can listen to it.
    const giveUp = (error) => {
      reject(error);
      tunnel.close();
    };
    for (const [name, listener] of Object.entries(listeners)) tunnel.on(name, listener);
  });
}

/**
 * The other end: each connection to a local port or socket goes out as a sender.
 *
 * @param {number|string} place A port of this machine, `host:port` or `unix:/path`; port 0 is a free one
 * @param {object} options Those of `relayedConnect()`, and
 * @param {string} [options.connectionString] with `path`; or
 * @param {string} [options.address] an address to send to
 * @param {string} [options.name] azbridge's name of the target; the local port or path is the default
 * @param {boolean} [options.raw=false] Without azbridge's preamble
 * @return {Promise<import('./local-streams').LocalStreams>} Fulfilled once clients can come
 */
async function forwardLocal(place, options) {
  const bind = readPlace(place, 'place');
  const { address, connectionString, name, raw, ...rest } = check.object(options, 'options');
  const relay = connectionString ?? address;
  if (relay === undefined) throw invalidArgValue('options', "it needs a 'connectionString' or an 'address'");
  const preamble = check.boolean(raw ?? false, 'options.raw') ? 'none' : 'azbridge';
  const local = new LocalStreams(relay, rest, { bind, preamble, name });
  try {
    await local.listen();
    return local;
  } catch (error) {
    local.close();
    throw error;
  }
}

module.exports = { forward, forwardLocal, openTunnel };
