import WebSocket from './index.js';

export const {
  CLOSED,
  CLOSING,
  CONNECTING,
  OPEN,
  PerMessageDeflate,
  Receiver,
  RelayError,
  RelayedServer,
  RelayedWebSocket,
  Sender,
  Server,
  WebSocketServer,
  appendRelayToken,
  connect,
  connectRelayed,
  createConnection,
  createRelayBaseUri,
  createRelayHttpsUri,
  createRelayListenUri,
  createRelaySendUri,
  createRelayToken,
  createRelayedListener,
  createRelayedServer,
  createServer,
  createWebSocketStream,
  extension,
  forward,
  forwardLocal,
  parseConnectionString,
  relayedConnect,
  subprotocol
} = WebSocket;

export { WebSocket };
export default WebSocket;
