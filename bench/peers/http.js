'use strict';

/**
 * The HTTP peers, each in a process of its own: `node peers/http.js NAME URL`. It says `ready`, with its port if it has
 * one, and takes orders over stdin as JSON lines; it ends with stdin.
 */

const http = require('node:http');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');

const { say, takeOrders } = require('./orders.js');

const PAGE = Buffer.alloc(1024, 'hyco');
const PIECE = Buffer.alloc(64 * 1024, 'hyco');

/** What every peer does: `/` is a page of 1 KiB, `/down?bytes=N` a large one, and of whatever is sent the bytes are counted. */
function handler(req, res) {
  if (req.method === 'POST') {
    let bytes = 0;
    req.on('data', (chunk) => {
      bytes += chunk.length;
    });
    req.on('end', () => res.end(String(bytes)));
    return;
  }
  res.setHeader('Content-Type', 'text/plain');
  const [, size] = req.url.split('=');
  if (size === undefined) {
    res.setHeader('Content-Length', PAGE.length);
    res.end(PAGE);
    return;
  }
  pipeline(Readable.from(pieces(Number(size)), { objectMode: false }), res).catch((error) => {
    process.stderr.write(`answer: ${error.message}\n`);
  });
}

function* pieces(bytes) {
  for (let left = bytes; left > 0; left -= PIECE.length) {
    yield left >= PIECE.length ? PIECE : PIECE.subarray(0, left);
  }
}

/** `listen(url)` says the port, where there is one. */
const PEERS = {
  'hyco-ws-rs': (url) => {
    const { RelayedServer } = require('../../index.js');
    const listener = new RelayedServer({ server: url, token: 'a token' });
    listener.on('request', handler);
    listener.on('error', (error) => process.stderr.write(`listener: ${error.message}\n`));
  },
  'hyco-https': (url) => {
    const https = require('hyco-https');
    const listener = https.createRelayedServer({ server: url, token: 'a token' }, handler);
    listener.on('error', (error) => process.stderr.write(`listener: ${error.message}\n`));
    listener.listen();
  },
  'node-http': async () => {
    const server = http.createServer(handler).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    return server.address().port;
  }
};

takeOrders({});

const [name, url] = process.argv.slice(2);
Promise.resolve(PEERS[name](url)).then((port) => say({ event: 'ready', port }));
