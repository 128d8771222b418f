/// <reference types="node" />

import { EventEmitter } from 'node:events';
import {
  ClientRequest,
  IncomingHttpHeaders,
  IncomingMessage,
  OutgoingHttpHeaders,
  Server as HttpServer,
  ServerResponse
} from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { Duplex, DuplexOptions } from 'node:stream';

import ws = require('ws');

import { InspectOptions as EmulatorInspectOptions } from './emulator.js';

/**
 * ws's `WebSocket` with the relay on it, as hyco-ws has it: an ordinary WebSocket client by itself (`new
 * WebSocket(url)`), and the namespace of everything else.
 *
 * @example
 * const WebSocket = require('hyco-ws-rs');
 * const server = new WebSocket.RelayedServer({ server: uri, keyName, key }); // through the relay
 * const socket = new WebSocket('wss://example.com');                        // ws, as ever
 */
declare class WebSocket extends ws {}

declare namespace WebSocket {
  // ---------------------------------------------------------------- what ws exports
  // Types of our own for what can be one, so that their comments are shown wherever they are imported.

  /**
   * Where a server of ws listens: ws's own type.
   *
   * @example
   * const { port } = new WebSocketServer({ port: 0 }).address() as AddressInfo;
   */
  type AddressInfo = ws.AddressInfo;
  /**
   * A certificate or key among ws's options: ws's own type.
   *
   * @example
   * const ca: CertMeta = readFileSync('ca.pem');
   */
  type CertMeta = ws.CertMeta;
  /**
   * What ws's client takes; `RelayedClientOptions` has more: ws's own type.
   *
   * @example
   * const options: ClientOptions = { handshakeTimeout: 5000 };
   * new WebSocket('wss://example.com', options);
   */
  type ClientOptions = ws.ClientOptions;
  /**
   * What `onclose` gets: ws's own type.
   *
   * @example
   * socket.onclose = ({ code, reason }: CloseEvent) => console.log(code, reason);
   */
  type CloseEvent = ws.CloseEvent;
  /**
   * Whatever a message may be: ws's own type. `RawData` is what arrives.
   *
   * @example
   * const read = (data: Data) => String(data);
   */
  type Data = ws.Data;
  /**
   * What `onerror` gets: ws's own type.
   *
   * @example
   * socket.onerror = ({ message }: ErrorEvent) => console.log(message);
   */
  type ErrorEvent = ws.ErrorEvent;
  /**
   * What `onopen` gets: ws's own type.
   *
   * @example
   * socket.onopen = ({ target }: Event) => target.send('hello');
   */
  type Event = ws.Event;
  /**
   * The third argument of `addEventListener()`: ws's own type.
   *
   * @example
   * const options: EventListenerOptions = { once: true };
   * socket.addEventListener('message', onFirst, options);
   */
  type EventListenerOptions = ws.EventListenerOptions;
  /**
   * What `onmessage` gets: ws's own type.
   *
   * @example
   * socket.onmessage = ({ data }: MessageEvent) => console.log(data);
   */
  type MessageEvent = ws.MessageEvent;
  /**
   * How messages are compressed: ws's own type.
   *
   * @example
   * const perMessageDeflate: PerMessageDeflateOptions = { threshold: 4096 };
   */
  type PerMessageDeflateOptions = ws.PerMessageDeflateOptions;
  /**
   * What a `message` event brings: ws's own type.
   *
   * @example
   * socket.on('message', (data: RawData, isBinary) => socket.send(data, { binary: isBinary }));
   */
  type RawData = ws.RawData;
  /**
   * What ws's server takes; the relay's takes `RelayedServerOptions`: ws's own type.
   *
   * @example
   * const options: ServerOptions = { port: 8080 };
   * new WebSocketServer(options);
   */
  export import ServerOptions = ws.ServerOptions;
  /**
   * A `verifyClient` with a callback, of ws's server: ws's own type. The relay's is `RelayedVerifyClient`.
   *
   * @example
   * const verifyClient: VerifyClientCallbackAsync = (info, callback) => callback(true);
   */
  export import VerifyClientCallbackAsync = ws.VerifyClientCallbackAsync;
  /**
   * A `verifyClient` that returns its verdict, of ws's server: ws's own type. The relay's is `RelayedVerifyClient`.
   *
   * @example
   * const verifyClient: VerifyClientCallbackSync = ({ secure }) => secure;
   */
  export import VerifyClientCallbackSync = ws.VerifyClientCallbackSync;
  /**
   * The events of `addEventListener()` by name: ws's own type.
   *
   * @example
   * function once<K extends keyof WebSocketEventMap>(name: K, fn: (event: WebSocketEventMap[K]) => void) {}
   */
  type WebSocketEventMap = ws.WebSocketEventMap;
  /**
   * ws's server on a port, under its older name.
   *
   * @example
   * new WebSocket.Server({ port: 8080 }).on('connection', (socket) => socket.send('hello'));
   */
  export import Server = ws.Server;
  /**
   * ws's server on a port.
   *
   * @example
   * new WebSocketServer({ port: 8080 }).on('connection', (socket) => socket.send('hello'));
   */
  export import WebSocketServer = ws.WebSocketServer;

  /**
   * Makes a duplex stream of a socket, relayed or not.
   *
   * @example
   * pipeline(createWebSocketStream(socket), process.stdout, () => {});
   */
  function createWebSocketStream(websocket: ws, options?: DuplexOptions): Duplex;

