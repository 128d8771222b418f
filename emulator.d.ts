/// <reference types="node" />

import { EventEmitter } from 'node:events';

export type SharedAccessRight = 'Listen' | 'Send' | 'Manage';

/** What a connection comes for. */
export type RelayAction = 'listen' | 'connect' | 'accept' | 'request' | 'rendezvous';

export interface HybridConnectionOptions {
  /** Its name; may have several segments. */
  path: string;
  /** `false` lets senders come without a token. Default `true`. */
  requiresClientAuthorization?: boolean;
}

export interface SharedAccessPolicyOptions {
  /** Default `RootManageSharedAccessKey`. */
  keyName?: string;
  /** Default: a random one. */
  key?: string;
  /** Default: all of them. */
  rights?: SharedAccessRight[];
  /** The hybrid connection that the rule belongs to. Default: the namespace. */
  path?: string;
}

/** Times are milliseconds. */
export interface RelayEmulatorOptions {
  /** Default `127.0.0.1`. */
  host?: string;
  /** Default 0: a free one. */
  port?: number;
  /** `host[:port]` in rendezvous addresses. Default: the name by which the listener came. */
  publicHost?: string;
  /** Serves wss:// and https://. PEM. */
  tls?: { cert: string | Buffer; key: string | Buffer };
  /** Default `[{ path: 'hyco' }]`. */
  hybridConnections?: Array<HybridConnectionOptions | string>;
  /** Default: one rule of the namespace, `RootManageSharedAccessKey`, with a random key. */
  sharedAccessPolicies?: SharedAccessPolicyOptions[];
  /** Listeners that one hybrid connection admits. Default 25. */
  maxListeners?: number;
  /** The longest request head in bytes. Default 65,536. */
  maxHead?: number;
  /** Makes the choice among several listeners repeatable. */
  seed?: number;
  /** How long a rendezvous address can be used. Default 30,000. */
  rendezvousLifetime?: number;
  /** How long a sender waits for a listener to accept. Default 30,000. */
  acceptTimeout?: number;
  /** How long an HTTP sender waits for the response, and for each further piece of it. Default 60,000. */
  responseTimeout?: number;
  /** How long a client may take over TLS and its request head. Default 15,000. */
  handshakeTimeout?: number;
  /** How long the closing handshake of a control channel may take. Default 10,000. */
  closeTimeout?: number;
  /** How long a sender or a listener may go on sending when the other one has closed. Default 60,000. */
  halfCloseTimeout?: number;
  /** How long a control channel outlives its token. Default 300,000. */
  tokenGrace?: number;
  /** The age at which a control channel is recycled with 1011; `false` never. Default 86,400,000. */
  recycleAfter?: number | false;
  /** Passes WebSocket extensions through from end to end, which the service does not do. Default `false`. */
  grantExtensions?: boolean;
  /** Carries a peer's close code and reason across. Default `true`; `false` gives 1000 and 1001. */
  carryCloseCodes?: boolean;
}

export interface UriOptions {
  /** Tracking id. */
  id?: string;
  /** A token to embed, or `true` for a fresh one. */
  token?: string | boolean;
}

export interface RelayEmulatorStats {
  /** Control channels that are up. */
  listeners: number;
  /** Senders with an established rendezvous, those of HTTP included. */
  senders: number;
  /** Senders and requests that wait for a listener. */
  pending: number;
  /** Control channels per hybrid connection. */
  paths: Record<string, number>;
  /** Counts since the start. */
  totals: {
    listeners: number;
    senders: number;
    rendezvous: number;
    rejected: number;
    waited: number;
    timedOut: number;
    refused: number;
    renewals: number;
    requests: number;
    pings: number;
  };
}

interface OnPath {
  /** Only of this hybrid connection. */
  path?: string;
}

interface OnChannel extends OnPath {
  /** Only this control channel, by its `listener` event. */
  id?: string;
}

