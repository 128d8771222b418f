'use strict';

/** What both ends of a forwarded stream are told. */

const { isIP } = require('node:net');

const { check, group } = require('../shared/checks');
const { invalidArgValue } = require('../shared/errors');

const PREAMBLES = ['none', 'azbridge'];
/** Bytes of azbridge's longest name. */
const LONGEST_NAME = 255;
/** The longest delay of a timer. */
const MAX_TIME = 2 ** 31 - 1;

/** Of this machine: from where a target is dialled. */
function address(value, name) {
  if (isIP(check.string(value, name)) > 0) return value;
  throw invalidArgValue(name, 'it must be an IP address');
}

const readPlace = group({
  host: ['127.0.0.1', check.word],
  port: [undefined, check.integer(0, 65_535)],
  path: [undefined, check.word],
  localAddress: [undefined, address]
});

/**
 * @param {unknown} value
 * @param {string} name The option's
 * @return {{host: string, port: number}|{path: string}}
 */
function place(value, name) {
  const { host, port, path, localAddress } = readPlace(value, name);
  if ((port === undefined) === (path === undefined)) {
    throw invalidArgValue(name, 'it must have either a port or a path');
  }
  return path === undefined ? { host, port, localAddress } : { path };
}

/** A place that can be dialled. */
function target(value, name) {
  const found = place(value, name);
  if (found.port === 0) throw invalidArgValue(`${name}.port`, 'it must not be 0');
  return found;
}

function targets(value, name) {
  const entries = Object.entries(check.object(value, name));
  return new Map(entries.map(([port, given]) => [portName(port, name), target(given, `${name}.${port}`)]));
}

function portName(value, name) {
  if (Buffer.byteLength(check.string(value, name)) > LONGEST_NAME) {
    throw invalidArgValue(name, `a name has at most ${LONGEST_NAME} bytes`);
  }
  return value;
}

const REMOTE = {
  target: [undefined, target],
  targets: [undefined, targets],
  preamble: ['none', check.oneOf(...PREAMBLES)],
  connectTimeout: [10_000, check.number(1, MAX_TIME)],
  preambleTimeout: [10_000, check.number(1, MAX_TIME)]
};

const LOCAL = {
  bind: [{ port: 0 }, place],
  preamble: ['none', check.oneOf(...PREAMBLES)],
  name: [undefined, portName],
  maxConnections: [1_000, check.integer(1, 2 ** 31 - 1)],
  preambleTimeout: [30_000, check.number(1, MAX_TIME)]
};

module.exports = { LOCAL, REMOTE };
