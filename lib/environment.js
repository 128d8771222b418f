'use strict';

/**
 * What the process's environment says about proxies and trust. It is read in JavaScript, when a socket or a server is
 * made: changes to `process.env` are seen as Node's own modules see them, and the Rust half reads no variable.
 */

const { readFileSync } = require('node:fs');
const { BlockList, isIP } = require('node:net');
const tls = require('node:tls');

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
  const url = (secure ? variable('HTTPS_PROXY') : httpProxy()) ?? variable('ALL_PROXY');
  if (url === undefined || isExcluded(variable('NO_PROXY'), host, port)) return undefined;
  return url;
}

/** In a CGI program `HTTP_PROXY` is the request's `Proxy` header, which is the caller's to choose. */
function httpProxy() {
  return process.env.REQUEST_METHOD === undefined
    ? variable('HTTP_PROXY')
    : process.env.http_proxy || undefined;
}

/** Whether `NO_PROXY` names the host: `*`, a name with its subdomains, an address, a network, each with a port or not. */
function isExcluded(list, host, port) {
  if (list === undefined) return false;
  const name = host.toLowerCase().replace(/\.$/, '');
  return list
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => matches(entry.toLowerCase(), name, port));
}

function matches(entry, host, port) {
  if (entry === '*') return true;
  const [, bare, ownPort] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(entry) ?? [undefined, entry, undefined];
  if (ownPort !== undefined && Number(ownPort) !== port) return false;
  const pattern = bare.replace(/^\[|\]$/g, '');
  if (isIP(host)) return matchesAddress(pattern, host);
  const suffix = pattern.replace(/^\*?\./, '');
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

function matchesAddress(pattern, host) {
  const [network, prefix] = pattern.split('/');
  const family = isIP(network);
  if (family === 0) return false;
  const block = new BlockList();
  const type = family === 6 ? 'ipv6' : 'ipv4';
  try {
    if (prefix === undefined) block.addAddress(network, type);
    else block.addSubnet(network, Number(prefix), type);
  } catch {
    return false;
  }
  return block.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
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
