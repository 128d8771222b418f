import WebSocket = require('./index.js');

export import AddressInfo = WebSocket.AddressInfo;
export import CertMeta = WebSocket.CertMeta;
export import ClientOptions = WebSocket.ClientOptions;
export import CloseEvent = WebSocket.CloseEvent;
export import ConnectionStringProperties = WebSocket.ConnectionStringProperties;
export import Data = WebSocket.Data;
export import ErrorEvent = WebSocket.ErrorEvent;
export import Event = WebSocket.Event;
export import EventListenerOptions = WebSocket.EventListenerOptions;
export import ForwardLocalOptions = WebSocket.ForwardLocalOptions;
export import ForwardOptions = WebSocket.ForwardOptions;
export import ForwardPlace = WebSocket.ForwardPlace;
export import ForwardTarget = WebSocket.ForwardTarget;
export import ForwardedEnd = WebSocket.ForwardedEnd;
export import ForwardedInfo = WebSocket.ForwardedInfo;
export import ForwardedRequest = WebSocket.ForwardedRequest;
export import ForwardedStreamStats = WebSocket.ForwardedStreamStats;
export import InspectOptions = WebSocket.InspectOptions;
export import KeepAliveOptions = WebSocket.KeepAliveOptions;
export import LatencyHistogram = WebSocket.LatencyHistogram;
export import LocalForward = WebSocket.LocalForward;
export import LocalForwardEvents = WebSocket.LocalForwardEvents;
export import MessageEvent = WebSocket.MessageEvent;
export import PerMessageDeflate = WebSocket.PerMessageDeflate;
export import PerMessageDeflateOptions = WebSocket.PerMessageDeflateOptions;
export import RawData = WebSocket.RawData;
export import Receiver = WebSocket.Receiver;
export import ReconnectOptions = WebSocket.ReconnectOptions;
export import RelayError = WebSocket.RelayError;
export import RelayErrorCode = WebSocket.RelayErrorCode;
export import RelayFailure = WebSocket.RelayFailure;
export import RelayedAttachOptions = WebSocket.RelayedAttachOptions;
export import RelayedClientOptions = WebSocket.RelayedClientOptions;
export import RelayedCloseOptions = WebSocket.RelayedCloseOptions;
export import RelayedHandleProtocols = WebSocket.RelayedHandleProtocols;
export import RelayedHttpRequest = WebSocket.RelayedHttpRequest;
export import RelayedHttpResponse = WebSocket.RelayedHttpResponse;
export import RelayedRequest = WebSocket.RelayedRequest;
export import RelayedServer = WebSocket.RelayedServer;
export import RelayedServerEvents = WebSocket.RelayedServerEvents;
export import RelayedServerOptions = WebSocket.RelayedServerOptions;
export import RelayedServerStats = WebSocket.RelayedServerStats;
export import RelayedSocketEvents = WebSocket.RelayedSocketEvents;
export import RelayedSocketStats = WebSocket.RelayedSocketStats;
export import RelayedVerifyClient = WebSocket.RelayedVerifyClient;
export import RelayedWebSocket = WebSocket.RelayedWebSocket;
export import Sender = WebSocket.Sender;
/**
 * ws's server on a port, under its older name.
 *
 * @example
 * new Server({ port: 8080 }).on('connection', (socket) => socket.send('hello'));
 */
export import Server = WebSocket.Server;
/**
 * What ws's server takes; the relay's takes `RelayedServerOptions`: ws's own type.
 *
 * @example
 * const options: ServerOptions = { port: 8080 };
 */
export import ServerOptions = WebSocket.ServerOptions;
export import SystemError = WebSocket.SystemError;
export import TlsOptions = WebSocket.TlsOptions;
export import TokenCredential = WebSocket.TokenCredential;
export import TokenSource = WebSocket.TokenSource;
export import Tunnel = WebSocket.Tunnel;
export import TunnelEvents = WebSocket.TunnelEvents;
export import TunnelStats = WebSocket.TunnelStats;
/**
 * A `verifyClient` with a callback, of ws's server: ws's own type. The relay's is `RelayedVerifyClient`.
 *
 * @example
 * const verifyClient: VerifyClientCallbackAsync = (info, callback) => callback(true);
 */
export import VerifyClientCallbackAsync = WebSocket.VerifyClientCallbackAsync;
/**
 * A `verifyClient` that returns its verdict, of ws's server: ws's own type. The relay's is `RelayedVerifyClient`.
 *
 * @example
 * const verifyClient: VerifyClientCallbackSync = ({ secure }) => secure;
 */
export import VerifyClientCallbackSync = WebSocket.VerifyClientCallbackSync;
export import VerifyClientInfo = WebSocket.VerifyClientInfo;
export import WebSocketEventMap = WebSocket.WebSocketEventMap;
/**
 * ws's server on a port.
 *
 * @example
 * new WebSocketServer({ port: 8080 }).on('connection', (socket) => socket.send('hello'));
 */
export import WebSocketServer = WebSocket.WebSocketServer;
export import appendRelayToken = WebSocket.appendRelayToken;
export import connect = WebSocket.connect;
export import connectRelayed = WebSocket.connectRelayed;
export import createConnection = WebSocket.createConnection;
export import createRelayBaseUri = WebSocket.createRelayBaseUri;
export import createRelayHttpsUri = WebSocket.createRelayHttpsUri;
export import createRelayListenUri = WebSocket.createRelayListenUri;
export import createRelaySendUri = WebSocket.createRelaySendUri;
export import createRelayToken = WebSocket.createRelayToken;
export import createRelayedListener = WebSocket.createRelayedListener;
export import createRelayedServer = WebSocket.createRelayedServer;
export import createServer = WebSocket.createServer;
export import createWebSocketStream = WebSocket.createWebSocketStream;
export import extension = WebSocket.extension;
export import forward = WebSocket.forward;
export import forwardLocal = WebSocket.forwardLocal;
export import parseConnectionString = WebSocket.parseConnectionString;
export import relayedConnect = WebSocket.relayedConnect;
export import subprotocol = WebSocket.subprotocol;

/**
 * `readyState` of a socket whose connection is not open yet.
 *
 * @example
 * socket.readyState === CONNECTING && socket.once('open', begin);
 */
export const CONNECTING: 0;
/**
 * `readyState` of an open socket.
 *
 * @example
 * if (socket.readyState === OPEN) socket.send('hello');
 */
export const OPEN: 1;
/**
 * `readyState` of a socket that is being closed.
 *
 * @example
 * const ends = socket.readyState === CLOSING;
 */
export const CLOSING: 2;
/**
 * `readyState` of a socket that is closed, or could not be opened.
 *
 * @example
 * const over = socket.readyState === CLOSED;
 */
export const CLOSED: 3;

export { WebSocket };
export default WebSocket;
