'use strict';

/**
 * What the process's environment says about proxies and trust. It is read in JavaScript, when a socket or a server is
 * made: changes to `process.env` are seen as Node's own modules see them, and the Rust half reads no variable.
 */

const { readFileSync } = require('node:fs');
const tls = require('node:tls');

const native = require('./native.js');

/** The variable `name`; curl's rule: lower case wins, empty is not set. */
function variable(name) {
  return process.env[name.toLowerCase()] || process.env[name] || undefined;
}

/**
 * The proxy for a destination.
 *
 * @param {string|URL|false|null} [option] A URL for this proxy, `false` for none; otherwise the environment decides
 * @param {boolean} secure TLS to the destination: `HTTPS_PROXY`, not `HTTP_PROXY`
 * @param {string} host Name or address, without brackets
 * @param {number} port
 * @return {string|undefined} The proxy's URL
 */
function proxyFor(option, secure, host, port) {
  if (option === false || option === '') return undefined;
  if (option !== undefined && option !== null) return String(option);
  const variables = {
    http: httpProxy() ?? '',
    https: variable('HTTPS_PROXY') ?? '',
    all: variable('ALL_PROXY') ?? '',
    no: variable('NO_PROXY') ?? ''
  };
  return native.chooseProxy(variables, secure, host, port) ?? undefined;
}

/** In a CGI program `HTTP_PROXY` is the request's `Proxy` header, which is the caller's to choose. */
function httpProxy() {
  return process.env.REQUEST_METHOD === undefined
    ? variable('HTTP_PROXY')
    : process.env.http_proxy || undefined;
}

let fallbackRoots;

/**
 * The certificates that this process trusts, as PEM: what Node's own `tls.connect()` would use, `NODE_EXTRA_CA_CERTS`
 * included. The same array until the set changes.
 *
 * @return {readonly string[]}
 */
function trustedRoots() {
  if (typeof tls.getCACertificates === 'function') return tls.getCACertificates('default');
  fallbackRoots ??= Object.freeze([...tls.rootCertificates, ...extraRoots()]);
  return fallbackRoots;
}

function extraRoots() {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (!file) return [];
  try {
    return (
      readFileSync(file, 'latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
    );
  } catch (error) {
    // Node warns about this itself, and goes on, when it first makes a TLS context; this may be before.
    process.emitWarning(`Ignoring extra certs from \`${file}\`, load failed: ${error.code}`);
    return [];
  }
}

let warned = false;

/**
 * `NODE_TLS_REJECT_UNAUTHORIZED=0` switches verification off; as in Node, with one warning.
 *
 * @return {boolean}
 */
function rejectUnauthorizedByDefault() {
  if (process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0') return true;
  if (!warned) {
    warned = true;
    process.emitWarning(
      'Setting the NODE_TLS_REJECT_UNAUTHORIZED environment variable to ' +
        "'0' makes TLS connections and HTTPS requests insecure by disabling certificate verification."
    );
  }
  return false;
}

module.exports = { proxyFor, rejectUnauthorizedByDefault, trustedRoots };
