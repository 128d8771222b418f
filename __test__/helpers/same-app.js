'use strict';

/** One application on a port of this machine and behind a relay, asked the same things in both places. */

const http = require('node:http');
const { once } = require('node:events');

const { RelayedServer } = require('../..');
const { RelayEmulator } = require('../../emulator.js');

/** What the way decides, and not the application. */
const OF_THE_WAY = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding', 'via'];

/**
 * @param {import('node:http').Server} httpServer
 * @param {object} [attachOptions] Of `attach()`
 * @param {object} [options] Of the `RelayedServer`
 */
async function startBoth(httpServer, attachOptions, options) {
  const relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
  const { keyName, key } = relay;
  const server = new RelayedServer({ server: relay.listenUri(), keyName, key, ...options });
  server.attach(httpServer, attachOptions);
  if (!httpServer.listening) httpServer.listen(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), httpServer.listening || once(httpServer, 'listening')]);
  return {
    relay,
    server,
    local: `http://127.0.0.1:${httpServer.address().port}`,
    relayed: `http://127.0.0.1:${relay.port}/hyco`,
    async close() {
      await server.close({ timeout: 0 });
      await relay.close({ force: true });
      httpServer.closeAllConnections();
      await new Promise((resolve) => httpServer.close(resolve));
    }
  };
}

/**
 * @param {string} url
 * @param {object} [options] Of `http.request()`, and a `body`: text, bytes, or an array of these, written one by one
 * @return {Promise<{status: number, reason: string, headers: object, body: Buffer}>}
 */
function askUrl(url, { body = [], ...options } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => {
        const { statusCode: status, statusMessage: reason, headers } = response;
        resolve({ status, reason, headers, body: Buffer.concat(chunks) });
      });
    });
    request.on('error', reject);
    const pieces = [body].flat();
    // Otherwise Node would leave both body headers out.
    if (pieces.length === 1) return request.end(pieces[0]);
    for (const piece of pieces) request.write(piece);
    request.end();
  });
}

/** An answer in the form in which both ways agree. */
function comparable({ status, reason, headers, body }) {
  const kept = Object.entries(headers).filter(([name]) => !OF_THE_WAY.includes(name));
  return {
    status,
    reason,
    // The protocol has one text for each name.
    headers: Object.fromEntries(kept.map(([name, value]) => [name, [value].flat().join(', ')])),
    body: body.toString('latin1')
  };
}

/** Asks in both places. */
async function askBoth({ local, relayed }, path, options) {
  const [here, there] = await Promise.all([askUrl(local + path, options), askUrl(relayed + path, options)]);
  return [comparable(there), comparable(here)];
}

module.exports = { askBoth, askUrl, comparable, startBoth };
