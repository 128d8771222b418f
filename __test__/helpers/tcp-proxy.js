'use strict';

/** A TCP proxy that stands for the network between a listener and its relay, and fails like one. */

const { once } = require('node:events');
const net = require('node:net');

class TcpProxy {
  /**
   * @param {number} port Where it leads, on 127.0.0.1
   * @return {Promise<TcpProxy>} Listening on a port of its own
   */
  static async start(port) {
    const proxy = new TcpProxy();
    proxy.server = net.createServer({ allowHalfOpen: true }, (client) => proxy.#accept(client, port));
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  pairs = new Set();
  /** Connections since the start. */
  accepted = 0;
  #swallowing = false;

  /** `uri` by way of the proxy. */
  through(uri) {
    const url = new URL(uri);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  /** From now on no byte gets through, in either direction, and nothing is closed. */
  swallow() {
    this.#swallowing = true;
    for (const pair of this.pairs) pair.dead = true;
  }

  /** New connections get through again; those that were struck are lost for good, and both ends learn of it. */
  restore() {
    this.#swallowing = false;
    for (const pair of this.pairs) if (pair.dead) pair.end();
  }

  /**
   * Cuts connections.
   *
   * @param {function(): boolean} [choose] Which ones; all by default
   * @return {number} How many
   */
  cut(choose = () => true) {
    let count = 0;
    for (const pair of this.pairs) {
      if (!choose()) continue;
      pair.end();
      count++;
    }
    return count;
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  #accept(client, port) {
    this.accepted++;
    const relay = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const pair = {
      dead: this.#swallowing,
      end: () => {
        this.pairs.delete(pair);
        drop(client);
        drop(relay);
      }
    };
    this.pairs.add(pair);
    const join = (from, to) => {
      from.setNoDelay();
      from.on('data', (chunk) => {
        if (pair.dead) return;
        if (to.write(chunk)) return;
        from.pause();
        to.once('drain', () => from.resume());
      });
      from.on('end', () => pair.dead || to.end());
      from.on('error', () => pair.dead || pair.end());
      from.on('close', () => {
        if (!pair.dead && client.destroyed && relay.destroyed) this.pairs.delete(pair);
      });
    };
    join(client, relay);
    join(relay, client);
  }
}

/** By RST, except that Node loses the handle of a socket that it resets while it is shut down. */
function drop(socket) {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

module.exports = { TcpProxy };
