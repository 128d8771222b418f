'use strict';

/**
 * The asynchronous context (`AsyncLocalStorage`) that events belong to: each socket and server emits in the one in which it
 * was made, although the engine brings what has arrived for all of them in one call.
 */

const { AsyncResource } = require('node:async_hooks');

/** Keeps the context of whoever calls. */
class Context extends AsyncResource {
  constructor() {
    super('HYCO_WS_RS');
  }

  /** For tools that look for open handles: a context keeps no process alive. */
  hasRef() {
    return false;
  }

  /** Runs `fn` in a context like this one: what `enterWith()` does in there stays there. */
  apart(fn, self, ...args) {
    return this.runInAsyncScope(() => new Context().runInAsyncScope(fn, self, ...args));
  }
}

let outside = new Context();
// Made anew after loading: jest blames handles on the file whose load created them.
Promise.resolve().then(() => (outside = new Context()));

/** Runs `fn` in the context of no socket and no server: that in which this package was loaded. */
function runOutside(fn) {
  return outside.runInAsyncScope(fn);
}

/**
 * @param {function(Error=): void} [callback] Of a `send()`: as in ws it is called in the context of that call
 * @return {function(Error=): void|undefined}
 */
function bindCallback(callback) {
  if (typeof callback !== 'function') return undefined;
  const context = new Context();
  return (error) => context.runInAsyncScope(callback, undefined, error);
}

module.exports = { Context, bindCallback, runOutside };
