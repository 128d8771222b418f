'use strict';

/** Servers over the fake engine, closed after each test. */

const { once } = require('node:events');

const { lastListener } = require('./fake-engine');

const URI = 'wss://ns.test:443/$hc/hyco?sb-hc-action=listen';
const servers = new Map();

/**
 * @param {typeof import('../../lib/listener/server').RelayedServer} RelayedServer
 * @param {object} [options]
 * @return {{server: object, listener: object}}
 */
function startServer(RelayedServer, options) {
  const server = new RelayedServer({ server: URI, token: 'the-token', ...options });
  const listener = lastListener();
  servers.set(server, listener);
  server.once('close', () => servers.delete(server));
  return { server, listener };
}

async function closeServers() {
  for (const [server, listener] of [...servers]) {
    const closed = once(server, 'close');
    server.close({ timeout: 0 });
    for (const [, dial] of listener.dials) {
      if (dial.socket.readyState === 0) dial.fail(new Error('test over'));
    }
    await closed;
  }
}

module.exports = { URI, closeServers, startServer };
