'use strict';

/**
 * A server's end of the native listener: gives it its configuration and its tokens, and turns what it reports into the
 * server's events, state and diagnostics.
 */

const { readTable } = require('../shared/checks');
const diagnostics = require('../shared/diagnostics');
const { ListenerHandle } = require('./handle');
const { fromReport, lostByFault } = require('../shared/errors');
const { optionsOf } = require('../shared/option-table');
const { redact } = require('../shared/redact');
const { remedyFor } = require('../shared/remedy');
const { TokenSource } = require('../shared/token-source');

/** The defaults, for the engine only: with reconnecting switched off the first `reconnecting` report is the end. */
const ENGINE_RECONNECT = readTable(optionsOf('listener').reconnect[1].table, {}, 'options.reconnect.');

/** A limit that is switched off, for the engine. */
const NEVER = 2 ** 31 - 1;
/** The engine's numbers have 32 bits. */
const MOST = 2 ** 32 - 1;

class Control {
  /**
   * @param {import('./server').RelayedServer} server
   * @param {object} settings
   * @param {import('./acceptor').Acceptor} acceptor
   * @param {import('../http/requests').Requests} requests
   * @param {function(): void} onClosed Called once, after the engine has closed everything
   */
  constructor(server, settings, acceptor, requests, onClosed) {
    this.server = server;
    this.settings = settings;
    this.acceptor = acceptor;
    this.requests = requests;
    /** The server's: the engine's reports come in there. */
    this.context = acceptor.context;
    this.onClosed = onClosed;
    this.tokens = new TokenSource(settings);
    /** Gives up a provider that is still being asked when the server closes. */
    this.asking = new AbortController();
    this.channels = new Array(settings.controlChannels).fill('connecting');
    /** The end was asked for. */
    this.closeCalled = false;
    /** And is not to wait for anybody. */
    this.closesNow = false;
    this.closed = false;
    this.referenced = true;
    this.tokenError = undefined;
    this.lastError = undefined;
    this.warned = false;
    this.wasUp = false;
    this.handle = new ListenerHandle(this.config(), this);
    /** The listener itself. */
    this.native = acceptor.native = requests.native = this.handle.native;
  }

  config() {
    const { settings } = this;
    const reconnect = settings.reconnect ?? ENGINE_RECONNECT;
    return {
      uri: settings.uri,
      rule: this.tokens.rule,
      id: settings.id,
      maxPending: settings.maxPendingAccepts,
      maxConnections: Math.min(settings.maxConnections, MOST),
      maxPendingRequests: settings.maxPendingRequests,
      maxRequestBytes: settings.maxRequestBytes || Number.MAX_SAFE_INTEGER,
      keepAlive: settings.keepAlive,
      reconnect: { ...reconnect, delay: undefined, ownerDelays: reconnect.delay !== undefined },
      handshakeTimeout: settings.handshakeTimeout || NEVER,
      acceptTimeout: settings.acceptTimeout || NEVER,
      controlChannels: settings.controlChannels,
      tls: settings.tls,
      proxy: settings.proxy,
      asksHosts: settings.rendezvousHosts !== undefined,
      sockets: settings
    };
  }

  /** `'online'` while any channel is up; otherwise the most hopeful of them counts. */
  get state() {
    const found = (state) => this.channels.includes(state);
    return ['online', 'connecting', 'reconnecting'].find(found) ?? 'offline';
  }

  /** A sender waits. */
  onOffer(record) {
    // After the loss of a record others may follow. The engine, which ends, turns their senders away by itself.
    if (!this.closed) this.acceptor.offer(record);
  }

  /** Something about an HTTP request. */
  onRequestRecord(kind, detail, payload) {
    if (!this.closed) this.requests.onRecord(kind, detail, payload);
  }

  /** One report of the engine. */
  onListenerEvent(event) {
    switch (event.type) {
      case 'connecting':
        return this.onConnecting(event);
      case 'listening':
        return this.onListening(event);
      case 'reconnecting':
        return this.onReconnecting(event);
      case 'offline':
        return this.onOffline(event);
      case 'token':
        return this.onToken();
      case 'tokenFailed':
        return this.onTokenFailed(this.errorOf(event));
      case 'host':
        return void this.acceptor.admit(event);
      case 'turnedAway':
        return this.acceptor.turnedAway(event.id, event.status);
      case 'requestLost':
        return this.requests.onUndelivered(this.errorOf(event));
      case 'slowRequest':
        return this.requests.onSlow(event);
      case 'rejectFailed':
        return diagnostics.publish('accept:failed', { server: this.server, error: this.errorOf(event) });
      case 'malformed':
        return diagnostics.publish('control:malformed', {
          server: this.server,
          message: redact(event.message)
        });
      case 'tokenRenewed': {
        const { channel, expiresIn } = event;
        return diagnostics.publish('token:renewed', { server: this.server, channel, expiresIn });
      }
      case 'error':
        return this.onError(event);
      case 'closed':
        this.closed = true;
        this.asking.abort();
        this.acceptor.forsake();
        this.requests.forsake();
        // Not at our word: the engine could not go on, and nobody may take the server for one that listens.
        if (!this.closeCalled) this.giveUp(lostByFault('listener'));
        return this.onClosed();
    }
  }

