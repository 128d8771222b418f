'use strict';

/** This package. */

const { RelayedServer, RelayedWebSocket } = require('../../index.js');

exports.listen = (server, { deflate }, onSocket) => {
  const listener = new RelayedServer({ server, token: 'a token', perMessageDeflate: deflate });
  listener.on('connection', onSocket);
  listener.on('error', (error) => process.stderr.write(`listener: ${error.message}\n`));
  listener.on('rendezvousError', (error) => process.stderr.write(`rendezvous: ${error.message}\n`));
};

exports.dial = (url, { deflate }) => new RelayedWebSocket(url, { perMessageDeflate: deflate });
