'use strict';

/** A server of ws on a thread of its own, which plays its side of each conversation and reports what was wrong. */

const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const { parentPort, workerData } = require('node:worker_threads');

const { WebSocketServer } = require('ws');

const { Dice } = require('./dice.js');
const { Party, makeConversation } = require('./party.js');

async function main() {
  const { seeds, budget, deflate, tls } = workerData;
  const server = tls ? https.createServer(tls) : http.createServer();
  const autoPong = budget.controls === 'answered';
  const options = { server, perMessageDeflate: deflate, maxPayload: 0, autoPong, maxPendingAutoPongs: 0 };
  const sockets = new WebSocketServer(options);
  const overs = [];
  const all = new Promise((resolve) => {
    sockets.on('connection', (socket, { url }) => {
      const number = Number(url.slice(1));
      const conversation = makeConversation(new Dice(seeds[number]), budget);
      const dice = new Dice(conversation.seeds.server);
      const party = new Party(socket, 'server', conversation, {
        name: `socket ${number}`,
        dice
      });
      overs.push(party.over());
      if (overs.length === seeds.length) resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  parentPort.postMessage({ port: server.address().port });
  await all;
  const faults = (await Promise.all(overs)).flat();
  server.close();
  parentPort.postMessage({ faults });
}

main();
