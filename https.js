'use strict';

// What hyco-https exports: the `https` of Node with the relay on it. Node's own module is left alone.

const { ServerResponse } = require('node:http');
const https = require('node:https');

const {
  appendRelayToken,
  createRelayBaseUri,
  createRelayHttpsUri,
  createRelayListenUri,
  createRelaySendUri,
  createRelayToken
} = require('./lib/shared/helpers.js');
const { Server, createRelayedServer } = require('./lib/https/server.js');

const { Agent, createServer, get, globalAgent, request } = https;

module.exports = {
  Agent,
  Server,
  ServerResponse,
  appendRelayToken,
  createRelayBaseUri,
  createRelayHttpsUri,
  createRelayListenUri,
  createRelaySendUri,
  createRelayToken,
  createRelayedServer,
  createServer,
  get,
  globalAgent,
  request
};

// Whatever else there is in this Node; and its agent can be exchanged for all.
for (const name of Object.keys(https)) if (!(name in module.exports)) module.exports[name] = https[name];
Object.defineProperties(module.exports, {
  globalAgent: {
    enumerable: true,
    configurable: true,
    get: () => https.globalAgent,
    set(agent) {
      https.globalAgent = agent;
    }
  }
});
