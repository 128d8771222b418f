/// <reference types="node" />

import { EventEmitter } from 'node:events';

// What says `export` is exported, and nothing else.
export {};

/**
 * What a SAS rule allows.
 *
 * @example
 * const rights: SharedAccessRight[] = ['Send'];
 */
export type SharedAccessRight = 'Listen' | 'Send' | 'Manage';

/**
 * What a connection comes for: a control channel, a sender, a rendezvous of a sender, an HTTP request, a rendezvous of
 * a request.
 *
 * @example
 * const action: RelayAction = 'listen';
 * relay.faults.refuse({ status: 503, action });
 */
export type RelayAction = 'listen' | 'connect' | 'accept' | 'request' | 'rendezvous';

/**
 * A hybrid connection of the emulator.
 *
 * @example
 * await RelayEmulator.start({ hybridConnections: ['hyco', { path: 'open', requiresClientAuthorization: false }] });
 */
export interface HybridConnectionOptions {
  /** Its name; may have several segments. */
  path: string;
  /**
   * `false` lets senders come without a token.
   * @default true
   */
  requiresClientAuthorization?: boolean;
}

/**
 * A SAS rule of the emulator.
 *
 * @example
 * await RelayEmulator.start({ sharedAccessPolicies: [{ keyName: 'send', rights: ['Send'], path: 'hyco' }] });
 */
export interface SharedAccessPolicyOptions {
  /**
   * Its name.
   * @default 'RootManageSharedAccessKey'
   */
  keyName?: string;
  /**
   * Its key.
   * @default a random one
   */
  key?: string;
  /**
   * What it allows.
   * @default ['Listen', 'Send', 'Manage']
   */
  rights?: SharedAccessRight[];
  /**
   * The hybrid connection that it belongs to.
   * @default undefined: the namespace
   */
  path?: string;
}

/**
 * What `RelayEmulator.start()` takes. Times are milliseconds.
 *
 * @example
 * const options: RelayEmulatorOptions = { hybridConnections: ['hyco', 'web'], acceptTimeout: 1000 };
 * const relay = await RelayEmulator.start(options);
 */
export interface RelayEmulatorOptions {
  /**
   * What to bind.
   * @default '127.0.0.1'
   */
  host?: string;
  /**
   * What to bind; 0 takes a free one.
   * @default 0
   */
  port?: number;
  /**
   * `host[:port]` in rendezvous addresses.
   * @default the name by which the listener came
   */
  publicHost?: string;
  /**
   * Serves wss:// and https://. PEM.
   * @default undefined: ws:// and http://
   */
  tls?: { cert: string | Buffer; key: string | Buffer };
  /**
   * The hybrid connections that there are.
   * @default [{ path: 'hyco' }]
   */
  hybridConnections?: Array<HybridConnectionOptions | string>;
  /**
   * The SAS rules that there are.
   * @default one of the namespace, `RootManageSharedAccessKey`, with a random key
   */
  sharedAccessPolicies?: SharedAccessPolicyOptions[];
  /**
   * Listeners that one hybrid connection admits.
   * @default 25
   */
  maxListeners?: number;
  /**
   * The longest request head in bytes.
   * @default 65536
   */
  maxHead?: number;
  /**
   * Makes the choice among several listeners repeatable.
   * @default a random one
   */
  seed?: number;
  /**
   * How long a rendezvous address can be used.
   * @default 30000
   */
  rendezvousLifetime?: number;
  /**
   * How long a sender waits for a listener to accept.
   * @default 30000
   */
  acceptTimeout?: number;
  /**
   * How long an HTTP sender waits for the response, and for each further piece of it.
   * @default 60000
   */
  responseTimeout?: number;
  /**
   * How long a client may take over TLS and its request head.
   * @default 15000
   */
  handshakeTimeout?: number;
  /**
   * How long the closing handshake of a control channel may take.
   * @default 10000
   */
  closeTimeout?: number;
  /**
   * How long a sender or a listener may go on sending when the other one has closed.
   * @default 60000
   */
  halfCloseTimeout?: number;
  /**
   * How long a control channel outlives its token.
   * @default 300000
   */
  tokenGrace?: number;
  /**
   * The age at which a control channel is recycled with 1011; `false` never.
   * @default 86400000
   */
  recycleAfter?: number | false;
  /**
   * Passes WebSocket extensions through from end to end, which the service does not do.
   * @default false
   */
  grantExtensions?: boolean;
  /**
   * Serves a page that shows what passes (`relay.inspectorUrl`), and keeps the last records for it.
   * @default false
   */
  inspect?: boolean | InspectOptions;
  /**
   * Carries a peer's close code and reason across; `false` gives 1000 and 1001.
   * @default true
   */
  carryCloseCodes?: boolean;
}

