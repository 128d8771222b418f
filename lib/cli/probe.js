'use strict';

/** The single steps of `doctor`, on Node's own sockets: they have to work where our engine does not. */

const { lookup } = require('node:dns/promises');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');
const tls = require('node:tls');

const { bareHost, hostAndPort, placeOf } = require('../shared/address.js');
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
  const proxy = new URL(/:\/\//.test(proxyUrl) ? proxyUrl : `http://${proxyUrl}`);
  const authority = hostAndPort(host, port);
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

/**
 * The whole way at once.
 *
 * @param {URL} url
 * @param {string} [proxy] Its URL; not one of SOCKS
 * @returns {Promise<net.Socket>}
 */
async function openWay(url, proxy) {
  const { secure, host, port } = placeOf(url);
  const plain = await (proxy === undefined ? openTcp(host, port) : openTunnel(proxy, host, port));
  return secure ? openTls(plain, host) : plain;
}

/**
 * @param {net.Socket} socket Connected
 * @param {URL} url
 * @param {object} [headers]
 * @returns {Promise<{status: number, date: string|undefined, body: string}>}
 */
async function askHttp(socket, url, headers) {
  const request = http.request({
    createConnection: () => socket,
    host: bareHost(url.hostname),
    path: url.pathname,
    headers: { Host: url.host, ...headers }
  });
  const timer = setTimeout(() => request.destroy(timeoutError('no answer to a request')), TIMEOUT);
  try {
    request.end();
    const [response] = await once(request, 'response');
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode, date: response.headers.date, body };
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for the time by a plain request. @returns {Promise<Number|undefined>} seconds that our clock is ahead */
async function askClock(socket, url) {
  const started = Date.now();
  const { date } = await askHttp(socket, new URL('/', url));
  const theirs = Date.parse(date ?? '');
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

module.exports = { askClock, askHttp, openTcp, openTls, openTunnel, openWay, resolveName };
