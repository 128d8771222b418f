'use strict';

// An Express app whose routes and middleware also decide about senders that come through the relay:
//
//     node examples/express.js serve           the app on a local port, and at the hybrid connection
//     node examples/express.js ask lobby ann   a sender: Ann asks for the room of that name
//
// needs `npm install express`. Flags and environment are those of listener.js.

const { once } = require('node:events');
const { ServerResponse } = require('node:http');

const express = require('express');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('express.js');
const credentials = { keyName: settings.keyrule, key: settings.key };
const [role, room, user] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

/** What a route has accepted a sender with, until the sender is connected. */
const handlers = new WeakMap();

/**
 * Asks an app about a sender. A route lets it in with `response.accept(handler)`; whatever ends the response instead
 * turns the sender away, with the response's status.
 */
function askApp(app) {
  return ({ req: request }, callback) => {
    const response = new ServerResponse(request);
    response.accept = (handler) => {
      handlers.set(request, handler);
      callback(true);
    };
    response.end = () => {
      callback(false, response.statusCode, response.statusMessage);
      return response;
    };
    app(request, response, (error) => callback(false, error ? 500 : 404));
  };
}

function makeApp() {
  const app = express();
  // For HTTP requests and for senders alike.
  app.use((request, response, next) => {
    request.user = request.get('x-user');
    if (request.user === undefined) response.status(401).end();
    else next();
  });
  app.get('/time', (request, response) => response.json({ time: new Date(), user: request.user }));
  app.get(`/${settings.path}/rooms/:room`, (request, response) => {
    // Over plain HTTP there is nobody to talk to.
    if (response.accept === undefined) return response.status(426).end();
    response.accept((socket) => {
      socket.send(`welcome to ${request.params.room}, ${request.user}`);
      socket.on('message', (data) => socket.send(`${request.user} says ${data}`));
    });
  });
  return app;
}

async function serve() {
  const app = makeApp();
  const local = app.listen(0, '127.0.0.1');
  const server = new WebSocket.RelayedServer({
    server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
    ...credentials,
    verifyClient: askApp(app)
  });
  server.on('connection', (socket, request) => handlers.get(request)(socket));
  await Promise.all([once(local, 'listening'), once(server, 'listening')]);
  console.log(`listening, and on http://127.0.0.1:${local.address().port}`);
  process.once('SIGINT', () => {
    local.close();
    server.close();
  });
}

async function ask() {
  const uri = WebSocket.createRelaySendUri(settings.ns, `${settings.path}/rooms/${room}`);
  const headers = user === undefined ? {} : { 'X-User': user };
  const socket = WebSocket.relayedConnect(adapt(uri, settings), { ...credentials, headers });
  const [welcome] = await once(socket, 'message');
  console.log(String(welcome));
  socket.send('hello');
  const [answer] = await once(socket, 'message');
  console.log(String(answer));
  socket.close();
}

if (role === 'serve' || (role === 'ask' && room !== undefined)) {
  const run = role === 'serve' ? serve : ask;
  run().catch((error) => {
    console.error(error.statusCode, error.reason ?? error.message);
    process.exitCode = 1;
  });
} else {
  console.log('express.js serve | ask room [user]');
}