  onConnecting({ channel, attempt }) {
    // The engine may have got that far before it heard of `close()`; so it may below.
    if (this.closesNow) return;
    // A replacement is dialled while the old channel is still up.
    if (this.channels[channel] !== 'online' && attempt === 0) this.channels[channel] = 'connecting';
    this.tell('connecting', { channel, attempt });
  }

  onListening({ channel, replaced }) {
    if (this.closesNow) return;
    this.channels[channel] = 'online';
    this.lastError = undefined;
    this.wasUp = true;
    diagnostics.publish('server:listening', { server: this.server, channel, replaced });
    this.server.emit('listening');
  }

  onReconnecting(event) {
    const { channel, attempt } = event;
    const reason = redact(event.reason);
    const error = this.errorOf(event);
    if (this.settings.reconnect === null) return this.giveUp(error);
    this.channels[channel] = 'reconnecting';
    this.lastError = error;
    this.breakSilence(error);
    const delay = this.ownDelay(channel, attempt, error) ?? event.delay;
    this.tell('reconnecting', { channel, attempt, delay, reason, error });
  }

  /** `reconnect.delay(attempt, error)`, which takes the policy's place. */
  ownDelay(channel, attempt, error) {
    const policy = this.settings.reconnect.delay;
    if (policy === undefined) return undefined;
    const delay = policy(attempt, error);
    if (!(typeof delay === 'number' && delay >= 0 && delay < 2 ** 31)) return undefined;
    this.native.retryIn(channel, delay);
    return delay;
  }

  onOffline({ channel }) {
    this.channels[channel] = 'offline';
    if (this.closesNow || this.state !== 'offline') return;
    // Nothing will happen any more that the process could wait for, unless somebody brings another token.
    this.handle.unref();
    diagnostics.publish('server:offline', { server: this.server, error: this.lastError });
    this.server.emit('offline', this.lastError);
  }

  onError(event) {
    const error = this.errorOf(event);
    const { terminal } = event;
    this.lastError = error;
    if (!terminal) this.breakSilence(error);
    diagnostics.publish('server:error', { server: this.server, error, terminal });
    // As every EventEmitter a server throws what nobody listens to, but only if it is the end.
    if (terminal || this.server.listenerCount('error') > 0) this.server.emit('error', error);
  }

  /**
   * A program that listens for `listening` alone would wait for ever, and not know why: of a key that is wrong, of a name
   * that is misspelt. It is told once, and only of a server that has never been up.
   */
  breakSilence(error) {
    const { server, settings } = this;
    if (this.warned || this.wasUp) return;
    if (server.listenerCount('error') > 0 || server.listenerCount('reconnecting') > 0) return;
    this.warned = true;
    const { host } = new URL(settings.uri);
    const remedy = remedyFor(error, 'listen');
    process.emitWarning(
      `Cannot listen at ${host}${server.path}: ${redact(error.message)}.${remedy ? ` ${remedy}` : ''} ` +
        "It is tried again; listen for 'error' and 'reconnecting' to hear of it.",
      { code: 'HYCO_WS_RS_NOT_LISTENING' }
    );
  }

  /** Reconnecting is switched off, so a lost channel is the end; open sockets are left to finish. */
  giveUp(error) {
    this.channels.fill('offline');
    this.lastError = error;
    this.server.close({ drain: true, timeout: 0 });
    diagnostics.publish('server:error', { server: this.server, error, terminal: true });
    this.server.emit('error', error);
  }

  /** The program has to be asked; tokens of a SAS rule are made without us. */
  onToken() {
    const { tokens } = this;
    const token = tokens.immediate();
    if (token !== undefined) return this.native.provideToken(String(token));
    tokens.get({ signal: this.asking.signal }).then(
      (given) => {
        this.tokenError = undefined;
        if (!this.closed) this.native.provideToken(String(given));
      },
      (error) => {
        if (this.closed) return;
        this.tokenError = error;
        this.onTokenFailed(error);
        this.native.failToken(error.message);
      }
    );
  }

  onTokenFailed(error) {
    if (!this.closesNow) diagnostics.publish('token:failed', { server: this.server, error });
  }

  updateToken(token) {
    this.tokens.update(token);
    // Somebody went offline over the old one, perhaps.
    if (this.referenced) this.handle.ref();
    this.native.updateToken(token);
  }

  ref() {
    this.referenced = true;
    if (!this.closed) this.handle.ref();
  }

  unref() {
    this.referenced = false;
    if (!this.closed) this.handle.unref();
  }

  /** @param {boolean} drain Whether those who wait for a verdict or their rendezvous may still be let in */
  close(drain) {
    if (this.closed) return;
    this.closeCalled = true;
    if (!drain) {
      this.closesNow = true;
      this.asking.abort();
    }
    // One that went offline was let go of; whoever waits for `close` wants to see it.
    if (this.referenced) this.handle.ref();
    this.native.close(drain);
  }

  tell(name, info) {
    diagnostics.publish(`server:${name}`, { server: this.server, ...info });
    this.server.emit(name, info);
  }

  errorOf(event) {
    const result = fromReport(event.error);
    // The provider's own error stayed on this side of the border.
    if (result.code === 'ERR_HYCO_TOKEN' && this.tokenError !== undefined) {
      result.cause ??= this.tokenError;
    }
    return result;
  }
}

module.exports = { Control };
