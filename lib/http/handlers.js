'use strict';

/** Calls the listeners of `request`, and hears of it when one of them fails. */

const { channel } = require('node:diagnostics_channel');
const { EventEmitter } = require('node:events');

/** Node's own, for tools that watch servers. */
const started = channel('http.server.request.start');

/**
 * Emits `request`.
 *
 * @param {EventEmitter} target An `http.Server` or a `RelayedServer`
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 * @param {function(unknown): void} onFault Told what a listener throws, or what its promise is rejected with
 */
function callHandlers(target, req, res, onFault) {
  if (started.hasSubscribers) {
    started.publish({ request: req, response: res, socket: req.socket, server: target });
  }
  try {
    // Tools that watch a program put an `emit()` of their own in the place of Node's.
    if (target.emit !== EventEmitter.prototype.emit) return void target.emit('request', req, res);
    for (const listener of target.rawListeners('request')) {
      const result = listener.call(target, req, res);
      if (typeof result?.then === 'function') result.then(undefined, onFault);
    }
  } catch (error) {
    onFault(error);
  }
}

module.exports = { callHandlers };
