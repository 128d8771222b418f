'use strict';

/** Sends in their order, where some have to wait: a blob is read asynchronously, and what was sent behind it waits for it. */

const WebSocket = require('ws');

const { callAll } = require('./callbacks');
const { nextTick } = require('../shared/clock');
const { byteLength, isBlob } = require('./payload');
const { Mark, Sends } = require('./state');

const { OPEN, CLOSING, CLOSED } = WebSocket;

/**
 * Calls `write` with the payload: now, or behind the blobs that are still being read.
 *
 * @param {import('./sending').SendingSocket} socket
 * @param {string|Buffer|Blob} payload
 * @param {function(string|Buffer): void} write
 * @param {function(Error=): void} [cb] Of the send, for what is never written
 */
function inTurn(socket, payload, write, cb) {
  const blob = isBlob(payload);
  const idle = socket._sends === null || socket._sends.waiting === null;
  if (idle && !blob) return write(payload);
  const size = byteLength(payload);
  if (socket.bufferedAmount + size > (socket._traits.maxBufferedAmount || Infinity)) {
    // What waits for a blob counts, too. The engine tells of it as where it finds it out; callbacks fail with the close.
    if (typeof cb === 'function') (socket._callbacks ??= []).push(cb);
    return socket._engine.native.giveUp(socket._slot);
  }
  // The caller may reuse its buffer at once, so what has to wait is copied.
  if (!blob && typeof payload !== 'string') payload = Buffer.from(payload);
  socket._bufferedAmount += size;
  socket._sends ??= new Sends();
  (socket._sends.waiting ??= []).push({ payload, write, cb });
  if (idle) sendNext(socket);
}

function sendNext(socket) {
  const sends = socket._sends;
  while (sends.waiting !== null) {
    const next = sends.waiting[0];
    if (next === undefined) {
      sends.waiting = null;
      return;
    }
    if (isBlob(next.payload)) {
      next.payload.arrayBuffer().then(
        (content) => nextTick(blobRead, socket, next, Buffer.from(content)),
        (error) => nextTick(blobFailed, socket, error)
      );
      return;
    }
    try {
      next.write(next.payload);
    } catch (error) {
      // Nobody is there to catch it: as in ws, it is the socket's.
      blobFailed(socket, error);
      return;
    }
    sends.waiting.shift();
    socket._bufferedAmount -= byteLength(next.payload);
  }
}

function blobRead(socket, entry, bytes) {
  if (socket._slot < 0 || socket._marks & Mark.TERMINATED) {
    return failSending(socket, () => new Error('The socket was closed while the blob was being read'));
  }
  socket._bufferedAmount += bytes.length - entry.payload.size;
  entry.payload = bytes;
  sendNext(socket);
}

function blobFailed(socket, error) {
  socket._context.runInAsyncScope(endWithError, undefined, socket, error);
}

function endWithError(socket, error) {
  failSending(socket, () => error);
  if (socket._readyState === CLOSED) return;
  if (socket._readyState === OPEN) {
    socket._readyState = CLOSING;
    socket._engine.closing(socket._slot, socket._closeTimeout, false);
  }
  socket._endWriting();
  socket._emitError(error);
}

/** Gives up what waits for a blob, and behind it. */
function failSending(socket, makeError) {
  const waiting = socket._sends.waiting.map(({ cb }) => cb);
  socket._sends.waiting = null;
  callAll(waiting, makeError);
}

module.exports = { inTurn };
