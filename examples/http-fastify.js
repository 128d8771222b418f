'use strict';

// A Fastify app without an open port:
//
//     node examples/http-fastify.js
//
// prints the URL; see http-express.js for a sender. Needs `npm install fastify`. Flags and environment are those of
// listener.js.

const Fastify = require('fastify');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('http-fastify.js');

const SCHEMA = {
  body: { type: 'object', required: ['name'], properties: { name: { type: 'string', minLength: 1 } } }
};

async function main() {
  const fastify = Fastify();
  fastify.get('/time', async () => ({ time: new Date() }));
  fastify.post('/greet', { schema: SCHEMA }, async ({ body }) => ({ text: `hello, ${body.name}` }));
  // In the place of `listen()`: the routes have to be there when the first request comes.
  await fastify.ready();

  const server = new WebSocket.RelayedServer({
    server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
    keyName: settings.keyrule,
    key: settings.key
  });
  server.attach(fastify.server);
  server.on('listening', () => {
    console.log(`listening at ${adapt(WebSocket.createRelayHttpsUri(settings.ns, settings.path), settings)}`);
  });
  server.on('error', (error) => console.error(error.message));

  process.once('SIGINT', async () => {
    // The relay first: Fastify answers 503 once it closes.
    await server.close({ drain: true, timeout: 10_000 });
    await fastify.close();
  });
}

main();
