'use strict';

const { RelayedWebSocket } = require('./relayed-socket.js');

function relayedConnect(address) {
  return new RelayedWebSocket(address);
}

module.exports = { relayedConnect };
