'use strict';

/**
 * Every option of this package, and who reads it. `undefined` and, as hyco-ws's own defaults are written, `null` stand
 * for the default. Times are in milliseconds, sizes in bytes; `false` or 0 switches a thing off.
 */

const { REQUIRED, check, group, listOf, optionalGroup, unlessFalse } = require('./checks');
const own = require('./option-checks');

const MIB = 1024 * 1024;
const ANY = [undefined, check.any];

const KEEP_ALIVE = {
  interval: [30_000, check.time],
  timeout: [60_000, check.time],
  mode: ['ping', check.oneOf('ping', 'pong')]
};

const RECONNECT = {
  minDelay: [1_000, check.time],
  maxDelay: [30_000, check.time],
  stableAfter: [30_000, check.time],
  retryTerminal: [false, check.boolean],
  recycleAfter: [23 * 3600_000, check.time],
  delay: [undefined, check.function]
};

const DEFLATE = {
  serverNoContextTakeover: [undefined, own.parameter],
  clientNoContextTakeover: [undefined, own.parameter],
  serverMaxWindowBits: ANY,
  clientMaxWindowBits: ANY,
  threshold: [1024, check.any],
  zlibDeflateOptions: [undefined, group({ level: [undefined, check.limit] })],
  // Of ws's engine only.
  concurrencyLimit: ANY,
  zlibInflateOptions: ANY
};

/** What a listener can do about TLS. */
const TLS = {
  ca: [undefined, check.pem],
  cert: [undefined, check.pem],
  key: [undefined, check.tlsKey],
  passphrase: [undefined, check.string],
  rejectUnauthorized: [undefined, check.boolean],
  servername: [undefined, check.string],
  minVersion: [undefined, check.oneOf('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')],
  maxVersion: [undefined, check.oneOf('TLSv1.2', 'TLSv1.3')]
};

/** The same as a socket has it, where Node's rules hold. Looked at only under TLS, and by `tls-context.js`. */
const SOCKET_TLS = {
  ca: [undefined, unlessFalse(check.pem)],
  cert: [undefined, unlessFalse(check.pem)],
  key: [undefined, unlessFalse(check.tlsKey)],
  passphrase: [undefined, check.string],
  rejectUnauthorized: [undefined, (value) => value !== false],
  servername: [undefined, (value, name) => (value === '' ? '' : unlessFalse(check.string)(value, name))],
  minVersion: ANY,
  maxVersion: ANY
};

const HYBRID_CONNECTION = {
  path: [REQUIRED, own.entity],
  requiresClientAuthorization: [true, check.boolean]
};

const RIGHTS = ['Listen', 'Send', 'Manage'];

const POLICY = {
  keyName: ['RootManageSharedAccessKey', check.word],
  // A random one.
  key: [undefined, check.word],
  rights: [RIGHTS, listOf(check.oneOf(...RIGHTS))],
  path: [undefined, check.word]
};

/** What the inspector keeps, and where its page is. */
const INSPECT = {
  port: [0, check.integer(0, 65_535)],
  maxRecords: [10_000, check.integer(1, 1_000_000)],
  maxBytes: [16 * MIB, check.integer(1024, 2 ** 31 - 1)],
  previewBytes: [1024, check.integer(0, MIB)]
};

const PEM_PAIR = { cert: [REQUIRED, own.pemText], key: [REQUIRED, own.pemText] };

/**
 * Name: { reader: [default, check] }. The readers:
 *
 * - `listener`: `RelayedServer`;
 * - `sender`: `relayedConnect()`, and a socket has nothing of it;
 * - `socket`: `RelayedWebSocket` on the native engine. What is ws's goes by ws's rules, which refuse little;
 * - `node`: `RelayedWebSocket`, which goes to ws's engine for it;
 * - `emulator`: `RelayEmulator`;
 * - `ignored`: nobody. They are hyco-ws's or ws's, have nothing to act on here and harm nobody;
 * - `foreign`: nobody, but ws or Node would take them of a sender.
 */
