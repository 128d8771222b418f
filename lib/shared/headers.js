'use strict';

/** Headers as Node has them: names and values in turn. */

/** Those that end at each hop, beside those that `Connection` names: RFC 9110, 7.6.1, and the names of older proxies. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
]);

/** @param {string[]} raw @return {Array<[string, string]>} */
function headerPairs(raw) {
  const pairs = [];
  for (let at = 0; at < raw.length; at += 2) pairs.push([raw[at], raw[at + 1]]);
  return pairs;
}

module.exports = { HOP_BY_HOP, headerPairs };
