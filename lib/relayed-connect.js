'use strict';

/** `relayedConnect()` and `connectRelayed()`: a sender's connection through the relay. */

const { checkSignal, obey } = require('./abort');
const { nextTick, setImmediate } = require('./clock');
const { isConnectionString, readConnectionString } = require('./connection-address');
const { invalidArgType } = require('./errors');
const { readCredentials } = require('./options');
const { releaseHeld } = require('./receiving-socket');
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
      (token) => nextTick(dialWith, this, token),
      (error) => nextTick(giveUp, this, error)
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
  const { target, options } = destination(address, readArguments(token));
  const { token: given, credential, keyName, tokenLifetime, protocols, headers, signal, ...rest } = options;
  const abort = signal === undefined || signal === null ? undefined : checkSignal(signal, 'options.signal');
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
  if (abort !== undefined) obey(socket, abort);
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
  const socket = relayedConnect(address, typeof token === 'function' ? { token } : token);
  await new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () => {
      socket.off('error', reject);
      holdForATurn(socket);
      resolve();
    });
  });
  return socket;
}

/** Messages that came with the same packet would be gone before anybody has looked at the socket. */
function holdForATurn(socket) {
  if (socket._engine === undefined) {
    socket.pause();
    setImmediate(() => socket.resume());
    return;
  }
  // Not `pause()`, which the program may call itself meanwhile.
  socket._held ??= [];
  setImmediate(releaseHeld, socket);
}

function destination(address, options) {
  if (!isConnectionString(address)) return { target: translate(address, 'connect'), options };
  const read = readConnectionString(address, 'connect', options);
  return { target: read.uri, options: read.options };
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

module.exports = { connectRelayed, relayedConnect };
