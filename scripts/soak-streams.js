'use strict';

/** The soak's forwarded streams: bytes to a target that sends them back, which come whole or are seen to be cut. */

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');

const { forward, forwardLocal } = require('..');

/** What a fault may hold up is given up after so many ms. */
const PATIENCE = 6_000;

/** Where the streams go, beside the messages of the listener. */
const PATH = 'streams';

class SoakStreams {
  /** @param {object} soak With `relay`, `proxy` and `patience` */
  constructor(soak) {
    this.soak = soak;
    this.counts = { whole: 0, cut: 0, corrupt: 0 };
    /** What cut each off, by the client's port: libuv takes a reset that comes right behind data for an end. */
    this.ends = new Map();
  }

  /** A target, and both ends of a tunnel to it. */
  async start() {
    const { relay, proxy, patience } = this.soak;
    // What is cut off is seen to be: then nothing is sent back.
    this.target = net.createServer({ allowHalfOpen: true }, (socket) =>
      socket.on('error', () => {}).pipe(socket)
    );
    this.target.listen(0, '127.0.0.1');
    await once(this.target, 'listening');
    const { keyName, key } = relay;
    const common = { keyName, key, keepAlive: { interval: 200, timeout: 500 * patience } };
    const reconnect = { minDelay: 10, maxDelay: 200, stableAfter: 500 };
    this.tunnel = await forward(`127.0.0.1:${this.target.address().port}`, {
      ...common,
      reconnect,
      handshakeTimeout: 1_000,
      server: proxy.through(relay.listenUri(PATH))
    });
    this.tunnel.on('error', () => {});
    this.local = await forwardLocal(0, {
      ...common,
      handshakeTimeout: 3_000,
      address: proxy.through(relay.sendUri(PATH))
    });
    this.local.on('disconnect', ({ remotePort, error }) => this.endOf(remotePort).tell(error));
    this.local.on('refused', (error, { remotePort }) => this.endOf(remotePort).tell(error));
  }

  /** Whichever of the two comes first: the tunnel's word, or who waits for it. */
  endOf(port) {
    if (!this.ends.has(port)) {
      const end = {};
      end.told = new Promise((resolve) => (end.tell = resolve));
      this.ends.set(port, end);
    }
    return this.ends.get(port);
  }

  /** One stream; resolves to what became of it. */
  async exchange(body, pieces) {
    const client = net.connect({ ...this.local.address(), allowHalfOpen: true });
    const got = [];
    client.on('error', () => {});
    client.on('data', (piece) => got.push(piece));
    const closed = once(client, 'close').catch(() => {});
    const timer = setTimeout(() => client.resetAndDestroy(), PATIENCE * this.soak.patience);
    await once(client, 'connect');
    const { localPort } = client;
    for (let piece = 0; piece < pieces && !client.destroyed; piece++) {
      const from = Math.floor((body.length * piece) / pieces);
      client.write(body.subarray(from, Math.floor((body.length * (piece + 1)) / pieces)));
      await sleep(1);
    }
    client.end();
    await closed;
    clearTimeout(timer);
    const error = await this.endOf(localPort).told;
    this.ends.delete(localPort);
    const all = Buffer.concat(got);
    // A frame that a fault has cut in two is the fault's own, and stands behind what was sent.
    const common = Math.min(all.length, body.length);
    if (!all.subarray(0, common).equals(body.subarray(0, common))) return 'corrupt';
    if (error !== undefined) return 'cut';
    return all.length === body.length ? 'whole' : 'corrupt';
  }

  /** One stream after the other, until the end. */
  async exchangeForever(chance) {
    for (let number = 0; this.soak.running; number++) {
      const size = Math.floor(chance() * [10, 3_000, 400_000][Math.floor(chance() * 3)]);
      const body = Buffer.alloc(size, `${number},`);
      this.counts[await this.exchange(body, 1 + Math.floor(chance() * 4))]++;
      await sleep(chance() * 20);
    }
  }

  /** @return {Promise<number>} Streams that were left open */
  async finish() {
    const openOf = () => this.tunnel.stats().forwarded.streams.open + this.local.stats().open;
    for (const until = Date.now() + 5_000; openOf() > 0 && Date.now() < until;) await sleep(50);
    const left = openOf();
    await this.local.close();
    await this.tunnel.close({ timeout: 1_000 });
    this.target.close();
    return left;
  }
}

module.exports = { PATH, SoakStreams };
