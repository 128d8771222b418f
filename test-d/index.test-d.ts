import { expectAssignable, expectDeprecated, expectError, expectType } from 'tsd';
import { Duplex } from 'node:stream';
import * as http from 'node:http';
import * as nodeHttps from 'node:https';
import * as http2 from 'node:http2';
import * as ws from 'ws';

import WebSocket = require('..');
import https = require('../https');

// The export is ws's class with the relay on it.
const client = new WebSocket('ws://127.0.0.1', ['a'], { maxPayload: 1 });
expectAssignable<ws.WebSocket>(client);
expectType<0>(WebSocket.CONNECTING);
expectType<3>(client.CLOSED);
expectType<Duplex>(WebSocket.createWebSocketStream(client));
client.on('message', (data, isBinary) => {
  expectType<WebSocket.RawData>(data);
  expectType<boolean>(isBinary);
});
class Mine extends WebSocket {}
expectAssignable<WebSocket>(new Mine('ws://127.0.0.1'));
const local = new WebSocket.Server({ port: 0 });
local.on('connection', (socket) => expectAssignable<ws.WebSocket>(socket));
expectType<WebSocket.WebSocketServer>(new WebSocket.WebSocketServer({ noServer: true }));
expectDeprecated(WebSocket.connect);
expectDeprecated(WebSocket.createConnection);
expectDeprecated(WebSocket.createServer);

// Tokens and URIs.
expectType<string>(WebSocket.createRelayToken('wss://h/p', 'rule', 'key'));
expectType<string>(WebSocket.createRelayToken(new URL('wss://h/p'), 'rule', 'key', '60'));
expectType<string>(WebSocket.appendRelayToken('wss://h/p', 'rule', 'key', 60));
expectType<string>(WebSocket.createRelayBaseUri('ns', 'p'));
expectType<string>(WebSocket.createRelayListenUri('ns', 'p', null, 'id'));
expectType<string>(WebSocket.createRelaySendUri('ns', 'p', 'token'));
expectType<string>(WebSocket.createRelayHttpsUri('ns', 'p', 'token'));
expectError(WebSocket.createRelayToken('wss://h/p', 'rule'));
expectError(WebSocket.createRelayToken('wss://h/p', 'rule', 42));
expectError(WebSocket.createRelayBaseUri('ns'));
const parsed = WebSocket.parseConnectionString('Endpoint=sb://h/');
expectType<WebSocket.ConnectionStringProperties>(parsed);
expectType<string>(parsed.fullyQualifiedNamespace);
expectType<string | undefined>(parsed.sharedAccessKey);
expectType<number | undefined>(parsed.operationTimeout);

// Errors.
const error = new WebSocket.RelayError('text', { code: 'ERR_HYCO_NOT_FOUND', statusCode: 404, cause: 1 });
expectAssignable<Error>(error);
expectType<WebSocket.RelayErrorCode>(error.code);
expectType<boolean>(error.transient);
expectType<string | undefined>(error.trackingId);
expectError(new WebSocket.RelayError('text', { code: 'ERR_OTHER' }));

