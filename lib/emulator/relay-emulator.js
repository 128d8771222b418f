'use strict';

const { randomBytes } = require('node:crypto');
const { EventEmitter } = require('node:events');

const { Faults } = require('./faults.js');
const { Inspection } = require('./inspection.js');
const { startInspector } = require('../inspector/server.js');
const { atCaller, publishMethods, refusal } = require('../shared/caller.js');
const { check, readTable } = require('../shared/checks.js');
const { addAsyncDispose } = require('../shared/dispose.js');
const { invalidArgValue } = require('../shared/errors.js');
const { NativeEmulator } = require('../shared/native.js');
const { readEmulatorOptions } = require('../shared/options.js');

const URI_OPTIONS = { id: [undefined, check.string], token: [undefined, check.any] };
const CLOSE_OPTIONS = { force: [false, check.truth] };

/**
 * The service's side of Azure Relay Hybrid Connections, for development and tests.
 *
 * It runs on a thread of its own, so the event loop of the program under test stays undisturbed. Events
 * (`listener`, `sender`, `rendezvous`, …: see docs/emulator.md) are delivered once somebody listens to them.
 */
class RelayEmulator extends EventEmitter {
  #native = new NativeEmulator();
  #options;
  #authority;
  #closed;
  #isClosed = false;
  #inspection;
  #page;

  /**
   * Starts a relay.
   *
   * @param {Object} [options] see docs/emulator.md; every option has a default
   * @returns {Promise<RelayEmulator>} rejects with a TypeError for bad options, and with the system's error
   *     (`EADDRINUSE` …) where the address cannot be bound
   */
  static async start(options) {
    const settings = readOptions(options);
    for (const policy of settings.sharedAccessPolicies) policy.key ??= randomBytes(32).toString('base64');
    const relay = new RelayEmulator(settings);
    if (settings.inspect === null) return relay;
    try {
      await relay.#openInspector(settings.inspect);
    } catch (error) {
      await relay.close({ force: true });
      throw error;
    }
    return relay;
  }

