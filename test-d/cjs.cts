// Compiled, not run: what a CommonJS module sees.
import WebSocket = require('hyco-ws-rs');
import { RelayedServer, type RelayedRequest } from 'hyco-ws-rs';
import https = require('hyco-ws-rs/https');

export const server = new RelayedServer(
  { server: 'wss://h/p', token: 't' },
  (socket: WebSocket, _request: RelayedRequest) => {
    socket.close();
  }
);

export const relayed: https.Server = https.createRelayedServer(
  { server: 'wss://h/p', token: 't' },
  (req, res) => {
    res.end(req.url);
  }
);