// The listener.
const server = WebSocket.createRelayedServer(
  { server: 'wss://h/p', token: () => 'token' },
  (socket, request) => {
    expectType<WebSocket.RelayedWebSocket>(socket);
    expectAssignable<WebSocket>(socket);
    expectType<string>(request.url);
    expectType<string | undefined>(request.socket.remoteAddress);
  }
);
expectType<WebSocket.RelayedServer>(server);
expectType<WebSocket.RelayedServer>(
  new WebSocket.RelayedServer({ server: new URL('wss://h/p'), keyName: 'r', key: 'k' })
);
expectType<WebSocket.RelayedServer>(
  WebSocket.createRelayedListener({
    server: 'wss://h/p',
    token: async () => 'token',
    verifyClient: (info, callback) => callback(info.req.url === '/', 403, 'No'),
    rendezvousHosts: async (hostname) => hostname.endsWith('.test'),
    handleProtocols: (protocols) => [...protocols][0] ?? false,
    reconnect: { delay: (attempt) => (attempt < 3 ? 1000 : undefined), recycleAfter: false },
    maxBufferedAmount: 0,
    maxAssembling: 0,
    keepAlive: false,
    tls: { ca: ['pem'], minVersion: 'TLSv1.3' },
    proxy: false,
    signal: new AbortController().signal
  })
);
expectError(new WebSocket.RelayedServer({ token: 'token' }));
expectError(new WebSocket.RelayedServer({ server: 'wss://h/p', textMessages: 'text' }));
expectError(new WebSocket.RelayedServer({ server: 'wss://h/p', tls: { pfx: 'p12' } }));
expectError(new WebSocket.RelayedServer({ server: 'wss://h/p', tls: { rejectUnauthorised: false } }));
server.on('headers', (headers, request) => {
  expectType<string[]>(headers);
  expectType<WebSocket.RelayedRequest>(request);
});
server.once('reconnecting', ({ channel, attempt, delay, reason, error }) => {
  expectType<number>(channel + attempt + delay);
  expectType<string>(reason);
  expectType<Error>(error);
});
server.on('offline', (error) => expectType<Error>(error));
server.on('error', ({ code, statusCode }) => expectType<string | number | undefined>(code ?? statusCode));
server.on('connection', (socket) => {
  socket.on('error', (error) =>
    expectType<string | undefined>(error.code ?? error.reason ?? error.trackingId)
  );
  socket.on('message', (data, isBinary) => {
    expectType<WebSocket.RawData>(data);
    expectType<boolean>(isBinary);
  });
  socket.once('close', (closeCode, reason) => expectType<Buffer>(reason ?? closeCode));
  expectType<WebSocket.RelayedWebSocket>(socket.on('ping', () => {}).once('open', () => {}));
  expectAssignable<ws.WebSocket>(socket);
});
server.on('close', (closed) => expectType<WebSocket.RelayedServer>(closed));
expectType<number | undefined>(server.stats().rtt);
expectType<number>(server.stats().accepted);
expectType<number | undefined>(server.stats().wireBytesReceived);
expectType<number[]>(server.stats().acceptLatency.counts);
expectError(server.stats().other);
expectType<Promise<void>>(server.close({ drain: true, timeout: 1, signal: new AbortController().signal }));
expectType<Promise<void>>(server[Symbol.asyncDispose]());
expectAssignable<AsyncDisposable>(server);
expectType<void>(server.updateToken('token'));
expectError(server.close({ wait: 1 }));
expectError(server.updateToken(1));
expectType<WebSocket.RelayedServer>(WebSocket.RelayedServer.fromConnectionString('Endpoint=sb://h/'));
expectType<WebSocket.RelayedServer>(
  WebSocket.RelayedServer.fromConnectionString('Endpoint=sb://h/', { path: 'p', maxPayload: 1 }, (socket) =>
    expectType<WebSocket.RelayedWebSocket>(socket)
  )
);
expectType<WebSocket.RelayedServer>(
  WebSocket.RelayedServer.fromConnectionString('Endpoint=sb://h/', (socket) => socket.close())
);
expectError(WebSocket.RelayedServer.fromConnectionString('Endpoint=sb://h/', { server: 'wss://h/p' }));
expectType<Set<WebSocket.RelayedWebSocket>>(server.clients);
expectType<Promise<void>>(server.close((reason) => expectType<Error | undefined>(reason)));
expectType<WebSocket.RelayedServer>(server.unref().ref());
server.options.handleProtocols = (protocols) => protocols.has('a') && 'a';

// The sender.
expectType<WebSocket.RelayedWebSocket>(
  WebSocket.relayedConnect('wss://h/p', 'token', (socket) => socket.close())
);
expectType<WebSocket.RelayedWebSocket>(
  WebSocket.relayedConnect('wss://h/p', { headers: { a: 'b' }, token: 't' })
);
expectType<WebSocket.RelayedWebSocket>(WebSocket.relayedConnect('wss://h/p', null));
expectType<WebSocket.RelayedWebSocket>(
  new WebSocket.RelayedWebSocket('wss://h/p', 'a', { credential: credential() })
);

expectType<Promise<WebSocket.RelayedWebSocket>>(
  WebSocket.connectRelayed('wss://h/p', { keyName: 'r', key: 'k', signal: new AbortController().signal })
);
expectType<Promise<WebSocket.RelayedWebSocket>>(WebSocket.connectRelayed('Endpoint=sb://h/', () => 'token'));
const { bufferedAmount, bytesSent, compression, rtt } = new WebSocket.RelayedWebSocket('wss://h/p').stats();
expectType<number>(bufferedAmount);
expectType<number | undefined>(bytesSent);
expectType<boolean>(compression);
expectType<number | undefined>(rtt);
expectError(WebSocket.connectRelayed());
expectError(WebSocket.connectRelayed('wss://h/p', { signal: 1 }));
expectType<Promise<void>>(new WebSocket.RelayedWebSocket('wss://h/p')[Symbol.asyncDispose]());

