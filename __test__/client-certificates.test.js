'use strict';

// Servers that want a certificate of their clients: ours and ws's own client show theirs, or are refused, alike.

const { createPrivateKey } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const nodeTls = require('node:tls');

const { WebSocket, WebSocketServer, RelayedServer, RelayedWebSocket, connectRelayed } = require('..');
const { RelayEmulator } = require('../emulator.js');
const { fixture, tls } = require('./helpers/emulator-peers.js');

const MINE = { cert: fixture('contoso-cert.pem'), key: fixture('contoso-key.pem') };
const NAME = 'contoso.servicebus.windows.net';
/** Nobody trusts this one. */
const OTHER = { cert: tls.cert, key: tls.key };

/** The server's alert, as OpenSSL says it, or the end of the connection, which may overtake the alert. */
const REFUSED = /^ERR_SSL_.*ALERT|^EPROTO$|^ECONNRESET$|^EPIPE$/;

const closers = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A TLS server that takes clients with `MINE` alone; `names` are those of the certificates that it saw. */
async function strictServer(onSocket, options) {
  const names = [];
  const sockets = new Set();
  const server = nodeTls.createServer(
    { ...tls, requestCert: true, rejectUnauthorized: true, ca: [MINE.cert], ...options },
    (socket) => {
      names.push(socket.getPeerCertificate().subject?.CN);
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      onSocket(socket);
    }
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return { port: server.address().port, names };
}

/** WebSockets behind such a server. */
async function strictWebSockets(options) {
  const web = http.createServer();
  const sockets = new WebSocketServer({ server: web });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  return strictServer((socket) => web.emit('connection', socket), options);
}

/** What comes of a dial: the echo of a message, or the error's code. */
async function attempt(Socket, port, options) {
  const socket = new Socket(`wss://127.0.0.1:${port}`, { ca: tls.cert, ...options });
  // With TLS 1.3 the refusal comes after the client's own handshake.
  const outcome = await new Promise((resolve) => {
    socket.on('error', ({ code }) => resolve(code));
    socket.on('open', () => socket.send('hello'));
    socket.on('message', (data) => resolve(String(data)));
  });
  socket.terminate();
  if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
  return outcome;
}

const encrypted = createPrivateKey(MINE.key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'open sesame'
});

describe.each(['TLSv1.2', 'TLSv1.3'])('%s', (version) => {
  const versions = { minVersion: version, maxVersion: version };

  test.each([
    ['buffers', MINE],
    ['strings', { cert: String(MINE.cert), key: String(MINE.key) }],
    ['arrays', { cert: [MINE.cert], key: [MINE.key] }],
    ['a key with a pass phrase', { cert: MINE.cert, key: encrypted, passphrase: 'open sesame' }],
    ['a key with one of its own', { cert: MINE.cert, key: [{ pem: encrypted, passphrase: 'open sesame' }] }]
  ])('a client with %s is let in', async (_, options) => {
    const { port, names } = await strictWebSockets(versions);
    for (const Socket of [WebSocket, RelayedWebSocket]) {
      expect(await attempt(Socket, port, options)).toBe('hello');
    }
    expect(names).toEqual([NAME, NAME]);
  });

  test.each([
    ['no certificate', {}],
    ['one that is not trusted', OTHER]
  ])('a client with %s is refused', async (_, options) => {
    const { port, names } = await strictWebSockets(versions);
    for (const Socket of [WebSocket, RelayedWebSocket]) {
      expect(await attempt(Socket, port, options)).toMatch(REFUSED);
    }
    expect(names).toEqual([]);
  });
});

describe('through a relay', () => {
  /** A relay behind a server that wants certificates; rendezvous addresses lead there, too. */
  async function strictRelay() {
    const relay = await RelayEmulator.start({ tls });
    closers.push(() => relay.close({ force: true }));
    const front = await strictServer((socket) => {
      const upstream = nodeTls.connect({ port: relay.port, host: '127.0.0.1', ca: tls.cert });
      upstream.on('error', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      upstream.on('close', () => socket.destroy());
      socket.pipe(upstream).pipe(socket);
    });
    const { keyName, key } = relay;
    const through = (uri) => uri.replace(`:${relay.port}`, `:${front.port}`);
    return { relay, front, listen: { server: through(relay.listenUri()), keyName, key }, through };
  }

  test('a listener, its rendezvous and a sender show theirs', async () => {
    const { relay, front, listen, through } = await strictRelay();
    const server = new RelayedServer({ ...listen, tls: { ca: tls.cert, ...MINE } }, (socket) =>
      socket.on('message', (data) => socket.send(data))
    );
    closers.push(() => server.close({ timeout: 0 }));
    await once(server, 'listening');
    expect(front.names).toEqual([NAME]);
    const socket = await connectRelayed(through(relay.sendUri()), {
      token: relay.createToken(),
      ca: tls.cert,
      ...MINE
    });
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    expect(front.names).toEqual([NAME, NAME, NAME]);
    socket.terminate();
  });

  test('a listener without one is told, and does not come up', async () => {
    const { front, listen } = await strictRelay();
    const server = new RelayedServer({ ...listen, tls: { ca: tls.cert } });
    closers.push(() => server.close({ timeout: 0 }));
    server.on('error', () => {});
    const [{ error }] = await new Promise((resolve) =>
      server.once('reconnecting', (...given) => resolve(given))
    );
    expect(['ERR_HYCO_TLS', 'ERR_HYCO_NETWORK']).toContain(error.relayCode);
    expect([server.state, front.names]).toEqual(['reconnecting', []]);
  });

  test('a sender without one is refused', async () => {
    const { relay, front, through } = await strictRelay();
    const error = await connectRelayed(through(relay.sendUri()), {
      token: relay.createToken(),
      ca: tls.cert
    }).catch((reason) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toMatch(REFUSED);
    expect(front.names).toEqual([]);
  });
});
