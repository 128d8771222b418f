'use strict';

/**
 * What a socket keeps. A process has many idle ones, so what is usual takes no room: flags are bits, options are shared,
 * and the rest is made when it is needed.
 */

/** What is true of a socket, as bits: a socket has many such flags, and a process many sockets. */
const Mark = Object.freeze({
  /** The connection has been open. */
  OPENED: 1,
  /** Under TLS. */
  SECURE: 2,
  /** Our side has ended, with everything written. */
  ENDED: 4,
  /** Nothing is left of the connection. */
  GONE: 8,
  /** It does not keep the process alive. */
  UNREFERENCED: 16,
  /** The engine reads no more, for messages come faster than one a turn is handled. */
  STALLED: 32,
  /** Our close frame is on its way. */
  CLOSE_QUEUED: 64,
  /** The peer broke a rule. */
  PROTOCOL_ERROR: 128,
  TERMINATED: 256
});

/** Shared by all sockets without an extension. */
const NO_EXTENSIONS = Object.freeze({});

/** The options that a socket goes by for all of its life. The sockets of a server share them. */
class SocketTraits {
  /** Not to be reached from a socket that is printed: behind it are the server and its other sockets. */
  #owner;

  constructor(fields, owner) {
    Object.assign(this, fields);
    this.#owner = owner;
  }

  get owner() {
    return this.#owner;
  }
}

/**
 * @param {object} options With their defaults
 * @param {import('../listener/acceptor').Acceptor} [owner] Who accepts the connections
 * @return {SocketTraits}
 */
function socketTraits(options, owner) {
  const fields = {
    closeTimeout: options.closeTimeout,
    autoPong: options.autoPong,
    maxPendingAutoPongs: options.maxPendingAutoPongs | 0,
    textAsString: options.textMessages === 'string',
    generateMask: options.generateMask,
    // Only looked at where messages are compressed.
    threshold: options.perMessageDeflate?.threshold ?? 0,
    maxBufferedAmount: options.maxBufferedAmount,
    oneATurn: !options.allowSynchronousEvents
  };
  return new SocketTraits(fields, owner);
}

/** Before the options are known. */
const NO_TRAITS = Object.freeze(socketTraits({}));

/** What has to be remembered between sends, where they are not all whole messages as they are. */
class Sends {
  constructor() {
    /** The next frame begins a message. */
    this.fresh = true;
    /** The message that has begun is compressed. */
    this.compress = false;
    /** Without context take-over, small messages are not worth compressing. */
    this.forgets = false;
    /**
     * Bytes of messages that went to the compressor and have not been reported as sent: like callbacks, they must not
     * depend on how fast another thread is.
     */
    this.compressing = 0;
    /** Sends that wait for a blob to be read. */
    this.waiting = null;
  }
}

module.exports = { Mark, NO_EXTENSIONS, NO_TRAITS, Sends, socketTraits };
