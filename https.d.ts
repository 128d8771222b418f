/// <reference types="node" />

import { ServerResponse as NodeServerResponse } from 'node:http';
import https = require('node:https');

import WebSocket = require('./index.js');

/** What hyco-https exports: the `https` of Node, with a `Server` that listens at a hybrid connection. */
declare namespace relayed {
  // ---------------------------------------------------------------- what Node's https exports

  /**
   * Node's own: keeps connections for further requests.
   *
   * @example
   * https.get('https://example.com', { agent: new https.Agent({ keepAlive: true }) });
   */
  export import Agent = https.Agent;
  /**
   * What `Agent` takes: Node's own.
   *
   * @example
   * const options: https.AgentOptions = { keepAlive: true };
   */
  type AgentOptions = https.AgentOptions;
  /**
   * What `request()` takes: Node's own.
   *
   * @example
   * const options: https.RequestOptions = { method: 'POST', headers: { ServiceBusAuthorization: token } };
   */
  type RequestOptions = https.RequestOptions;
  /**
   * A server on a port: Node's own.
   *
   * @example
   * https.createServer({ cert, key }, (req, res) => res.end('hello')).listen(8443);
   */
  export import createServer = https.createServer;
  /**
   * A GET: Node's own.
   *
   * @example
   * https.get(uri, (response) => response.pipe(process.stdout));
   */
  export import get = https.get;
  /**
   * A request: Node's own.
   *
   * @example
   * https.request(uri, { method: 'POST', headers: { ServiceBusAuthorization: token } }).end('2 lamps');
   */
  export import request = https.request;
  /**
   * The agent of requests that name none: Node's own, which can be exchanged for all.
   *
   * @example
   * https.globalAgent = new https.Agent({ keepAlive: true });
   */
  let globalAgent: https.Agent;

  // ---------------------------------------------------------------- the relay

  /**
   * Makes a token and returns the URI with the token in its query (`sb-hc-token`).
   *
   * @example
   * const uri = https.appendRelayToken(https.createRelayHttpsUri('contoso.servicebus.windows.net', 'web'), 'rule', key);
   */
  export import appendRelayToken = WebSocket.appendRelayToken;
  /**
   * The address of a hybrid connection: `wss://{namespaceName}:443/$hc/{path}`.
   *
   * @example
   * https.createRelayBaseUri('contoso.servicebus.windows.net', 'web');
   */
  export import createRelayBaseUri = WebSocket.createRelayBaseUri;
  /**
   * The URI for requests to a hybrid connection.
   *
   * @example
   * https.get(https.createRelayHttpsUri('contoso.servicebus.windows.net', 'web', token));
   */
  export import createRelayHttpsUri = WebSocket.createRelayHttpsUri;
  /**
   * The URI on which to listen.
   *
   * @example
   * const uri = https.createRelayListenUri('contoso.servicebus.windows.net', 'web');
   */
  export import createRelayListenUri = WebSocket.createRelayListenUri;
  /**
   * The URI to which a WebSocket is sent.
   *
   * @example
   * const uri = https.createRelaySendUri('contoso.servicebus.windows.net', 'web');
   */
  export import createRelaySendUri = WebSocket.createRelaySendUri;
  /**
   * Makes a shared access signature.
   *
   * @example
   * const token = https.createRelayToken('http://contoso.servicebus.windows.net/web', 'rule', key);
   */
  export import createRelayToken = WebSocket.createRelayToken;

  /**
   * Node's own.
   *
   * @example
   * server.on('request', (req, res) => console.log(res instanceof https.ServerResponse)); // true
   */
  const ServerResponse: typeof NodeServerResponse;

  /**
   * What `createRelayedServer()` takes: what `RelayedServer` takes, and one of hyco-https's.
   *
   * @example
   * const options: https.ServerOptions = { server: uri, token: () => token, keepAliveTimeout: 20_000 };
   */
  interface ServerOptions extends WebSocket.RelayedServerOptions {
    /**
     * Milliseconds between two pings, or a duration of moment.js: hyco-https's `keepAlive.interval`.
     * @default what `keepAlive` says
     */
    keepAliveTimeout?: number | { asMilliseconds(): number } | null;
  }

  /**
   * Answers requests.
   *
   * @example
   * const listener: https.RequestListener = (req, res) => res.end(`hello, ${req.url}`);
   */
  type RequestListener = (req: WebSocket.RelayedHttpRequest, res: WebSocket.RelayedHttpResponse) => unknown;

  /**
   * A `RelayedServer` that listens once it is told to. As in hyco-https it can be called without `new`, and nobody has
   * to listen for `error`.
   *
   * @example
   * const server: https.Server = new https.Server({ server: uri, token: () => token });
   * server.listen(() => console.log('online'));
   */
  interface Server extends WebSocket.RelayedServer {
    /** Begins to listen; of the arguments only a callback counts. */
    listen(callback?: () => void): this;
    listen(...args: unknown[]): this;
    /** `cb` is called with `null` when all is closed, and with an `Error` if it was before. */
    close(cb?: (error?: any) => void): Promise<void>;
    close(options?: WebSocket.RelayedCloseOptions | null, cb?: (error?: any) => void): Promise<void>;
    /** Sets the number; as in hyco-https nothing follows from it. */
    setTimeout(time: number, callback?: () => void): this;
    /** The number that `setTimeout()` has set. */
    timeout: number;
  }
  const Server: {
    new (options: ServerOptions, requestListener?: RequestListener): Server;
    (options: ServerOptions, requestListener?: RequestListener): Server;
    readonly prototype: Server;
  };

  /**
   * Makes a server that does not listen yet.
   *
   * @example
   * const server = https.createRelayedServer({ server: uri, token: () => token }, (req, res) => res.end('hello'));
   * server.listen();
   */
  function createRelayedServer(options: ServerOptions, requestListener?: RequestListener): Server;
}

export = relayed;
