'use strict';

module.exports = require('./lib/emulator/relay-emulator.js');
