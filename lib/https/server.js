'use strict';

/** The server of hyco-https: a `RelayedServer` that listens once it is told to, and whose listener is for requests. */

const { RelayedServer, prepare, start } = require('../listener/server');
const { atCaller, publicly, publishMethods } = require('../shared/caller');
const { withCode } = require('../shared/errors');
const { redact } = require('../shared/redact');

/**
 * May be called without `new`.
 *
 * @param {object} options Those of `RelayedServer`, and hyco-https's `keepAliveTimeout`
 * @param {function} [requestListener] A listener for `request`
 * @throws {TypeError} for options that are missing or wrong
 */
function Server(options, requestListener) {
  try {
    if (!(this instanceof Server)) return new Server(options, requestListener);
    if (typeof options === 'function') [options, requestListener] = [{}, options];
    prepare(this, withKeepAlive(options ?? {}));
  } catch (error) {
    throw atCaller(error, Server);
  }
  // As with hyco-https, nobody has to listen for it.
  this.on('error', () => {});
  if (typeof requestListener === 'function') this.on('request', requestListener);
  /** In hyco-https, too, it is only a number. */
  this.timeout = 2 * 60 * 1000;
}

/** Written as a class; its constructor is never called. */
class Methods extends RelayedServer {
  /**
   * Begins to listen. Where it does so is among the options: of what an `https.Server` takes only a callback counts.
   *
   * @return {this}
   */
  listen(...args) {
    const callback = args.find((arg) => typeof arg === 'function');
    if (callback !== undefined) this.once('listening', () => callCarefully(callback));
    start(this);
    return this;
  }

  /** @param {object|function} [options] As for `RelayedServer`; the callback gets `null` for "no error" */
  close(options, callback) {
    if (typeof options === 'function') [options, callback] = [undefined, options];
    if (typeof callback !== 'function') return super.close(options);
    return super.close(options, (error) => callback(error ?? null));
  }

  /** @param {number} time @param {function} [callback] @return {this} */
  setTimeout(time, callback) {
    this.timeout = time;
    if (typeof callback === 'function') this.on('timeout', callback);
    return this;
  }
}

publishMethods(Methods.prototype);
Server.prototype = Methods.prototype;
Object.defineProperty(Server.prototype, 'constructor', { value: Server });
Object.setPrototypeOf(Server, RelayedServer);

/** hyco-https never called it, so what is in there has never run: its own sample names a variable that there is not. */
function callCarefully(callback) {
  try {
    callback();
  } catch (error) {
    process.emitWarning(
      withCode(
        new Error(`The callback of listen() has failed: ${redact(String(error))}`),
        'HYCO_WS_RS_LISTEN_CALLBACK'
      )
    );
  }
}

/** hyco-https takes durations of moment.js. */
function withKeepAlive(options) {
  const { keepAliveTimeout, ...rest } = options;
  const interval = keepAliveTimeout?.asMilliseconds?.() ?? keepAliveTimeout;
  if (typeof interval === 'number' && interval > 0) rest.keepAlive ??= { interval };
  return rest;
}

/**
 * @param {object} options As for `Server`
 * @param {function} [requestListener]
 * @return {Server}
 */
function createRelayedServer(options, requestListener) {
  return new Server(options, requestListener);
}

module.exports = { Server, createRelayedServer: publicly(createRelayedServer) };
