'use strict';

/** From what failed to what to do about it. */

const BY_CODE = {
  ENOTFOUND:
    'No such name: the namespace is written name.servicebus.windows.net. Behind a proxy, set HTTPS_PROXY.',
  EAI_AGAIN: 'The name server does not answer: is this machine online?',
  ECONNREFUSED: 'Nothing listens there. Is the port right, and the proxy or the emulator up?',
  EADDRINUSE: 'Another program has that port: take another one, or 0 for a free one.',
  ECONNRESET: 'Something on the way cut the connection, a firewall as a rule.',
  ETIMEDOUT: 'A firewall drops it: open port 443 outbound to *.servicebus.windows.net, or set HTTPS_PROXY.',
  CLOCK: 'Set the clock (NTP): tokens count as expired, or as not valid yet.',
  TOKEN_MISSING: 'Give credentials: a rule and its key, a token, or an identity of Entra ID.',
  TOKEN_MALFORMED:
    'It is no SAS token and none of Entra ID, or it was damaged in copying: copy it again, quoted in shells.',
  TOKEN_EXPIRED:
    "Make another token, or give a rule and its key, from which tokens are made anew. Is this machine's clock right?",
  TOKEN_WRONG_KEY:
    'Compare rule and key with the portal: there may be another rule of that name, or a key that was renewed or lost characters in copying; those of Azure end in "=".',
  TOKEN_WRONG_AUDIENCE: 'Make the token for this namespace and this path, or for a path above it.',
  TOKEN_OF_ENTRA_ID: 'An emulator goes by SAS rules: give its rule and key.',
  IP_FILTER: "Allow this machine's address in the portal, under Networking.",
  TOO_MANY_LISTENERS: 'A hybrid connection takes 25 listeners: stop some.',
  NO_LISTENER: 'Start the listener; if it is up, compare the paths of both.',
  NOT_ACCEPTED:
    'The listener is busy, or its machine cannot reach the gateways: allow *.servicebus.windows.net:443 there.',
  NO_TLS:
    'What answers there speaks no TLS. For an emulator: --insecure on the command line, ws:// in the address of a program.',
  NO_HTTP: 'What answers there speaks no plain HTTP; perhaps it speaks TLS: leave --insecure, or ws://, out.',
  CERT_NOT_YET_VALID: "Set this machine's clock.",
  CERT_HAS_EXPIRED: "Set this machine's clock; if it is right, something on the way has an old certificate.",
  ERR_TLS_CERT_ALTNAME_INVALID:
    'The certificate is for another host: something on the way answers in its place.',
  ERR_HYCO_UNAUTHORIZED: 'Compare rule and key with the portal. Check the IP rules of the namespace.',
  ERR_HYCO_FORBIDDEN:
    'The rule lacks the right, or the identity the role: Send to connect, Listen to listen.',
  ERR_HYCO_NOT_FOUND: 'There is no such hybrid connection: compare the path with the portal.',
  ERR_HYCO_BUSY: 'The listener or the service has no room at the moment: try again later.',
  ERR_HYCO_TIMEOUT:
    'No listener answered in time, or a firewall blocks the rendezvous hosts: allow *.servicebus.windows.net.',
  ERR_HYCO_HANDSHAKE: 'Something on the way does not pass WebSockets: NO_PROXY leaves a proxy out.',
  ERR_HYCO_PROXY: 'Check the address and the credentials of the proxy.',
  ERR_HYCO_TOKEN: 'The token cannot be used; see the message.',
  ERR_HYCO_PROTOCOL: 'It named a host that is not allowed, or what it sent cannot be right: is it the relay?',
  ERR_HYCO_INVALID_FORMAT: 'An address, a connection string or a token cannot be read: copy it again.',
  ERR_HYCO_LIMIT: 'A limit was reached, which the message names: raise it, or send less at a time.',
  ERR_HYCO_REFUSED: 'The listener, or a proxy on the way, turned the connection away with this status.'
};

const TRUST = /SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO|ISSUER|UNKNOWN/;

/** What a code alone does not say, by the status and the words of the relay. */
const KINDS = [
  [401, /MissingToken|token is required/i, 'TOKEN_MISSING'],
  [401, /none of Entra ID/i, 'TOKEN_OF_ENTRA_ID'],
  [401, /claim\(s\) are required/i, 'ERR_HYCO_FORBIDDEN'],
  [401, /MalformedToken|malformed/i, 'TOKEN_MALFORMED'],
  [401, /ExpiredToken|expired/i, 'TOKEN_EXPIRED'],
  [401, /InvalidSignature|invalid signature/i, 'TOKEN_WRONG_KEY'],
  [401, /audience|another resource/i, 'TOKEN_WRONG_AUDIENCE'],
  [401, /\bip has been prevented/i, 'IP_FILTER'],
  [403, /quota/i, 'TOO_MANY_LISTENERS'],
  [404, /no listeners/i, 'NO_LISTENER'],
  [404, /within the allowed timeout/i, 'NOT_ACCEPTED'],
  // Of TLS, in the words of OpenSSL, and of HTTP, in those of its parser.
  [undefined, /wrong version number/i, 'NO_TLS'],
  [undefined, /Parse Error: Expected HTTP/i, 'NO_HTTP']
];

/**
 * @param {Error & {code?: string, statusCode?: number, reason?: string}} error
 * @return {string|undefined} What it is exactly, as `'TOKEN_EXPIRED'`; its code, where that is all that is known
 */
function kindOf({ code, message, statusCode, reason }) {
  const words = reason ?? message;
  return KINDS.find(([status, pattern]) => status === statusCode && pattern.test(words))?.[2] ?? code;
}

/**
 * @param {Error & {code?: string, statusCode?: number, reason?: string}} error
 * @param {string} [step] What was being done: 'proxy', 'listen', 'gateway', or anything else
 * @returns {string|undefined} What to do
 */
function remedyFor(error, step) {
  const ofProxy = step === 'proxy' || error.code === 'ERR_HYCO_PROXY';
  if (ofProxy && error.statusCode === 407) {
    return 'The proxy wants credentials: HTTPS_PROXY=http://user:password@host:port.';
  }
  if (ofProxy && error.statusCode !== undefined) {
    return 'Have the proxy allow CONNECT to *.servicebus.windows.net:443.';
  }
  const kind = kindOf(error);
  // Nobody but the relay has to answer there.
  if (step === 'listen' && kind === 'ERR_HYCO_TIMEOUT') return BY_CODE.ETIMEDOUT;
  // The namespace was reached before.
  if (step === 'gateway' && /^E[A-Z]+$/.test(kind)) return BY_CODE.ETIMEDOUT;
  if (TRUST.test(kind ?? '')) {
    return 'The certificate is not trusted, by an inspecting proxy as a rule: NODE_EXTRA_CA_CERTS=its-root.pem.';
  }
  return BY_CODE[kind] ?? BY_CODE[error.errors?.[0]?.code];
}

module.exports = { kindOf, remedyFor };
