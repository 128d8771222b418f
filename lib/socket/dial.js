'use strict';

/**
 * From what a user gives to `new RelayedWebSocket()` to what the native engine dials: the same checks in the same
 * order, the same errors and the same request as ws makes.
 */

const { validateHeaderName, validateHeaderValue } = require('node:http');
const { isIP } = require('node:net');
const querystring = require('node:querystring');

const { proxiesFor, proxyFor } = require('../engine/environment');
const { deflateOffer, socketLimits } = require('../engine/native-options');
const { defaultPort, placeOf } = require('../shared/address');
const { refusal } = require('../shared/caller');
const { isObject, isToken } = require('../shared/checks');
const { readSocketOptions } = require('../shared/options');
const { nameAddress } = require('../shared/redact');
const { socketTlsContext } = require('../engine/tls-context');

const VERSIONS = [8, 13];
/** The header that carries the relay's token. */
const TOKEN_HEADER = 'ServiceBusAuthorization';
/** Offers permessage-deflate. The engine writes the value, in this place among the headers, where it is empty. */
const EXTENSIONS = 'Sec-WebSocket-Extensions';

/**
 * @typedef {object} Prepared
 * @property {object} options The options with their defaults
 * @property {object} dial What the native engine takes
 * @property {Map<string, {name: string, value: *}>} headers
 * @property {Error} [failure] Why the dial cannot succeed
 * @property {boolean} [sent]
 * @property {import('node:http').ClientRequest} [lookAlike] What listeners got for it; its headers are the ones that count
 */

/**
 * What `relayedConnect()` adds to ws's options, under `relay`: a socket with it reports the relay's errors. Its token is
 * the package's own business and none of the headers that a program set: it goes to the host that was asked for, and
 * to no other to which a redirect may lead.
 *
 * @typedef {object} Relay
 * @property {string} [token] May come later
 * @property {boolean} [waits] For the token
 * @property {function(): void} [finish] Sends the request of ws's own engine, once the token is there
 */

/**
 * Checks the arguments of the constructor and prepares the dial; sets the socket's `url`.
 *
 * @param {import('./socket').RelayedWebSocket} socket
 * @param {string|URL} address
 * @param {string|string[]|object} [protocols]
 * @param {object} [options]
 * @return {Prepared}
 */
function prepareRequest(socket, address, protocols, options) {
  [protocols, options] = inOrder(protocols, options);
  const settings = readSocketOptions(options);
  // What `relayedConnect()` adds, and nobody else.
  settings.relay = options?.relay;
  if (protocols === undefined) protocols = settings.protocols ?? [];
  if (!Array.isArray(protocols)) protocols = [protocols];
  if (!VERSIONS.includes(settings.protocolVersion)) {
    const text = `Unsupported protocol version: ${settings.protocolVersion} (supported versions: ${VERSIONS.join(', ')})`;
    throw refusal(new RangeError(text));
  }
  const url = parseUrl(address);
  socket._url = url.href;
  const complaint = urlComplaint(url);
  if (complaint !== undefined) throw refusal(new SyntaxError(complaint));
  return build(url, protocols, settings, { ...settings.headers }, true);
}

/**
 * @param {string|string[]|object} [protocols] Subprotocols; or, as in ws, the options in their place
 * @param {object} [options]
 * @return {[string|string[]|undefined, object|undefined]} Subprotocols and options
 */
function inOrder(protocols, options) {
  return isObject(protocols) && !Array.isArray(protocols) ? [undefined, protocols] : [protocols, options];
}

/**
 * Prepares the dial that follows a redirect; `null` where the target is not one, which the socket then has reported.
 *
 * @param {import('./socket').RelayedWebSocket} socket
 * @param {Prepared} previous
 * @param {string} location
 * @return {?Prepared}
 */
function prepareRedirect(socket, previous, location) {
  let url;
  try {
    url = parseUrl(new URL(location, socket._url));
  } catch {
    socket._fail(new SyntaxError(`Invalid URL: ${nameAddress(location)}`));
    return null;
  }
  socket._url = url.href;
  const complaint = urlComplaint(url);
  if (complaint !== undefined) {
    socket._fail(new SyntaxError(complaint));
    return null;
  }
  const first = previous.first ?? previous;
  const settings = { ...previous.options };
  const given = {};
  for (const [name, value] of Object.entries(settings.headers ?? {})) given[name.toLowerCase()] = value;
  if (first.auth && given.authorization === undefined) given.authorization = basic(first.auth);
  const home = isHome(url, first.url);
  if (!home && socket.listenerCount('redirect') === 0) {
    // As curl does: credentials stay with the host, and with TLS, that they were meant for.
    delete given.authorization;
    delete given.cookie;
    delete given.servicebusauthorization;
    if (url.host !== first.url.host) delete given.host;
    settings.auth = undefined;
  }
  const next = build(url, previous.protocols, settings, given, home);
  next.first = first;
  const offer = previous.headers.get(EXTENSIONS.toLowerCase());
  if (next.dial.deflate !== undefined) noteOffer(next, offer.value);
  return next;
}

/** Whether a redirect leads to the host that was asked for, and not out of TLS. */
function isHome(url, first) {
  return url.host === first.host && (url.protocol === 'wss:' || first.protocol !== 'wss:');
}

