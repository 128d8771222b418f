'use strict';

/** The same over TLS, where bytes take another way through the engine; and what TLS itself refuses. */

const { createPrivateKey } = require('node:crypto');
const { readFileSync } = require('node:fs');
const path = require('node:path');

const { binary, close, deflate, frame, ping, text } = require('../helpers/frames');

const fixture = (name) => readFileSync(path.join(__dirname, '..', 'fixtures', name));

const cert = fixture('loopback-cert.pem');
const SERVER = { cert, key: fixture('loopback-key.pem') };
const bytes = (length) => Buffer.alloc(length, 'abc');

const locked = createPrivateKey(SERVER.key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'right'
});

/** What is told as `error`, and not thrown. */
const UNUSABLE = {
  'ca of another type': { ca: 5 },
  'an entry of ca of another type': { ca: [cert, {}] },
  'cert of another type': { cert: {} },
  'a cert that is none': { cert: 'x', key: SERVER.key },
  'key of another type': { cert, key: 5 },
  'a key that is none': { cert, key: 'x' },
  'a key of another certificate': { cert, key: fixture('contoso-key.pem') },
  'a wrong pass phrase': { cert, key: locked, passphrase: 'wrong' },
  'no pass phrase': { cert, key: locked },
  'passphrase of another type': { cert, key: locked, passphrase: 5 },
  'minVersion that is none': { minVersion: 'TLSv9' },
  'minVersion of another type': { minVersion: 5 },
  'maxVersion that is none': { maxVersion: '' }
};

async function open(stage, options, acceptance) {
  const peer = await stage.another(SERVER);
  const socket = stage.create(peer.url('/', 'wss'), { ca: cert, ...options });
  const connection = await peer.connection();
  await connection.accept(acceptance);
  await stage.until('open');
  return { socket, connection };
}

/** OpenSSL's own words are not compared, and what came of it only by its code. */
async function refused(stage, url, options) {
  const socket = new stage.Subject(url, options);
  stage.sockets.push(socket);
  socket.on('error', ({ code }) => stage.note('error', code, socket.readyState));
  socket.on('close', (code) => stage.note('close', code, socket.readyState));
  await stage.until('close');
}

const scenarios = {
  'messages both ways': async (stage) => {
    const { socket, connection } = await open(stage);
    for (const length of [0, 1, 126, 20_000, 300_000]) {
      socket.send(bytes(length), stage.callback(`${length}`));
      connection.send(binary(bytes(length)), text(`${length}`));
    }
    socket.ping('ping');
    connection.send(ping('theirs'));
    await stage.until('ping');
    await connection.frames(7);
    connection.send(close(4000, 'bye'));
    await stage.finish();
    await stage.callbacks.until('callback 300000');
  },
  'frames together with the 101': async (stage) => {
    await open(stage, {}, { frames: [text('early'), binary(bytes(100_000)), close(1000)] });
    await stage.finish();
  },
  'close()': async (stage) => {
    const { socket, connection } = await open(stage);
    stage.call(socket, 'close', 1000, 'mine');
    await connection.frames(1);
    connection.send(close(4000, 'theirs'));
    await stage.finish();
  },
  'the end without a close frame': async (stage) => {
    const { connection } = await open(stage);
    connection.send(text('x'));
    connection.end();
    await stage.finish();
  },
  'terminate()': async (stage) => {
    const { socket } = await open(stage);
    stage.call(socket, 'terminate');
    await stage.finish();
  },
  'a protocol error': async (stage) => {
    const { connection } = await open(stage);
    connection.send(text('x'), frame(3));
    await connection.frames(1);
    await stage.finish();
  },
  'a pause': async (stage) => {
    const { socket, connection } = await open(stage);
    stage.call(socket, 'pause');
    connection.send(text('one'), close(1000));
    socket.send('two');
    await connection.frames(1);
    stage.note('resume');
    stage.call(socket, 'resume');
    await stage.finish();
  },
  'permessage-deflate': async (stage) => {
    const acceptance = { headers: ['Sec-WebSocket-Extensions: permessage-deflate'] };
    const { socket, connection } = await open(stage, {}, acceptance);
    socket.send(bytes(5000));
    connection.send(text(deflate('hello'), { rsv: 4 }));
    await stage.until('message');
    await connection.frames(1);
    connection.send(close(1000));
    await stage.finish();
  },
  'a refusal': async (stage) => {
    const peer = await stage.another(SERVER);
    stage.create(peer.url('/', 'https'), { ca: cert });
    const connection = await peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    await stage.finish();
  },
  'a redirect away from TLS': async (stage) => {
    const peer = await stage.another(SERVER);
    const options = { ca: cert, followRedirects: true, auth: 'a:b', headers: { cookie: 'c', host: 'd' } };
    stage.create(peer.url('/', 'wss'), options);
    const connection = await peer.connection();
    await connection.request();
    connection.send(`HTTP/1.1 302 Found\r\nLocation: ${stage.peer.url()}\r\nContent-Length: 0\r\n\r\n`);
    const next = await stage.peer.connection();
    await next.accept();
    await stage.until('open');
    next.end();
    await next.over();
    await stage.until('close');
  },
  'a certificate that nobody vouches for': async (stage) => {
    stage.ignoresPeers = true;
    await refused(stage, (await stage.another(SERVER)).url('/', 'wss'), {});
  },
  'rejectUnauthorized: false': async (stage) => {
    const { connection } = await open(stage, { ca: undefined, rejectUnauthorized: false });
    connection.send(close(1000));
    await stage.finish();
  },
  'values of rejectUnauthorized and ca that Node takes for none': async (stage) => {
    const { connection } = await open(stage, { rejectUnauthorized: false, ca: '', cert: '', key: false });
    connection.send(close(1000));
    await stage.finish();
  },
  'rejectUnauthorized that is not false': async (stage) => {
    stage.ignoresPeers = true;
    const peer = await stage.another(SERVER);
    await refused(stage, peer.url('/', 'wss'), { rejectUnauthorized: 0 });
  },
  'a name that the certificate does not carry': async (stage) => {
    stage.ignoresPeers = true;
    await refused(stage, (await stage.another(SERVER)).url('/', 'wss'), {
      ca: cert,
      servername: 'elsewhere.example'
    });
  },
  ...Object.fromEntries(
    Object.entries(UNUSABLE).map(([name, options]) => [
      `what cannot be used: ${name}`,
      async (stage) => {
        stage.ignoresPeers = true;
        await refused(stage, (await stage.another(SERVER)).url('/', 'wss'), { ca: cert, ...options });
      }
    ])
  ),
  'FIN instead of TLS': async (stage) => {
    stage.ignoresPeers = true;
    const attempt = refused(stage, stage.peer.url('/', 'wss'), {});
    const connection = await stage.peer.connection();
    await connection.until(() => connection.head !== '');
    connection.end();
    await attempt;
  },
  'HTTP instead of TLS': async (stage) => {
    stage.ignoresPeers = true;
    const attempt = refused(stage, stage.peer.url('/', 'wss'), {});
    const connection = await stage.peer.connection();
    await connection.until(() => connection.head !== '');
    connection.send('HTTP/1.1 400 Bad Request\r\n\r\n');
    await attempt;
  }
};

module.exports = scenarios;
