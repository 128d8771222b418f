'use strict';

/** `relayedConnect()`: a sender's connection through the relay. */

const { invalidArgType } = require('./errors');
const { readCredentials } = require('./options');
const { splitToken, translate } = require('./relay-address');
const { RelayedWebSocket } = require('./relayed-socket');
const { TokenSource } = require('./token-source');

const TOKEN_HEADER = 'ServiceBusAuthorization';

/** A socket whose token has to be asked for: CONNECTING until it comes, and dialled then. */
class WaitingSocket extends RelayedWebSocket {
  /** Called by the base constructor, and for each redirect. */
  _dial(request) {
    if (this._dialled) super._dial(request);
    else this._waiting = request;
  }

  /** @param {TokenSource} source */
  _waitFor(source) {
    const asking = new AbortController();
    // Closed before the token came: the provider need not go on.
    this.once('close', () => asking.abort());
    source.get({ signal: asking.signal }).then(
      // Errors of the dial and of listeners are the socket's or the program's, not the promise's.
      (token) => process.nextTick(dialWith, this, token),
      (error) => process.nextTick(giveUp, this, error)
    );
  }
}

Object.defineProperty(WaitingSocket, 'name', { value: RelayedWebSocket.name });

function dialWith(socket, token) {
  if (socket.readyState !== RelayedWebSocket.CONNECTING) return;
  const request = socket._waiting;
  socket._dialled = true;
  socket._waiting = undefined;
  request.headers.set(TOKEN_HEADER.toLowerCase(), { name: TOKEN_HEADER, value: token });
  request.refreshHead();
  try {
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
 * @param {string|URL} address A send URI: `wss://namespace/$hc/path?sb-hc-action=connect`, or `sb://namespace/path`
 * @param {?string|object} [token] A token, or options: those of ws's client, and
 * @param {string|function(): (string|Promise<string>)} [token.token] a token, or a function that gets one; or
 * @param {string} [token.keyName] the name of a SAS rule and
 * @param {string} [token.key] its key; or
 * @param {{getToken: function}} [token.credential] a credential of `@azure/identity`
 * @param {string|string[]} [token.protocols] Subprotocols
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
  const options = readArguments(token);
  const target = translate(address, 'connect');
  const { token: given, credential, keyName, tokenLifetime, protocols, headers, ...rest } = options;
  const secrets = { token: given, credential, keyName, tokenLifetime };
  // `key` is also ws's name of the TLS client key; a SAS key has a keyName.
  if (keyName !== undefined && keyName !== null) {
    secrets.key = rest.key;
    delete rest.key;
  }
  const credentials = readCredentials(secrets);
  const settings = { ...rest, relay: true, headers: { ...headers } };

  let socket;
  if (credentials === undefined) {
    socket = new RelayedWebSocket(target, list(protocols), settings);
  } else {
    const uri = splitToken(String(target)).uri;
    const source = new TokenSource({ ...credentials, uri });
    const ready = source.immediate();
    if (ready !== undefined) {
      setToken(settings.headers, ready);
      socket = new RelayedWebSocket(target, list(protocols), settings);
    } else {
      setToken(settings.headers, undefined);
      socket = new WaitingSocket(target, list(protocols), settings);
      socket._waitFor(source);
    }
  }
  if (typeof fn === 'function') socket.once('open', () => fn(socket));
  return socket;
}

function readArguments(token) {
  if (token === undefined || token === null) return {};
  if (typeof token === 'string' || typeof token === 'function') return { token };
  if (typeof token === 'object') return token;
  throw invalidArgType('token', 'a string or an options object', token);
}

/** The token stands for a header of the same name, however that is spelt. */
function setToken(headers, token) {
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() === TOKEN_HEADER.toLowerCase()) delete headers[name];
  }
  if (token !== undefined) headers[TOKEN_HEADER] = token;
}

function list(protocols) {
  if (protocols === undefined || protocols === null) return [];
  return Array.isArray(protocols) ? protocols : [protocols];
}

module.exports = { relayedConnect };
