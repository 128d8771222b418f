/// <reference types="node" />

import { ServerResponse as NodeServerResponse } from 'node:http';
import https = require('node:https');

import WebSocket = require('./index.js');

/** What hyco-https exports: the `https` of Node, with a `Server` that listens at a hybrid connection. */
declare namespace relayed {
  // ---------------------------------------------------------------- what Node's https exports

  export import Agent = https.Agent;
  type AgentOptions = https.AgentOptions;
  type RequestOptions = https.RequestOptions;
  export import createServer = https.createServer;
  export import get = https.get;
  export import request = https.request;
  let globalAgent: https.Agent;

  // ---------------------------------------------------------------- the relay

  export import appendRelayToken = WebSocket.appendRelayToken;
  export import createRelayBaseUri = WebSocket.createRelayBaseUri;
  export import createRelayHttpsUri = WebSocket.createRelayHttpsUri;
  export import createRelayListenUri = WebSocket.createRelayListenUri;
  export import createRelaySendUri = WebSocket.createRelaySendUri;
  export import createRelayToken = WebSocket.createRelayToken;

  /** Node's own. */
  const ServerResponse: typeof NodeServerResponse;

  interface ServerOptions extends WebSocket.RelayedServerOptions {
    /** Milliseconds between two pings, or a duration of moment.js: hyco-https's `keepAlive.interval`. */
    keepAliveTimeout?: number | { asMilliseconds(): number } | null;
  }

  type RequestListener = (req: WebSocket.RelayedHttpRequest, res: WebSocket.RelayedHttpResponse) => unknown;

  /**
   * A `RelayedServer` that listens once it is told to. As in hyco-https it can be called without `new`, and nobody has to
   * listen for `error`.
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
    timeout: number;
  }
  const Server: {
    new (options: ServerOptions, requestListener?: RequestListener): Server;
    (options: ServerOptions, requestListener?: RequestListener): Server;
    readonly prototype: Server;
  };

  /** Makes a server that does not listen yet. */
  function createRelayedServer(options: ServerOptions, requestListener?: RequestListener): Server;
}

export = relayed;
