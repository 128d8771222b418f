import { expectAssignable, expectDeprecated, expectError, expectType } from 'tsd';
import { Duplex } from 'node:stream';
import * as ws from 'ws';

import WebSocket = require('..');

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
    handleProtocols: (protocols) => [...protocols][0] ?? false,
    reconnect: { delay: (attempt) => (attempt < 3 ? 1000 : false) },
    keepAlive: false,
    tls: { ca: ['pem'], minVersion: 'TLSv1.3' },
    proxy: false,
    signal: new AbortController().signal
  })
);
expectError(new WebSocket.RelayedServer({ token: 'token' }));
expectError(new WebSocket.RelayedServer({ server: 'wss://h/p', textMessages: 'text' }));
server.on('headers', (headers, request) => {
  expectType<string[]>(headers);
  expectType<WebSocket.RelayedRequest>(request);
});
server.once('reconnecting', ({ attempt, delay, reason }) => {
  expectType<number>(attempt);
  expectType<number>(delay);
  expectType<Error>(reason);
});
expectType<Set<WebSocket.RelayedWebSocket>>(server.clients);
expectType<Promise<void>>(server.close((reason) => expectType<Error | undefined>(reason)));
expectType<WebSocket.RelayedServer>(server.unref().ref());

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

function credential(): WebSocket.TokenCredential {
  return { getToken: async () => ({ token: 't', expiresOnTimestamp: 1 }) };
}
