'use strict';

/** Headers on their way through a proxy: what is between two neighbours stays there, and who came is said by us alone. */

const { isIPv6 } = require('node:net');

const { HOP_BY_HOP } = require('../shared/headers');

/** The name by which `Via` knows us. */
const PSEUDONYM = 'hyco-ws-rs';

/** The relay's own token, should it have got this far; and an expectation that the relay has met already. */
const NOT_FOR_TARGETS = new Set(['host', 'expect', 'servicebusauthorization']);

/** What targets believe of who has come. Some read `_` for `-`. */
const CLAIMS = /^(?:forwarded|x[-_]forwarded(?:[-_].*)?|x[-_]real[-_]ip)$/;

/**
 * @param {import('node:http').IncomingMessage} req The sender's
 * @param {object} how
 * @param {string} how.authority Host and port of the target
 * @param {string} [how.hostHeader] `'preserve'`, or another name for it
 * @return {string[]} Names and values in turn, for the target
 */
function requestHeaders(req, { authority, hostHeader }) {
  const lines = ['Host', hostFor(req, authority, hostHeader)];
  const kept = (name) => !NOT_FOR_TARGETS.has(name) && !CLAIMS.test(name);
  copyEndToEnd(req.rawHeaders, lines, kept);
  lines.push(...originHeaders(req));
  lines.push('Via', `${req.httpVersion} ${PSEUDONYM}`);
  return lines;
}

/**
 * @param {import('node:http').IncomingMessage} response The target's
 * @return {Map<string, string|string[]>} By name, for the sender; several of a name stay several
 */
function responseHeaders(response) {
  const lines = [];
  copyEndToEnd(response.rawHeaders, lines, () => true);
  lines.push('Via', `${response.httpVersion} ${PSEUDONYM}`);
  const headers = new Map();
  const names = new Map();
  for (let index = 0; index < lines.length; index += 2) {
    const key = lines[index].toLowerCase();
    const name = names.get(key) ?? lines[index];
    names.set(key, name);
    const before = headers.get(name);
    headers.set(name, before === undefined ? lines[index + 1] : [before, lines[index + 1]].flat());
  }
  return headers;
}

/** Copies what is not for the next neighbour alone. */
function copyEndToEnd(raw, lines, kept) {
  const named = new Set();
  for (let index = 0; index < raw.length; index += 2) {
    if (raw[index].toLowerCase() !== 'connection') continue;
    for (const name of raw[index + 1].split(',')) named.add(name.trim().toLowerCase());
  }
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index].toLowerCase();
    if (HOP_BY_HOP.has(name) || named.has(name) || !kept(name)) continue;
    lines.push(raw[index], raw[index + 1]);
  }
}

/** Who has come, and to where: as the relay says it. */
function originHeaders({ baseUrl, relay, socket }) {
  const { encrypted, remoteAddress: address } = socket;
  const proto = encrypted ? 'https' : 'http';
  const node = address === undefined ? 'unknown' : isIPv6(address) ? `"[${address}]"` : address;
  const lines = ['X-Forwarded-Host', relay.host, 'X-Forwarded-Proto', proto];
  if (address !== undefined) lines.push('X-Forwarded-For', address);
  if (baseUrl) lines.push('X-Forwarded-Prefix', baseUrl);
  lines.push('Forwarded', `for=${node};host="${relay.host}";proto=${proto}`);
  return lines;
}

function hostFor(req, authority, hostHeader) {
  if (hostHeader === undefined) return authority;
  return hostHeader === 'preserve' ? (req.headers.host ?? req.relay.host) : hostHeader;
}

module.exports = { requestHeaders, responseHeaders };
