'use strict';

const WebSocket = require('./websocket.js');

class RelayedWebSocket extends WebSocket {}

module.exports = { RelayedWebSocket };
