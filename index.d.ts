/// <reference types="node" />

import { EventEmitter } from 'node:events';
import {
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server as HttpServer,
  ServerResponse
} from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { Duplex, DuplexOptions } from 'node:stream';

import ws = require('ws');

/**
 * ws's `WebSocket` with the relay on it, as hyco-ws has it: an ordinary WebSocket client by itself
 * (`new WebSocket(url)`), and the namespace of everything else.
 */
declare class WebSocket extends ws {}

declare namespace WebSocket {
  // ---------------------------------------------------------------- what ws exports

  export import AddressInfo = ws.AddressInfo;
  export import CertMeta = ws.CertMeta;
  export import ClientOptions = ws.ClientOptions;
  export import CloseEvent = ws.CloseEvent;
  export import Data = ws.Data;
  export import ErrorEvent = ws.ErrorEvent;
  export import Event = ws.Event;
  export import EventListenerOptions = ws.EventListenerOptions;
  export import MessageEvent = ws.MessageEvent;
  export import PerMessageDeflateOptions = ws.PerMessageDeflateOptions;
  export import RawData = ws.RawData;
  export import ServerOptions = ws.ServerOptions;
  export import VerifyClientCallbackAsync = ws.VerifyClientCallbackAsync;
  export import VerifyClientCallbackSync = ws.VerifyClientCallbackSync;
  export import WebSocketEventMap = ws.WebSocketEventMap;
  export import Server = ws.Server;
  export import WebSocketServer = ws.WebSocketServer;

  /** Makes a duplex stream of a socket, relayed or not. */
  function createWebSocketStream(websocket: ws, options?: DuplexOptions): Duplex;

  /** ws's implementation of RFC 7692, without types of its own. */
  const PerMessageDeflate: any;
  /** ws's parser of frames, without types of its own. */
  const Receiver: any;
  /** ws's writer of frames, without types of its own. */
  const Sender: any;
  /** Reads and writes `Sec-WebSocket-Extensions`. Absent from ws before 8.20. */
  const extension: {
    format(extensions: Record<string, object | object[]>): string;
    parse(header: string): Record<string, object[]>;
  };
  /** Reads `Sec-WebSocket-Protocol`. Absent from ws before 8.20. */
  const subprotocol: { parse(header: string): Set<string> };

  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket(address)`.
   * @deprecated Use `new WebSocket(address)`.
   */
  function connect(address: string | URL, fn?: (this: WebSocket) => void): WebSocket;
  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket(address)`.
   * @deprecated Use `new WebSocket(address)`.
   */
  function createConnection(address: string | URL, fn?: (this: WebSocket) => void): WebSocket;
  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket.Server(options)`.
   * @deprecated Use `new WebSocket.Server(options)`.
   */
  function createServer(options: ServerOptions, fn?: (socket: ws) => void): Server;

  // ---------------------------------------------------------------- tokens and URIs

  /**
   * Makes a shared access signature.
   *
   * @param uri What the token is for. Its scheme and its query do not matter; the token is good for everything below.
   * @param keyName The name of the SAS rule, of the hybrid connection or of the namespace.
   * @param key The key of the SAS rule.
   * @param expirationSeconds How long the token is good for, in seconds. Default 3600.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, naming the argument
   */
  function createRelayToken(
    uri: string | URL,
    keyName: string,
    key: string,
    expirationSeconds?: number | string | null
  ): string;

  /**
   * Makes a token like `createRelayToken` and returns the URI with the token in its query (`sb-hc-token`).
   */
  function appendRelayToken(
    uri: string | URL,
    keyName: string,
    key: string,
    expirationSeconds?: number | string | null
  ): string;

  /** The address of a hybrid connection: `wss://{namespaceName}:443/$hc/{path}`. */
  function createRelayBaseUri(namespaceName: string, path: string): string;

  /**
   * The URI on which to listen.
   *
   * @param namespaceName `contoso.servicebus.windows.net`
   * @param path The name of the hybrid connection.
   * @param token A token to put into the URI. Prefer the `token` option of `RelayedServer`, which can be renewed.
   * @param id An id for tracing from end to end.
   */
  function createRelayListenUri(
    namespaceName: string,
    path: string,
    token?: string | null,
    id?: string | null
  ): string;

  /**
   * The URI to which to send.
   *
   * @param namespaceName `contoso.servicebus.windows.net`
   * @param path The name of the hybrid connection, with a sub-path and a query if need be.
   * @param token A token to put into the URI, for clients that cannot set headers.
   * @param id An id for tracing from end to end.
   */
  function createRelaySendUri(
    namespaceName: string,
    path: string,
    token?: string | null,
    id?: string | null
  ): string;

