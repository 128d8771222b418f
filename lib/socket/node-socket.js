'use strict';

/** A socket on ws's own engine, and which ones are: docs/websocket.md has the rules. */

const { validateHeaderValue } = require('node:http');

const WebSocket = require('ws');

const { isObject } = require('../shared/checks');
const { setImmediate } = require('../shared/clock');
const { invalidArgValue } = require('../shared/errors');
const { TOKEN_HEADER, inOrder, isHome } = require('./dial');
const { optionsOf } = require('../shared/option-table');
const { redactError } = require('../shared/redact');
const { DEFLATE } = require('./sending');

/** Options that only Node's own net, tls and http know: with one of them, ws's engine does the work. */
const NODE_OPTIONS = Object.keys(optionsOf('node'));

/** Options that only the native engine has. */
const NATIVE_OPTIONS = ['proxy', 'keepAlive', 'highWaterMark', 'maxBufferedAmount', 'textMessages'];
const SOCKET = optionsOf('socket');

/** What ws's class does not do by itself. Its sockets are made with the prototype of `RelayedWebSocket`. */
class NodeSocket extends WebSocket {
  constructor(address, protocols, options) {
    const all = nodeArguments(address, protocols, options);
    try {
      super(...all);
    } catch (error) {
      throw redactError(error);
    }
    // ws's errors quote the target of a redirect as it is.
    const [, given] = inOrder(protocols, options);
    if (given?.followRedirects) this.emit = emitRedacted;
  }

  /** ws's engine counts nothing. */
  stats() {
    const { bufferedAmount } = this;
    return { bufferedAmount, compression: this._extensions[DEFLATE] !== undefined };
  }

  _sendAny(data, options, cb) {
    super.send(data, options, cb);
  }

  _abort(error) {
    this._req?.destroy(error);
  }

  _holdForATurn() {
    this.pause();
    setImmediate(() => this.resume());
  }
}

function emitRedacted(name, ...args) {
  if (name === 'error') redactError(args[0]);
  return WebSocket.prototype.emit.call(this, name, ...args);
}

/**
 * Whether ws's own engine has to do the work.
 *
 * @param {string|URL|null} address
 * @param {string|string[]|object} [protocols] Subprotocols, or the options
 * @param {object} [options]
 * @return {boolean}
 * @throws {TypeError} for options that no engine has together
 */
function needsNodeSocket(address, protocols, options) {
  // The inert instance that servers and subclasses begin with.
  if (address === null) return true;
  const [, given] = inOrder(protocols, options);
  if (given?.pfx) checkBesidePfx(given);
  if (given && NODE_OPTIONS.some((name) => given[name])) return true;
  return (address instanceof URL ? address.protocol : String(address)).startsWith('ws+unix:');
}

/**
 * What ws's own engine is constructed with. It would carry the relay's token, as any header, to wherever a redirect
 * leads, and does not wait for one that comes late; so each request gets it by itself, before it is sent.
 */
function nodeArguments(address, protocols, options) {
  const [subprotocols, all] = inOrder(protocols, options);
  if (!isObject(all)) return [address, protocols, options];
  const given = withoutEmpty(all);
  if (isObject(given.perMessageDeflate)) given.perMessageDeflate = withoutEmpty(given.perMessageDeflate);
  const { relay } = given;
  if (relay === undefined) return [address, subprotocols, given];
  // Later than here, the request is under way already.
  if (relay.token !== undefined) validateHeaderValue(TOKEN_HEADER, relay.token);
  let first;
  const finishRequest = (request, socket) => {
    const url = new URL(socket.url);
    first ??= url;
    const finish = () => {
      if (relay.token !== undefined && isHome(url, first)) request.setHeader(TOKEN_HEADER, relay.token);
      if (given.finishRequest) given.finishRequest(request, socket);
      else request.end();
    };
    if (relay.waits) relay.finish = finish;
    else finish();
  };
  return [address, subprotocols, { ...given, finishRequest }];
}

/** `undefined` and `null` stand for the default; to ws and Node they are values of their own. */
function withoutEmpty(options) {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined && value !== null)
  );
}

/** Programs that gave a `pfx` had these, too, while the native engine read it: they must not lose them in silence. */
function checkBesidePfx(given) {
  for (const name of NATIVE_OPTIONS) {
    if (!given[name] || given[name] === SOCKET[name][0]) continue;
    throw invalidArgValue(
      `options.${name}`,
      'it has no effect beside "pfx", for which ws\'s engine dials; give "cert" and "key" in the place of "pfx"'
    );
  }
}

module.exports = { NodeSocket, needsNodeSocket };
