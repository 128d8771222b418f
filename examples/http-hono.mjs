// A Hono app without an open port:
//
//     npm install hono @hono/node-server
//     node examples/http-hono.mjs
//
// SB_HC_CONNECTION_STRING says where. See http-express.js for a sender.

import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';

import { RelayedServer } from 'hyco-ws-rs';

const app = new Hono();
app.get('/hello/:name', (context) => context.json({ text: `hello, ${context.req.param('name')}` }));
app.post('/shout', async (context) => context.text((await context.req.text()).toUpperCase()));

const server = RelayedServer.fromConnectionString(process.env.SB_HC_CONNECTION_STRING);
server.attach(createAdaptorServer({ fetch: app.fetch }));
server.on('listening', () => console.log('listening'));
server.on('error', (error) => console.error(error.message));

process.once('SIGINT', () => server.close({ drain: true, timeout: 10_000 }));