  /**
   * ws's implementation of RFC 7692, without types of its own.
   *
   * @example
   * const { extensionName } = WebSocket.PerMessageDeflate; // 'permessage-deflate'
   */
  const PerMessageDeflate: any;
  /**
   * ws's parser of frames, without types of its own.
   *
   * @example
   * const receiver = new WebSocket.Receiver({ isServer: true });
   */
  const Receiver: any;
  /**
   * ws's writer of frames, without types of its own.
   *
   * @example
   * const frame = WebSocket.Sender.frame(Buffer.from('hi'), { fin: true, opcode: 1, readOnly: false });
   */
  const Sender: any;
  /**
   * Reads and writes `Sec-WebSocket-Extensions`. Absent from ws before 8.20.
   *
   * @example
   * WebSocket.extension.parse('permessage-deflate; client_max_window_bits');
   */
  const extension: {
    format(extensions: Record<string, object | object[]>): string;
    parse(header: string): Record<string, object[]>;
  };
  /**
   * Reads `Sec-WebSocket-Protocol`. Absent from ws before 8.20.
   *
   * @example
   * WebSocket.subprotocol.parse('chat, superchat'); // Set { 'chat', 'superchat' }
   */
  const subprotocol: { parse(header: string): Set<string> };

  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket(address)`.
   *
   * @example
   * WebSocket.connect('wss://example.com', () => console.log('open'));
   * @deprecated Use `new WebSocket(address)`.
   */
  function connect(address: string | URL, fn?: (this: WebSocket) => void): WebSocket;
  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket(address)`.
   *
   * @example
   * WebSocket.createConnection('wss://example.com', () => console.log('open'));
   * @deprecated Use `new WebSocket(address)`.
   */
  function createConnection(address: string | URL, fn?: (this: WebSocket) => void): WebSocket;
  /**
   * What ws 1.x, the base of hyco-ws 1.0.5, had for `new WebSocket.Server(options)`.
   *
   * @example
   * WebSocket.createServer({ port: 8080 }, (socket) => socket.send('hello'));
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
   * @param expirationSeconds How long the token is good for, in seconds; whatever is falsy is an hour. Default 3600.
   * @returns `SharedAccessSignature sr=…&sig=…&se=…&skn=…`, for the header `ServiceBusAuthorization`
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, naming the argument
   * @example
   * const token = createRelayToken('http://contoso.servicebus.windows.net/hyco', 'rule', process.env.SB_HC_KEY, 600);
   */
  function createRelayToken(
    uri: string | URL,
    keyName: string,
    key: string,
    expirationSeconds?: number | string | null
  ): string;

  /**
   * Makes a token like `createRelayToken` and returns the URI with the token in its query (`sb-hc-token`).
   *
   * @param uri The address of `createRelaySendUri` or another one; its query stays.
   * @param keyName The name of the SAS rule, of the hybrid connection or of the namespace.
   * @param key The key of the SAS rule.
   * @param expirationSeconds How long the token is good for, in seconds; whatever is falsy is an hour. Default 3600.
   * @throws TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`, naming the argument
   * @example
   * // An address that a page may have for a minute.
   * const uri = appendRelayToken(createRelaySendUri('contoso.servicebus.windows.net', 'hyco'), 'rule', key, 60);
   */
  function appendRelayToken(
    uri: string | URL,
    keyName: string,
    key: string,
    expirationSeconds?: number | string | null
  ): string;

  /**
   * The address of a hybrid connection: `wss://{namespaceName}:443/$hc/{path}`.
   *
   * @param namespaceName `contoso.servicebus.windows.net`
   * @param path The name of the hybrid connection.
   * @example
   * createRelayBaseUri('contoso.servicebus.windows.net', 'hyco'); // wss://contoso.servicebus.windows.net:443/$hc/hyco
   */
  function createRelayBaseUri(namespaceName: string, path: string): string;

  /**
   * The URI on which to listen.
   *
   * @param namespaceName `contoso.servicebus.windows.net`
   * @param path The name of the hybrid connection.
   * @param token A token to put into the URI. Prefer the `token` option of `RelayedServer`, which can be renewed.
   * @param id An id for tracing from end to end.
   * @example
   * new RelayedServer({ server: createRelayListenUri('contoso.servicebus.windows.net', 'hyco'), keyName, key });
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
   * @example
   * relayedConnect(createRelaySendUri('contoso.servicebus.windows.net', 'hyco/orders?id=7'), token);
   */
  function createRelaySendUri(
    namespaceName: string,
    path: string,
    token?: string | null,
    id?: string | null
  ): string;

  /**
   * The URI for plain HTTPS requests to a hybrid connection, as hyco-https builds it.
   *
   * @param namespaceName `contoso.servicebus.windows.net`
   * @param path The name of the hybrid connection, with a sub-path and a query if need be.
   * @param token A token to put into the URI, for clients that cannot set headers.
   * @param id An id for tracing from end to end.
   * @example
   * await fetch(createRelayHttpsUri('contoso.servicebus.windows.net', 'web/orders'), {
   *   headers: { ServiceBusAuthorization: token }
   * });
   */
  function createRelayHttpsUri(
    namespaceName: string,
    path: string,
    token?: string | null,
    id?: string | null
  ): string;

  /**
   * What a connection string says, under the names that @azure/service-bus uses.
   *
   * @example
   * const { fullyQualifiedNamespace, entityPath }: ConnectionStringProperties = parseConnectionString(text);
   */
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
   * @param connectionString `Endpoint=sb://…;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`
   * @throws TypeError `ERR_INVALID_ARG_VALUE`; the text names the part at fault and quotes nothing
   * @example
   * const { fullyQualifiedNamespace, entityPath } = parseConnectionString(process.env.SB_HC_CONNECTION_STRING);
   */
  function parseConnectionString(connectionString: string): ConnectionStringProperties;