  /** The URI for plain HTTPS requests to a hybrid connection, as hyco-https builds it. */
  function createRelayHttpsUri(
    namespaceName: string,
    path: string,
    token?: string | null,
    id?: string | null
  ): string;

  /** What a connection string says, under the names that @azure/service-bus uses. */
  interface ConnectionStringProperties {
    /** `sb://contoso.servicebus.windows.net/`, as written. */
    endpoint: string;
    /** The endpoint's host, with its port if it names one. */
    fullyQualifiedNamespace: string;
    /** The name of the hybrid connection. */
    entityPath?: string;
    /** The name of the SAS rule. */
    sharedAccessKeyName?: string;
    /** The key of the SAS rule. Masked where the object is printed. */
    sharedAccessKey?: string;
    /** A token made earlier. Masked where the object is printed. */
    sharedAccessSignature?: string;
    /** `Managed Identity`, or another way to obtain a token. */
    authentication?: string;
    /** In milliseconds. */
    operationTimeout?: number;
    /** Present and true where the endpoint is an emulator on this machine. */
    useDevelopmentEmulator?: boolean;
  }

  /**
   * Takes the connection string of a namespace or a hybrid connection apart.
   *
   * @throws TypeError `ERR_INVALID_ARG_VALUE`; the text names the part at fault and quotes nothing
   */
  function parseConnectionString(connectionString: string): ConnectionStringProperties;

  // ---------------------------------------------------------------- errors

  /** The stable part of a `RelayError`. */
  type RelayErrorCode =
    | 'ERR_INVALID_ARG_VALUE'
    | 'ERR_HYCO_INVALID_FORMAT'
    | 'ERR_HYCO_UNAUTHORIZED'
    | 'ERR_HYCO_FORBIDDEN'
    | 'ERR_HYCO_NOT_FOUND'
    | 'ERR_HYCO_BUSY'
    | 'ERR_HYCO_REFUSED'
    | 'ERR_HYCO_TIMEOUT'
    | 'ERR_HYCO_HANDSHAKE'
    | 'ERR_HYCO_NETWORK'
    | 'ERR_HYCO_TLS'
    | 'ERR_HYCO_PROXY'
    | 'ERR_HYCO_TOKEN'
    | 'ERR_HYCO_PROTOCOL'
    | 'ERR_HYCO_DISCONNECTED'
    | 'ERR_HYCO_LIMIT'
    | 'ERR_HYCO_ABORTED'
    | 'ERR_HYCO_INTERNAL';

  /**
   * A failure of the relay, of the way to it or of the configuration. Match `code`; the text is free to change.
   * Failures of the network and of TLS keep Node's own codes (`ECONNREFUSED`) and are plain errors.
   */
  class RelayError extends Error {
    constructor(
      message: string,
      details?: {
        code?: RelayErrorCode;
        statusCode?: number;
        reason?: string;
        trackingId?: string;
        transient?: boolean;
        cause?: unknown;
      }
    );
    code: RelayErrorCode;
    /** HTTP status of the handshake, if that is what failed. */
    statusCode?: number;
    /** The text that the relay, or the listener behind it, gave. */
    reason?: string;
    /** The relay's id of the event, to quote in a support request. */
    trackingId?: string;
    /** True where the same attempt may succeed later without anybody changing anything. */
    transient: boolean;
  }

  /** An error of the network or of TLS, as Node makes it. */
  interface SystemError extends Error {
    code: string;
    errno?: number;
    syscall?: string;
    address?: string;
    port?: number;
    hostname?: string;
    /** What the relay's own classification is. */
    readonly relayCode: RelayErrorCode;
    readonly transient: boolean;
  }

  // ---------------------------------------------------------------- credentials and connections

  /** A token, or what makes one when it is asked for: the latter is renewed before it expires. */
  type TokenSource = string | (() => string | Promise<string>);

  /** What an Azure credential (`@azure/identity`) looks like from here. */
  interface TokenCredential {
    getToken(
      scopes: string | string[],
      options?: { abortSignal?: any }
    ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
  }

  /** Trust and identity for TLS, under the names of `node:tls`. Any other name of it is a `TypeError`. */
  interface TlsOptions {
    /** Certificates to trust, PEM. Default Node's roots. */
    ca?: string | Buffer | Array<string | Buffer>;
    /** The client's certificate and its chain, PEM. */
    cert?: string | Buffer | Array<string | Buffer>;
    /** The client's private key, PEM. */
    key?: string | Buffer | Array<string | Buffer | { pem: string | Buffer; passphrase?: string }>;
    /** That of an encrypted `key`. */
    passphrase?: string;
    /** Default true, or what `NODE_TLS_REJECT_UNAUTHORIZED` says. */
    rejectUnauthorized?: boolean;
    /** The name that the certificate has to carry. Default that of the host. */
    servername?: string;
    /** Default `'TLSv1.2'`. */
    minVersion?: 'TLSv1.2' | 'TLSv1.3';
    /** Default `'TLSv1.3'`. */
    maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  }

