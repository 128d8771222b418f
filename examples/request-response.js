'use strict';

// Requests and responses over one connection, with an Express-style table of routes on the listener's side:
//
//     node examples/request-response.js
//
// runs both sides. Flags and environment are those of listener.js.

const { once } = require('node:events');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('request-response.js');
const credentials = { keyName: settings.keyrule, key: settings.key };

/** `[method, pattern, handler]`; a handler returns the body, or a promise of it. */
const routes = [
  ['GET', /^\/time$/, () => ({ time: new Date().toISOString() })],
  ['POST', /^\/sum$/, ({ body }) => ({ sum: body.reduce((total, number) => total + number, 0) })]
];

async function answer({ id, method, url, body }) {
  const route = routes.find(([its, pattern]) => its === method && pattern.test(url));
  if (route === undefined) return { id, status: 404 };
  try {
    return { id, status: 200, body: await route[2]({ method, url, body }) };
  } catch (error) {
    return { id, status: 500, body: { message: error.message } };
  }
}

function startListener() {
  const uri = adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings);
  return WebSocket.createRelayedServer({ server: uri, ...credentials, textMessages: 'string' }, (socket) => {
    socket.on('message', async (text) => socket.send(JSON.stringify(await answer(JSON.parse(text)))));
  });
}

/** Asks over a socket; answers may come in any order. */
class Client {
  #socket;
  #waiting = new Map();
  #lastId = 0;

  constructor(socket) {
    this.#socket = socket;
    socket.on('message', (text) => {
      const { id, ...response } = JSON.parse(text);
      this.#waiting.get(id)?.resolve(response);
      this.#waiting.delete(id);
    });
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('The connection was closed'));
      this.#waiting.clear();
    });
  }

  request(method, url, body) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, url, body }));
    });
  }
}

async function main() {
  const server = startListener();
  await once(server, 'listening');
  const uri = adapt(WebSocket.createRelaySendUri(settings.ns, settings.path), settings);
  const socket = await WebSocket.connectRelayed(uri, { ...credentials, textMessages: 'string' });
  const client = new Client(socket);
  const responses = await Promise.all([
    client.request('GET', '/time'),
    client.request('POST', '/sum', [1, 2, 3]),
    client.request('GET', '/nothing')
  ]);
  for (const response of responses) console.log(JSON.stringify(response));
  socket.close();
  await server.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