  // ---------------------------------------------------------------- errors

  /**
   * The stable part of a `RelayError`.
   *
   * @example
   * const waits: RelayErrorCode[] = ['ERR_HYCO_BUSY', 'ERR_HYCO_TIMEOUT'];
   */
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
   * A failure of the relay, of the way to it or of the configuration. Match `code`; the text is free to change, and ends
   * with the place in the documentation that explains the code.
   * Failures of the network and of TLS keep Node's own codes (`ECONNREFUSED`) and are plain errors.
   *
   * @example
   * server.on('error', (error) => {
   *   if (error instanceof RelayError) console.error(error.code, error.statusCode, error.trackingId);
   * });
   */
  class RelayError extends Error {
    constructor(
      message: string,
      details?: {
        /**
         * The stable part.
         * @default 'ERR_HYCO_REFUSED'
         */
        code?: RelayErrorCode;
        /**
         * HTTP status of the handshake.
         * @default undefined
         */
        statusCode?: number;
        /**
         * The text that the relay, or the listener behind it, gave.
         * @default undefined
         */
        reason?: string;
        /**
         * The relay's id of the event.
         * @default undefined
         */
        trackingId?: string;
        /**
         * Whether the same attempt may succeed later.
         * @default false
         */
        transient?: boolean;
        /**
         * What led to it.
         * @default undefined
         */
        cause?: unknown;
      }
    );
    /** What went wrong; it stays the same from version to version, whatever the text says. */
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

  /**
   * What `error` events bring: a `RelayError`, or an error of the network as Node makes it.
   *
   * @example
   * socket.on('error', (error: RelayFailure) => console.error(error.code, error.message));
   */
  interface RelayFailure extends Error {
    /** What went wrong; a few errors of ws have none. */
    code?: string;
    /** HTTP status of the handshake, if that is what failed. */
    statusCode?: number;
    /** The text that the relay, or the listener behind it, gave. */
    reason?: string;
    /** The relay's id of the event. */
    trackingId?: string;
  }

  /**
   * An error of the network or of TLS, as Node makes it.
   *
   * @example
   * socket.on('error', (error) => (error as SystemError).syscall === 'connect' && console.error('nobody there'));
   */
  interface SystemError extends Error {
    /** `ECONNREFUSED`, `ENOTFOUND`, `CERT_HAS_EXPIRED` and the like. */
    code: string;
    /** The system's number for it. */
    errno?: number;
    /** `connect`, `getaddrinfo`, `read`, … */
    syscall?: string;
    /** The address that was dialled. */
    address?: string;
    /** The port that was dialled. */
    port?: number;
    /** The name that was looked up. */
    hostname?: string;
    /** What the relay's own classification is. */
    readonly relayCode: RelayErrorCode;
    /** True where the same attempt may succeed later without anybody changing anything. */
    readonly transient: boolean;
  }

  // ---------------------------------------------------------------- credentials and connections

  /**
   * A token, or what makes one when it is asked for: the latter is renewed before it expires.
   *
   * @example
   * const token: TokenSource = async () => (await fetch('https://backend/token')).text();
   * new RelayedServer({ server: uri, token });
   */
  type TokenSource = string | (() => string | Promise<string>);

  /**
   * What an Azure credential (`@azure/identity`) looks like from here.
   *
   * @example
   * import { DefaultAzureCredential } from '@azure/identity';
   * new RelayedServer({ server: uri, credential: new DefaultAzureCredential() });
   */
  interface TokenCredential {
    /** Called with the scope of Azure Relay whenever a token is needed. */
    getToken(
      scopes: string | string[],
      options?: {
        /**
         * Aborted when nobody waits for the token any more.
         * @default undefined
         */
        abortSignal?: any;
      }
    ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
  }

  /**
   * Trust and identity for TLS, under the names of `node:tls`. Any other name of it is a `TypeError`.
   *
   * @example
   * new RelayedServer({ server: uri, keyName, key, tls: { ca: readFileSync('company.pem') } });
   */
  interface TlsOptions {
    /**
     * Certificates to trust, PEM.
     * @default Node's roots
     */
    ca?: string | Buffer | Array<string | Buffer>;
    /**
     * The client's certificate and its chain, PEM.
     * @default undefined
     */
    cert?: string | Buffer | Array<string | Buffer>;
    /**
     * The client's private key, PEM.
     * @default undefined
     */
    key?: string | Buffer | Array<string | Buffer | { pem: string | Buffer; passphrase?: string }>;
    /**
     * That of an encrypted `key`.
     * @default undefined
     */
    passphrase?: string;
    /**
     * Whether a certificate that is not trusted ends the attempt.
     * @default true, or what `NODE_TLS_REJECT_UNAUTHORIZED` says
     */
    rejectUnauthorized?: boolean;
    /**
     * The name that the certificate has to carry.
     * @default that of the host
     */
    servername?: string;
    /**
     * The oldest version of TLS that is spoken.
     * @default 'TLSv1.2'
     */
    minVersion?: 'TLSv1.2' | 'TLSv1.3';
    /**
     * The newest version of TLS that is spoken.
     * @default 'TLSv1.3'
     */
    maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  }

