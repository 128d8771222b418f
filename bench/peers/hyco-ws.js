'use strict';

/** hyco-ws 1.0.5 as it is, on the ws 1.1 that comes with it. */

const path = require('node:path');
const { createRequire } = require('node:module');

const hyco = require('hyco-ws');
const WebSocket = createRequire(path.dirname(require.resolve('hyco-ws/package.json')) + '/index.js')('ws');

exports.ws1 = true;

exports.listen = (server, options, onSocket) => {
  hyco.createRelayedServer({ server, token: 'a token' }, onSocket);
};

exports.dial = (url, { deflate }) => new WebSocket(url, [], { perMessageDeflate: deflate });
