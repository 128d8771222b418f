'use strict';

/**
 * The socket class of relayed connections, and a general WebSocket client: ws's `WebSocket` in all that a program can
 * see, with its bytes handled by the native engine, or by ws's own where options ask for what only Node has.
 */

const WebSocket = require('ws');

const { disposeSocket } = require('./abort');
const { atCaller } = require('../shared/caller');
const { addAsyncDispose } = require('../shared/dispose');
const { NativeSocket } = require('./native-socket');
const { NodeSocket, needsNodeSocket } = require('./node-socket');
const { nameAddress } = require('../shared/redact');
const { showOnly } = require('../shared/shown');

/** Marks the construction of a socket for a connection that the listener accepts. */
const ACCEPTED = Symbol('accepted');

class RelayedWebSocket extends NativeSocket {
  /**
   * Opens a connection, as `new WebSocket()` of ws does.
   *
   * @param {string|URL} address `ws:`, `wss:`, `http:` or `https:`
   * @param {string|string[]|object} [protocols] Subprotocols, or the options
   * @param {object} [options] The client options of ws, and those of this package
   * @throws {SyntaxError} for an address or a subprotocol that is not valid
   */
  constructor(address, protocols, options) {
    try {
      if (address !== ACCEPTED && needsNodeSocket(address, protocols, options)) {
        return Reflect.construct(NodeSocket, [address, protocols, options], new.target);
      }
      super();
      if (address === ACCEPTED) this._adopt(protocols);
      else this._connect(address, protocols, options);
    } catch (error) {
      throw atCaller(error, RelayedWebSocket);
    }
  }
}

/** The members of a class and of those that it extends, up to ws's. */
function membersOf(Class) {
  if (Class === WebSocket) return {};
  return { ...membersOf(Object.getPrototypeOf(Class)), ...Object.getOwnPropertyDescriptors(Class.prototype) };
}

// Programs derive from this class and patch its prototype, so it is that of the sockets on ws's engine, too: what both
// engines' sockets do, each in its own way, asks whose socket it is.
const ofNative = membersOf(NativeSocket);
const ofNode = { ...Object.getOwnPropertyDescriptors(WebSocket.prototype), ...membersOf(NodeSocket) };
for (const name of Object.keys(ofNode)) {
  // `send()` does so by itself: it is to be quick.
  if (!Object.hasOwn(ofNative, name) || name === 'constructor' || name === 'send') continue;
  const kind = 'value' in ofNode[name] ? 'value' : 'get';
  const native = ofNative[name][kind];
  const choose = {
    // None takes more.
    [name](first, second, third) {
      if (this._engine !== undefined) {
        try {
          return native.call(this, first, second, third);
        } catch (error) {
          throw atCaller(error, choose[name]);
        }
      }
      // Looked up for each call: programs patch ws's prototype, too.
      const node = Reflect.get(NodeSocket.prototype, name, this);
      return kind === 'value' ? node.call(this, first, second, third) : node;
    }
  };
  Object.defineProperty(RelayedWebSocket.prototype, name, { ...ofNode[name], [kind]: choose[name] });
}

addAsyncDispose(RelayedWebSocket.prototype, disposeSocket);
showOnly(RelayedWebSocket.prototype, (socket) => {
  // The prototype itself.
  if (socket._readyState === undefined) return {};
  const { url = '', readyState, protocol, extensions, binaryType, isPaused, bufferedAmount } = socket;
  return { url: nameAddress(url), readyState, protocol, extensions, binaryType, isPaused, bufferedAmount };
});

/**
 * Makes the socket of an offered connection and dials its rendezvous.
 *
 * @param {object} listener The native one
 * @param {number} offerId
 * @param {object} accept
 * @param {string} accept.address
 * @param {string} [accept.protocol]
 * @param {string[]} accept.headers Further header lines of the dial
 * @param {object} accept.traits What `socketTraits()` made of the server's options and the owner, whose `opened()` runs
 *     when the socket is OPEN, before its `open`, and `closed()` before its `close`; or `fail()` if the rendezvous
 *     fails, and the socket emits nothing then
 * @param {object} accept.offer What those get
 * @return {RelayedWebSocket|undefined} Nothing if the offer is gone
 */
function acceptSocket(listener, offerId, accept) {
  const socket = new RelayedWebSocket(ACCEPTED, accept);
  const { protocol, headers } = accept;
  let taken = false;
  try {
    taken = listener.accept(offerId, socket._slot, protocol, headers.length > 0 ? headers : undefined);
  } finally {
    if (!taken) socket._dropSlot();
  }
  return taken ? socket : undefined;
}

module.exports = { RelayedWebSocket, acceptSocket };
