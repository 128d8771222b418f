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
    this.log=[];
    this.local.on('disconnect',(i)=>this.log.push(['D',i.remotePort,i.bytesReceived,i.bytesSent,i.error?.code,i.error?.message]));
    this.local.on('refused',(e,i)=>this.log.push(['R',i.remotePort,e.code,e.message]));
  }

  /** One stream; resolves to what became of it. */
  async exchange(body, pieces) {
    const client = net.connect({ ...this.local.address(), allowHalfOpen: true });
    const got = [];client.once('connect',()=>client.port0=client.localPort);

    let failed = false;
    client.on('error', () => (failed = true));
    client.on('data', (piece) => got.push(piece));
    const timer = setTimeout(() => client.resetAndDestroy(), PATIENCE * this.soak.patience);
    const closed = once(client, 'close').catch(() => {});
    const ended = once(client, 'end').catch(() => {});
    for (let piece = 0; piece < pieces && !client.destroyed; piece++) {
      const from = Math.floor((body.length * piece) / pieces);
      client.write(body.subarray(from, Math.floor((body.length * (piece + 1)) / pieces)));
      await sleep(1);
    }
    client.end();
    await Promise.race([closed, ended]);
    client.end();
    await closed;
    clearTimeout(timer);
    const all = Buffer.concat(got);
    if (!all.equals(body.subarray(0, all.length))) { let i=0; while(all[i]===body[i]) i++; await sleep(300); console.error('MISMATCH', all.length, body.length, i, all.subarray(i,i+20).toString(), body.subarray(i,i+20).toString(), failed, client.port0, JSON.stringify(this.log.slice(-4))); return 'corrupt';}
    if (all.length === body.length) return 'whole';
    // Whoever was let in must not take half of it for all; nobody came to the target otherwise.
    if (!(failed || all.length === 0)) await sleep(300), console.error('CORRUPT', client.port0, all.length, body.length, JSON.stringify(this.log.slice(-4)));
    return failed || all.length === 0 ? 'cut' : 'corrupt';
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
