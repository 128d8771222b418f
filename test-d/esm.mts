// Compiled, not run: what an ES module sees.
import WebSocket, {
  OPEN,
  RelayError,
  RelayedServer,
  WebSocketServer,
  connectRelayed,
  createRelayToken,
  createRelayedServer,
  createWebSocketStream,
  relayedConnect,
  type ConnectionStringProperties,
  type LatencyHistogram,
  type RawData,
  type RelayedHttpRequest,
  type RelayedHttpResponse,
  type RelayedServerOptions,
  type RelayedSocketStats
} from 'hyco-ws-rs';
import https, { Agent, createRelayedServer as createHttps } from 'hyco-ws-rs/https';

const options: RelayedServerOptions = { server: 'wss://h/p', token: createRelayToken('wss://h/p', 'r', 'k') };
const server: RelayedServer = createRelayedServer(options, (socket) => {
  socket.on('message', (data: RawData) => socket.send(data as Buffer));
  createWebSocketStream(socket);
});
server.on('error', (error) => error instanceof RelayError && error.trackingId);
new WebSocketServer({ port: 0 }).close();
new WebSocket.Server({ port: 0 }).close();
relayedConnect('wss://h/p', (socket) => socket.close());
export const parsed: ConnectionStringProperties = WebSocket.parseConnectionString('Endpoint=sb://h/');
export const connected: Promise<WebSocket> = connectRelayed('wss://h/p', { path: 'p' });

server.on('request', (req: RelayedHttpRequest, res: RelayedHttpResponse) => res.end(req.id));
createHttps(options).listen(() => https.get('https://h/', { agent: new Agent() }));

export const open: boolean = relayedConnect('wss://h/p').readyState === OPEN;
export const latency: LatencyHistogram = server.stats().acceptLatency;
export const carried: RelayedSocketStats = relayedConnect('wss://h/p').stats();