  /**
   * When a connection counts as dead.
   *
   * @example
   * new RelayedServer({ server: uri, keyName, key, keepAlive: { interval: 10_000, timeout: 25_000 } });
   */
  interface KeepAliveOptions {
    /**
     * Milliseconds between two pings.
     * @default 30000
     */
    interval?: number;
    /**
     * Milliseconds without any inbound frame after which the connection is given up.
     * @default 60000
     */
    timeout?: number;
    /**
     * Pings, or pongs that nobody asked for.
     * @default 'ping'
     */
    mode?: 'ping' | 'pong';
  }

  /**
   * When and how the listener connects again.
   *
   * @example
   * new RelayedServer({ server: uri, keyName, key, reconnect: { maxDelay: 5000, retryTerminal: true } });
   */
  interface ReconnectOptions {
    /**
     * Milliseconds before the second attempt.
     * @default 1000
     */
    minDelay?: number;
    /**
     * Milliseconds between two attempts at most.
     * @default 30000
     */
    maxDelay?: number;
    /**
     * Milliseconds after which a connection counts as good, so that delays begin anew.
     * @default 30000
     */
    stableAfter?: number;
    /**
     * Whether to go on after a refusal that waiting does not cure (404).
     * @default false
     */
    retryTerminal?: boolean;
    /**
     * Milliseconds after which a control channel is replaced while it is still up, before the service closes it (which
     * it does after 24 hours); 0 or `false`: never.
     * @default 82800000 (23 hours)
     */
    recycleAfter?: number | false;
    /**
     * Replaces the policy: milliseconds to wait before attempt `attempt`; `undefined` leaves it to the policy.
     * @default undefined
     */
    delay?: (attempt: number, error: Error) => number | undefined;
  }

  /**
   * The request of a sender, in ws's shape.
   *
   * @example
   * server.on('connection', (socket, request: RelayedRequest) => console.log(request.url, request.socket.remoteAddress));
   */
  interface RelayedRequest {
    /** The id that the relay gave the connection. */
    readonly id: string;
    /** A WebSocket begins with a GET. */
    readonly method: 'GET';
    /** As in `node:http`. */
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
    /** `socket` under its older name. */
    readonly connection: { readonly remoteAddress?: string; readonly remotePort?: number };
  }

  /**
   * An HTTP request of a sender: one of `node:http`.
   *
   * @example
   * server.on('request', async (req: RelayedHttpRequest, res) => {
   *   const answer = await fetch('http://127.0.0.1:3000' + req.url, { signal: req.signal });
   *   res.end(await answer.text());
   * });
   */
  interface RelayedHttpRequest extends IncomingMessage {
    /** As sent. */
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

  /**
   * The answer to it: one of `node:http`.
   *
   * @example
   * server.on('request', (req, res: RelayedHttpResponse) => res.writeHead(200, { 'Content-Type': 'text/plain' }).end(res.id));
   */
  interface RelayedHttpResponse extends ServerResponse<RelayedHttpRequest> {
    /** The id that the relay gave the request. */
    readonly id: string;
  }

  /**
   * What `attach()` takes.
   *
   * @example
   * server.attach(http.createServer(app), { stripPath: false }); // req.url begins with the hybrid connection
   */
  interface RelayedAttachOptions {
    /**
     * Whether the path of the hybrid connection is taken off `url`.
     * @default true
     */
    stripPath?: boolean;
  }

  /**
   * What `verifyClient` is given.
   *
   * @example
   * const verifyClient = ({ origin, req }: VerifyClientInfo) => origin === 'https://example.com' && req.url !== '/';
   */
  interface VerifyClientInfo {
    /** The `Origin` of the page that the sender runs in, if it is one. */
    origin: string;
    /** Whether the relay is reached over TLS. */
    secure: boolean;
    /** The request of the sender. */
    req: RelayedRequest;
  }

