'use strict';

/**
 * What programs read of `ws._socket`. The network socket lives in Rust; `createWebSocketStream()` of ws and much other
 * code only asks whether the writing side has ended, who the peer is, and how much was carried.
 */

const { EventEmitter } = require('node:events');
const { isIP } = require('node:net');

const { bareHost } = require('../shared/address');

class SocketFacade extends EventEmitter {
  #socket;
  #addresses;

  /**
   * @param {import('./socket').RelayedWebSocket} socket
   * @param {{secure: boolean, ended: boolean, gone: boolean}} connection What has become of it so far
   */
  constructor(socket, { secure, ended, gone }) {
    super();
    this.#socket = socket;
    this.encrypted = secure;
    this.destroyed = gone;
    this._writableState = {
      finished: ended,
      get length() {
        return socket.bufferedAmount;
      }
    };
  }

  get remoteAddress() {
    return split(this.#end(1))?.address;
  }

  get remotePort() {
    return split(this.#end(1))?.port;
  }

  get remoteFamily() {
    return split(this.#end(1))?.family;
  }

  get localAddress() {
    return split(this.#end(0))?.address;
  }

  get localPort() {
    return split(this.#end(0))?.port;
  }

  /** Our end of the connection (0), or the other (1). */
  #end(index) {
    this.#addresses ??= this.#socket._addresses.split(' ');
    return this.#addresses[index];
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
  const host = bareHost(address.slice(0, at));
  return { address: host, port: Number(address.slice(at + 1)), family: isIP(host) === 6 ? 'IPv6' : 'IPv4' };
}

module.exports = { SocketFacade };