/**
 * What the inspector keeps, and where its page is.
 *
 * @example
 * const relay = await RelayEmulator.start({ inspect: { port: 9300 } });
 * console.log(relay.inspectorUrl);
 */
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

/**
 * Options of `relay.records()`.
 *
 * @example
 * for await (const record of relay.records({ kinds: ['refused'] })) console.log(record);
 */
export interface RecordsOptions {
  /**
   * Only what comes behind the record of this number.
   *
   * @default 0
   */
  since?: number;
  /**
   * Only records of these kinds.
   * @default undefined: all
   */
  kinds?: Array<RelayRecord['kind']>;
  /**
   * Ends the iterator, with an `AbortError`.
   * @default undefined
   */
  signal?: AbortSignal;
}

/**
 * What became of a token: which part was wrong, what was expected, what was found, and how to mend it.
 *
 * @example
 * const why = ({ part, expected, found, remedy }: TokenFate) => `${part}: ${expected}, not ${found}. ${remedy}`;
 */
export interface TokenFate {
  /** Whether it was good, and if not, why. */
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
  /** Where it stood. */
  carriedBy?: 'sb-hc-token' | 'ServiceBusAuthorization' | 'Authorization' | 'renewToken';
  /** The name of its SAS rule. */
  rule?: string;
  /** Milliseconds since 1970. */
  expires?: number;
  /** Which part of it was wrong. */
  part?: string;
  /** What that part should have been. */
  expected?: string;
  /** What it was. */
  found?: string;
  /** What to do about it. */
  remedy?: string;
}

/**
 * Names and values, as they came; `***` stands for what is secret.
 *
 * @example
 * const find = (headers: RecordedHeaders, name: string) => headers.find(([each]) => each === name);
 */
export type RecordedHeaders = ReadonlyArray<readonly [name: string, value: string]>;

/**
 * The beginning of a body: text, or base64 where `text` is false.
 *
 * @example
 * const show = ({ preview, cut }: RecordedBody) => (cut ? `${preview}…` : preview);
 */
export interface RecordedBody {
  /** Bytes of the whole body. */
  size: number;
  /** Its beginning. */
  preview: string;
  /** Whether the preview is text, and not base64. */
  text: boolean;
  /** Whether there is more than the preview. */
  cut: boolean;
  /** Its `Content-Encoding`; then there is no preview. */
  encoding?: string;
}

/**
 * Milliseconds since the request came; `null` for what did not happen.
 *
 * @example
 * const took = ({ end }: RequestTiming) => (end === null ? 'unfinished' : `${end} ms`);
 */
export interface RequestTiming {
  /** It was given to a listener. */
  queued: number | null;
  /** The listener took it. */
  accepted: number | null;
  /** The answer began. */
  firstByte: number | null;
  /** The answer was complete. */
  end: number | null;
}

interface RecordBase<Kind extends string> {
  /** Ascending. */
  readonly seq: number;
  /** Milliseconds since 1970, with a fraction. */
  readonly time: number;
  /** What happened. */
  readonly kind: Kind;
}

interface RecordOf<Kind extends string> extends RecordBase<Kind> {
  /** The hybrid connection. */
  readonly path: string;
  /** The tracking id of the listener, sender or request. */
  readonly id: string;
}

interface RecordedHandshake {
  /** Who came. */
  readonly remoteAddress: string;
  /** What for: path and query. */
  readonly target: string;
  /** As they came. */
  readonly headers: RecordedHeaders;
  /** What became of its token. */
  readonly token: TokenFate;
}

interface RecordedResult {
  /** What was answered; `null` if nothing was. */
  readonly status: number | null;
  /** The way that the answer took. */
  readonly by?: 'channel' | 'rendezvous';
  /** The beginning of what came. */
  readonly requestBody: RecordedBody;
  /** The beginning of what was answered. */
  readonly responseBody: RecordedBody;
  /** When what happened. */
  readonly timing: RequestTiming;
}

