'use strict';

// The backend of a page that talks through the relay. The key stays here: the page gets an address that is good for one
// minute, for one hybrid connection.
//
//     node examples/browser/listener.js     behind the firewall
//     node examples/browser/backend.js      where the page comes from
//
// Both read the variables that `npx hyco-ws-rs emulator` prints. The rule needs the Send right here, and no other.

const { readFileSync } = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const { appendRelayToken, createRelaySendUri } = require('hyco-ws-rs');

const { adapt, readSettings } = require('../settings.js');

const LIFETIME = 60;
const settings = readSettings('backend.js');
const bare = adapt(createRelaySendUri(settings.ns, settings.path), settings);
// The page may talk to us and to the relay, and to nobody else.
const POLICY = `default-src 'none'; script-src 'self'; connect-src 'self' ${new URL(bare).origin}`;

const file = (name) => readFileSync(path.join(__dirname, name));
const FILES = {
  '/': ['text/html; charset=utf-8', file('index.html')],
  '/page.js': ['text/javascript; charset=utf-8', file('page.js')]
};

/** Whoever gets an address may send: this is where a session is looked up. Pages of others are refused in any case. */
function mayConnect(request) {
  return request.headers['sec-fetch-site'] === 'same-origin';
}

const server = http.createServer((request, response) => {
  if (request.method === 'POST' && request.url === '/send-uri') {
    if (!mayConnect(request)) return response.writeHead(403).end();
    const uri = appendRelayToken(bare, settings.keyrule, settings.key, LIFETIME);
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    return response.end(JSON.stringify({ uri }));
  }
  const found = request.method === 'GET' && Object.hasOwn(FILES, request.url) && FILES[request.url];
  if (!found) return response.writeHead(404).end();
  response.writeHead(200, { 'Content-Type': found[0], 'Content-Security-Policy': POLICY }).end(found[1]);
});

server.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  console.log(`open http://127.0.0.1:${server.address().port}/`);
});
