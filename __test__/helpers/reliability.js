'use strict';

/** Relays, servers and senders that are closed after each test. */

const diagnosticsChannel = require('node:diagnostics_channel');
const { once } = require('node:events');
const net = require('node:net');
const nodeTls = require('node:tls');

const WebSocket = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { Queue, tls } = require('./emulator-peers.js');
const { TcpProxy } = require('./tcp-proxy.js');

const { RelayedServer, relayedConnect } = WebSocket;

const relays = new Set();
const servers = new Set();
const sockets = new Set();
const proxies = new Set();
const scripts = new Set();

async function cleanUp() {
  const take = (set) => {
    const all = [...set];
    set.clear();
    return all;
  };
  for (const socket of take(sockets)) socket.terminate();
  await Promise.all(take(servers).map((server) => server.close({ timeout: 0 })));
  await Promise.all(take(relays).map((relay) => relay.close({ force: true })));
  await Promise.all(take(proxies).map((proxy) => proxy.close()));
  for (const { server, connections } of take(scripts)) {
    for (const socket of connections) socket.destroy();
    server.close();
  }
}

async function startRelay(options) {
  const relay = await RelayEmulator.start(options);
  relays.add(relay);
  return relay;
}

async function startProxy(port) {
  const proxy = await TcpProxy.start(port);
  proxies.add(proxy);
  return proxy;
}

/** A TCP (or TLS) server that does what `script(socket)` says with each connection; resolves with its port. */
async function scripted(script, options) {
  const connections = new Set();
  const onSocket = (socket) => {
    connections.add(socket);
    socket.on('error', () => {});
    script(socket);
  };
  const server = options ? nodeTls.createServer(options, onSocket) : net.createServer(onSocket);
  server.on('tlsClientError', () => {});
  scripts.add({ server, connections });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
}

/** A server that is not up yet. */
function makeServer(relay, options) {
  const trust = relay.secure ? { tls: { ca: tls.cert } } : undefined;
  const { keyName, key } = relay;
  const credentials = options?.token === undefined ? { keyName, key } : undefined;
  const server = new RelayedServer({ server: relay.listenUri?.(), ...credentials, ...trust, ...options });
  servers.add(server);
  return server;
}

async function startServer(relay, options) {
  const server = makeServer(relay, options);
  await once(server, 'listening');
  return server;
}

/** Answers each message with itself. */
function echo(server) {
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return server;
}

/** A sender with `opened`, `closed` (`[code, reason]`) and `messages`, a queue of buffers. */
function connect(relay, { uri = relay.sendUri(), ...options } = {}) {
  const socket = relayedConnect(uri, { token: relay.createToken(), ca: tls.cert, ...options });
  sockets.add(socket);
  socket.messages = new Queue();
  socket.on('message', (data) => socket.messages.push(data));
  socket.opened = new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket)).on('error', reject);
  });
  socket.opened.catch(() => {});
  socket.closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => {
      sockets.delete(socket);
      resolve([code, reason.toString()]);
    });
  });
  return socket;
}

/** Connects, sends a text, waits for its echo, and closes. */
async function roundTrip(relay, text = 'hello', options) {
  const sender = await connect(relay, options).opened;
  sender.send(text);
  const answer = String(await sender.messages.next());
  sender.close(1000);
  await sender.closed;
  return answer;
}

/** @return {Promise<Error|undefined>} What a sender's handshake fails with */
function refusal(socket) {
  return socket.opened.then(() => undefined, (error) => error); // prettier-ignore
}

/** The next message on a diagnostics channel. */
function told(name) {
  return new Promise((resolve) => {
    const listener = (message) => {
      diagnosticsChannel.unsubscribe(`hyco-ws-rs:${name}`, listener);
      resolve(message);
    };
    diagnosticsChannel.subscribe(`hyco-ws-rs:${name}`, listener);
  });
}

/** Resolves when `count` events have come. */
function times(emitter, event, count) {
  return new Promise((resolve) => {
    const listener = () => {
      if (--count > 0) return;
      emitter.off(event, listener);
      resolve();
    };
    emitter.on(event, listener);
  });
}

module.exports = {
  cleanUp,
  connect,
  echo,
  makeServer,
  refusal,
  roundTrip,
  scripted,
  startProxy,
  startRelay,
  startServer,
  times,
  tls,
  told
};
