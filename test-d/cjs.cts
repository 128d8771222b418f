// Compiled, not run: what a CommonJS module sees.
import WebSocket = require('hyco-ws-rs');
import { RelayedServer, type RelayedRequest } from 'hyco-ws-rs';

export const server = new RelayedServer(
  { server: 'wss://h/p', token: 't' },
  (socket: WebSocket, _request: RelayedRequest) => {
    socket.close();
  }
);
