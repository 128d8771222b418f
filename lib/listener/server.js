'use strict';

/** `RelayedServer`: ws's `WebSocketServer` for a listener that the relay, and not a port of this machine, reaches. */

const EventEmitter = require('node:events');
const { isIP } = require('node:net');

const { Acceptor } = require('./acceptor');
const { Attachment } = require('../http/attachment');
const { entityPath, placeOf, readConnectionString } = require('../shared/address');
const { atCaller, publicly, publishMethods, refusal } = require('../shared/caller');
const { nextTick } = require('../shared/clock');
const { Phase, checkClosed, closeNow, dropOn, readCloseOptions, setTimer } = require('./closing');
const { connections } = require('./connections');
const { Context } = require('../shared/context');
const { Control } = require('./control');
const diagnostics = require('../shared/diagnostics');
const { addAsyncDispose } = require('../shared/dispose');
const { getEngine } = require('../engine/engine');
const { invalidArgType, invalidArgValue } = require('../shared/errors');
const { readServerOptions } = require('../shared/options');
const { nameAddress } = require('../shared/redact');
const { Requests } = require('../http/requests');
const { showOnly } = require('../shared/shown');

const kInner = Symbol('hyco-ws-rs.server');

/** In the place of the engine, while it is not to listen yet. */
const IDLE = {
  state: 'connecting',
  closed: true,
  native: { stats: () => '{}' },
  close() {},
  ref() {},
  unref() {},
  updateToken() {}
};

/**
 * Listens on a hybrid connection. May be called without `new`, as hyco-ws's class; for that, and for classes of the
 * old kind that inherit from it, it is a function.
 *
 * Events: `connecting(info)`, `listening()` each time that the control channel is up, `reconnecting(info)`,
 * `offline(error)`, `headers(lines, request)`, `connection(socket, request)`, `rendezvousError(error, request)`,
 * `request(req, res)`, `requestError(error, req, res)`, `error(error)`, `close(server)`.
 *
 * @param {object} options See `docs/api.md`
 * @param {string|URL} options.server The URI to listen on
 * @param {string|function(): (string|Promise<string>)} [options.token] A token, or a function that gets one; or
 * @param {string} [options.keyName] the name of a SAS rule and
 * @param {string|string[]} [options.key] its key (or the primary and the secondary one); or
 * @param {{getToken: function}} [options.credential] a credential of `@azure/identity`
 * @param {function} [onConnection] A listener for `connection`
 * @throws {TypeError} for options that are missing or wrong
 */
function RelayedServer(options, onConnection) {
  try {
    if (!(this instanceof RelayedServer)) return new RelayedServer(options, onConnection);
    prepare(this, options, onConnection);
    start(this);
  } catch (error) {
    throw atCaller(error, RelayedServer);
  }
}

/** Makes a server that does not listen yet. */
function prepare(server, options, onConnection) {
  EventEmitter.call(server);
  const { settings, options: shown, unknown } = readServerOptions(options);
  if (onConnection !== undefined && onConnection !== null) {
    if (typeof onConnection !== 'function') throw invalidArgType('onConnection', 'a function', onConnection);
    server.on('connection', onConnection);
  }
  const inner = {
    phase: Phase.RUNNING,
    settings,
    context: new Context(),
    acceptor: undefined,
    requests: undefined,
    control: IDLE,
    inspection: undefined,
    closing: undefined,
    timer: undefined,
    onAbort: () => server.close()
  };
  Object.defineProperty(server, kInner, { value: inner });
  const check = () => checkClosed(server, inner);
  inner.acceptor = new Acceptor(server, settings, shown, inner.context, check);
  inner.requests = new Requests(server, settings, check);

  server.options = shown;
  server.path = settings.path ?? entityPath(new URL(settings.uri));
  if (settings.clientTracking) server.clients = inner.acceptor.sockets;
  if (unknown.length > 0) {
    diagnostics.publish('options:unknown', { server, options: 'RelayedServer', names: unknown });
  }
}

/** Has a prepared server listen, unless it does or has done so. */
function start(server) {
  const inner = server[kInner];
  const { acceptor, onAbort, phase, requests, settings } = inner;
  if (phase !== Phase.RUNNING || inner.control !== IDLE) return;
  if (settings.inspect !== null) inspect(server, inner);
  inner.control = new Control(server, settings, acceptor, requests, () => checkClosed(server, inner));

  const { signal } = settings;
  if (signal?.aborted) nextTick(onAbort);
  else signal?.addEventListener('abort', onAbort, { once: true });
}