  /** When a connection counts as dead. */
  interface KeepAliveOptions {
    /** Milliseconds between two pings. Default 30,000. */
    interval?: number;
    /** Milliseconds without any inbound frame after which the connection is given up. Default 60,000. */
    timeout?: number;
    /** Pings, or pongs that nobody asked for. Default `'ping'`. */
    mode?: 'ping' | 'pong';
  }

  /** When and how the listener connects again. */
  interface ReconnectOptions {
    /** Milliseconds before the second attempt. Default 1,000. */
    minDelay?: number;
    /** Milliseconds between two attempts at most. Default 30,000. */
    maxDelay?: number;
    /** Milliseconds after which a connection counts as good, so that delays begin anew. Default 30,000. */
    stableAfter?: number;
    /** Whether to go on after a refusal that waiting does not cure (404). Default false. */
    retryTerminal?: boolean;
    /**
     * Milliseconds after which a control channel is replaced while it is still up, before the service closes it (which it
     * does after 24 hours). Default 82,800,000 (23 hours); 0: never.
     */
    recycleAfter?: number | false;
    /** Replaces the policy: milliseconds to wait before attempt `attempt`; `undefined` leaves it to the policy. */
    delay?: (attempt: number, error: Error) => number | undefined;
  }

  /** The request of a sender, in ws's shape. */
  interface RelayedRequest {
    /** The id that the relay gave the connection. */
    readonly id: string;
    readonly method: 'GET';
    readonly httpVersion: string;
    /** Path and query without `/$hc` and without the relay's own parameters. */
    readonly url: string;
    /** Names in lower case. */
    readonly headers: IncomingHttpHeaders;
    /** Names and values in turn, as sent. */
    readonly rawHeaders: string[];
    /** The sender's address, as the relay saw it. */
    readonly socket: { readonly remoteAddress?: string; readonly remotePort?: number };
    /** The tracking id again, and the host of the relay that the connection runs through. */
    readonly relay: { readonly id?: string; readonly host?: string };
    readonly connection: { readonly remoteAddress?: string; readonly remotePort?: number };
  }

  /** An HTTP request of a sender: one of `node:http`. */
  interface RelayedHttpRequest extends IncomingMessage {
    readonly method: string;
    /** Path and query as sent, without the relay's own parameters. */
    url: string;
    /** The id that the relay gave the request. */
    readonly id: string;
    /**
     * The id again, the host of the relay, and a signal that is aborted when no answer can reach the sender any more. It
     * stays where a framework puts another class under the request.
     */
    readonly relay: { readonly id: string; readonly host: string; readonly signal: AbortSignal };
    /** `relay.signal`. That a sender has left is known of a rendezvous only: see `earlyRendezvous`. */
    readonly signal: AbortSignal;
  }

  /** The answer to it: one of `node:http`. */
  interface RelayedHttpResponse extends ServerResponse<RelayedHttpRequest> {
    /** The id that the relay gave the request. */
    readonly id: string;
  }

  interface RelayedAttachOptions {
    /** Whether the path of the hybrid connection is taken off `url`. Default true. */
    stripPath?: boolean;
  }

  /** What `verifyClient` is given. */
  interface VerifyClientInfo {
    origin: string;
    secure: boolean;
    req: RelayedRequest;
  }

