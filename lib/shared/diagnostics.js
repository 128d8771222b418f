'use strict';

/**
 * What the package tells `node:diagnostics_channel`. Every message is an object; `server` is the `RelayedServer` it is
 * about. No message holds a key or a token.
 *
 * | channel `hyco-ws-rs:…`  | further fields                                                                |
 * | ----------------------- | ----------------------------------------------------------------------------- |
 * | `server:connecting`     | `channel`, `attempt`                                                          |
 * | `server:listening`      | `channel`, `replaced`: a channel that was still up made way for this one      |
 * | `server:reconnecting`   | `channel`, `attempt`, `delay` (ms), `reason`, `error`                         |
 * | `server:offline`        | `error`                                                                       |
 * | `server:error`          | `error`, `terminal`                                                           |
 * | `server:close`          | –                                                                             |
 * | `accept:offer`          | `request`                                                                     |
 * | `accept:accepted`       | `request`, `socket`, `duration` (ms since the offer)                          |
 * | `accept:rejected`       | `request`, `statusCode`, `reason`                                             |
 * | `accept:failed`         | `request` (absent for a rejection that did not get through), `error`          |
 * | `request:received`      | `request`                                                                     |
 * | `request:answered`      | `request`, `statusCode`, `duration` (ms since the request)                    |
 * | `request:failed`        | `request` (absent if it could not be fetched, or was answered long ago),      |
 * |                         | `error`: what its handler threw, or why the answer cannot reach the sender    |
 * | `request:slow`          | `request`: it has had no answer for 55 s                                      |
 * | `token:renewed`         | `channel`, `expiresIn` (ms)                                                   |
 * | `token:failed`          | `error`                                                                       |
 * | `control:malformed`     | `message`: what was wrong with it                                             |
 * | `options:unknown`       | `names`, `options` (`'RelayedServer'`): options that nothing reads            |
 * | `engine:trace`          | no `server`; `level`, `target`, `message` and others: what the engine does    |
 */

const { channel } = require('node:diagnostics_channel');
const { debuglog, inspect } = require('node:util');

const { redact } = require('./redact');

const PREFIX = 'hyco-ws-rs:';
const NAMES = [
  'server:connecting',
  'server:listening',
  'server:reconnecting',
  'server:offline',
  'server:error',
  'server:close',
  'accept:offer',
  'accept:accepted',
  'accept:rejected',
  'accept:failed',
  'request:received',
  'request:answered',
  'request:failed',
  'request:slow',
  'token:renewed',
  'token:failed',
  'control:malformed',
  'options:unknown',
  'engine:trace'
];

const channels = Object.freeze(Object.fromEntries(NAMES.map((name) => [name, channel(PREFIX + name)])));

/**
 * Publishes a message if anybody listens.
 *
 * @param {string} name Without the prefix
 * @param {object} message
 */
function publish(name, message) {
  const target = channels[name];
  if (target.hasSubscribers) target.publish(message);
}

/**
 * Whether a message on the channel would reach anybody; for messages that take work to put together.
 *
 * @param {string} name Without the prefix
 * @return {boolean}
 */
function hasSubscribers(name) {
  return channels[name].hasSubscribers;
}

/** One line for the log. */
function describe(message) {
  const parts = [];
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined || name === 'socket') continue;
    if (name === 'server') parts.push(`server=${value.path ?? ''}`);
    else if (name === 'request') parts.push(`request=${value?.id} ${value?.url}`);
    else if (value instanceof Error) parts.push(`${name}=${value.code ?? value.name}: ${value.message}`);
    else {
      parts.push(`${name}=${typeof value === 'string' ? value : inspect(value, { breakLength: Infinity })}`);
    }
  }
  return redact(parts.join(' '));
}

const log = debuglog('hyco-ws');
if (log.enabled) {
  for (const [name, target] of Object.entries(channels)) {
    target.subscribe((message) => log('%s %s', name, describe(message)));
  }
}

module.exports = { hasSubscribers, publish };