/**
 * What `relay.records()` gives; the package's `lib/inspector/records.schema.json` says the same as a JSON schema.
 *
 * @example
 * const isRefusal = (record: RelayRecord) => record.kind === 'refused' && record.status === 401;
 */
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

/**
 * What `listenUri()` and `sendUri()` take.
 *
 * @example
 * relay.sendUri('hyco', { token: true, id: 'my-trace' });
 */
export interface UriOptions {
  /**
   * Tracking id.
   * @default undefined
   */
  id?: string;
  /**
   * A token to embed, or `true` for a fresh one.
   * @default undefined: none
   */
  token?: string | boolean;
}

/**
 * What goes on at the relay.
 *
 * @example
 * const { senders, totals }: RelayEmulatorStats = relay.stats();
 */
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
  /**
   * Only of this hybrid connection.
   * @default undefined: of all
   */
  path?: string;
}

interface OnChannel extends OnPath {
  /**
   * Only this control channel, by its `listener` event.
   * @default undefined: all
   */
  id?: string;
}

/**
 * Faults on demand; what strikes connections returns how many.
 *
 * @example
 * relay.faults.dropControl();
 * await once(server, 'reconnecting');
 */
export interface RelayEmulatorFaults {
  /**
   * Cuts control channels without a close frame.
   *
   * @example
   * relay.faults.dropControl({ path: 'hyco' }); // 1
   */
  dropControl(
    options?: OnChannel & {
      /**
       * Cuts with RST in place of FIN.
       * @default false
       */
      reset?: boolean;
    }
  ): number;
  /**
   * Closes control channels as the service does once a day: 1011 with `NameRenewalFailed`.
   *
   * @example
   * relay.faults.recycle();
   */
  recycle(options?: OnChannel): number;
  /**
   * Closes control channels as if their tokens, and the grace, were over: 1008.
   *
   * @example
   * relay.faults.expireTokens();
   */
  expireTokens(options?: OnChannel): number;
  /**
   * Closes control channels; a tracking id is added to the reason.
   *
   * @example
   * relay.faults.closeControl(1001, 'The hybrid connection was deleted.');
   */
  closeControl(code: number, reason?: string, options?: OnChannel): number;
  /**
   * Sends a text frame, whatever it says, to every listener.
   *
   * @example
   * relay.faults.sendControl('{ not JSON');
   */
  sendControl(text: string, options?: OnPath): number;
  /**
   * Answers handshakes and requests with a status, once or `times`.
   *
   * @example
   * relay.faults.refuse({ status: 503, action: 'listen', times: 2 });
   */
  refuse(options: {
    /** The status, 200 to 599. */
    status: number;
    /**
     * The text of the status line.
     * @default 'Refused by order.'
     */
    reason?: string;
    /**
     * Whether the text has a tracking id, as the service gives it.
     * @default true
     */
    tracked?: boolean;
    /**
     * How often; `Infinity`: until `clear()`.
     * @default 1
     */
    times?: number;
    /**
     * Only what comes for this.
     * @default undefined: whatever comes
     */
    action?: RelayAction;
  }): void;
  /**
   * Keeps `accept` messages back: each for so many milliseconds, or (`true`, the default) all until
   * `releaseAccepts()`.
   *
   * @example
   * relay.faults.holdAccepts(500); // each for half a second
   */
  holdAccepts(time?: number | true): void;
  /**
   * Lets the `accept` messages go that `holdAccepts()` kept back, and those that come.
   *
   * @example
   * relay.faults.holdAccepts();
   * relay.faults.releaseAccepts();
   */
  releaseAccepts(): void;
  /**
   * Stops reading and writing without closing anything.
   *
   * @example
   * relay.faults.goSilent({ data: false });
   */
  goSilent(options?: {
    /**
     * Control channels.
     * @default true
     */
    control?: boolean;
    /**
     * Established rendezvous.
     * @default true
     */
    data?: boolean;
    /**
     * New connections: they are left unanswered.
     * @default false
     */
    handshakes?: boolean;
  }): void;
  /**
   * Ends what `goSilent()` began.
   *
   * @example
   * relay.faults.goSilent();
   * relay.faults.resume();
   */
  resume(): void;
  /**
   * Cuts established rendezvous on both sides.
   *
   * @example
   * relay.faults.cutRendezvous({ midFrame: false });
   */
  cutRendezvous(
    options?: OnPath & {
      /**
       * Cuts after the beginning of a frame.
       * @default true
       */
      midFrame?: boolean;
      /**
       * Cuts with RST in place of FIN.
       * @default false
       */
      reset?: boolean;
    }
  ): number;
  /**
   * Closes established rendezvous on both sides.
   *
   * @example
   * relay.faults.closeRendezvous(1011, 'The other end is gone.');
   */
  closeRendezvous(code: number, reason?: string, options?: OnPath): number;
  /**
   * Lets the rendezvous addresses that are still open expire.
   *
   * @example
   * relay.faults.expireRendezvous();
   */
  expireRendezvous(): number;
  /**
   * Lets the time of the HTTP requests that have no response yet be over: 504, and a response that comes then is late.
   *
   * @example
   * relay.faults.expireRequests({ path: 'web' });
   */
  expireRequests(options?: OnPath): number;
  /**
   * Cuts a body of HTTP, by default a response's, after so many bytes (0), once or `times`; a request's only on a
   * rendezvous.
   *
   * @example
   * relay.faults.cutBodies({ of: 'response', after: 1024 });
   */
  cutBodies(options?: {
    /**
     * Whose body.
     * @default 'response'
     */
    of?: 'request' | 'response';
    /**
     * After so many bytes.
     * @default 0
     */
    after?: number;
    /**
     * How often; `Infinity`: until `clear()`.
     * @default 1
     */
    times?: number;
  }): void;
  /**
   * Leaves pings unanswered.
   *
   * @example
   * relay.faults.swallowPongs();
   */
  swallowPongs(on?: boolean): void;
  /**
   * Answers handshakes and requests late; 0 ends it.
   *
   * @example
   * relay.faults.delay(2000, { action: 'connect' });
   */
  delay(
    time: number,
    options?: {
      /**
       * Only what comes for this.
       * @default undefined: whatever comes
       */
      action?: RelayAction;
    }
  ): void;
  /**
   * Takes back whatever lasts.
   *
   * @example
   * afterEach(() => relay.faults.clear());
   */
  clear(): void;
}