  /**
   * Answers whether a sender may connect: at once, through a promise, or through `callback`.
   *
   * @example
   * const verifyClient: RelayedVerifyClient = async ({ req }) => isKnown(req.headers.authorization);
   * new RelayedServer({ server: uri, keyName, key, verifyClient });
   */
  type RelayedVerifyClient =
    | ((info: VerifyClientInfo) => boolean | Promise<boolean>)
    | ((
        info: VerifyClientInfo,
        callback: (result: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void
      ) => void);

  /**
   * Chooses the subprotocol. JavaScript written for hyco-ws may go on passing `(protocols, callback)`; the two forms
   * together would leave the parameters without a type, so this is ws 8's.
   *
   * @example
   * const handleProtocols: RelayedHandleProtocols = (protocols) => protocols.has('chat.v2') && 'chat.v2';
   */
  type RelayedHandleProtocols = (protocols: Set<string>, request: RelayedRequest) => string | false;

  /**
   * What `RelayedServer` takes. Times in milliseconds, sizes in bytes; `false` or 0 switches a thing off.
   *
   * @example
   * const options: RelayedServerOptions = {
   *   server: createRelayListenUri('contoso.servicebus.windows.net', 'hyco'),
   *   keyName: 'rule',
   *   key: process.env.SB_HC_KEY,
   *   maxPayload: 1024 * 1024
   * };
   */
  interface RelayedServerOptions {
    /** The URI on which to listen, from `createRelayListenUri`. It may carry the token. */
    server: string | URL;
    /**
     * A token, or a function that returns one or a promise of one. This, `keyName` and `key`, or `credential` is
     * needed, unless `server` has a token in it.
     * @default undefined
     */
    token?: TokenSource;
    /**
     * The name of the SAS rule, with `key`.
     * @default undefined
     */
    keyName?: string;
    /**
     * The key of the SAS rule: tokens are made and renewed from it. Several are tried in turn.
     * @default undefined
     */
    key?: string | readonly string[];
    /**
     * How long such tokens are good for, in seconds.
     * @default 3600
     */
    tokenLifetime?: number;
    /**
     * An Azure credential, instead of a token or a key.
     * @default undefined
     */
    credential?: TokenCredential;
    /**
     * The listener's id for tracing.
     * @default a random UUID
     */
    id?: string;
    /**
     * What `server.path` shows.
     * @default the path of `server`
     */
    path?: string;
    /**
     * Answers whether a sender may connect.
     * @default undefined: all may
     */
    verifyClient?: RelayedVerifyClient;
    /**
     * Chooses the subprotocol.
     * @default undefined: the first offered
     */
    handleProtocols?: RelayedHandleProtocols;
    /**
     * Whether `clients` is kept.
     * @default true
     */
    clientTracking?: boolean;
    /**
     * Bytes of the largest message; a longer one closes its socket with 1009.
     * @default 100 MiB
     */
    maxPayload?: number;
    /**
     * Pieces of one message at most.
     * @default 16384
     */
    maxFragments?: number;
    /**
     * Answers to pings that may wait to be written.
     * @default 60
     */
    maxPendingAutoPongs?: number;
    /**
     * Whether several messages may come in one turn of the event loop.
     * @default true
     */
    allowSynchronousEvents?: boolean;
    /**
     * Whether pings are answered.
     * @default true
     */
    autoPong?: boolean;
    /**
     * Whether text is taken as it comes.
     * @default false
     */
    skipUTF8Validation?: boolean;
    /**
     * Compression as in ws 8, for relays that grant it; Azure's does not.
     * @default false
     */
    perMessageDeflate?: boolean | PerMessageDeflateOptions;
    /**
     * `'string'`: text arrives as a string, as under ws 1.x.
     * @default 'buffer'
     */
    textMessages?: 'buffer' | 'string';
    /**
     * For the control channel and the accepted sockets.
     * @default { interval: 30000, timeout: 60000, mode: 'ping' }
     */
    keepAlive?: boolean | KeepAliveOptions;
    /**
     * When and how a lost control channel is opened again; `false`: its loss closes the server.
     * @default { minDelay: 1000, maxDelay: 30000, stableAfter: 30000, retryTerminal: false, recycleAfter: 82800000 }
     */
    reconnect?: boolean | ReconnectOptions;
    /**
     * For opening the control channel.
     * @default 60000
     */
    handshakeTimeout?: number;
    /**
     * For the verdict and the rendezvous together; a sender that waits longer gets 504.
     * @default 20000
     */
    acceptTimeout?: number;
    /**
     * For the closing handshake.
     * @default 30000
     */
    closeTimeout?: number;
    /**
     * Parallel control channels, 1 to 25.
     * @default 1
     */
    controlChannels?: number;
    /**
     * Connections at a time; further senders are refused with 503. 0: no limit.
     * @default 0
     */
    maxConnections?: number;
    /**
     * Verdicts and rendezvous under way at a time; further senders are refused with 503.
     * @default 256
     */
    maxPendingAccepts?: number;
    /**
     * HTTP requests in progress at a time; further ones get 503. 0: no limit.
     * @default 1024
     */
    maxPendingRequests?: number;
    /**
     * Bytes of small HTTP bodies, of requests and answers, that wait in the engine; beyond it senders get 503. 0: no
     * limit.
     * @default 64 MiB
     */
    maxRequestBytes?: number;
    /**
     * Whether the rendezvous of each HTTP request is dialled as soon as it has come, for only there does a listener
     * hear that the sender has left. Without it: with an answer that needs it, or after 20 s.
     * @default false
     */
    earlyRendezvous?: boolean;
    /**
     * Bytes that a socket may hold for JavaScript before reading stops.
     * @default 1 MiB
     */
    highWaterMark?: number;
    /**
     * Bytes sent that may wait for a sender that does not read, before it is given up. 0: no limit.
     * @default 256 MiB
     */
    maxBufferedAmount?: number;
    /**
     * Bytes that all sockets of the server together may hold of unfinished messages, before the one that holds most is
     * given up with 1009; always enough for one message of `maxPayload`. 0: no limit.
     * @default 256 MiB
     */
    maxAssembling?: number;
    /**
     * To which hosts the relay may send the listener. Asked before each dial of an address that the relay named, after
     * the verdict; only `true`, or a promise of it within `acceptTimeout`, lets one through. `ws:` from `wss:` is
     * never dialled.
     * @default the hosts of the parent domain of `server`
     */
    rendezvousHosts?: (hostname: string) => boolean | PromiseLike<boolean>;
    /**
     * A proxy's URL, or `false` for none.
     * @default what the environment says: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, …
     */
    proxy?: string | URL | false;
    /**
     * Trust and identity for TLS.
     * @default Node's roots, and no certificate of our own
     */
    tls?: TlsOptions;
    /**
     * Serves a page on 127.0.0.1 that shows what passes through this process (`inspecting`).
     * @default false
     */
    inspect?: boolean | InspectOptions;
    /**
     * Aborting it closes the server.
     * @default undefined
     */
    signal?: AbortSignal;
  }

  /**
   * What an inspector keeps, and where its page is: as with the emulator.
   *
   * @example
   * const server = new RelayedServer({ server: uri, keyName, key, inspect: { port: 9300 } });
   * server.on('inspecting', (url) => console.log(url));
   */
  type InspectOptions = EmulatorInspectOptions;

  /**
   * The events of a `RelayedServer`, with their arguments.
   *
   * @example
   * server.on('reconnecting', ({ attempt, delay, reason }) => console.log(`attempt ${attempt} in ${delay} ms: ${reason}`));
   */
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
    error: [error: RelayFailure];
    /** The page of `inspect` is there, at this address, whose secret opens it. */
    inspecting: [url: string];
    /** Everything is closed. */
    close: [server: RelayedServer];
  }

