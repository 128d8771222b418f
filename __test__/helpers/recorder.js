'use strict';

/** Writes down all that a program can see of a socket, in a form that can be compared. */

const { createHash } = require('node:crypto');
const { IncomingMessage } = require('node:http');
const { types } = require('node:util');

const EVENTS = ['open', 'message', 'ping', 'pong', 'error', 'close'];

/** Longer ones are compared by their hash, to keep a failure's report readable. */
const READABLE = 256;

class Recorder {
  /** @param {function(string): string} [normalise] Takes out of strings what differs from run to run */
  constructor(normalise = (text) => text) {
    this.log = [];
    this.normalise = normalise;
    this.waiting = [];
    this.pending = [];
  }

  /** Adds a line to the log. */
  note(...values) {
    this.log.push(values.map((value) => this.plain(value)));
    for (const check of this.waiting.slice()) check();
  }

  /**
   * Writes down the events of `socket`, with its ready state.
   *
   * @param {import('ws')} socket
   * @param {string[]} [more] Events beside those of every socket; to listen to some of these changes what happens
   */
  watch(socket, more = []) {
    for (const event of [...EVENTS, ...more]) {
      socket.on(event, (...args) => this.note(event, ...args, `state ${socket.readyState}`));
    }
    return socket;
  }

  /**
   * Calls a method and writes down what came of it.
   *
   * @return {*} What the method returned
   */
  call(target, method, ...args) {
    try {
      const value = target[method](...args);
      this.note(`${method}()`, value === target ? 'itself' : value, `state ${target.readyState}`);
      return value;
    } catch (error) {
      this.note(`${method}()`, 'threw', error, `state ${target.readyState}`);
      return undefined;
    }
  }

  /** @return {function(...*): void} A callback that writes down its arguments under `name` */
  callback(name) {
    return (...args) => this.note(`callback ${name}`, ...args);
  }

  /** @return {Promise<void>} When the log has `count` lines that begin with `name` */
  until(name, count = 1) {
    return new Promise((resolve) => {
      const check = () => {
        if (this.log.filter((line) => line[0] === name).length < count) return;
        this.waiting = this.waiting.filter((one) => one !== check);
        resolve();
      };
      this.waiting.push(check);
      check();
    });
  }

  /** Waits for what had to be read asynchronously: the content of blobs. */
  async settle() {
    await Promise.all(this.pending);
  }

  plain(value) {
    if (typeof value === 'string') return this.normalise(value);
    if (typeof value === 'function') return `function ${value.name}`;
    if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Buffer.isBuffer(value)) return { buffer: content(value) };
    if (types.isAnyArrayBuffer(value)) return { arrayBuffer: content(Buffer.from(value)) };
    if (ArrayBuffer.isView(value)) {
      return { view: value.constructor.name, bytes: content(Buffer.from(value.buffer)) };
    }
    if (typeof value.arrayBuffer === 'function') return this.#blob(value);
    if (types.isNativeError(value) || value instanceof Error) return this.#error(value);
    if (Array.isArray(value)) return value.map((item) => this.plain(item));
    if (value instanceof IncomingMessage) return this.#response(value);
    if (typeof value.getHeader === 'function') return this.#request(value);
    const entries = Object.entries(value).map(([key, item]) => [key, this.plain(item)]);
    return Object.fromEntries(entries);
  }

  #error(error) {
    const { code, message, errno, syscall, address, port } = error;
    const seen = {
      class: error.constructor.name,
      name: error.name,
      code,
      message: this.normalise(message),
      errno,
      syscall
    };
    return { ...seen, address, port: typeof port };
  }

  #response(response) {
    const { statusCode, statusMessage, httpVersion, headers, rawHeaders } = response;
    return {
      statusCode,
      statusMessage,
      httpVersion,
      headers: this.plain({ ...headers }),
      rawHeaders: this.plain(rawHeaders)
    };
  }

  #request(request) {
    const headers = Object.keys(request.getHeaders()).filter((name) => name !== 'sec-websocket-key');
    const values = headers.sort().map((name) => [name, this.plain(String(request.getHeader(name)))]);
    return {
      method: request.method,
      path: request.path,
      protocol: request.protocol,
      host: request.host,
      values
    };
  }

  #blob(blob) {
    const seen = { blob: blob.constructor.name, type: blob.type, size: blob.size };
    this.pending.push(
      blob.arrayBuffer().then((bytes) => {
        seen.content = content(Buffer.from(bytes));
      })
    );
    return seen;
  }
}

function content(bytes) {
  if (bytes.length <= READABLE) return bytes.toString('latin1');
  return `${bytes.length} bytes, sha1 ${createHash('sha1').update(bytes).digest('hex')}`;
}

module.exports = { Recorder };