/**
 * What a relay tells, so that a test can wait for it. `path` is the hybrid connection, `id` the connection's tracking
 * id.
 *
 * @example
 * relay.once('sender', ({ path, id }) => console.log(path, id));
 */
export interface RelayEmulatorEvents {
  /** A control channel is up. */
  listener: [{ path: string; id: string }];
  /** A control channel is gone. */
  listenerClosed: [{ path: string; id: string }];
  /** A listener has brought another token. */
  renewed: [{ path: string; id: string }];
  /** A listener has sent a ping on its control channel. */
  ping: [{ path: string; id: string }];
  /** A sender has come. */
  sender: [{ path: string; id: string }];
  /** A sender and its listener are connected. */
  rendezvous: [{ path: string; id: string }];
  /** Their connection has ended, with what each of them closed it. */
  rendezvousClosed: [{ path: string; id: string; senderCode: number; listenerCode: number }];
  /** A listener has turned a sender away. */
  rejected: [{ path: string; id: string; status: number; reason: string }];
  /** A sender has waited in vain for a listener to accept. */
  timedOut: [{ path: string; id: string }];
  /** An HTTP request has come. */
  request: [{ path: string; id: string; method: string }];
  /** Something was answered with a status and went no further. */
  refused: [{ target: string; status: number; reason: string }];
  /** The relay is down. */
  close: [];
}

/**
 * The service's side of Azure Relay Hybrid Connections, for development and tests.
 *
 * @example
 * const relay = await RelayEmulator.start();
 * const server = new RelayedServer({ server: relay.listenUri('hyco'), keyName: relay.keyName, key: relay.key });
 * await once(server, 'listening');
 * const socket = await connectRelayed(relay.sendUri('hyco'), relay.createToken('hyco'));
 */
export class RelayEmulator extends EventEmitter {
  private constructor();
  /**
   * Starts a relay; every option has a default.
   *
   * @returns Rejected with a `TypeError` for a wrong option, with the system's error for an address that cannot be bound
   * @example
   * const relay = await RelayEmulator.start({ hybridConnections: ['hyco', 'web'] });
   */
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
  /** Faults on demand. */
  readonly faults: RelayEmulatorFaults;
  /** The address of the inspector's page, with the secret that opens it; `undefined` without the option `inspect`. */
  readonly inspectorUrl: string | undefined;