/** Opens the page that shows what passes through the server. Loaded by those who ask for it alone. */
function inspect(server, inner) {
  const { Inspection } = require('./inspection');
  inner.inspection = new Inspection(server, inner.settings);
  inner.inspection.opened.then(
    (url) => {
      inner.inspectorUrl = url;
      if (inner.phase === Phase.RUNNING) {
        inner.context.runInAsyncScope(server.emit, server, 'inspecting', url);
      }
    },
    (error) => {
      if (server.listenerCount('error') > 0) {
        inner.context.runInAsyncScope(server.emit, server, 'error', error);
      } else {
        process.emitWarning(`There is no inspector: ${error.message}`, { code: 'HYCO_WS_RS_NO_INSPECTOR' });
      }
    }
  );
}

/**
 * Gives `streams` the senders that are let in, in place of sockets.
 *
 * @param {RelayedServer} server
 * @param {{accept: function(object, string[]): object, closeNow: function(): void}} streams
 * @return {{acceptor: Acceptor, settings: object}} What it tells of them, and the options of the server
 */
function takeSenders(server, streams) {
  const { acceptor, settings } = server[kInner];
  acceptor.streams = streams;
  return { acceptor, settings };
}

/** The methods, written as a class; its constructor is never called. */
class Methods extends EventEmitter {
  /** The URI as it was given, embedded token included: not for printing. */
  get listenUri() {
    return this[kInner].settings.server;
  }

  /** `'connecting'`, `'online'`, `'reconnecting'`, `'offline'`, `'closing'` or `'closed'`. */
  get state() {
    const { phase, control } = this[kInner];
    if (phase === Phase.CLOSED) return 'closed';
    if (phase === Phase.CLOSING) return 'closing';
    return control.state;
  }

  /** Whether senders can reach this server now. */
  get listening() {
    return this.state === 'online';
  }

  /** hyco-ws's name for "`close()` has been called". */
  get closeRequested() {
    return this[kInner].phase !== Phase.RUNNING;
  }

  /** The address of the inspector's page, with the secret that opens it, once `inspecting` was emitted. */
  get inspectorUrl() {
    return this[kInner].inspectorUrl;
  }

  /**
   * Where the server listens: host and port of the relay. `family` is `'relay'` for a name, and as in `net` for an
   * address. `null` once the server is closed.
   *
   * @return {?{address: string, family: string, port: number}}
   */
  address() {
    const { phase, settings } = this[kInner];
    if (phase === Phase.CLOSED) return null;
    const { host: address, port } = placeOf(new URL(settings.uri));
    const family = isIP(address) === 0 ? 'relay' : `IPv${isIP(address)}`;
    return { address, family, port };
  }

  /**
   * Gives everything that comes through the relay to an `http.Server`, or an `https.Server`, as if it had come to its
   * port; it need not have one. WebSockets go to its `upgrade` listeners, if it has any. It takes the place of one that was
   * attached before.
   *
   * @param {import('node:http').Server} httpServer
   * @param {object} [options]
   * @param {boolean} [options.stripPath=true] Whether the path of the hybrid connection is taken off `url`
   * @return {this}
   * @throws {TypeError} for anything else, a server of http2 included
   */
  attach(httpServer, options) {
    const { acceptor, requests, settings } = this[kInner];
    const attachment = new Attachment(httpServer, options, entityPath(new URL(settings.uri)));
    acceptor.attachment = requests.attachment = attachment;
    return this;
  }