  /** Answers whether a sender may connect: at once, through a promise, or through `callback`. */
  type RelayedVerifyClient =
    | ((info: VerifyClientInfo) => boolean | Promise<boolean>)
    | ((
        info: VerifyClientInfo,
        callback: (result: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void
      ) => void);

  /**
   * Chooses the subprotocol. JavaScript written for hyco-ws may go on passing `(protocols, callback)`; the two forms
   * together would leave the parameters without a type, so this is ws 8's.
   */
  type RelayedHandleProtocols = (protocols: Set<string>, request: RelayedRequest) => string | false;

  /** Times in milliseconds, sizes in bytes; `false` or 0 switches a thing off. */
  interface RelayedServerOptions {
    /** The URI on which to listen, from `createRelayListenUri`. It may carry the token. */
    server: string | URL;
    /** A token, or a function that returns one or a promise of one. */
    token?: TokenSource;
    /** The name of the SAS rule, with `key`. */
    keyName?: string;
    /** The key of the SAS rule: tokens are made and renewed from it. Several are tried in turn. */
    key?: string | readonly string[];
    /** How long such tokens are good for, in seconds. Default 3600. */
    tokenLifetime?: number;
    /** An Azure credential, instead of a token or a key. */
    credential?: TokenCredential;
    /** The listener's id for tracing. Default a random UUID. */
    id?: string;
    /** What `server.path` shows. Default the path of `server`. */
    path?: string;
    /** Answers whether a sender may connect. */
    verifyClient?: RelayedVerifyClient;
    /** Chooses the subprotocol. Default the first offered. */
    handleProtocols?: RelayedHandleProtocols;
    /** Whether `clients` is kept. Default true. */
    clientTracking?: boolean;
    /** Bytes of the largest message. Default 100 MiB. */
    maxPayload?: number;
    /** Pieces of one message at most. Default 16,384. */
    maxFragments?: number;
    /** Answers to pings that may wait to be written. Default 60. */
    maxPendingAutoPongs?: number;
    /** Whether several messages may come in one turn of the event loop. Default true. */
    allowSynchronousEvents?: boolean;
    /** Whether pings are answered. Default true. */
    autoPong?: boolean;
    /** Whether text is taken as it comes. Default false. */
    skipUTF8Validation?: boolean;
    /** Compression as in ws 8. Default false. */
    perMessageDeflate?: boolean | PerMessageDeflateOptions;
    /** `'string'`: text arrives as a string, as under ws 1.x. Default `'buffer'`. */
    textMessages?: 'buffer' | 'string';
    /** For the control channel and the accepted sockets. */
    keepAlive?: boolean | KeepAliveOptions;
    reconnect?: boolean | ReconnectOptions;
    /** For opening the control channel. Default 60,000. */
    handshakeTimeout?: number;
    /** For the verdict and the rendezvous together. Default 20,000. */
    acceptTimeout?: number;
    /** For the closing handshake. Default 30,000. */
    closeTimeout?: number;
    /** Parallel control channels, 1 to 25. Default 1. */
    controlChannels?: number;
    /** Connections at a time; further senders are refused with 503. Default 0, no limit. */
    maxConnections?: number;
    /** Verdicts and rendezvous under way at a time. Default 256. */
    maxPendingAccepts?: number;
    /** HTTP requests in progress at a time; further ones get 503. Default 1024; 0: no limit. */
    maxPendingRequests?: number;
    /** Bytes of small HTTP bodies, of requests and answers, that wait in the engine. Default 64 MiB; 0: no limit. */
    maxRequestBytes?: number;
    /**
     * Whether the rendezvous of each HTTP request is dialled as soon as it has come, for only there does a listener hear
     * that the sender has left. Default false: with an answer that needs it, or after 20 s.
     */
    earlyRendezvous?: boolean;
    /** Bytes that a socket may hold for JavaScript before reading stops. Default 1 MiB. */
    highWaterMark?: number;
    /** Bytes sent that may wait for a sender that does not read, before it is given up. Default 256 MiB; 0: no limit. */
    maxBufferedAmount?: number;
    /**
     * Bytes that all sockets of the server together may hold of unfinished messages, before the one that holds most is
     * given up with 1009. Default 256 MiB, and always enough for one message of `maxPayload`; 0: no limit.
     */
    maxAssembling?: number;
    /**
     * To which hosts the relay may send the listener. Asked before each dial of an address that the relay named, after
     * the verdict; only `true`, or a promise of it within `acceptTimeout`, lets one through. `ws:` from `wss:` is never
     * dialled. Default: the hosts of the parent domain of `server`.
     */
    rendezvousHosts?: (hostname: string) => boolean | PromiseLike<boolean>;
    /** A proxy's URL, or `false` for none. Default the environment's. */
    proxy?: string | URL | false;
    tls?: TlsOptions;
    /** Aborting it closes the server. */
    signal?: AbortSignal;
  }

  interface RelayedServerEvents {
    /** A control channel is being opened. */
    connecting: [info: { channel: number; attempt: number }];
    /** The control channel is up, for the first time or again. */
    listening: [];
    /** The control channel was lost and will be opened again. */
    reconnecting: [info: { channel: number; attempt: number; delay: number; reason: string; error: Error }];
    /** The last control channel is gone and nothing more is tried; `updateToken()` starts it again. */
    offline: [error: Error];
    /** Header lines of an answer, before it is sent; add to the array. */
    headers: [headers: string[], request: RelayedRequest];
    /** A sender is connected; the socket is open. */
    connection: [socket: RelayedWebSocket, request: RelayedRequest];
    /** A sender could not be met at the rendezvous. */
    rendezvousError: [error: Error, request: RelayedRequest];
    /** An HTTP request. Without a listener senders get 501. */
    request: [req: RelayedHttpRequest, res: RelayedHttpResponse];
    /** A listener of `request` has thrown, or its promise was rejected: the sender got 500, or half an answer. */
    requestError: [error: unknown, req: RelayedHttpRequest, res: RelayedHttpResponse];
    /** What has to be acted on: a final refusal, bad credentials. */
    error: [error: Error];
    /** Everything is closed. */
    close: [server: RelayedServer];
  }

  interface RelayedCloseOptions {
    /** Lets clients finish; new senders get 503. Default false. */
    drain?: boolean;
    /** Milliseconds after which what is left is dropped. */
    timeout?: number;
    /** Aborting it drops at once what is left. */
    signal?: AbortSignal;
  }

  /** How durations are spread, in the form of OpenTelemetry's explicit-bucket histogram; milliseconds. */
  interface LatencyHistogram {
    count: number;
    sum: number;
    /** The longest one. */
    max: number;
    /** Upper bounds of the buckets, inclusive: always the same ones within a version. */
    bounds: number[];
    /** One more than bounds, not cumulative: the last bucket has what lay above all bounds. */
    counts: number[];
  }

  /** Counted since the server was made. */
  interface RelayedServerStats {
    /** Control dials. */
    dials?: number;
    /** Times that a control channel came up. */
    listening: number;
    /** Times that one had to be dialled again. */
    reconnects: number;
    /** Control channels that are up now. */
    online?: number;
    /** Senders that came. */
    offers?: number;
    /** Of these, accepted. */
    accepted: number;
    /** Turned away, by the program or by one of its limits. */
    rejected: number;
    /** Offers that wait for a verdict now. */
    pending?: number;
    /** Rejections that did not get through to the relay. */
    rejectFailures?: number;
    /** Rejections that were not even tried, because too many were under way. */
    rejectsDropped?: number;
    /** Senders that nobody decided about in time. */
    expired?: number;
    /** HTTP requests that came. */
    requests?: number;
    /** Of these, in progress now. */
    requestsPending?: number;
    /** Turned away with 503, by a limit or because the server closes. */
    requestsRefused?: number;
    /** Whose answer was lost, given up or too late. */
    requestsFailed?: number;
    /** Answers that went by a control channel. */
    answersByChannel?: number;
    /** Answers that went by a rendezvous. */
    answersByRendezvous?: number;
    /** Bytes of the bodies of requests. */
    requestBytes?: number;
    /** Bytes of the bodies of answers. */
    answerBytes?: number;
    /** Times that a token was asked for. */
    tokens?: number;
    /** Could not be met at the rendezvous. */
    failed: number;
    /** Control messages that could not be used. */
    malformed: number;
    /** Tokens renewed on an open channel. */
    renewals: number;
    /** Senders that wait for a verdict or the rendezvous now. */
    pendingAccepts: number;
    /** Open connections now. */
    connections: number;
    /** Milliseconds that the last ping of a control channel took there and back; of several channels the slowest. */
    rtt?: number;
    /** From the arrival of a sender to its open socket. */
    acceptLatency: LatencyHistogram;
    /** From the arrival of an HTTP request to the head of its answer. */
    answerLatency: LatencyHistogram;
  }

  /**
   * A WebSocket server that listens at a hybrid connection of Azure Relay and not on a port.
   * As hyco-ws's it can be called without `new`.
   */
  class RelayedServer extends EventEmitter implements AsyncDisposable {
    constructor(
      options: RelayedServerOptions,
      onConnection?: (socket: RelayedWebSocket, request: RelayedRequest) => void
    );

    /** A server at the hybrid connection that a connection string names, with its credentials. */
    static fromConnectionString(
      connectionString: string,
      options?: Omit<RelayedServerOptions, 'server'> | null,
      onConnection?: (socket: RelayedWebSocket, request: RelayedRequest) => void
    ): RelayedServer;
    static fromConnectionString(
      connectionString: string,
      onConnection: (socket: RelayedWebSocket, request: RelayedRequest) => void
    ): RelayedServer;

    /** The connected senders, where `clientTracking` is on. */
    readonly clients: Set<RelayedWebSocket>;
    /** Whether the control channel is up. */
    readonly listening: boolean;
    readonly state: 'connecting' | 'online' | 'reconnecting' | 'offline' | 'closing' | 'closed';
    /** Whether `close()` has been called. */
    readonly closeRequested: boolean;
    /** The URI as it was given; not for printing if it had a token. */
    readonly listenUri: string;
    /** The hybrid connection, with a slash before it. */
    readonly path: string;
    /**
     * The options with their defaults. `verifyClient` and `handleProtocols` are looked up here for each sender and may be
     * set at any time, as in ws; what else is changed here has no effect.
     */
    readonly options: RelayedServerOptions;

    /**
     * Gives everything that comes through the relay to an `http.Server` or `https.Server`, as if it had come to its port:
     * requests to its `request` listeners, WebSockets to its `upgrade` listeners, if it has any.
     */
    attach(httpServer: HttpServer | HttpsServer, options?: RelayedAttachOptions | null): this;
    /** Host and port of the relay; `null` once the server is closed. */
    address(): AddressInfo | null;
    /** Brings another token to the control channel, or starts a listener again that went offline. */
    updateToken(token: string): void;
    stats(): RelayedServerStats;
    /** What the server shows of itself, to `util.inspect()` too; no credentials. */
    toJSON(): object;
    /** Stops listening and closes the connections. `cb` is called, and the promise resolved, when all is down. */
    close(cb?: (error?: Error) => void): Promise<void>;
    close(options?: RelayedCloseOptions | null, cb?: (error?: Error) => void): Promise<void>;
    /** Keeps the process alive; the default. */
    ref(): this;
    /** Lets the process end while the server listens. */
    unref(): this;
    [Symbol.asyncDispose](): Promise<void>;
    /** The connections as they come. */
    [Symbol.asyncIterator](): AsyncIterableIterator<[RelayedWebSocket, RelayedRequest]>;

    on<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    on(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    once<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    once(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    off<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    off(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    addListener<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (...args: RelayedServerEvents[K]) => void
    ): this;
    addListener(event: string | symbol, listener: (...args: any[]) => void): this;
    removeListener<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (...args: RelayedServerEvents[K]) => void
    ): this;
    removeListener(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  /** Starts a listener; `fn` is called with each connection. */
  function createRelayedServer(
    options: RelayedServerOptions,
    fn?: (socket: RelayedWebSocket, request: RelayedRequest) => void
  ): RelayedServer;

  /** The name that the documentation of hyco-ws uses for `createRelayedServer`. */
  const createRelayedListener: typeof createRelayedServer;

  /** The client options of ws under their names, and those of the relay. */
  interface RelayedClientOptions extends ClientOptions {
    /** Subprotocols to offer. */
    protocols?: string | string[];
    /** A token, or what makes one; sent in `ServiceBusAuthorization`. */
    token?: TokenSource;
    /** An Azure credential, instead of a token. */
    credential?: TokenCredential;
    /** The name of a SAS rule: `key` is its key then, and not a TLS key. */
    keyName?: string;
    /** How long tokens made from `key` are good for, in seconds. Default 3600. */
    tokenLifetime?: number;
    /** The hybrid connection, or a path below it, where the address is a connection string. */
    path?: string;
    servername?: string;
    /** A proxy's URL, or `false` for none. Default the environment's. */
    proxy?: string | URL | false;
    /** `'string'`: text arrives as a string, as under ws 1.x. Default `'buffer'`. */
    textMessages?: 'buffer' | 'string';
    /** Default off. */
    keepAlive?: boolean | KeepAliveOptions;
    /** Bytes that the socket may hold for JavaScript before reading stops. Default 1 MiB. */
    highWaterMark?: number;
    /** Bytes sent that may wait for a peer that does not read, before it is given up. Default 0, no limit. */
    maxBufferedAmount?: number;
    /** Milliseconds for the closing handshake. Default 30,000. */
    closeTimeout?: number;
    /** Aborting it ends the attempt with an `AbortError`, and an open connection with 1001. */
    signal?: AbortSignal;
  }

  /**
   * What a socket has carried. Where ws's own engine runs the socket, only `bufferedAmount` and `compression` are known.
   */
  interface RelayedSocketStats {
    /** Whole messages handed over for sending. */
    messagesSent?: number;
    /** Their payloads, before compression. */
    bytesSent?: number;
    /** Bytes of frames that the kernel took: headers and control frames included, compressed, without TLS. */
    wireBytesSent?: number;
    /** Whole messages received, those included that still wait for the program. */
    messagesReceived?: number;
    /** Their payloads, after decompression. */
    bytesReceived?: number;
    /** Bytes of frames received: headers and control frames included, compressed, without TLS. */
    wireBytesReceived?: number;
    /** Bytes that the kernel has not taken yet; ws's `bufferedAmount`. */
    bufferedAmount: number;
    /** Bytes received that the program has not got yet, with their bookkeeping. */
    heldAmount?: number;
    /** Whether permessage-deflate is in use. */
    compression: boolean;
    /** Milliseconds that the last keep-alive ping took there and back; `undefined` without `keepAlive`. */
    rtt?: number;
  }

  /** A WebSocket whose bytes the native engine handles. In every other way it is a socket of ws. */
  class RelayedWebSocket extends WebSocket implements AsyncDisposable {
    constructor(address: string | URL, options?: RelayedClientOptions);
    constructor(address: string | URL, protocols?: string | string[], options?: RelayedClientOptions);
    /** What the socket has carried so far; also after it is closed. */
    stats(): RelayedSocketStats;
    /** What the socket shows of itself, to `util.inspect()` too; no credentials. */
    toJSON(): object;
    /** Closes the socket; the promise is fulfilled when it is closed. */
    [Symbol.asyncDispose](): Promise<void>;
  }

  /**
   * Connects to a hybrid connection as a sender.
   *
   * @param address The URI from `createRelaySendUri`, `sb://namespace/path`, or a connection string.
   * @param token A token, or options.
   * @param fn Called with the socket when it is open.
   */
  function relayedConnect(
    address: string | URL,
    token?: string | RelayedClientOptions | null,
    fn?: (socket: RelayedWebSocket) => void
  ): RelayedWebSocket;
  function relayedConnect(address: string | URL, fn: (socket: RelayedWebSocket) => void): RelayedWebSocket;

  /**
   * `relayedConnect()` as a promise of the open socket.
   *
   * @param address The URI from `createRelaySendUri`, `sb://namespace/path`, or a connection string.
   * @param token A token, what makes one, or options.
   * @returns Rejected with what would be the `error` event
   */
  function connectRelayed(
    address: string | URL,
    token?: TokenSource | RelayedClientOptions | null
  ): Promise<RelayedWebSocket>;

  // ---------------------------------------------------------------- forwarding

  /** Where bytes go: `host:port`, `unix:/path`, or a port of this machine. */
  type ForwardPlace = string | number;

  /**
   * What `forward()` makes reachable: a port of this machine with a web server, or the URL of one; an `http.Server`, which
   * need not listen; `host:port` or `unix:/path` for bytes of any kind; or several of these by the names that azbridge's
   * senders ask for.
   *
   * @example
   * const targets: ForwardTarget[] = [3000, 'https://app.test/base', '127.0.0.1:22', 'unix:/run/app.sock', { sql: 'db:1433' }];
   */
  type ForwardTarget = number | string | URL | HttpServer | HttpsServer | Record<string, ForwardPlace>;

  /**
   * The options of `forward()`: those of a listener, and what is about its target.
   *
   * @example
   * await forward(3000, { connectionString, path: 'web', hostHeader: 'app.test' });
   */
  interface ForwardOptions extends Omit<RelayedServerOptions, 'server'> {
    /** The connection string of a namespace, with `path`, or of a hybrid connection. Takes the place of `server`. */
    connectionString?: string;
    /** The URI on which to listen, where there is no connection string. */
    server?: string | URL;
    /**
     * What a web server gets as `Host`: another name, or `'preserve'` for the one that the sender asked.
     * @default the target's host and port
     */
    hostHeader?: string;
    /**
     * Milliseconds: for the target of a stream to accept, and for a web server to say anything.
     * @default 10000 for streams, 55000 for HTTP
     */
    targetTimeout?: number;
    /** Trust, and a client certificate, for `https:` targets; as in `tls.connect()`. */
    targetTls?: TlsOptions;
    /**
     * Streams without azbridge's preamble, as App Service's Hybrid Connections and `createWebSocketStream()` have them.
     * @default false
     */
    raw?: boolean;
    /** The address of this machine from which targets are dialled. */
    localAddress?: string;
    /** Only addresses of this family are dialled. */
    family?: 4 | 6;
  }

  /** A stream, or a WebSocket, that goes through a tunnel. */
  interface ForwardedInfo {
    /** Of a stream a number of its own, of a WebSocket the relay's tracking id. */
    readonly id: number | string;
    /** The other end's address, as far as it is known. */
    readonly remoteAddress?: string;
    /** Of a client of `forwardLocal()`. */
    readonly remotePort?: number;
    /** What azbridge's preamble asked for. */
    readonly name?: string;
    /** Of a WebSocket, without its query. */
    readonly path?: string;
    /** The subprotocol that the web server chose. */
    readonly protocol?: string;
    /** What a refused sender was told. */
    readonly statusCode?: number;
    /** The sender's request, where a stream came through the relay. */
    readonly request?: RelayedRequest;
  }

  /** The same at its end; of WebSockets there are no numbers. */
  interface ForwardedEnd extends ForwardedInfo {
    /** From the relay. */
    readonly bytesReceived?: number;
    /** To the relay. */
    readonly bytesSent?: number;
    /** Milliseconds. */
    readonly duration?: number;
    /** What cut it off. */
    readonly error?: Error;
  }

  /** An HTTP request that has been answered, or has failed. */
  interface ForwardedRequest {
    /** The relay's tracking id. */
    readonly id: string;
    readonly method: string;
    /** Without the path of the hybrid connection and without the query. */
    readonly path: string;
    readonly remoteAddress?: string;
    /** Missing where the sender has left before. */
    readonly statusCode?: number;
    /** Milliseconds. */
    readonly duration: number;
  }

  interface ForwardedStreamStats {
    /** Now. */
    open: number;
    opened: number;
    /** They came to nothing. */
    refused: number;
    /** They ended by a failure. */
    cut: number;
    /** From the relay. */
    bytesReceived: number;
    /** To the relay. */
    bytesSent: number;
  }

  /** What a tunnel has carried. */
  interface TunnelStats extends RelayedServerStats {
    forwarded: {
      streams?: ForwardedStreamStats;
      requests?: { requests: number; open: number; failed: number };
      webSockets?: { open: number; opened: number; refused: number };
    };
  }

  interface TunnelEvents extends RelayedServerEvents {
    /** A stream or a WebSocket has been joined with the target. */
    connect: [info: ForwardedInfo];
    /** It has ended. */
    disconnect: [info: ForwardedEnd];
    /** A sender was turned away: the target cannot be reached, or does not want it. */
    refused: [error: Error, info: ForwardedInfo];
    /** An HTTP request is over; with an error if its sender has not got the target's whole answer. */
    answered: [info: ForwardedRequest, error?: Error];
  }

  /**
   * What `forward()` resolves to: a listener whose senders go to a target.
   *
   * @example
   * await using tunnel = await forward(3000, { connectionString });
   * tunnel.on('answered', ({ method, path, statusCode }) => console.log(method, path, statusCode));
   */
  interface Tunnel extends RelayedServer {
    /** The address for senders: of a web server `https://…`, and for streams what `relayedConnect()` takes. */
    readonly url: string;
    stats(): TunnelStats;
    on<K extends keyof TunnelEvents>(event: K, listener: (...args: TunnelEvents[K]) => void): this;
    on(event: string | symbol, listener: (...args: any[]) => void): this;
    once<K extends keyof TunnelEvents>(event: K, listener: (...args: TunnelEvents[K]) => void): this;
    once(event: string | symbol, listener: (...args: any[]) => void): this;
    off<K extends keyof TunnelEvents>(event: K, listener: (...args: TunnelEvents[K]) => void): this;
    off(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  /**
   * Makes a web server, or what else listens at a port or a socket, reachable through the relay. HTTP targets get HTTP
   * requests and WebSockets, others get bytes.
   *
   * @example
   * const tunnel = await forward(3000, { connectionString });
   * console.log(tunnel.url);
   * @returns the tunnel, once senders can come; rejected where the first attempt fails
   */
  function forward(target: ForwardTarget, options: ForwardOptions): Promise<Tunnel>;

  /**
   * The options of `forwardLocal()`: those of a sender, and
   *
   * @example
   * await forwardLocal(5432, { connectionString, path: 'db', name: 'postgres' });
   */
  interface ForwardLocalOptions extends RelayedClientOptions {
    /** The connection string of a namespace, with `path`, or of a hybrid connection. */
    connectionString?: string;
    /** The address to send to, where there is no connection string: `tunnel.url` is one. */
    address?: string | URL;
    /**
     * What azbridge's preamble asks for.
     * @default the text of the local port, or the path of the socket
     */
    name?: string;
    /**
     * Without azbridge's preamble.
     * @default false
     */
    raw?: boolean;
  }

  interface LocalForwardEvents {
    /** A client's connection has reached the target's side. */
    connect: [info: ForwardedInfo];
    disconnect: [info: ForwardedEnd];
    /** The relay, or the listener, did not let a client in. */
    refused: [error: Error, info: ForwardedInfo];
    /** The local port is lost. */
    error: [error: Error];
    close: [];
  }

  /** What `forwardLocal()` resolves to. */
  interface LocalForward extends EventEmitter, AsyncDisposable {
    /** What is bound. */
    address(): { host: string; port: number } | { path: string } | null;
    stats(): ForwardedStreamStats;
    /** Lets nobody in any more; with `drain`, what is open may finish, for `timeout` milliseconds. */
    close(options?: { drain?: boolean; timeout?: number }): Promise<void>;
    /** Keeps the process alive; the default. */
    ref(): this;
    /** Lets the process end while the port is open. */
    unref(): this;
    on<K extends keyof LocalForwardEvents>(
      event: K,
      listener: (...args: LocalForwardEvents[K]) => void
    ): this;
    on(event: string | symbol, listener: (...args: any[]) => void): this;
    once<K extends keyof LocalForwardEvents>(
      event: K,
      listener: (...args: LocalForwardEvents[K]) => void
    ): this;
    once(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  /**
   * The other end of a tunnel for bytes: each connection to a port of this machine, to `host:port` or to `unix:/path` goes
   * out as a sender. Port 0 is a free one.
   *
   * @example
   * const local = await forwardLocal(2222, { connectionString });
   * console.log(local.address());
   * @returns the open port; rejected where it cannot be had
   */
  function forwardLocal(place: ForwardPlace, options: ForwardLocalOptions): Promise<LocalForward>;
}

export = WebSocket;