  /**
   * How `close()` ends what is still going on.
   *
   * @example
   * await server.close({ drain: true, timeout: 10_000 });
   */
  interface RelayedCloseOptions {
    /**
     * Lets clients finish; new senders get 503.
     * @default false
     */
    drain?: boolean;
    /**
     * Milliseconds after which what is left is dropped.
     * @default undefined: each socket has its `closeTimeout`, and with `drain` clients take their time
     */
    timeout?: number;
    /**
     * Aborting it drops at once what is left.
     * @default undefined
     */
    signal?: AbortSignal;
  }

  /**
   * How durations are spread, in the form of OpenTelemetry's explicit-bucket histogram; milliseconds.
   *
   * @example
   * const { count, sum }: LatencyHistogram = server.stats().acceptLatency;
   * console.log('mean', sum / count, 'ms');
   */
  interface LatencyHistogram {
    /** Durations measured. */
    count: number;
    /** All of them together. */
    sum: number;
    /** The longest one. */
    max: number;
    /** Upper bounds of the buckets, inclusive: always the same ones within a version. */
    bounds: number[];
    /** One more than bounds, not cumulative: the last bucket has what lay above all bounds. */
    counts: number[];
  }

  /**
   * What a server has done since it was made, and what it is doing.
   *
   * @example
   * const { accepted, connections }: RelayedServerStats = server.stats();
   */
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
    /** Whole messages that the sockets of the server have sent, those that are closed included; so are the following. */
    messagesSent?: number;
    /** Their payloads, uncompressed. */
    bytesSent?: number;
    /** Bytes of frames that the kernel took. */
    wireBytesSent?: number;
    /** Whole messages that they have received. */
    messagesReceived?: number;
    /** Their payloads, uncompressed. */
    bytesReceived?: number;
    /** Bytes of frames that came in. */
    wireBytesReceived?: number;
    /** Milliseconds that the last ping of a control channel took there and back; of several channels the slowest. */
    rtt?: number;
    /** From the arrival of a sender to its open socket. */
    acceptLatency: LatencyHistogram;
    /** From the arrival of an HTTP request to the head of its answer. */
    answerLatency: LatencyHistogram;
  }

  /**
   * A WebSocket server that listens at a hybrid connection of Azure Relay and not on a port. As hyco-ws's it can be
   * called without `new`.
   *
   * @example
   * const server = new RelayedServer({
   *   server: createRelayListenUri('contoso.servicebus.windows.net', 'hyco'),
   *   keyName: 'rule',
   *   key: process.env.SB_HC_KEY
   * });
   * server.on('listening', () => console.log('online'));
   * server.on('error', (error) => console.error(error.message));
   * server.on('connection', (socket, request) => socket.send(`hello, ${request.url}`));
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
    /** The address of the page of `inspect`, once `inspecting` was emitted. */
    readonly inspectorUrl: string | undefined;
    /** Where the server is on its way; `listening` is `state === 'online'`. */
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
    /** Counters, limits in use and latencies, as they are now. */
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
    /** Closes the server, for `await using`. */
    [Symbol.asyncDispose](): Promise<void>;
    /** The connections as they come. */
    [Symbol.asyncIterator](): AsyncIterableIterator<[RelayedWebSocket, RelayedRequest]>;

    /** Listens for an event. */
    on<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    on(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    /** Listens for the next event of a kind. */
    once<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    once(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    /** Stops listening. */
    off<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (this: RelayedServer, ...args: RelayedServerEvents[K]) => void
    ): this;
    off(event: string | symbol, listener: (this: RelayedServer, ...args: any[]) => void): this;
    /** `on()` under its longer name. */
    addListener<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (...args: RelayedServerEvents[K]) => void
    ): this;
    addListener(event: string | symbol, listener: (...args: any[]) => void): this;
    /** `off()` under its longer name. */
    removeListener<K extends keyof RelayedServerEvents>(
      event: K,
      listener: (...args: RelayedServerEvents[K]) => void
    ): this;
    removeListener(event: string | symbol, listener: (...args: any[]) => void): this;
  }

  /**
   * Starts a listener; `fn` is called with each connection.
   *
   * @param options As for `new RelayedServer`.
   * @param fn Listens for `connection`.
   * @example
   * createRelayedServer({ server: uri, token: () => createRelayToken(uri, 'rule', key) }, (socket) => socket.send('hello'));
   */
  function createRelayedServer(
    options: RelayedServerOptions,
    fn?: (socket: RelayedWebSocket, request: RelayedRequest) => void
  ): RelayedServer;

  /**
   * The name that the documentation of hyco-ws uses for `createRelayedServer`.
   *
   * @example
   * createRelayedListener({ server: uri, token }, (socket) => socket.send('hello'));
   */
  const createRelayedListener: typeof createRelayedServer;

