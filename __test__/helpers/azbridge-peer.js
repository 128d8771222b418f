'use strict';

// Microsoft's azbridge as far as its wire goes, both ends: a WebSocket by hand, for no library leaves one half open. Shares no
// code with what it tests.

const { randomBytes } = require('node:crypto');
const { EventEmitter, once } = require('node:events');
const { connect } = require('node:net');

const { WebSocket } = require('ws');

/** One relayed connection. Events: `data`, `end(code, reason)` for the peer's close frame, `close` when it is gone. */
class RelayedConnection extends EventEmitter {
  static async dial(address, headers = {}) {
    const url = new URL(address);
    const tcp = connect({ host: url.hostname, port: url.port, noDelay: true });
    const own = new RelayedConnection(tcp);
    await once(tcp, 'connect');
    const lines = {
      Host: url.host,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Version': 13,
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      ...headers
    };
    const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
    tcp.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${head.join('')}\r\n`);
    const status = await own.opened;
    if (status !== 101) throw Object.assign(new Error(`Status ${status}`), { status, reason: own.reason });
    return own;
  }

  constructor(tcp) {
    super();
    this.tcp = tcp;
    this.bytes = Buffer.alloc(0);
    this.received = [];
    /** `[code, reason]` of the peer's close frame. */
    this.ended = new Promise((resolve) => this.once('end', (code, reason) => resolve([code, reason])));
    this.gone = new Promise((resolve) => tcp.once('close', resolve));
    this.opened = new Promise((resolve) => (this.open = resolve));
    this.state = 'head';
    tcp.on('data', (chunk) => this.take(chunk));
    tcp.on('error', () => {});
    tcp.on('close', () => {
      this.open(0);
      this.emit('close');
    });
  }

  take(chunk) {
    this.bytes = this.bytes.length > 0 ? Buffer.concat([this.bytes, chunk]) : chunk;
    if (this.state === 'head') {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const [, status, reason] = /^HTTP\/1.1 (\d+) ?(.*)/.exec(this.bytes.toString('latin1', 0, end));
      this.reason = reason;
      this.bytes = this.bytes.subarray(end + 4);
      this.state = 'frames';
      this.open(Number(status));
    }
    while (this.state === 'frames' && this.frame());
  }

  frame() {
    const { bytes } = this;
    if (bytes.length < 2) return false;
    let length = bytes[1];
    let from = 2;
    if (length === 126) {
      if (bytes.length < 4) return false;
      length = bytes.readUInt16BE(2);
      from = 4;
    } else if (length === 127) {
      if (bytes.length < 10) return false;
      length = Number(bytes.readBigUInt64BE(2));
      from = 10;
    }
    if (bytes.length < from + length) return false;
    const payload = bytes.subarray(from, from + length);
    this.bytes = bytes.subarray(from + length);
    const opcode = bytes[0] & 15;
    if (opcode === 8) {
      this.state = 'ended';
      const code = length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.emit('end', code, payload.toString('utf8', 2));
    } else if (opcode === 9) this.send(payload, 10);
    else if (opcode < 3) {
      this.received.push(payload);
      this.emit('data', payload);
    }
    return true;
  }

  /** What has come so far. */
  get text() {
    return Buffer.concat(this.received).toString();
  }

  /** Takes so many bytes from the front, as soon as they are there. */
  async read(count) {
    for (;;) {
      const all = Buffer.concat(this.received);
      if (all.length >= count) {
        this.received = [all.subarray(count)];
        return all.subarray(0, count);
      }
      await new Promise((resolve, reject) => {
        this.once('data', resolve);
        this.once('end', (code, reason) => reject(new Error(`closed ${code} ${reason}`)));
        this.once('close', () => reject(new Error('gone')));
      });
    }
  }

  send(payload, opcode = 2, fin = true) {
    payload = Buffer.from(payload);
    const key = randomBytes(4);
    let head;
    if (payload.length < 126) head = Buffer.from([0, 0x80 | payload.length]);
    else if (payload.length < 65_536) {
      head = Buffer.from([0, 0x80 | 126, 0, 0]);
      head.writeUInt16BE(payload.length, 2);
    } else {
      head = Buffer.from([0, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeBigUInt64BE(BigInt(payload.length), 2);
    }
    head[0] = (fin ? 0x80 : 0) | opcode;
    for (let at = 0; at < payload.length; at++) payload[at] ^= key[at & 3];
    return this.tcp.write(Buffer.concat([head, key, payload]));
  }

  /** As azbridge ends its side: reading goes on. */
  shutdown(code = 1000, reason = 'Shutdown') {
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
    payload.writeUInt16BE(code);
    payload.write(reason, 2);
    this.send(payload, 8);
  }

  destroy() {
    this.tcp.resetAndDestroy();
  }
}

/** A sender's request. */
function preamble(name, mode = 0) {
  return Buffer.concat([Buffer.from([1, 0, mode, Buffer.byteLength(name)]), Buffer.from(name)]);
}

/** azbridge's `-L`: a stream to the port of that name. */
async function bridgeSender(relay, name, path = 'hyco') {
  const connection = await RelayedConnection.dial(relay.sendUri(path), {
    ServiceBusAuthorization: relay.createToken(path)
  });
  if (name === undefined) return connection;
  connection.send(preamble(name));
  const answer = await connection.read(3);
  if (!answer.equals(Buffer.from([1, 0, 0]))) throw new Error(`Answered ${answer.toString('hex')}`);
  return connection;
}

/**
 * azbridge's `-T`: `onStream(connection, name)` gets each stream, when its name is in `names`; without names there is no
 * preamble.
 */
async function bridgeListener(relay, names, onStream, path = 'hyco') {
  const control = new WebSocket(relay.listenUri(path), {
    headers: { ServiceBusAuthorization: relay.createToken(path) }
  });
  const connections = new Set();
  control.on('message', async (data) => {
    const { accept } = JSON.parse(data);
    const connection = await RelayedConnection.dial(accept.address);
    connections.add(connection);
    if (names === undefined) return onStream(connection);
    const head = await connection.read(4);
    const name = String(await connection.read(head[3]));
    // Closed without an answer, as it does.
    if (!names.includes(name)) return connection.shutdown();
    connection.send([1, 0, 0]);
    onStream(connection, name);
  });
  await once(control, 'open');
  return {
    connections,
    async close() {
      for (const connection of connections) connection.destroy();
      control.terminate();
    }
  };
}

module.exports = { RelayedConnection, bridgeListener, bridgeSender, preamble };
