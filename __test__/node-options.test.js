'use strict';

// Options that only Node's own network objects know move a socket to ws's engine: they do what they say.

const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');
const path = require('node:path');

const { RelayedWebSocket, WebSocketServer } = require('..');

const pem = (name) => readFileSync(path.join(__dirname, 'fixtures', `loopback-${name}.pem`), 'utf8');

let server;
let url;
beforeAll(async () => {
  server = https.createServer({ cert: pem('cert'), key: pem('key') });
  new WebSocketServer({ server }).on('connection', (socket) =>
    socket.on('message', (data) => socket.send(data))
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `wss://127.0.0.1:${server.address().port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

test('checkServerIdentity decides', async () => {
  const seen = [];
  const refused = new RelayedWebSocket(url, {
    ca: pem('cert'),
    checkServerIdentity(host, certificate) {
      seen.push([host, typeof certificate.fingerprint256]);
      return new Error('not this one');
    }
  });
  const [error] = await once(refused, 'error');
  expect(error.message).toBe('not this one');
  expect(seen).toEqual([['127.0.0.1', 'string']]);
});

test('ciphers are those of the connection', async () => {
  const cipher = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES256-GCM-SHA384';
  const socket = new RelayedWebSocket(url, { ca: pem('cert'), ciphers: cipher, maxVersion: 'TLSv1.2' });
  await once(socket, 'open');
  expect(cipher).toContain(socket._socket.getCipher().name);
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('hello');
  socket.close();
  await once(socket, 'close');
});
