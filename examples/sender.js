'use strict';

// Sends its memory usage ten times a second until a key is pressed. Flags and environment are those of the hyco-ws
// sample:
//
//     node examples/sender.js --ns=contoso.servicebus.windows.net --path=hyco --keyrule=rule --key=…

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('sender.js');
const uri = adapt(WebSocket.createRelaySendUri(settings.ns, settings.path), settings);
const token = WebSocket.createRelayToken(uri, settings.keyrule, settings.key);

const socket = WebSocket.relayedConnect(uri, token, () => {
  const interval = setInterval(() => socket.send(JSON.stringify(process.memoryUsage())), 100);
  console.log('Started client interval. Press any key to stop.');

  socket.on('close', () => {
    console.log('stopping client interval');
    clearInterval(interval);
    process.stdin.pause();
  });

  if (process.stdin.isTTY) process.stdin.setRawMode(true);
  process.stdin.resume();
  process.stdin.once('data', () => socket.close());
});

// The relay's own words, and the tracking id to quote to its support.
socket.on('error', (error) => {
  console.log(`error: ${error.message}`);
  process.exitCode = 1;
});