function credential(): WebSocket.TokenCredential {
  return { getToken: async () => ({ token: 't', expiresOnTimestamp: 1 }) };
}

// HTTP.
server.on('request', (req, res) => {
  expectAssignable<http.IncomingMessage>(req);
  expectAssignable<http.ServerResponse>(res);
  expectType<string>(req.url);
  expectType<string>(req.method);
  expectType<string>(req.id);
  expectType<AbortSignal>(req.signal);
  expectType<AbortSignal>(req.relay.signal);
  expectType<string>(res.id);
  res.writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'] }).end('x');
});
server.on('requestError', (failure, req, res) => {
  expectType<unknown>(failure);
  expectType<WebSocket.RelayedHttpRequest>(req);
  expectType<WebSocket.RelayedHttpResponse>(res);
});
expectType<string | undefined>(server.inspectorUrl);
server.on('inspecting', (url) => expectType<string>(url));
expectType<WebSocket.RelayedServer>(server.attach(http.createServer()));
expectType<WebSocket.RelayedServer>(server.attach(nodeHttps.createServer({}), { stripPath: false }));
expectError(server.attach(http2.createServer()));
expectError(server.attach(http.createServer(), { strip: true }));
expectType<number | undefined>(server.stats().requestsPending);
expectType<WebSocket.LatencyHistogram>(server.stats().answerLatency);
new WebSocket.RelayedServer({
  server: 'wss://h/p',
  token: 't',
  maxPendingRequests: 5,
  inspect: { port: 0, previewBytes: 0 },
  maxRequestBytes: 0,
  earlyRendezvous: true
});

const relayed = https.createRelayedServer(
  { server: 'wss://h/p', token: 't', keepAliveTimeout: 5 },
  (req, res) => {
    expectType<WebSocket.RelayedHttpRequest>(req);
    res.end();
  }
);
expectType<https.Server>(relayed.listen(() => {}).setTimeout(5));
expectAssignable<WebSocket.RelayedServer>(relayed);
expectType<https.Server>(https.Server({ server: 'wss://h/p', token: 't' }));
expectType<https.Server>(new https.Server({ server: 'wss://h/p', token: 't' }));
relayed.close((failure: Error | null) => failure?.message);
expectType<typeof http.ServerResponse>(https.ServerResponse);
expectType<string>(https.createRelayHttpsUri('ns', 'p'));

// Forwarding.
async function forwarding() {
  const tunnel = await WebSocket.forward(3000, {
    connectionString: 'x',
    hostHeader: 'preserve',
    keepAlive: false
  });
  expectType<WebSocket.Tunnel>(tunnel);
  expectAssignable<WebSocket.RelayedServer>(tunnel);
  expectType<string>(tunnel.url);
  expectType<WebSocket.ForwardedStreamStats | undefined>(tunnel.stats().forwarded.streams);
  tunnel.on('answered', ({ statusCode }, error) => {
    expectType<number | undefined>(statusCode);
    expectType<Error | undefined>(error);
  });
  tunnel.on('disconnect', ({ bytesSent }) => expectType<number | undefined>(bytesSent));
  tunnel.on('listening', () => {});
  await tunnel.close({ drain: true });
  await WebSocket.forward(http.createServer(), { server: 'wss://h/$hc/p', keyName: 'rule', key: 'key' });
  await WebSocket.forward(
    { sql: 'db:1433', app: 'unix:/run/app.sock' },
    { connectionString: 'x', path: 'p' }
  );
  expectError(WebSocket.forward(true, { connectionString: 'x' }));
  expectError(WebSocket.forward(3000));
  const local = await WebSocket.forwardLocal('127.0.0.1:0', { address: tunnel.url, name: 'sql', raw: false });
  expectType<WebSocket.LocalForward>(local);
  local.on('refused', (error, { remotePort }) => {
    expectType<Error>(error);
    expectType<number | undefined>(remotePort);
  });
  await local[Symbol.asyncDispose]();
  expectError(WebSocket.forwardLocal(0));
}
forwarding();
