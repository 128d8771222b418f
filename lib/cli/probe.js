'use strict';

/** The single steps of `doctor`, on Node's own sockets: they have to work where our engine does not. */

const { lookup } = require('node:dns/promises');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const tls = require('node:tls');

const { bareHost } = require('../shared/address.js');
const { withCode } = require('../shared/errors.js');

const TIMEOUT = 10_000;

/** @returns {Promise<String[]>} addresses */
async function resolveName(host) {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** @returns {Promise<net.Socket>} connected */
async function openTcp(host, port) {
  const socket = net.connect({ host, port });
  return ready(socket, 'connect', `no answer from port ${port} within ${TIMEOUT / 1000} s`);
}

/** Asks an HTTP proxy for a tunnel. @returns {Promise<net.Socket>} */
async function openTunnel(proxyUrl, host, port) {
  const proxy = new URL(proxyUrl);
  const authority = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const headers = { Host: authority };
  if (proxy.username || proxy.password) {
    const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers['Proxy-Authorization'] = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  const request = http.request({
    host: bareHost(proxy.hostname),
    port: Number(proxy.port) || 80,
    method: 'CONNECT',
    path: authority,
    headers,
    timeout: TIMEOUT
  });
  request.on('timeout', () => request.destroy(timeoutError('no answer from the proxy')));
  request.end();
  const [response, socket] = await once(request, 'connect');
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw Object.assign(new Error(`the proxy answered ${response.statusCode} ${response.statusMessage}`), {
    statusCode: response.statusCode
  });
}

/** @returns {Promise<tls.TLSSocket>} with a certificate that holds */
async function openTls(socket, host) {
  const secure = tls.connect({ socket, servername: net.isIP(host) ? '' : host, host });
  return ready(secure, 'secureConnect', 'no answer to the TLS handshake');
}

/** Asks for the time by a plain request. @returns {Promise<Number|undefined>} seconds that our clock is ahead */
async function askClock(socket, host) {
  const started = Date.now();
  const request = http.request({
    createConnection: () => socket,
    host,
    path: '/',
    method: 'GET',
    timeout: TIMEOUT
  });
  request.on('timeout', () => request.destroy(timeoutError('no answer to a request')));
  request.end();
  const [response] = await once(request, 'response');
  response.resume();
  const theirs = Date.parse(response.headers.date ?? '');
  return Number.isNaN(theirs) ? undefined : ((started + Date.now()) / 2 - theirs) / 1000;
}

async function ready(socket, event, complaint) {
  const timer = setTimeout(() => socket.destroy(timeoutError(complaint)), TIMEOUT);
  try {
    await once(socket, event);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function timeoutError(message) {
  return withCode(new Error(message), 'ETIMEDOUT');
}

module.exports = { askClock, openTcp, openTls, openTunnel, resolveName };
