'use strict';

const { EventEmitter } = require('node:events');

class RelayedServer extends EventEmitter {}

module.exports = { RelayedServer };
