'use strict';

/** Options as the native engine takes them, of sockets that dial and of those that a listener accepts. */

/**
 * The limits of a socket.
 *
 * @param {object} settings Options with their defaults
 * @return {object}
 */
function socketLimits(settings) {
  return {
    // As in ws: coerced to 32 bits, and what is not positive means no limit.
    maxPayload: Math.max(settings.maxPayload | 0, 0),
    maxFragments: Math.max(settings.maxFragments | 0, 0),
    skipUtf8: settings.skipUTF8Validation,
    highWater: settings.highWaterMark,
    maxBacklog: settings.maxBufferedAmount,
    // Only a server has it: its sockets share what they may hold of unfinished messages.
    maxAssembling: settings.maxAssembling,
    keepAlive: keepAliveOf(settings)
  };
}

/**
 * @param {object} settings Options with their defaults
 * @return {object|undefined} Nothing where it is switched off
 */
function keepAliveOf({ keepAlive }) {
  if (!keepAlive) return undefined;
  const { interval, timeout, mode } = keepAlive;
  return { interval, timeout, pong: mode === 'pong' };
}

/**
 * Parameters of permessage-deflate. A window is a number of bits, 0 for `false` (never) and 1 for `true` (any).
 *
 * @param {object} settings Options with their defaults
 * @return {object|undefined} Nothing where nothing is to be compressed
 */
function deflateOffer({ perMessageDeflate }) {
  if (!perMessageDeflate) return undefined;
  const bits = (value) => (value === undefined ? undefined : Number(value));
  return {
    serverNoContextTakeover: perMessageDeflate.serverNoContextTakeover,
    clientNoContextTakeover: perMessageDeflate.clientNoContextTakeover,
    serverMaxWindowBits: bits(perMessageDeflate.serverMaxWindowBits),
    clientMaxWindowBits: bits(perMessageDeflate.clientMaxWindowBits),
    level: perMessageDeflate.zlibDeflateOptions?.level
  };
}

module.exports = { deflateOffer, keepAliveOf, socketLimits };
