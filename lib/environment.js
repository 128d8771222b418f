'use strict';

/**
 * What the process's environment says about proxies and trust. It is read in JavaScript, when a socket or a server is
 * made: changes to `process.env` are seen as Node's own modules see them, and the Rust half reads no variable.
 */

const { readFileSync } = require('node:fs');
const tls = require('node:tls');

const { invalidArgValue } = require('./errors');
const native = require('./native.js');

/** Which variable stands for `name`, if any; curl's rule: lower case wins, empty is not set. */
function nameOf(name) {
  return [name.toLowerCase(), name].find((spelt) => process.env[spelt]);
}

/** The variable `name`, or ''. */
function variable(name) {
  const spelt = nameOf(name);
  return spelt === undefined ? '' : process.env[spelt];
}

/**
 * The proxy for a destination.
 *
 * @param {string|URL|false|null} [option] A URL for this proxy, `false` for none; otherwise the environment decides
 * @param {boolean} secure TLS to the destination: `HTTPS_PROXY`, not `HTTP_PROXY`
 * @param {string} host Name or address, without brackets
 * @param {number} port
 * @return {string|undefined} The proxy's URL
 * @throws {TypeError} with `code` `ERR_INVALID_ARG_VALUE` for a URL that cannot be used; names the option or the variable
 */
function proxyFor(option, secure, host, port) {
  if (option === false || option === '') return undefined;
  if (option !== undefined && option !== null) return checked(String(option), 'options.proxy');
  const variables = {
    http: httpProxy(),
    https: variable('HTTPS_PROXY'),
    all: variable('ALL_PROXY'),
    no: variable('NO_PROXY')
  };
  const url = native.chooseProxy(variables, secure, host, port) ?? undefined;
  if (url === undefined) return undefined;
  const [name, specific] = secure ? ['HTTPS_PROXY', variables.https] : ['HTTP_PROXY', variables.http];
  return checked(url, nameOf(specific.trim() === '' ? 'ALL_PROXY' : name));
}

/** Going past a proxy that was asked for would be worse than failing. */
function checked(url, name) {
  const fault = native.proxyFault(url);
  if (fault) throw invalidArgValue(name, fault);
  return url;
}

/** In a CGI program `HTTP_PROXY` is the request's `Proxy` header, which is the caller's to choose. */
function httpProxy() {
  return process.env.REQUEST_METHOD === undefined ? variable('HTTP_PROXY') : (process.env.http_proxy ?? '');
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
