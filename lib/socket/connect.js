'use strict';

/** `relayedConnect()` and `connectRelayed()`: a sender's connection through the relay. */

const { obey } = require('./abort');
const { isConnectionString, readConnectionString, readRelayUri } = require('../shared/address');
const { atCaller, publicly } = require('../shared/caller');
const { nextTick } = require('../shared/clock');
const { invalidArgType, invalidArgValue } = require('../shared/errors');
const { TOKEN_HEADER, addToken } = require('./dial');
const { readSenderOptions, warnOfMisspelt } = require('../shared/options');
const { RelayedWebSocket } = require('./socket');
const { TokenSource } = require('../shared/token-source');

/** A socket whose token has to be asked for: CONNECTING until it comes, and dialled then. */
class WaitingSocket extends RelayedWebSocket {
  /** Called by the base constructor, and for each redirect. */
  _dial(request) {
    // What is wrong with the options, no token mends.
    if (this._dialled || request.failure !== undefined) super._dial(request);
  }
}

Object.defineProperty(WaitingSocket, 'name', { value: RelayedWebSocket.name });

/**
 * @param {string} target
 * @param {string[]} protocols
 * @param {object} settings
 * @param {TokenSource} source
 * @return {RelayedWebSocket} Not dialled yet
 */
function connectLater(target, protocols, settings, source) {
  const { relay } = settings;
  relay.waits = true;
  const socket = new WaitingSocket(target, protocols, settings);
  const asking = new AbortController();
  // Closed before the token came: the provider need not go on.
  socket.once('close', () => asking.abort());
  source.get({ signal: asking.signal }).then(
    // Errors of the dial and of listeners are the socket's or the program's, not the promise's.
    (token) => nextTick(dialWith, socket, relay, token),
    (error) => nextTick(giveUp, socket, error)
  );
  return socket;
}

function dialWith(socket, relay, token) {
  if (socket.readyState !== RelayedWebSocket.CONNECTING) return;
  socket._dialled = true;
  relay.token = token;
  relay.waits = false;
  try {
    // ws's own engine has its request under way already.
    if (relay.finish !== undefined) return relay.finish();
    const { request } = socket._opening;
    addToken(request);
    socket._dial(request);
  } catch (error) {
    socket._abort(error);
  }
}

function giveUp(socket, error) {
  if (socket.readyState === RelayedWebSocket.CONNECTING) socket._abort(error);
}

/**
 * Connects to a listener through the relay. The socket is returned at once; a refused handshake gives one `error`, with
 * the relay's status, reason and tracking id, and `close` 1006.
 *
 * @param {string|URL} address A send URI: `wss://namespace/$hc/path?sb-hc-action=connect`, `sb://namespace/path`, or a
 *     connection string
 * @param {?string|object} [token] A token, or options: those of ws's client, and
 * @param {string|function(): (string|Promise<string>)} [token.token] a token, or a function that gets one; or
 * @param {string} [token.keyName] the name of a SAS rule and
 * @param {string} [token.key] its key; or
 * @param {{getToken: function}} [token.credential] a credential of `@azure/identity`
 * @param {string} [token.path] The hybrid connection, where the address is a connection string
 * @param {string|string[]} [token.protocols] Subprotocols
 * @param {AbortSignal} [token.signal] Ends the attempt with an `AbortError`, and the connection with 1001
 * @param {function(RelayedWebSocket): void} [fn] A listener for `open`, which gets the socket
 * @return {RelayedWebSocket}
 * @throws {SyntaxError} for an address that is not valid
 * @throws {TypeError} for options that are wrong
 */
function relayedConnect(address, token, fn) {
  if (typeof token === 'function' && fn === undefined) {
    fn = token;
    token = undefined;
  }
  const { target, protocols, settings, source, signal } = readSender(address, token);
  settings.relay.token = source?.immediate();
  const waits = source !== undefined && settings.relay.token === undefined;
  const socket = waits
    ? connectLater(target, protocols, settings, source)
    : new RelayedWebSocket(target, protocols, settings);
  if (typeof fn === 'function') socket.once('open', () => fn(socket));
  if (signal !== undefined) obey(socket, signal);
  return socket;
}

/**
 * `relayedConnect()` as a promise of the open socket. No message is lost until the code behind `await` listens.
 *
 * @param {string|URL} address
 * @param {?string|function(): (string|Promise<string>)|object} [token]
 * @return {Promise<RelayedWebSocket>} Rejected with what would be the `error` event
 */
async function connectRelayed(address, token) {
  const socket = begin(address, token);
  await new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => {
      socket.off('error', reject);
      // Messages that came with the same packet would be gone before anybody has looked at the socket.
      socket._holdForATurn();
      resolve();
    });
  });
  return socket;
}

/** The part of it that can throw at once: before the promise is out, the caller is still to be seen. */
function begin(address, token) {
  try {
    return relayedConnect(address, typeof token === 'function' ? { token } : token);
  } catch (error) {
    throw atCaller(error, connectRelayed);
  }
}

/**
 * What a sender's connections have in common.
 *
 * @param {string|URL} address As for `relayedConnect()`
 * @param {?string|function|object} [token] The same
 * @return {{target: string, protocols: string[], settings: object, source: TokenSource|undefined, signal: AbortSignal|undefined}}
 *     The options of the socket as `settings`, and where its token comes from if it has one
 * @throws {SyntaxError|TypeError} as `relayedConnect()`
 */
function readSender(address, token) {
  const given = readArguments(token);
  warnOfMisspelt('relayedConnect', given);
  const { target, bare, options } = destination(address, given);
  const { credentials, signal, rest } = readSenderOptions(options);
  const { protocols, headers, ...others } = rest;
  const settings = { ...others, relay: {}, headers: { ...headers } };
  let source;
  if (credentials !== undefined) {
    dropTokenHeader(settings.headers);
    source = new TokenSource({ ...credentials, uri: bare });
  }
  return { target, protocols: list(protocols), settings, source, signal };
}

function destination(address, options) {
  if (isConnectionString(address)) {
    ({ uri: address, options } = readConnectionString(address, 'connect', options));
  }
  const { uri, bare, opposed } = readRelayUri(address, 'connect');
  // It would be dialled as a listener, and take senders away from the real ones.
  if (opposed) {
    throw invalidArgValue(
      'address',
      'it is a URI to listen on (sb-hc-action=listen); createRelaySendUri() makes one to send to'
    );
  }
  return { target: uri, bare, options };
}

function readArguments(token) {
  if (token === undefined || token === null) return {};
  if (typeof token === 'string' || typeof token === 'function') return { token };
  if (typeof token === 'object') return token;
  throw invalidArgType('token', 'a string or an options object', token);
}

/** The token stands for a header of the same name, however that is spelt. */
function dropTokenHeader(headers) {
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() === TOKEN_HEADER.toLowerCase()) delete headers[name];
  }
}

function list(protocols) {
  if (protocols === undefined || protocols === null) return [];
  return Array.isArray(protocols) ? protocols : [protocols];
}

module.exports = { connectRelayed, readSender, relayedConnect: publicly(relayedConnect) };
