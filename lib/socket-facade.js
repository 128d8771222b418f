'use strict';

/**
 * What programs read of `ws._socket`. The network socket lives in Rust; `createWebSocketStream()` of ws and much other
 * code only asks whether the writing side has ended, who the peer is, and how much was carried.
 */

const { EventEmitter } = require('node:events');
const { isIP } = require('node:net');

class SocketFacade extends EventEmitter {
  #socket;
  #local;
  #remote;

  /**
   * @param {import('./relayed-socket').RelayedWebSocket} socket
   * @param {{local: ?string, remote: ?string}} report Addresses as `host:port`
   */
  constructor(socket, { local, remote, secure }) {
    super();
    this.#socket = socket;
    this.#local = local;
    this.#remote = remote;
    this.encrypted = secure === true;
    this.destroyed = false;
    this._writableState = {
      finished: false,
      get length() {
        return socket.bufferedAmount;
      }
    };
  }

  get remoteAddress() {
    return split(this.#remote)?.address;
  }

  get remotePort() {
    return split(this.#remote)?.port;
  }

  get remoteFamily() {
    return split(this.#remote)?.family;
  }

  get localAddress() {
    return split(this.#local)?.address;
  }

  get localPort() {
    return split(this.#local)?.port;
  }

  get bufferSize() {
    return this.#socket.bufferedAmount;
  }

  get writableLength() {
    return this.#socket.bufferedAmount;
  }

  /** Drops the connection. */
  destroy() {
    this.#socket.terminate();
    return this;
  }

  /** Ends the writing side without a close frame. */
  end() {
    this.#socket._endWriting();
    return this;
  }

  pause() {
    this.#socket.pause();
    return this;
  }

  resume() {
    this.#socket.resume();
    return this;
  }

  isPaused() {
    return this.#socket.isPaused;
  }

  ref() {
    this.#socket._reference(true);
    return this;
  }

  unref() {
    this.#socket._reference(false);
    return this;
  }

  /** The engine has TCP_NODELAY and TCP keep-alive on, and no idle time-out: these are accepted and change nothing. */
  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  setTimeout() {
    return this;
  }

  /**
   * Everything is written, and our side ended.
   *
   * @private
   */
  _end() {
    this._writableState.finished = true;
    this.emit('finish');
  }

  /**
   * The connection is gone.
   *
   * @param {string} [code] What broke it
   * @private
   */
  _close(code) {
    if (this.destroyed) return;
    this.destroyed = true;
    if (code !== undefined && this.listenerCount('error') > 0) {
      this.emit('error', Object.assign(new Error(`read ${code}`), { code, syscall: 'read' }));
    }
    this.emit('close', code !== undefined);
  }
}

function split(address) {
  if (!address) return undefined;
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return { address: host, port: Number(address.slice(at + 1)), family: isIP(host) === 6 ? 'IPv6' : 'IPv4' };
}

module.exports = { SocketFacade };
