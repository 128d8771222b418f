'use strict';

/** What a tunnel leads to, as programs and command lines write it. */

const { bareHost, hostAndPort } = require('../shared/address');
const { invalidArgType, invalidArgValue } = require('../shared/errors');

const FORMS =
  'it must be a port, host:port, unix:/path, http://host:port/path, https://host:port/path or an http.Server';

/**
 * A port alone is a web server on this machine, as with other tunnels; with a host before it, it is bytes.
 *
 * @typedef {{kind: 'http', url: URL}|{kind: 'server', server: object}|{kind: 'stream', host: string, port: number}|
 *     {kind: 'stream', path: string}|{kind: 'stream', targets: object}} ForwardTarget
 *
 * @param {number|string|URL|import('node:http').Server} target
 * @param {string} [name] Of the argument, for errors
 * @return {ForwardTarget}
 * @throws {TypeError} that quotes nothing of it, for an address may have a password in it
 */
function readForwardTarget(target, name = 'target') {
  if (typeof target === 'number' || (typeof target === 'string' && /^\d+$/.test(target))) {
    // A name and not an address: development servers listen at either of the two that it has.
    return { kind: 'http', url: new URL(`http://localhost:${readPort(target, name)}/`) };
  }
  if (target instanceof URL) return readUrl(target.href, name);
  if (typeof target === 'object' && target !== null) return readObject(target, name);
  if (typeof target !== 'string') {
    throw invalidArgType(name, 'a port, an address or an http.Server', target);
  }
  if (target.startsWith('unix:')) return readSocketPath(target.slice('unix:'.length), name);
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(target)) return readUrl(target, name);
  return { kind: 'stream', ...readHostAndPort(target, name) };
}

/** An `http.Server`; or streams by the names that azbridge's senders ask for. */
function readObject(target, name) {
  if (![Object.prototype, null].includes(Object.getPrototypeOf(target))) {
    return { kind: 'server', server: target };
  }
  const targets = {};
  for (const [key, value] of Object.entries(target)) targets[key] = readPlace(value, `${name}.${key}`);
  if (Object.keys(targets).length === 0) throw invalidArgValue(name, FORMS);
  return { kind: 'stream', targets };
}

/**
 * A place on this machine or near it, for bytes: `host:port`, or `unix:/path`.
 *
 * @param {string|number} text
 * @param {string} name Of the argument, for errors
 * @param {string} [host] Of a port alone
 * @return {{host: string, port: number}|{path: string}}
 * @throws {TypeError}
 */
function readPlace(text, name, host = '127.0.0.1') {
  if (typeof text === 'string' && text.startsWith('unix:')) {
    const { path } = readSocketPath(text.slice('unix:'.length), name);
    return { path };
  }
  if (typeof text === 'number' || /^\d+$/.test(text)) return { host, port: readPort(text, name, 0) };
  return readHostAndPort(text, name, 0);
}

function readHostAndPort(text, name, least = 1) {
  const [, bracketed, host, port] = /^(?:\[([^\]\s]+)\]|([^:/\\\s@?#[\]]+)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) throw invalidArgValue(name, FORMS);
  return { host: bracketed ?? host, port: readPort(port, name, least) };
}

function readPort(text, name, least = 1) {
  const port = Number(text);
  if (!Number.isInteger(port) || port < least || port > 65_535) {
    throw invalidArgValue(name, `a port is a number from ${least} to 65535`);
  }
  return port;
}

function readSocketPath(path, name) {
  if (path === '' || path.includes('\0')) throw invalidArgValue(name, 'unix: takes the path of a socket');
  return { kind: 'stream', path };
}

function readUrl(text, name) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw invalidArgValue(name, FORMS);
  }
  const { hostname, hash, password, port, protocol, search, username } = url;
  if (protocol === 'tcp:' && hostname !== '' && port !== '') {
    return { kind: 'stream', host: bareHost(hostname), port: readPort(port, name) };
  }
  if (protocol !== 'http:' && protocol !== 'https:') throw invalidArgValue(name, FORMS);
  if (username !== '' || password !== '') throw invalidArgValue(name, 'it must have no user and no password');
  if (search !== '' || hash !== '') throw invalidArgValue(name, 'it must end with a path');
  return { kind: 'http', url };
}

/** @param {ForwardTarget} target @return {string} For logs */
function targetText({ kind, host, path, port, targets, url }) {
  if (kind === 'http') return url.href;
  if (kind === 'server') return 'the http.Server';
  if (targets !== undefined) return Object.keys(targets).join(', ');
  if (path !== undefined) return `unix:${path}`;
  return hostAndPort(host, port);
}

module.exports = { readForwardTarget, readPlace, targetText };
