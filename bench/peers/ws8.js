'use strict';

/** What hyco-ws's listener does for an accept, on today's ws: the yardstick. With or without bufferutil. */

const WebSocket = require('ws');

exports.listen = (server, { deflate }, onSocket) => {
  const clients = new Set();
  const control = new WebSocket(server, { headers: { ServiceBusAuthorization: 'a token' } });
  control.on('error', (error) => process.stderr.write(`control channel: ${error.message}\n`));
  control.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.accept) accept(message.accept);
  });

  function accept({ address, connectHeaders }) {
    const headers = {};
    for (const [name, value] of Object.entries(connectHeaders)) headers[name.toLowerCase()] = value;
    if (!headers['sec-websocket-key']) return;
    const offered = headers['sec-websocket-protocol'];
    const protocols = offered === undefined ? [] : [offered.split(/, */)[0]];
    const socket = new WebSocket(address, protocols, { perMessageDeflate: deflate });
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    onSocket(socket);
  }
};

exports.dial = (url, { deflate }) => new WebSocket(url, { perMessageDeflate: deflate });