  /** @private use `RelayEmulator.start` */
  constructor(options) {
    super();
    if (typeof options?.handshakeTimeout !== 'number') {
      throw atCaller(refusal(new TypeError('Use RelayEmulator.start()')), RelayEmulator);
    }
    this.#options = options;
    let settle;
    this.#closed = new Promise((resolve) => {
      settle = resolve;
    });
    const { authority, port } = this.#native.start(JSON.stringify(options), (text) => {
      if (text === '') this.#inspection?.wake();
      else this.#onEvent(JSON.parse(text), settle);
    });
    this.#authority = authority;
    /** The bound port. */
    this.port = port;
    /** Faults on demand. */
    this.faults = new Faults((fault) => this.#native.inflict(JSON.stringify(fault)));
    this.on('newListener', (name) => {
      if (name !== 'newListener' && name !== 'close') this.#native.observe(true);
    });
  }

  #onEvent(event, settle) {
    const { type, ...details } = event;
    if (type === 'closed') {
      this.#isClosed = true;
      this.#inspection?.recorder.close();
      const end = () => {
        settle();
        this.emit('close');
      };
      if (this.#page === undefined) end();
      else this.#page.close().then(end);
    } else {
      this.emit(type, details);
    }
  }

  async #openInspector({ port }) {
    this.#page = await startInspector(this.#inspect(), { port });
  }

  /** Records from the first time that somebody asks. */
  #inspect() {
    const limits = this.#options.inspect ?? readEmulatorOptions({ inspect: true }).inspect;
    this.#inspection ??= new Inspection(this, this.#native, this.#options, limits);
    return this.#inspection;
  }

  /** The address of the inspector's page, with the secret that opens it; undefined without the option `inspect`. */
  get inspectorUrl() {
    return this.#page?.url;
  }

  /**
   * Everything that passes, as it passes: handshakes, messages, requests, ends, faults. See docs/emulator.md.
   *
   * Without the option `inspect` recording begins with the first call.
   *
   * @param {object} [options]
   * @param {number} [options.since=0] only what comes behind the record of this number
   * @param {string[]} [options.kinds] only records of these kinds
   * @param {AbortSignal} [options.signal] ends it with an `AbortError`
   * @returns {AsyncIterableIterator<object>} it ends when the relay has closed
   */
  records(options) {
    return this.#inspect().recorder.records(options);
  }

  /** The host by which the relay is reached. */
  get host() {
    return this.#authority.slice(0, this.#authority.lastIndexOf(':'));
  }

  /** `host:port`: what stands where the namespace's name does in Azure. */
  get address() {
    return this.#authority;
  }

  /** True for wss:// and https://. */
  get secure() {
    return this.#options.tls !== undefined;
  }

  /** The name of the first SAS rule. */
  get keyName() {
    return this.#options.sharedAccessPolicies[0]?.keyName;
  }

  /** The key of the first SAS rule. */
  get key() {
    return this.#options.sharedAccessPolicies[0]?.key;
  }

  /** The paths of the hybrid connections that the relay was started with. */
  get paths() {
    return this.#options.hybridConnections.map(({ path }) => path);
  }

  /**
   * The address for a listener.
   *
   * @param {String} [path] the hybrid connection; the first one if left out
   * @param {Object} [options]
   * @param {String} [options.id] tracking id
   * @param {String|Boolean} [options.token] a token to embed, or `true` for a fresh one
   * @returns {String}
   */
  listenUri(path, options) {
    return this.#uri(path, 'listen', options);
  }

  /**
   * The address for a sender; `path` may go on below the hybrid connection and may have a query.
   *
   * @param {String} [path] the hybrid connection; the first one if left out
   * @param {Object} [options] as for `listenUri`
   * @returns {String}
   */
  sendUri(path, options) {
    return this.#uri(path, 'connect', options);
  }

  #uri(path, action, options) {
    path = this.#pathOf(path);
    const { id, token } = readTable(URI_OPTIONS, options ?? {}, 'options.');
    const text = encodeText(path);
    let uri = `${this.secure ? 'wss' : 'ws'}://${this.#authority}/$hc/${text}`;
    uri += `${text.includes('?') ? '&' : '?'}sb-hc-action=${action}`;
    if (id !== undefined) uri += `&sb-hc-id=${encodeURIComponent(id)}`;
    const embedded = token === true ? this.createToken(path.split('?')[0]) : token;
    return embedded ? `${uri}&sb-hc-token=${encodeURIComponent(embedded)}` : uri;
  }

  #pathOf(path) {
    return check.string(path ?? this.paths[0], 'path');
  }

  /**
   * The address for plain HTTP requests.
   *
   * @param {String} [path] the hybrid connection, and what goes on below it
   * @returns {String}
   */
  httpUri(path) {
    return `${this.secure ? 'https' : 'http'}://${this.#authority}/${encodeText(this.#pathOf(path))}`;
  }

  /**
   * A connection string for the first SAS rule. `UseDevelopmentEmulator=true` asks for plain ws://, so it is
   * left out where the relay serves TLS.
   *
   * @param {String} [path] the hybrid connection; the first one if left out
   * @returns {String}
   */
  connectionString(path) {
    return [
      `Endpoint=sb://${this.#authority}/`,
      `SharedAccessKeyName=${this.keyName}`,
      `SharedAccessKey=${this.key}`,
      `EntityPath=${this.#pathOf(path)}`,
      ...(this.secure ? [] : ['UseDevelopmentEmulator=true'])
    ].join(';');
  }

  /**
   * A SAS token for `path`.
   *
   * @param {String} [path] the hybrid connection; `''` makes one for the whole namespace
   * @param {Object} [options]
   * @param {String} [options.keyName] the SAS rule; the first one if left out
   * @param {Number} [options.expirationSeconds=3600] may be negative, for a token that has expired
   * @returns {String}
   */
  createToken(path, options) {
    const table = {
      keyName: [this.keyName, check.string],
      expirationSeconds: [3600, check.number(-1e12, 1e12)]
    };
    const { keyName, expirationSeconds } = readTable(table, options ?? {}, 'options.');
    const token = this.#native.token(encodeText(this.#pathOf(path)), keyName, Math.floor(expirationSeconds));
    if (token === null) throw invalidArgValue('options.keyName', 'it must name a SAS rule of this relay');
    return token;
  }

  /**
   * Adds a hybrid connection, or replaces one.
   *
   * @param {Object} hybridConnection
   * @param {String} hybridConnection.path
   * @param {Boolean} [hybridConnection.requiresClientAuthorization=true]
   */
  addHybridConnection(hybridConnection) {
    const [read] = readEmulatorOptions({ hybridConnections: [hybridConnection] }).hybridConnections;
    this.#native.add(JSON.stringify(read));
  }

  /**
   * Removes a hybrid connection and closes its listeners and senders with 1001, as the service does.
   *
   * @param {String} path
   * @returns {Boolean} false where there was none
   */
  removeHybridConnection(path) {
    check.string(path, 'path');
    return this.#native.remove(path);
  }

  /**
   * @returns {{listeners: Number, senders: Number, pending: Number, paths: Object, totals: Object}}
   */
  stats() {
    return JSON.parse(this.#native.stats());
  }

  /** Keeps the process alive while the relay runs, which is the default. */
  ref() {
    this.#native.ref();
    return this;
  }

  /** Lets the process end although the relay runs. */
  unref() {
    this.#native.unref();
    return this;
  }

  /**
   * Stops: established connections are closed with 1001 and get up to a second for that.
   *
   * @param {Object} [options]
   * @param {Boolean} [options.force=false] cuts them at once
   * @returns {Promise<void>} resolves when everything is down
   */
  close(options) {
    const { force } = readTable(CLOSE_OPTIONS, options ?? {}, 'options.');
    if (!this.#isClosed) {
      this.#native.ref();
      this.#native.close(force);
    }
    return this.#closed;
  }
}

/** Before the promise is out, the caller of `start()` is still to be seen. */
function readOptions(options) {
  try {
    return readEmulatorOptions(options);
  } catch (error) {
    throw atCaller(error, RelayEmulator.start);
  }
}

publishMethods(RelayEmulator.prototype);
addAsyncDispose(RelayEmulator.prototype);

/** Spaces and what is not ASCII; anything else is taken as it is written. */
function encodeText(path) {
  return path.replace(/^\/+/, '').replace(/[^\x21-\x7e]+/gu, encodeURIComponent);
}

module.exports = { RelayEmulator };
