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
  /** How long a closing handshake may take. Default 10,000. */
  closeTimeout?: number;
  /** How long a control channel outlives its token. Default 300,000. */
  tokenGrace?: number;
  /** The age at which a control channel is recycled with 1011; `false` never. Default 86,400,000. */
  recycleAfter?: number | false;
  /** Passes WebSocket extensions through from end to end, which the service does not do. Default `false`. */
  grantExtensions?: boolean;
  /** Serves a page that shows what passes (`relay.inspectorUrl`), and keeps the last records for it. Default `false`. */
  inspect?: boolean | InspectOptions;
  /** Carries a peer's close code and reason across. Default `true`; `false` gives 1000 and 1001. */
  carryCloseCodes?: boolean;
}

/** What the inspector keeps, and where its page is. */
export interface InspectOptions {
  /**
   * The page's port on 127.0.0.1; 0 takes a free one.
   *
   * @default 0
   */
  port?: number;
  /**
   * Records that are kept; the oldest go, and messages before the rest.
   *
   * @default 10000
   */
  maxRecords?: number;
  /**
   * Their bytes, about.
   *
   * @default 16777216
   */
  maxBytes?: number;
  /**
   * How much of a message or body a record shows.
   *
   * @default 1024
   */
  previewBytes?: number;
}

/** Options of `relay.records()`. */
export interface RecordsOptions {
  /**
   * Only what comes behind the record of this number.
   *
   * @default 0
   */
  since?: number;
  /** Only records of these kinds. */
  kinds?: Array<RelayRecord['kind']>;
  /** Ends the iterator, with an `AbortError`. */
  signal?: AbortSignal;
}

/** What became of a token: which part was wrong, what was expected, what was found, and how to mend it. */
export interface TokenFate {
  result:
    | 'ok'
    | 'none'
    | 'notNeeded'
    | 'malformed'
    | 'expired'
    | 'wrongKey'
    | 'unknownRule'
    | 'wrongAudience'
    | 'noRight';
  carriedBy?: 'sb-hc-token' | 'ServiceBusAuthorization' | 'Authorization' | 'renewToken';
  /** The name of its SAS rule. */
  rule?: string;
  /** Milliseconds since 1970. */
  expires?: number;
  part?: string;
  expected?: string;
  found?: string;
  remedy?: string;
}

/** Names and values, as they came; `***` stands for what is secret. */
export type RecordedHeaders = ReadonlyArray<readonly [name: string, value: string]>;

/** The beginning of a body: text, or base64 where `text` is false. */
export interface RecordedBody {
  size: number;
  preview: string;
  text: boolean;
  cut: boolean;
  /** Its `Content-Encoding`; then there is no preview. */
  encoding?: string;
}

/** Milliseconds since the request came; `null` for what did not happen. */
export interface RequestTiming {
  queued: number | null;
  accepted: number | null;
  firstByte: number | null;
  end: number | null;
}

interface RecordBase<Kind extends string> {
  /** Ascending. */
  readonly seq: number;
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  readonly kind: Kind;
}

interface RecordOf<Kind extends string> extends RecordBase<Kind> {
  /** The hybrid connection. */
  readonly path: string;
  /** The tracking id of the listener, sender or request. */
  readonly id: string;
}

interface RecordedHandshake {
  readonly remoteAddress: string;
  readonly target: string;
  readonly headers: RecordedHeaders;
  readonly token: TokenFate;
}

interface RecordedResult {
  readonly status: number | null;
  readonly by?: 'channel' | 'rendezvous';
  readonly requestBody: RecordedBody;
  readonly responseBody: RecordedBody;
  readonly timing: RequestTiming;
}

/** What `relay.records()` gives; the package's `lib/inspector/records.schema.json` says the same as a JSON schema. */
export type RelayRecord =
  | (RecordOf<'listener'> & RecordedHandshake & { readonly listeners: number })
  | (RecordOf<'listenerClosed'> & {
      readonly code: number;
      readonly reason: string;
      readonly by: 'relay' | 'listener' | 'none';
    })
  | (RecordOf<'renewed'> & { readonly token: TokenFate })
  | (RecordOf<'sender'> & RecordedHandshake)
  | (RecordOf<'accepted'> & { readonly duration: number; readonly listener: string })
  | (RecordOf<'rejected'> & { readonly status: number; readonly reason: string; readonly duration: number })
  | RecordOf<'timedOut'>
  | (RecordBase<'refused'> & {
      readonly path?: string;
      readonly id?: string;
      readonly role: 'listener' | 'sender' | 'rendezvous' | 'request' | 'renewal' | 'unknown';
      readonly remoteAddress?: string;
      readonly target: string;
      readonly headers: RecordedHeaders;
      readonly status: number;
      readonly reason: string;
      readonly token?: TokenFate;
    })
  | (RecordOf<'message'> & {
      readonly direction: 'toListener' | 'toSender';
      readonly type: 'text' | 'binary' | 'ping' | 'pong';
      readonly size: number;
      /** A text as text, anything else in base64. */
      readonly preview: string;
      readonly cut: boolean;
      readonly fragments?: number;
      readonly compressed?: true;
      readonly incomplete?: true;
    })
  | (RecordOf<'closed'> & {
      readonly senderCode: number;
      readonly senderReason: string;
      readonly listenerCode: number;
      readonly listenerReason: string;
      readonly cause: 'closed' | 'senderLost' | 'listenerLost' | 'violation' | 'ordered';
      readonly duration: number;
    })
  | (RecordOf<'request'> & RecordedHandshake & { readonly method: string; readonly length: number | null })
  | (RecordOf<'response'> & {
      readonly status: number;
      readonly reason: string;
      readonly headers: RecordedHeaders;
      readonly by: 'channel' | 'rendezvous';
      readonly listener?: string;
    })
  | (RecordOf<'requestDone'> & RecordedResult)
  | (RecordOf<'requestFailed'> & RecordedResult & { readonly reason: string })
  | (RecordBase<'fault'> & {
      readonly path?: string;
      readonly fault: string;
      readonly details: Readonly<Record<string, unknown>>;
      readonly struck: number;
    })
  | (RecordBase<'lost'> & { readonly count: number });

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
  /** The address of the inspector's page, with the secret that opens it; `undefined` without the option `inspect`. */
  readonly inspectorUrl: string | undefined;

  listenUri(path?: string, options?: UriOptions): string;
  sendUri(path?: string, options?: UriOptions): string;
  httpUri(path?: string): string;
  connectionString(path?: string): string;
  createToken(path?: string, options?: { keyName?: string; expirationSeconds?: number }): string;
  addHybridConnection(hybridConnection: HybridConnectionOptions | string): void;
  removeHybridConnection(path: string): boolean;
  stats(): RelayEmulatorStats;
  /**
   * Everything that passes: what is kept, then what comes, until the relay has closed. Without the option `inspect`
   * recording begins with the first call.
   *
   * @example
   * for await (const record of relay.records({ kinds: ['refused'] })) {
   *   console.log(record.reason, record.token?.remedy);
   * }
   */
  records(options?: RecordsOptions): AsyncIterableIterator<RelayRecord>;
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
