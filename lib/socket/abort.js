'use strict';

/** `AbortSignal`s and `await using`, for sockets. */

const { abortError } = require('../shared/errors');

/**
 * Ends a socket when `signal` is aborted: with an `AbortError` while it connects, by closing it later.
 *
 * @param {import('./socket').RelayedWebSocket} socket
 * @param {AbortSignal} signal
 */
function obey(socket, signal) {
  const onAbort = () => {
    if (socket.readyState === socket.CONNECTING) socket._abort(abortError(signal));
    else socket.close(1001);
  };
  if (signal.aborted) {
    onAbort();
    return;
  }
  signal.addEventListener('abort', onAbort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', onAbort));
}

/**
 * `await using socket = …`: closes it and waits until it is closed.
 *
 * @this {import('./socket').RelayedWebSocket}
 * @return {Promise<void>}
 */
function disposeSocket() {
  if (this.readyState === this.CLOSED) return Promise.resolve();
  return new Promise((resolve) => {
    this.once('close', () => resolve());
    // One that is still connecting says that it was closed too early, which is what was wanted.
    this.on('error', () => {});
    this.close();
  });
}

module.exports = { disposeSocket, obey };
