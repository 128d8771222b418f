'use strict';

// An Express app without an open port: JSON, uploads, and files with parts of them (Range).
//
//     node examples/http-express.js
//
// prints the URL. A sender, with the variables of the listener:
//
//     auth="ServiceBusAuthorization: $(npx hyco-ws-rs token)"
//     curl -H "$auth" --json '[1, 2, 3]' "$url/sum"
//     curl -H "$auth" -T film.mp4 "$url/files/"
//     curl -H "$auth" -r 0-99 "$url/files/film.mp4"
//
// needs `npm install express`. Flags and environment are those of listener.js.

const { createWriteStream, mkdtempSync, rmSync } = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');

const express = require('express');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('http-express.js');
const folder = mkdtempSync(path.join(os.tmpdir(), 'hyco-files-'));

function makeApp() {
  const app = express();
  app.post('/sum', express.json(), (req, res) => {
    res.json({ sum: req.body.reduce((total, number) => total + number, 0) });
  });
  // As long as it likes to be: it goes to the disk as it comes.
  app.put('/files/:name', async (req, res) => {
    await pipeline(req, createWriteStream(path.join(folder, path.basename(req.params.name))));
    // The sender knows us by the URL of the relay, of which `baseUrl` is the part that routes do not see.
    res.status(201).location(`${req.baseUrl}${req.path}`).end();
  });
  app.use('/files', express.static(folder));
  return app;
}

const server = new WebSocket.RelayedServer({
  server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
  keyName: settings.keyrule,
  key: settings.key
});
server.attach(http.createServer(makeApp()));
server.on('listening', () => {
  console.log(`listening at ${adapt(WebSocket.createRelayHttpsUri(settings.ns, settings.path), settings)}`);
});
server.on('error', (error) => console.error(error.message));

process.once('SIGINT', async () => {
  // What is in progress may end.
  await server.close({ drain: true, timeout: 10_000 });
  rmSync(folder, { recursive: true });
});