function parseUrl(address) {
  let url;
  if (address instanceof URL) {
    url = address;
  } else {
    try {
      url = new URL(address);
    } catch {
      throw refusal(new SyntaxError(`Invalid URL: ${nameAddress(`${address}`)}`));
    }
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return url;
  url = new URL(url);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url;
}

function urlComplaint(url) {
  // The constructor leaves these to ws's own engine; a redirect comes too late for that.
  if (url.protocol === 'ws+unix:') return 'A redirect to a "ws+unix:" URL is not supported';
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') {
    return 'The URL\'s protocol must be one of "ws:", "wss:", "http:", "https:", or "ws+unix:"';
  }
  return url.hash ? 'The URL contains a fragment identifier' : undefined;
}

/** @param {boolean} home Whether it is the host that was asked for */
function build(url, protocols, settings, given, home) {
  const { secure, host, port } = placeOf(url);

  const headers = new Map();
  const set = (name, value) => headers.set(name.toLowerCase(), { name, value });
  for (const [name, value] of Object.entries(given)) {
    try {
      validateHeaderName(name);
      for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one);
    } catch (error) {
      throw refusal(error);
    }
    set(name, value);
  }
  if (home) setToken(headers, settings.relay?.token);
  set('Sec-WebSocket-Version', settings.protocolVersion);
  set('Connection', 'Upgrade');
  set('Upgrade', 'websocket');

  const deflate = deflateOffer(settings);
  if (deflate !== undefined) set(EXTENSIONS, '');
  if (protocols.length > 0) {
    const seen = new Set();
    for (const protocol of protocols) {
      if (typeof protocol !== 'string' || !isToken(protocol) || seen.has(protocol)) {
        throw refusal(new SyntaxError('An invalid or duplicated subprotocol was specified'));
      }
      seen.add(protocol);
    }
    set('Sec-WebSocket-Protocol', protocols.join(','));
  }
  if (settings.origin) {
    const name = settings.protocolVersion < 13 ? 'Sec-WebSocket-Origin' : 'Origin';
    validateHeaderValue(name, settings.origin);
    set(name, settings.origin);
  }
  let { auth } = settings;
  if (url.username || url.password) {
    auth = `${querystring.unescape(url.username)}:${querystring.unescape(url.password)}`;
  }
  if (!headers.has('host')) {
    const literal = isIP(host) === 6 ? `[${host}]` : host;
    set(
      'Host',
      port === (settings.defaultPort || defaultPort(url.protocol)) ? literal : `${literal}:${port}`
    );
  }
  if (auth && !headers.has('authorization')) set('Authorization', basic(auth));

  const { tls, failure } = secure ? tlsOf(settings) : {};
  // Who waits for a token hears now of a proxy that cannot be used, as others do from the dial.
  if (settings.relay?.waits) proxyFor(settings.proxy, secure, host, port);
  const dial = {
    secure,
    host,
    port,
    target: url.pathname + url.search,
    headers: [],
    protocols,
    deflate,
    serverName: (secure && settings.servername) || undefined,
    tls,
    proxy: proxiesFor(settings.proxy),
    handshakeTimeout: settings.handshakeTimeout,
    limits: socketLimits(settings)
  };
  return {
    url,
    auth,
    options: settings,
    protocols,
    headers,
    dial,
    failure
  };
}

/**
 * The engine has written the offer of permessage-deflate into the request.
 *
 * @param {Prepared} prepared
 * @param {string} offer What those see who are shown the request
 */
function noteOffer({ headers }, offer) {
  headers.get(EXTENSIONS.toLowerCase()).value = offer;
}

/** From now on Node's own code refuses to change the headers of `request`. */
function markSent(request) {
  request._header = `GET ${request.path} HTTP/1.1\r\n`;
}

function setToken(headers, token) {
  if (token === undefined) return;
  validateHeaderValue(TOKEN_HEADER, token);
  headers.set(TOKEN_HEADER.toLowerCase(), { name: TOKEN_HEADER, value: token });
}

/**
 * Gives the first request the token that it has been waiting for.
 *
 * @param {Prepared} prepared
 */
function addToken({ options, headers }) {
  setToken(headers, options.relay.token);
}

/**
 * The dial, with the headers as they are now.
 *
 * @param {Prepared} prepared
 * @return {object} What the native engine takes
 */
function finishDial(prepared) {
  const { dial, headers, lookAlike } = prepared;
  const entries =
    lookAlike === undefined
      ? [...headers.values()]
      : lookAlike.getRawHeaderNames().map((name) => ({ name, value: lookAlike.getHeader(name) }));
  for (const { name, value } of entries) {
    // The engine writes the key.
    if (name.toLowerCase() === 'sec-websocket-key') continue;
    for (const one of lines(name, value)) dial.headers.push(name, String(one));
  }
  prepared.sent = true;
  if (lookAlike !== undefined) markSent(lookAlike);
  return dial;
}

/** One header line for each value, except that cookies share one as in Node (RFC 6265 section 5.4). */
function lines(name, value) {
  if (!Array.isArray(value)) return [value];
  return name.toLowerCase() === 'cookie' ? [value.join('; ')] : value;
}

/** Settings of TLS that cannot be used are found out while connecting, as in ws. */
function tlsOf(settings) {
  try {
    return { tls: socketTlsContext(settings) };
  } catch (failure) {
    return { failure };
  }
}

function basic(auth) {
  return `Basic ${Buffer.from(auth).toString('base64')}`;
}

module.exports = {
  TOKEN_HEADER,
  addToken,
  finishDial,
  inOrder,
  isHome,
  markSent,
  noteOffer,
  prepareRedirect,
  prepareRequest
};
