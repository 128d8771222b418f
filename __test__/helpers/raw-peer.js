'use strict';

/**
 * A WebSocket server made of a TCP socket: it does the handshake by hand, sends whatever bytes a test wants, and keeps
 * what the client sends.
 */

const { createHash } = require('node:crypto');
const { once } = require('node:events');
const net = require('node:net');

const { FrameReader, Opcode, inflate } = require('./frames');

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

class RawPeer {
  /** @return {Promise<RawPeer>} Listening on a port of its own */
  static async listen() {
    const peer = new RawPeer();
    // Half-open, so that a test decides when this side ends.
    peer.server = net.createServer({ allowHalfOpen: true }, (socket) => peer.#accept(socket));
    peer.server.listen(0, '127.0.0.1');
    await once(peer.server, 'listening');
    peer.port = peer.server.address().port;
    return peer;
  }

  connections = [];
  #arrived = [];
  #waiting = [];

  url(path = '/', scheme = 'ws') {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** @return {Promise<Connection>} The next connection nobody has asked for yet */
  connection() {
    if (this.#arrived.length > 0) return Promise.resolve(this.#arrived.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close() {
    for (const connection of this.connections) connection.socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  #accept(socket) {
    const connection = new Connection(socket);
    this.connections.push(connection);
    const waiting = this.#waiting.shift();
    if (waiting) waiting(connection);
    else this.#arrived.push(connection);
  }
}

class Connection {
  /** What the client did: frames, and `'END'`. Whether that is FIN or RST depends on what its kernel had unread. */
  log = [];
  head = '';
  #reader = new FrameReader();
  #changed = [];
  #takeover = true;
  #window = Buffer.alloc(0);
  #compressed = null;

  constructor(socket) {
    this.socket = socket;
    this.opened = false;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('end', () => this.#end());
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#wake());
  }

  /** @return {Promise<string>} The whole head of the request */
  async request() {
    await this.until(() => this.head.endsWith('\r\n\r\n'));
    return this.head;
  }

  /** @return {string} The value of Sec-WebSocket-Accept that fits the request */
  get acceptance() {
    const key = /^sec-websocket-key: (.*)\r$/im.exec(this.head)?.[1];
    return createHash('sha1')
      .update(key + GUID)
      .digest('base64');
  }

  /**
   * Answers with 101.
   *
   * @param {object} [options]
   * @param {string[]} [options.headers] Further header lines
   * @param {Buffer[]} [options.frames] Sent in the same packet
   * @param {boolean} [options.takeover=true] Whether the client compresses with a context
   */
  async accept({ headers = [], frames = [], takeover = true } = {}) {
    await this.request();
    this.opened = true;
    this.#takeover = takeover;
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${this.acceptance}`,
      ...headers
    ];
    this.send(`${lines.join('\r\n')}\r\n\r\n`, ...frames);
  }

  /** Sends in one packet. */
  send(...parts) {
    this.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  /** Waits until the client has sent so many frames. */
  async frames(count) {
    await this.until(() => this.log.filter((entry) => entry.opcode !== undefined).length >= count);
    return this.log;
  }

  /** Waits for the client's end of the connection. */
  async over() {
    await this.until(() => this.log.includes('END') || this.socket.destroyed);
  }

  end() {
    this.socket.end();
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  /** @return {Promise<void>} When `condition` holds; it is looked at whenever the client does something */
  async until(condition) {
    while (!condition()) await new Promise((resolve) => this.#changed.push(resolve));
  }

  #onData(chunk) {
    if (!this.opened) {
      this.head += chunk.toString('latin1');
      return this.#wake();
    }
    for (const frame of this.#reader.push(chunk)) this.log.push(this.#describe(frame));
    this.#wake();
  }

  /** Frames as they are compared: random keys and the bytes that a compressor chose are left out. */
  #describe({ opcode, fin, rsv, key, payload }) {
    const entry = { opcode, fin, rsv, masked: key !== null };
    if (opcode < Opcode.CLOSE && (rsv === 4 || this.#compressed !== null)) {
      this.#compressed = Buffer.concat([this.#compressed ?? Buffer.alloc(0), payload]);
      if (fin) {
        const bytes = inflate(this.#compressed, this.#window);
        this.#window = this.#takeover ? Buffer.concat([this.#window, bytes]).subarray(-32768) : this.#window;
        this.#compressed = null;
        entry.inflated = bytes.toString('latin1');
      }
    } else if (payload.length > 1024) {
      entry.length = payload.length;
      entry.hash = createHash('sha1').update(payload).digest('hex');
    } else {
      entry.payload = payload.toString('latin1');
    }
    if (this.keepsKeys && key !== null) entry.key = key.toString('hex');
    return entry;
  }

  #end() {
    if (!this.log.includes('END')) this.log.push('END');
    this.#wake();
  }

  #wake() {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}

module.exports = { RawPeer };