  /**
   * What `relayedConnect()` and `RelayedWebSocket` take: the client options of ws under their names, and those of the
   * relay.
   *
   * @example
   * const options: RelayedClientOptions = { keyName: 'rule', key: process.env.SB_HC_KEY, signal: AbortSignal.timeout(5000) };
   */
  interface RelayedClientOptions extends ClientOptions {
    /**
     * Subprotocols to offer.
     * @default []
     */
    protocols?: string | string[];
    /**
     * A token, or what makes one; sent in `ServiceBusAuthorization`.
     * @default undefined
     */
    token?: TokenSource;
    /**
     * An Azure credential, instead of a token.
     * @default undefined
     */
    credential?: TokenCredential;
    /**
     * The name of a SAS rule: `key` is its key then, and not a TLS key.
     * @default undefined
     */
    keyName?: string;
    /**
     * How long tokens made from `key` are good for, in seconds.
     * @default 3600
     */
    tokenLifetime?: number;
    /**
     * The hybrid connection, or a path below it, where the address is a connection string.
     * @default its `EntityPath`
     */
    path?: string;
    /**
     * The name that the relay's certificate has to carry.
     * @default that of the host
     */
    servername?: string;
    /**
     * A proxy's URL, or `false` for none.
     * @default what the environment says: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, …
     */
    proxy?: string | URL | false;
    /**
     * `'string'`: text arrives as a string, as under ws 1.x.
     * @default 'buffer'
     */
    textMessages?: 'buffer' | 'string';
    /**
     * Pings the other side, and gives the connection up when nothing comes.
     * @default false
     */
    keepAlive?: boolean | KeepAliveOptions;
    /**
     * Bytes that the socket may hold for JavaScript before reading stops.
     * @default 1 MiB
     */
    highWaterMark?: number;
    /**
     * Bytes sent that may wait for a peer that does not read, before it is given up. 0: no limit.
     * @default 0
     */
    maxBufferedAmount?: number;
    /**
     * Milliseconds for the closing handshake.
     * @default 30000
     */
    closeTimeout?: number;
    /**
     * Aborting it ends the attempt with an `AbortError`, and an open connection with 1001.
     * @default undefined
     */
    signal?: AbortSignal;
  }

  /**
   * What a socket has carried. Where ws's own engine runs the socket, only `bufferedAmount` and `compression` are
   * known.
   *
   * @example
   * const { bytesSent, rtt }: RelayedSocketStats = socket.stats();
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

  /**
   * A WebSocket whose bytes the native engine handles. In every other way it is a socket of ws.
   *
   * @example
   * const socket = new RelayedWebSocket('wss://example.com', { keepAlive: true });
   * socket.on('open', () => socket.send('hello'));
   * socket.on('error', (error) => console.error(error.message));
   */
  class RelayedWebSocket extends WebSocket implements AsyncDisposable {
    constructor(address: string | URL, options?: RelayedClientOptions);
    constructor(address: string | URL, protocols?: string | string[], options?: RelayedClientOptions);
    /** What the socket has carried so far; also after it is closed. */
    stats(): RelayedSocketStats;
    /** What the socket shows of itself, to `util.inspect()` too; no credentials. */
    toJSON(): object;
    /** Closes the socket; the promise is fulfilled when it is closed. */
    [Symbol.asyncDispose](): Promise<void>;

    /** Listens for an event. */
    on<K extends keyof RelayedSocketEvents>(
      event: K,
      listener: (this: RelayedWebSocket, ...args: RelayedSocketEvents[K]) => void
    ): this;
    on(event: string | symbol, listener: (this: RelayedWebSocket, ...args: any[]) => void): this;
    /** Listens for the next event of a kind. */
    once<K extends keyof RelayedSocketEvents>(
      event: K,
      listener: (this: RelayedWebSocket, ...args: RelayedSocketEvents[K]) => void
    ): this;
    once(event: string | symbol, listener: (this: RelayedWebSocket, ...args: any[]) => void): this;
  }

  /**
   * The events of a socket, with their arguments: ws's.
   *
   * @example
   * const onMessage = (...[data, isBinary]: RelayedSocketEvents['message']) => console.log(data, isBinary);
   */
  interface RelayedSocketEvents {
    /** It can be written to. */
    open: [];
    /** A message. */
    message: [data: RawData, isBinary: boolean];
    /** The end. */
    close: [code: number, reason: Buffer];
    /** What went wrong; `close` follows. */
    error: [error: RelayFailure];
    /** A ping, which has been answered. */
    ping: [data: Buffer];
    /** The answer to a ping. */
    pong: [data: Buffer];
    /** The answer to the handshake. */
    upgrade: [response: IncomingMessage];
    /** A redirect is followed. */
    redirect: [url: string, request: ClientRequest];
    /** The handshake was answered with another status. */
    'unexpected-response': [request: ClientRequest, response: IncomingMessage];
  }

  /**
   * Connects to a hybrid connection as a sender.
   *
   * @param address The URI from `createRelaySendUri`, `sb://namespace/path`, or a connection string.
   * @param token A token, or options.
   * @param fn Called with the socket when it is open.
   * @example
   * const socket = relayedConnect(createRelaySendUri('contoso.servicebus.windows.net', 'hyco'), {
   *   keyName: 'rule',
   *   key: process.env.SB_HC_KEY
   * });
   * socket.on('open', () => socket.send('hello'));
   * socket.on('error', (error) => console.error(error.message));
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
   * @example
   * const socket = await connectRelayed(process.env.SB_HC_CONNECTION_STRING);
   * socket.send('hello');
   */
  function connectRelayed(
    address: string | URL,
    token?: TokenSource | RelayedClientOptions | null
  ): Promise<RelayedWebSocket>;

  // ---------------------------------------------------------------- forwarding

