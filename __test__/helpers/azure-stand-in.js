'use strict';

/**
 * Azure for programs that name `contoso.servicebus.windows.net`, unchanged: an emulator with a certificate for that
 * name, and an HTTP proxy that takes connections for it to the emulator. Programs find both through the environment.
 */

const { once } = require('node:events');
const { readFileSync } = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const { join } = require('node:path');

const { RelayEmulator } = require('../../emulator.js');

const NAMESPACE = 'contoso.servicebus.windows.net';
const fixture = (name) => join(__dirname, '..', 'fixtures', name);
const CERTIFICATE = fixture('contoso-cert.pem');

/** A proxy that knows CONNECT and, for hosts of the namespace's domain, one destination. */
async function startProxy(target) {
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const proxy = net.createServer((client) => {
    keep(client).once('data', (head) => {
      const [, authority] = /^CONNECT (\S+) HTTP/.exec(head.toString('latin1')) ?? [];
      if (!/\.servicebus\.windows\.net:443$/.test(authority)) {
        client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
        return;
      }
      const upstream = keep(
        net.connect(target, '127.0.0.1', () => {
          client.write('HTTP/1.1 200 Connection established\r\n\r\n');
          client.pipe(upstream).pipe(client);
        })
      );
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    }
  };
}

/**
 * @param {object} [options] Of the emulator
 * @return {Promise<{relay: RelayEmulator, proxy: {url: string}, ca: string, env: object, close: function(): Promise<void>,
 *     request: function(string, string, {signal: AbortSignal=}=): Promise<{status: number, headers: object, body: string}>}>}
 */
async function startStandIn(options) {
  const ca = readFileSync(CERTIFICATE, 'utf8');
  const relay = await RelayEmulator.start({
    tls: { cert: ca, key: readFileSync(fixture('contoso-key.pem'), 'utf8') },
    publicHost: `${NAMESPACE}:443`,
    sharedAccessPolicies: [{ keyName: 'rule' }],
    ...options
  });
  const proxy = await startProxy(relay.port);
  const env = {
    SB_HC_NAMESPACE: NAMESPACE,
    SB_HC_PATH: 'hyco',
    SB_HC_KEYRULE: 'rule',
    SB_HC_KEY: relay.key,
    SB_HC_CONNECTION_STRING: `Endpoint=sb://${NAMESPACE}/;SharedAccessKeyName=rule;SharedAccessKey=${relay.key};EntityPath=hyco`,
    HTTPS_PROXY: proxy.url,
    NODE_EXTRA_CA_CERTS: CERTIFICATE,
    NO_PROXY: '',
    no_proxy: ''
  };
  return {
    relay,
    proxy,
    ca,
    env,
    /** An HTTP sender. */
    async request(method, path, { signal } = {}) {
      const request = https.request({
        host: '127.0.0.1',
        port: relay.port,
        servername: NAMESPACE,
        ca,
        agent: false,
        signal,
        method,
        path,
        headers: { Host: NAMESPACE, ServiceBusAuthorization: relay.createToken('') }
      });
      request.end();
      const [response] = await once(request, 'response');
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      return { status: response.statusCode, headers: response.headers, body };
    },
    async close() {
      await relay.close({ force: true });
      proxy.close();
    }
  };
}

module.exports = { NAMESPACE, startStandIn };
