'use strict';

/** What a connection string says, in the terms of servers and senders: where to dial, and with which credentials. */

const { isIPv4 } = require('node:net');

const { invalidArgType, invalidArgValue } = require('./errors');
const { readEscapes } = require('./escapes');

/** What may have come along when it was copied: the core leaves it out, or refuses it by name. */
const INVISIBLE = /[\u200b-\u200f\u202a-\u202e\u2060\ufeff]/g;
const START = /(?:^|;)[\s"'`\u2018-\u201f«»]*Endpoint\s*=/i;

/** @param {unknown} address @return {boolean} Whether it is a connection string and not a URI */
function isConnectionString(address) {
  return typeof address === 'string' && START.test(address.replace(INVISIBLE, ''));
}

/**
 * @param {string} text The connection string
 * @param {'listen'|'connect'} action
 * @param {object} [given] The caller's options; credentials among them take the place of the string's
 * @return {{uri: string, options: object}} `options` without `path`, and with credentials
 * @throws {TypeError} `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; quotes no secret
 */
function readConnectionString(text, action, given = {}) {
  // Required here, for it loads the addon, which sockets with other addresses load when they dial.
  const { createRelayListenUri, createRelaySendUri, parseConnectionString } = require('./helpers');
  const parsed = parseConnectionString(text);
  const { path, ...rest } = given;
  const entity = entityOf(parsed.entityPath, path);
  const createUri = action === 'listen' ? createRelayListenUri : createRelaySendUri;
  const uri = createUri('namespace', entity).replace('wss://namespace:443', () => origin(parsed));

  const options = { ...credentialsOf(parsed, rest), ...rest };
  if (parsed.operationTimeout !== undefined) options.handshakeTimeout ??= parsed.operationTimeout;
  return { uri, options };
}

/** The path asked for, which must not lead away from the string's own. */
function entityOf(own, asked) {
  if (asked === undefined || asked === null) {
    if (!own) {
      throw invalidArgValue('options.path', 'it is needed, for the connection string has no EntityPath');
    }
    if (leadsAway('', own)) throw invalidArgValue('connectionString', 'its EntityPath leads away from /$hc');
    return own;
  }
  if (typeof asked !== 'string') throw invalidArgType('options.path', 'a string', asked);
  if (asked.includes('#')) throw invalidArgValue('options.path', 'it has a fragment ("#")');
  if (own && !(asked === own || asked.startsWith(`${own}/`) || asked.startsWith(`${own}?`))) {
    throw invalidArgValue('options.path', "it is not below the connection string's EntityPath");
  }
  if (leadsAway(own ?? '', asked)) {
    throw invalidArgValue(
      'options.path',
      `it leads away from ${own ? "the connection string's EntityPath" : '/$hc'}`
    );
  }
  return asked;
}

/** Whether a URL parser leaves `own` by `asked`, or one that takes an escaped `../` for one, as servers may. */
function leadsAway(own, asked) {
  const pathOf = (path) => new URL(`ws://namespace/$hc/${path}`).pathname;
  const root = pathOf(own).replace(/\/+$/, '');
  const path = pathOf(asked);
  if (path !== root && !path.startsWith(`${root}/`)) return true;
  return /[\\/]\.\.(?:[\\/]|$)/.test(readEscapes(path).plain);
}

function origin({ fullyQualifiedNamespace: authority, useDevelopmentEmulator }) {
  if (!useDevelopmentEmulator) return `wss://${/:\d+$/.test(authority) ? authority : `${authority}:443`}`;
  const { hostname } = new URL(`ws://${authority}`);
  if (hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))) {
    return `ws://${authority}`;
  }
  throw invalidArgValue(
    'connectionString',
    'UseDevelopmentEmulator is for this machine only, not for a network'
  );
}

function credentialsOf(parsed, { token, credential, keyName }) {
  if ((token ?? credential ?? keyName ?? undefined) !== undefined) return {};
  if (parsed.sharedAccessSignature !== undefined) return { token: parsed.sharedAccessSignature };
  if (parsed.sharedAccessKeyName !== undefined) {
    return { keyName: parsed.sharedAccessKeyName, key: parsed.sharedAccessKey };
  }
  if (parsed.authentication === undefined) return {};
  throw invalidArgValue(
    'options.credential',
    'it is needed, for the connection string has an Authentication'
  );
}

module.exports = { isConnectionString, readConnectionString };
