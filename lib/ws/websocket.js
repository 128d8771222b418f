'use strict';

const ws = require('ws');

/**
 * ws's `WebSocket` under a constructor of our own.
 *
 * hyco-ws wrote its functions onto the class that `require('ws')` gives to the whole process; here they go onto
 * this one, and ws stays as it is. It is a subclass and not the same prototype under another name, so that
 * `socket.constructor` is this class and a method that a program puts onto its prototype stays with the program.
 * Called without `new` it constructs, as the ws 1.x under hyco-ws does.
 *
 * @param {string|URL|null} address
 * @param {string|string[]} [protocols]
 * @param {import('ws').ClientOptions} [options]
 */
function WebSocket(address, protocols, options) {
  return Reflect.construct(ws, [address, protocols, options], new.target ?? WebSocket);
}

Object.setPrototypeOf(WebSocket, ws);
WebSocket.prototype = Object.create(ws.prototype, {
  constructor: { configurable: true, writable: true, value: WebSocket }
});
Object.defineProperty(WebSocket, 'prototype', { writable: false });

// With hyco-ws every socket of ws was an instance of its export. So it is here, wherever the socket was made:
// relayed ones derive from ws's class, others may come from a library that uses ws itself.
Object.defineProperty(WebSocket, Symbol.hasInstance, {
  configurable: true,
  writable: true,
  value(value) {
    return this === WebSocket
      ? value instanceof ws
      : Function.prototype[Symbol.hasInstance].call(this, value);
  }
});

/** ws's server, which makes sockets of the class above. */
class WebSocketServer extends ws.WebSocketServer {
  /**
   * @param {import('ws').ServerOptions} options
   * @param {() => void} [callback]
   */
  constructor(options, callback) {
    super({ WebSocket, ...options }, callback);
  }
}

// Whatever the installed ws exports, with its attributes (the ready states are read-only).
const statics = Object.getOwnPropertyDescriptors(ws);
for (const name of Object.keys(statics)) {
  if (statics[name].enumerable) Object.defineProperty(WebSocket, name, statics[name]);
}
WebSocket.WebSocket = WebSocket;
WebSocket.WebSocketServer = WebSocket.Server = WebSocketServer;
if (process.versions.bun !== undefined) {
  WebSocket.createWebSocketStream = require('./bun-stream').createWebSocketStream;
}

module.exports = WebSocket;
