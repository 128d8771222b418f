'use strict';

const { EventEmitter } = require('node:events');
const { isIP } = require('node:net');

/** What programs read of `request.socket`: the sender as the relay sees it. There is no such socket in this process. */
class SenderSocket {
  /**
   * @param {string} address Empty if it is not known
   * @param {number} port
   * @param {boolean} secure
   */
  constructor(address, port, secure) {
    this.remoteAddress = address || undefined;
    this.remotePort = address ? port : undefined;
    this.encrypted = secure;
    this.readable = this.writable = false;
    this.destroyed = false;
  }

  get remoteFamily() {
    return familyOf(this.remoteAddress);
  }

  address() {
    return {};
  }

  /** There is nothing here to time out, to tune or to destroy. */
  setTimeout() {
    return this;
  }

  setNoDelay() {
    return this;
  }

  setKeepAlive() {
    return this;
  }

  destroy() {
    return this;
  }

  end() {
    return this;
  }
}

// An emitter that has no use for its constructor: what that sets up, the first listener sets up too.
Object.setPrototypeOf(SenderSocket.prototype, EventEmitter.prototype);

/** @param {string|undefined} address @return {'IPv4'|'IPv6'|undefined} */
function familyOf(address) {
  const family = address === undefined ? 0 : isIP(address);
  return family === 0 ? undefined : `IPv${family}`;
}

module.exports = { SenderSocket, familyOf };
