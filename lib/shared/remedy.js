'use strict';

/** From what failed to what to do about it. */

const BY_CODE = {
  ENOTFOUND:
    'No such name: the namespace is written name.servicebus.windows.net. Behind a proxy, set HTTPS_PROXY.',
  EAI_AGAIN: 'The name server does not answer: is this machine online?',
  ECONNREFUSED: 'Nothing listens there. Is the port right, and the proxy or the emulator up?',
  ECONNRESET: 'Something on the way cut the connection, a firewall as a rule.',
  ETIMEDOUT: 'A firewall drops it: open port 443 outbound to *.servicebus.windows.net, or set HTTPS_PROXY.',
  CLOCK: 'Set the clock (NTP): tokens count as expired, or as not valid yet.',
  EXPIRED: 'Make another token, or give a rule and its key, from which tokens are made anew.',
  SCOPE: 'Make the token for this namespace and this path, or for a path above it.',
  CERT_NOT_YET_VALID: "Set this machine's clock.",
  CERT_HAS_EXPIRED: "Set this machine's clock; if it is right, something on the way has an old certificate.",
  ERR_TLS_CERT_ALTNAME_INVALID:
    'The certificate is for another host: something on the way answers in its place.',
  ERR_HYCO_UNAUTHORIZED:
    'Compare rule and key with the portal; the key ends in "=". Check the IP rules of the namespace.',
  ERR_HYCO_FORBIDDEN: 'The rule lacks the right: Send to connect, Listen to listen.',
  ERR_HYCO_NOT_FOUND: 'There is no such hybrid connection: compare the path with the portal.',
  ERR_HYCO_BUSY: 'The listener or the service has no room at the moment: try again later.',
  ERR_HYCO_TIMEOUT:
    'No listener answered in time, or a firewall blocks the rendezvous hosts: allow *.servicebus.windows.net.',
  ERR_HYCO_HANDSHAKE: 'Something on the way does not pass WebSockets: NO_PROXY leaves a proxy out.',
  ERR_HYCO_PROXY: 'Check the address and the credentials of the proxy.',
  ERR_HYCO_TOKEN: 'The token cannot be used; see the message.',
  ERR_HYCO_REFUSED: 'The listener, or a proxy on the way, turned the connection away with this status.'
};

const TRUST = /SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO|ISSUER|UNKNOWN/;

/**
 * @param {Error & {code?: string, statusCode?: number}} error
 * @param {string} [step] What was being done: 'proxy', 'listen', or anything else
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
  // Nobody but the relay has to answer there.
  if (step === 'listen' && error.code === 'ERR_HYCO_TIMEOUT') return BY_CODE.ETIMEDOUT;
  if (TRUST.test(error.code ?? '')) {
    return 'The certificate is not trusted, by an inspecting proxy as a rule: NODE_EXTRA_CA_CERTS=its-root.pem.';
  }
  return BY_CODE[error.code] ?? BY_CODE[error.errors?.[0]?.code];
}

module.exports = { remedyFor };