  /**
   * Where bytes go: `host:port`, `unix:/path`, or a port of this machine.
   *
   * @example
   * const places: ForwardPlace[] = [22, 'db:5432', 'unix:/run/app.sock'];
   */
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
    /**
     * The connection string of a namespace, with `path`, or of a hybrid connection. Takes the place of `server`.
     * @default undefined
     */
    connectionString?: string;
    /**
     * The URI on which to listen, where there is no connection string.
     * @default undefined
     */
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
    /**
     * Trust, and a client certificate, for `https:` targets; as in `tls.connect()`.
     * @default Node's roots
     */
    targetTls?: TlsOptions;
    /**
     * Streams without azbridge's preamble, as App Service's Hybrid Connections and `createWebSocketStream()` have them.
     * @default false
     */
    raw?: boolean;
    /**
     * The address of this machine from which targets are dialled.
     * @default undefined: what the system chooses
     */
    localAddress?: string;
    /**
     * Only addresses of this family are dialled.
     * @default undefined: both
     */
    family?: 4 | 6;
  }

  /**
   * A stream, or a WebSocket, that goes through a tunnel.
   *
   * @example
   * const show = ({ id, remoteAddress }: ForwardedInfo) => `${id} of ${remoteAddress}`;
   */
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

  /**
   * The same at its end; of WebSockets there are no numbers.
   *
   * @example
   * const show = ({ bytesReceived, bytesSent, duration }: ForwardedEnd) => `${bytesReceived} in, ${bytesSent} out, ${duration} ms`;
   */
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

  /**
   * An HTTP request that has been answered, or has failed.
   *
   * @example
   * const show = ({ method, path, statusCode }: ForwardedRequest) => `${method} ${path} ${statusCode}`;
   */
  interface ForwardedRequest {
    /** The relay's tracking id. */
    readonly id: string;
    /** As sent. */
    readonly method: string;
    /** Without the path of the hybrid connection and without the query. */
    readonly path: string;
    /** The sender's address, as the relay saw it. */
    readonly remoteAddress?: string;
    /** Missing where the sender has left before. */
    readonly statusCode?: number;
    /** Milliseconds. */
    readonly duration: number;
  }

  /**
   * What streams have carried.
   *
   * @example
   * const { open, bytesSent }: ForwardedStreamStats = (await forwardLocal(2222, { connectionString })).stats();
   */
  interface ForwardedStreamStats {
    /** Now. */
    open: number;
    /** Since the start. */
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

  /**
   * What a tunnel has carried.
   *
   * @example
   * const { forwarded }: TunnelStats = (await forward(3000, { connectionString })).stats();
   * console.log(forwarded.requests?.open);
   */
  interface TunnelStats extends RelayedServerStats {
    /** By what went through: streams, HTTP requests, WebSockets. */
    forwarded: {
      streams?: ForwardedStreamStats;
      requests?: { requests: number; open: number; failed: number };
      webSockets?: { open: number; opened: number; refused: number };
    };
  }

  /**
   * The events of a tunnel, with their arguments.
   *
   * @example
   * const tunnel = await forward(3000, { connectionString });
   * tunnel.on('refused', (error, { remoteAddress }) => console.log(remoteAddress, error.message));
   */
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
    /** What a listener counts, and what was forwarded. */
    stats(): TunnelStats;
    /** Listens for an event. */
    on<K extends keyof TunnelEvents>(event: K, listener: (...args: TunnelEvents[K]) => void): this;
    on(event: string | symbol, listener: (...args: any[]) => void): this;
    /** Listens for the next event of a kind. */
    once<K extends keyof TunnelEvents>(event: K, listener: (...args: TunnelEvents[K]) => void): this;
    once(event: string | symbol, listener: (...args: any[]) => void): this;
    /** Stops listening. */
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
    /**
     * The connection string of a namespace, with `path`, or of a hybrid connection.
     * @default undefined
     */
    connectionString?: string;
    /**
     * The address to send to, where there is no connection string: `tunnel.url` is one.
     * @default undefined
     */
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

  /**
   * The events of a local port, with their arguments.
   *
   * @example
   * const local = await forwardLocal(2222, { connectionString });
   * local.on('refused', (error) => console.log(error.message));
   */
  interface LocalForwardEvents {
    /** A client's connection has reached the target's side. */
    connect: [info: ForwardedInfo];
    /** It has ended. */
    disconnect: [info: ForwardedEnd];
    /** The relay, or the listener, did not let a client in. */
    refused: [error: Error, info: ForwardedInfo];
    /** The local port is lost. */
    error: [error: Error];
    /** The local port is closed, and what went through it. */
    close: [];
  }

  /**
   * What `forwardLocal()` resolves to.
   *
   * @example
   * await using local = await forwardLocal(2222, { connectionString });
   * console.log(local.address());
   */
  interface LocalForward extends EventEmitter, AsyncDisposable {
    /** What is bound. */
    address(): { host: string; port: number } | { path: string } | null;
    /** What has gone through. */
    stats(): ForwardedStreamStats;
    /** Lets nobody in any more; with `drain`, what is open may finish, for `timeout` milliseconds. */
    close(options?: {
      /**
       * What is open may finish.
       * @default false
       */
      drain?: boolean;
      /**
       * Milliseconds after which what is left is dropped.
       * @default undefined
       */
      timeout?: number;
    }): Promise<void>;
    /** Keeps the process alive; the default. */
    ref(): this;
    /** Lets the process end while the port is open. */
    unref(): this;
    /** Listens for an event. */
    on<K extends keyof LocalForwardEvents>(
      event: K,
      listener: (...args: LocalForwardEvents[K]) => void
    ): this;
    on(event: string | symbol, listener: (...args: any[]) => void): this;
    /** Listens for the next event of a kind. */
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