  /**
   * Stops listening and closes the clients with 1001 (unless `clientTracking` is off: then they are left alone).
   *
   * With `drain`, connections that are being accepted and clients that are open may finish, for at most `timeout`; new
   * senders get 503. Without, `timeout` is when clients that do not answer are dropped (`closeTimeout` is the default).
   * Aborting `signal` drops at once whatever is left.
   *
   * @param {{drain?: boolean, timeout?: number, signal?: AbortSignal}|function(Error=): void} [options] Or the callback
   * @param {function(Error=): void} [cb] Called when everything is closed; with an error if it was before
   * @return {Promise<void>} Fulfilled when everything is closed
   */
  close(options, cb) {
    const inner = this[kInner];
    if (typeof options === 'function') {
      cb = options;
      options = undefined;
    }
    const { drain, timeout, signal } = readCloseOptions(options);
    if (cb !== undefined && cb !== null && typeof cb !== 'function') {
      throw invalidArgType('cb', 'a function', cb);
    }
    if (inner.phase === Phase.CLOSED) {
      if (cb) nextTick(cb, new Error('The server is not running'));
      return Promise.resolve();
    }
    if (cb) this.once('close', () => cb());
    if (inner.phase === Phase.RUNNING) {
      inner.phase = Phase.CLOSING;
      inner.settings.signal?.removeEventListener('abort', inner.onAbort);
      inner.closing = new Promise((resolve) => (inner.resolve = resolve));
    }
    if (drain) {
      inner.control.close(true);
      if (timeout > 0) setTimer(inner, () => closeNow(this, inner), timeout);
    } else {
      closeNow(this, inner, timeout);
    }
    if (signal !== undefined) dropOn(signal, this, inner);
    checkClosed(this, inner);
    return inner.closing;
  }

  /** Lets the listener keep the process alive, which it does from the start. */
  ref() {
    this[kInner].control.ref();
    return this;
  }

  /** Lets the process end although the listener is up. */
  unref() {
    this[kInner].control.unref();
    return this;
  }

  /**
   * Brings a new token to the control channel at once, or restarts a listener that went offline over the old one. It
   * also takes the place of a token that was given as a string.
   *
   * @param {string} token
   */
  updateToken(token) {
    if (typeof token !== 'string') throw invalidArgType('token', 'a string', token);
    if (token === '') throw invalidArgValue('token', 'it must not be empty');
    if (this[kInner].phase !== Phase.RUNNING) throw refusal(new Error('The server is not running'));
    this[kInner].control.updateToken(token);
  }

  /**
   * Numbers since the server was made; times in milliseconds.
   *
   * @return {object}
   */
  stats() {
    const { acceptor, control } = this[kInner];
    // What lies in the outbox counts as sent.
    if (acceptor.sockets.size > 0) getEngine().flush();
    return {
      ...acceptor.carried.within(JSON.parse(control.native.stats())),
      // As far as the program has been told.
      pendingAccepts: acceptor.pending.size,
      connections: acceptor.sockets.size
    };
  }

  /** `for await (const [socket, request] of server)`. */
  [Symbol.asyncIterator]() {
    return connections(this);
  }
}

publishMethods(Methods.prototype, ['attach', 'close', 'updateToken']);
showOnly(Methods.prototype, (server) => {
  // The prototype itself.
  if (server[kInner] === undefined) return {};
  const { acceptor, settings } = server[kInner];
  return {
    state: server.state,
    listenUri: nameAddress(settings.server),
    id: settings.id,
    connections: acceptor.sockets.size,
    pendingAccepts: acceptor.pending.size
  };
});

addAsyncDispose(Methods.prototype);

RelayedServer.prototype = Methods.prototype;
Object.defineProperty(RelayedServer.prototype, 'constructor', { value: RelayedServer });
Object.setPrototypeOf(RelayedServer, EventEmitter);

/**
 * A server at the hybrid connection that a connection string names, with its credentials.
 *
 * @param {string} connectionString
 * @param {object} [options] As for the constructor; `path` is the hybrid connection where the string has no EntityPath
 * @param {function} [onConnection]
 * @return {RelayedServer}
 * @throws {TypeError} for a connection string or options that are wrong
 */
RelayedServer.fromConnectionString = publicly(
  function fromConnectionString(connectionString, options, onConnection) {
    if (typeof options === 'function') {
      onConnection = options;
      options = undefined;
    }
    if (options !== undefined && options !== null && typeof options !== 'object') {
      throw invalidArgType('options', 'an object', options);
    }
    const read = readConnectionString(connectionString, 'listen', options ?? {});
    return new this({ ...read.options, server: read.uri }, onConnection);
  }
);

/**
 * Makes a server and subscribes `fn` to its `connection`.
 *
 * @param {object} options The options of `RelayedServer`
 * @param {function} [fn]
 * @return {RelayedServer}
 */
function createRelayedServer(options, fn) {
  const server = new RelayedServer(options);
  // As in hyco-ws, anything but a function is ignored.
  if (typeof fn === 'function') server.on('connection', fn);
  return server;
}

module.exports = {
  RelayedServer,
  createRelayedServer: publicly(createRelayedServer),
  prepare,
  start,
  takeSenders
};