  /**
   * The address for a listener.
   *
   * @param path The hybrid connection; the first one if left out
   * @example
   * new RelayedServer({ server: relay.listenUri('hyco'), keyName: relay.keyName, key: relay.key });
   */
  listenUri(path?: string, options?: UriOptions): string;
  /**
   * The address for a sender; `path` may go on below the hybrid connection and may have a query.
   *
   * @param path The hybrid connection; the first one if left out
   * @example
   * new WebSocket(relay.sendUri('hyco', { token: true })); // of a browser, or of ws
   */
  sendUri(path?: string, options?: UriOptions): string;
  /**
   * The address for plain HTTP requests; `path` may go on below the hybrid connection and may have a query.
   *
   * @param path The hybrid connection; the first one if left out
   * @example
   * await fetch(relay.httpUri('web/orders'), { headers: { ServiceBusAuthorization: relay.createToken('web') } });
   */
  httpUri(path?: string): string;
  /**
   * A connection string with the first SAS rule. It asks for plain ws:// (`UseDevelopmentEmulator=true`) unless the
   * relay serves TLS.
   *
   * @param path The hybrid connection; the first one if left out
   * @example
   * const server = RelayedServer.fromConnectionString(relay.connectionString('hyco'));
   */
  connectionString(path?: string): string;
  /**
   * A SAS token.
   *
   * @param path The hybrid connection; the first one if left out, `''` for the whole namespace
   * @example
   * relay.createToken('hyco', { expirationSeconds: -10 }); // has expired
   */
  createToken(
    path?: string,
    options?: {
      /**
       * The SAS rule.
       * @default the first one
       */
      keyName?: string;
      /**
       * May be negative, for a token that has expired.
       * @default 3600
       */
      expirationSeconds?: number;
    }
  ): string;
  /**
   * Adds a hybrid connection, or replaces one.
   *
   * @example
   * relay.addHybridConnection({ path: 'open', requiresClientAuthorization: false });
   */
  addHybridConnection(hybridConnection: HybridConnectionOptions | string): void;
  /**
   * Removes a hybrid connection and closes its listeners and senders with 1001, as the service does.
   *
   * @returns `false` where there was none
   * @example
   * relay.removeHybridConnection('hyco');
   */
  removeHybridConnection(path: string): boolean;
  /**
   * What goes on now, and counts since the start.
   *
   * @example
   * relay.stats().listeners; // 1
   */
  stats(): RelayEmulatorStats;
  /**
   * Everything that passes: what is kept, then what comes, until the relay has closed. Without the option `inspect`
   * recording begins with the first call.
   *
   * @example
   * for await (const record of relay.records({ kinds: ['refused'] })) {
   *   if (record.kind === 'refused') console.log(record.reason, record.token?.remedy);
   * }
   */
  records(options?: RecordsOptions): AsyncIterableIterator<RelayRecord>;
  /**
   * Keeps the process alive while the relay runs; the default.
   *
   * @example
   * relay.ref();
   */
  ref(): this;
  /**
   * Lets the process end although the relay runs.
   *
   * @example
   * relay.unref();
   */
  unref(): this;
  /**
   * Stops: established connections are closed with 1001 and get up to a second for that.
   *
   * @returns Fulfilled when everything is down
   * @example
   * await relay.close({ force: true });
   */
  close(options?: {
    /**
     * Cuts them at once.
     * @default false
     */
    force?: boolean;
  }): Promise<void>;
  /**
   * `close()`, for `await using`.
   *
   * @example
   * await using relay = await RelayEmulator.start();
   */
  [Symbol.asyncDispose](): Promise<void>;

  /**
   * Listens for an event. Events are delivered from the moment somebody listens to any of them.
   *
   * @example
   * relay.on('refused', ({ status, reason }) => console.log(status, reason));
   */
  on<K extends keyof RelayEmulatorEvents>(
    event: K,
    listener: (...args: RelayEmulatorEvents[K]) => void
  ): this;
  /**
   * Listens for the next event of a kind.
   *
   * @example
   * relay.once('rendezvous', ({ path }) => console.log('somebody talks at', path));
   */
  once<K extends keyof RelayEmulatorEvents>(
    event: K,
    listener: (...args: RelayEmulatorEvents[K]) => void
  ): this;
}
