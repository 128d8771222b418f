'use strict';

// Scripted listeners and senders on plain ws: they share no code with what they test.

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const { WebSocket } = require('ws');

const fixture = (name) => readFileSync(join(__dirname, '..', 'fixtures', name), 'utf8');
const tls = { cert: fixture('loopback-cert.pem'), key: fixture('loopback-key.pem') };

/** Keeps what arrives until somebody asks. */
class Queue {
  #items = [];
  #waiting = [];

  push(item) {
    if (this.#waiting.length) this.#waiting.shift()(item);
    else this.#items.push(item);
  }

  next() {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get size() {
    return this.#items.length;
  }
}

const sockets = new Set();

/** Ends what a test left open. */
function terminateAll() {
  for (const socket of sockets) socket.terminate();
  sockets.clear();
}

/**
 * Dials; resolves with the open socket, which carries `messages` (a Queue of `[data, isBinary]`), `closed` and
 * `response` (of the handshake). Rejects with `{ status, reason }` if the relay refuses.
 */
function dial(url, protocols = [], options = {}) {
  const socket = new WebSocket(url, protocols, { ca: tls.cert, perMessageDeflate: false, ...options });
  sockets.add(socket);
  socket.messages = new Queue();
  socket.on('message', (data, isBinary) => socket.messages.push([data, isBinary]));
  socket.on('upgrade', (response) => {
    socket.response = response;
  });
  socket.closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => {
      sockets.delete(socket);
      resolve([code, reason.toString()]);
    });
  });
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve(socket));
    socket.on('error', reject);
    socket.on('unexpected-response', (request, response) => {
      response.resume();
      request.destroy();
      reject(
        Object.assign(new Error(`${response.statusCode} ${response.statusMessage}`), {
          status: response.statusCode,
          reason: response.statusMessage
        })
      );
    });
  });
}

/** Registers a listener; `nextCommand()` gives the next control message, parsed. */
async function listen(relay, path, { token = relay.createToken(path), id, ...options } = {}) {
  const headers = token === null ? {} : { ServiceBusAuthorization: token };
  const control = await dial(relay.listenUri(path, { id }), [], { headers, ...options });
  control.nextCommand = async () => JSON.parse((await control.messages.next())[0].toString());
  return control;
}

/** Dials as a sender, without waiting for the handshake. */
function send(
  relay,
  path,
  { protocols, token = relay.createToken(path?.split('?')[0]), headers, ...options } = {}
) {
  const all = { ...(token === null ? {} : { ServiceBusAuthorization: token }), ...headers };
  const sender = dial(relay.sendUri(path), protocols, { headers: all, ...options });
  // The test awaits it later.
  sender.catch(() => {});
  return sender;
}

/** Brings a sender and a listener together; gives `[sender, listener, accept]`. */
async function meet(relay, control, path, options = {}) {
  const sending = send(relay, path, options);
  const { accept } = await control.nextCommand();
  const listener = await dial(accept.address, options.chosen ?? [], options.legOptions);
  return [await sending, listener, accept];
}

module.exports = { Queue, dial, fixture, listen, meet, send, terminateAll, tls };
