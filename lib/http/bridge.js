'use strict';

/**
 * Joins a relayed socket to the bytes of an upgraded connection: what a program's WebSocket library writes there becomes
 * messages, and messages become the frames of a client, as it expects them. Pings stay on their side.
 */

const ws = require('ws');

const { nextTick } = require('../shared/clock');
const { requirePackageFile } = require('../ws/package-file');

// Bun's ws has neither. A program that Bun has compiled may have come without the package: only those who bridge need it.
const frames =
  process.versions.bun === undefined
    ? () => ws
    : () => ({ Receiver: requirePackageFile('receiver.js'), Sender: requirePackageFile('sender.js') });

const EMPTY = Buffer.alloc(0);

class Bridge {
  /**
   * @param {import('node:stream').Duplex} stream The program's end
   * @param {import('../socket/socket').RelayedWebSocket} socket The sender's
   */
  constructor(stream, socket) {
    const { Receiver, Sender } = frames();
    this.stream = stream;
    this.socket = socket;
    // Frames of a server, which nobody masks. The text is checked by whoever gets it.
    this.receiver = new Receiver({ isServer: false, skipUTF8Validation: true });
    this.sender = new Sender({ cork() {}, uncork() {}, write: (bytes) => this.feed(bytes) }, {}, noMask);
    /** The message that was sent last, while it is not out. */
    this.unsent = undefined;
    this.ended = false;
    /** The program has closed its WebSocket. */
    this.concluded = false;

    this.receiver.on('message', (data, isBinary) => this.send(data, isBinary));
    // Not within the `ping()` of the program, who has not got to listening yet.
    this.receiver.on('ping', (data) => nextTick(() => this.sender.pong(data, true)));
    this.receiver.on('conclude', (code, reason) => {
      this.concluded = true;
      if (code === 1005) socket.close();
      else socket.close(code, reason);
    });
    this.receiver.on('error', (error) => stream._fail(error));
    socket.on('message', (data, isBinary) => this.sender.send(data, messageOptions(isBinary)));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => this.close(code, reason));
  }

  /** What the program has written. The callback is called when the sender's connection has taken it. */
  write(chunk, callback) {
    this.unsent = undefined;
    this.receiver.write(chunk);
    if (this.unsent === undefined) callback();
    else this.unsent.callback = callback;
  }

  send(data, isBinary) {
    const message = { callback: undefined };
    this.unsent = message;
    this.socket.send(data, { binary: isBinary }, () => message.callback?.());
  }

  feed(bytes) {
    if (!this.ended && !this.stream.destroyed && !this.stream.push(bytes)) this.socket.pause();
    return true;
  }

  /** The program reads on. */
  resume() {
    if (this.socket.isPaused) this.socket.resume();
  }

  close(code, reason) {
    const { stream } = this;
    if (code === 1006) return void stream.destroy();
    // Without a code it was closed without one.
    this.sender.close(code === 1005 ? undefined : code, code === 1005 ? EMPTY : reason, true);
    this.ended = true;
    stream._endReading();
  }

  /** The program writes no more: without its close frame first, that is the end. */
  end() {
    if (!this.concluded) this.socket.terminate();
  }

  /** The program has dropped its end. */
  drop() {
    this.socket.terminate();
  }
}

function messageOptions(binary) {
  return { binary, compress: false, fin: true, mask: true };
}

/** Nobody is between the two ends, so the mask is one that changes nothing. */
function noMask(mask) {
  mask.fill(0);
}

module.exports = { Bridge };