const OPTIONS = {
  server: { listener: [REQUIRED, own.server] },
  token: { listener: [undefined, own.token], sender: [undefined, own.token] },
  keyName: { listener: [undefined, check.word], sender: [undefined, check.word] },
  // Without a `keyName` a socket's is a TLS key.
  key: { listener: [undefined, own.key], sender: [undefined, own.key], socket: ANY },
  tokenLifetime: { listener: [3_600, own.lifetime], sender: [3_600, own.lifetime] },
  credential: { listener: [undefined, own.credential], sender: [undefined, own.credential] },
  id: { listener: [undefined, own.id] },
  path: { listener: [undefined, check.string], sender: ANY },
  signal: {
    listener: [undefined, check.signal],
    sender: [undefined, check.signal],
    socket: [undefined, check.signal]
  },
  verifyClient: { listener: [undefined, check.function] },
  handleProtocols: { listener: [undefined, check.function] },
  clientTracking: { listener: [true, check.truth] },

  maxPayload: { listener: [100 * MIB, check.limit], socket: [100 * MIB, check.int32] },
  maxFragments: { listener: [16 * 1024, check.limit], socket: [16 * 1024, check.int32] },
  maxPendingAutoPongs: { listener: [60, check.limit], socket: [60, check.int32] },
  perMessageDeflate: { listener: [false, own.deflate(DEFLATE)], socket: [true, own.looseGroup(DEFLATE)] },
  allowSynchronousEvents: { listener: [true, check.boolean], socket: [true, check.truth] },
  autoPong: { listener: [true, check.boolean], socket: [true, check.truth] },
  skipUTF8Validation: { listener: [false, check.boolean], socket: [false, check.truth] },
  textMessages: {
    listener: ['buffer', check.oneOf('buffer', 'string')],
    socket: ['buffer', check.oneOf('buffer', 'string')]
  },
  keepAlive: { listener: [{}, optionalGroup(KEEP_ALIVE)], socket: [false, own.looseGroup(KEEP_ALIVE)] },
  reconnect: { listener: [{}, optionalGroup(RECONNECT)] },
  handshakeTimeout: {
    listener: [60_000, check.time],
    socket: [0, check.longTime],
    emulator: [15_000, own.wholeTime]
  },
  acceptTimeout: { listener: [20_000, check.time], emulator: [30_000, own.wholeTime] },
  closeTimeout: {
    listener: [30_000, check.time],
    socket: [30_000, check.delay],
    emulator: [10_000, own.wholeTime]
  },
  halfCloseTimeout: { emulator: [60_000, own.wholeTime] },
  controlChannels: { listener: [1, check.integer(1, 25)] },
  maxConnections: { listener: [0, check.integer(0, Number.MAX_SAFE_INTEGER)] },
  maxPendingRequests: { listener: [1024, check.integer(0, 2 ** 31 - 1)] },
  maxRequestBytes: { listener: [64 * MIB, check.integer(0, Number.MAX_SAFE_INTEGER)] },
  earlyRendezvous: { listener: [false, check.boolean] },
  maxPendingAccepts: { listener: [256, check.integer(0, 2 ** 31 - 1)] },
  highWaterMark: {
    listener: [MIB, check.integer(1, Number.MAX_SAFE_INTEGER)],
    socket: [MIB, check.size]
  },
  maxBufferedAmount: {
    listener: [256 * MIB, check.integer(0, Number.MAX_SAFE_INTEGER)],
    // As in ws: what is sent to a peer that does not read waits in memory.
    socket: [0, check.size]
  },
  maxAssembling: { listener: [256 * MIB, check.integer(0, Number.MAX_SAFE_INTEGER)] },
  rendezvousHosts: { listener: [undefined, check.function] },
  proxy: { listener: [undefined, check.proxy], socket: [undefined, check.proxy] },
  tls: { listener: [undefined, own.listenerTls(TLS)], emulator: [undefined, group(PEM_PAIR)] },

  protocols: { socket: ANY },
  headers: { socket: ANY },
  origin: { socket: ANY },
  auth: { socket: ANY },
  defaultPort: { socket: ANY },
  protocolVersion: { socket: [13, check.any] },
  followRedirects: { socket: [false, check.truth] },
  maxRedirects: { socket: [10, check.any] },
  generateMask: { socket: [undefined, unlessFalse(check.function)] },
  ca: { socket: ANY },
  cert: { socket: ANY },
  passphrase: { socket: ANY },
  rejectUnauthorized: { socket: ANY },
  servername: { socket: ANY },
  minVersion: { socket: ANY },
  maxVersion: { socket: ANY },

  agent: { node: ANY },
  createConnection: { node: ANY },
  finishRequest: { node: ANY },
  lookup: { node: ANY },
  family: { node: ANY },
  localAddress: { node: ANY },
  localPort: { node: ANY },
  ALPNProtocols: { node: ANY },
  checkServerIdentity: { node: ANY },
  ciphers: { node: ANY },
  crl: { node: ANY },
  dhparam: { node: ANY },
  ecdhCurve: { node: ANY },
  pfx: { node: ANY },
  secureContext: { node: ANY },
  secureOptions: { node: ANY },
  secureProtocol: { node: ANY },
  session: { node: ANY },
  sigalgs: { node: ANY },

  host: { emulator: ['127.0.0.1', check.word], ignored: ANY },
  port: { emulator: [0, check.integer(0, 65_535)], ignored: ANY },
  publicHost: { emulator: [undefined, own.publicHost] },
  hybridConnections: { emulator: [[{ path: 'hyco' }], listOf(own.hybridConnection(HYBRID_CONNECTION))] },
  sharedAccessPolicies: { emulator: [[{}], listOf(group(POLICY))] },
  maxListeners: { emulator: [25, check.integer(0, 2 ** 31 - 1)] },
  maxHead: { emulator: [65_536, check.integer(1024, 2 ** 31 - 1)] },
  seed: { emulator: [undefined, check.integer(0, Number.MAX_SAFE_INTEGER)] },
  rendezvousLifetime: { emulator: [30_000, own.wholeTime] },
  responseTimeout: { emulator: [60_000, own.wholeTime] },
  tokenGrace: { emulator: [300_000, own.wholeTime] },
  // Of an emulator's times the only one that 0 switches off; elsewhere it means "at once".
  recycleAfter: { emulator: [86_400_000, (value, name) => own.wholeTime(value === false ? 0 : value, name)] },
  grantExtensions: { emulator: [false, check.boolean] },
  carryCloseCodes: { emulator: [true, check.boolean] },
  inspect: { listener: [false, optionalGroup(INSPECT)], emulator: [false, optionalGroup(INSPECT)] },

  disableHixie: { ignored: ANY },
  backlog: { ignored: ANY },
  maxBufferedChunks: { ignored: ANY },
  noServer: { ignored: ANY },

  autoSelectFamily: { foreign: ANY },
  enableTrace: { foreign: ANY },
  hints: { foreign: ANY },
  honorCipherOrder: { foreign: ANY },
  hostname: { foreign: ANY },
  keepAliveInitialDelay: { foreign: ANY },
  method: { foreign: ANY },
  minDHSize: { foreign: ANY },
  noDelay: { foreign: ANY },
  setHost: { foreign: ANY },
  socketPath: { foreign: ANY },
  timeout: { foreign: ANY }
};

/**
 * The part of the table that one reader goes by.
 *
 * @param {'listener'|'sender'|'socket'|'node'|'emulator'|'ignored'|'foreign'} reader
 * @return {Object<string, [unknown, function]>} Name: [default, check]
 */
function optionsOf(reader) {
  const table = {};
  for (const [name, readers] of Object.entries(OPTIONS)) {
    if (readers[reader] !== undefined) table[name] = readers[reader];
  }
  return Object.freeze(table);
}

module.exports = { SOCKET_TLS, optionsOf };