/** Faults on demand; what strikes connections returns how many. */
export interface RelayEmulatorFaults {
  /** Cuts control channels without a close frame. */
  dropControl(options?: OnChannel & { reset?: boolean }): number;
  /** Closes control channels as the service does once a day: 1011 with `NameRenewalFailed`. */
  recycle(options?: OnChannel): number;
  /** Closes control channels as if their tokens, and the grace, were over: 1008. */
  expireTokens(options?: OnChannel): number;
  /** Closes control channels; a tracking id is added to the reason. */
  closeControl(code: number, reason?: string, options?: OnChannel): number;
  /** Sends a text frame, whatever it says, to every listener. */
  sendControl(text: string, options?: OnPath): number;
  /** Answers handshakes and requests with a status, once or `times`. */
  refuse(options: {
    status: number;
    reason?: string;
    tracked?: boolean;
    times?: number;
    action?: RelayAction;
  }): void;
  /** Keeps `accept` messages back: each for so many milliseconds, or all until `releaseAccepts()`. */
  holdAccepts(time?: number | true): void;
  releaseAccepts(): void;
  /** Stops reading and writing without closing anything. */
  goSilent(options?: { control?: boolean; data?: boolean; handshakes?: boolean }): void;
  resume(): void;
  /** Cuts established rendezvous on both sides. */
  cutRendezvous(options?: OnPath & { midFrame?: boolean; reset?: boolean }): number;
  /** Closes established rendezvous on both sides. */
  closeRendezvous(code: number, reason?: string, options?: OnPath): number;
  /** Lets the rendezvous addresses that are still open expire. */
  expireRendezvous(): number;
  /** Lets the time of the HTTP requests that have no response yet be over: 504, and a response that comes then is late. */
  expireRequests(options?: OnPath): number;
  /** Cuts a body of HTTP, by default a response's, after so many bytes (0), once or `times`; a request's only on a rendezvous. */
  cutBodies(options?: { of?: 'request' | 'response'; after?: number; times?: number }): void;
  /** Leaves pings unanswered. */
  swallowPongs(on?: boolean): void;
  /** Answers handshakes and requests late; 0 ends it. */
  delay(time: number, options?: { action?: RelayAction }): void;
  /** Takes back whatever lasts. */
  clear(): void;
}

export interface RelayEmulatorEvents {
  listener: [{ path: string; id: string }];
  listenerClosed: [{ path: string; id: string }];
  renewed: [{ path: string; id: string }];
  ping: [{ path: string; id: string }];
  sender: [{ path: string; id: string }];
  rendezvous: [{ path: string; id: string }];
  rendezvousClosed: [{ path: string; id: string; senderCode: number; listenerCode: number }];
  rejected: [{ path: string; id: string; status: number; reason: string }];
  timedOut: [{ path: string; id: string }];
  request: [{ path: string; id: string; method: string }];
  refused: [{ target: string; status: number; reason: string }];
  close: [];
}

/** The service's side of Azure Relay Hybrid Connections, for development and tests. */
export class RelayEmulator extends EventEmitter {
  private constructor();
  /** Starts a relay; every option has a default. */
  static start(options?: RelayEmulatorOptions): Promise<RelayEmulator>;

  /** The host by which the relay is reached. */
  readonly host: string;
  /** The bound port. */
  readonly port: number;
  /** `host:port`: what stands where the namespace's name does in Azure. */
  readonly address: string;
  /** True for wss:// and https://. */
  readonly secure: boolean;
  /** The name of the first SAS rule. */
  readonly keyName: string;
  /** The key of the first SAS rule. */
  readonly key: string;
  /** The hybrid connections that the relay was started with. */
  readonly paths: string[];
  readonly faults: RelayEmulatorFaults;

  listenUri(path?: string, options?: UriOptions): string;
  sendUri(path?: string, options?: UriOptions): string;
  httpUri(path?: string): string;
  connectionString(path?: string): string;
  createToken(path?: string, options?: { keyName?: string; expirationSeconds?: number }): string;
  addHybridConnection(hybridConnection: HybridConnectionOptions | string): void;
  removeHybridConnection(path: string): boolean;
  stats(): RelayEmulatorStats;
  ref(): this;
  unref(): this;
  close(options?: { force?: boolean }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;

  on<K extends keyof RelayEmulatorEvents>(
    event: K,
    listener: (...args: RelayEmulatorEvents[K]) => void
  ): this;
  once<K extends keyof RelayEmulatorEvents>(
    event: K,
    listener: (...args: RelayEmulatorEvents[K]) => void
  ): this;
}
