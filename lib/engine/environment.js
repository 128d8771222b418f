'use strict';

/**
 * What the process's environment says about proxies and trust. It is read in JavaScript, when a socket or a server is
 * made: changes to `process.env` are seen as Node's own modules see them, and the Rust half reads no variable.
 */

const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');
const tls = require('node:tls');

const native = require('../shared/native.js');

/**
 * @typedef {object} Proxies As the engine takes them: `http` for `ws:`, `https` for `wss:`, `all` where that is not set
 * @property {{name: string, url: string}} [http]
 * @property {{name: string, url: string}} [https]
 * @property {{name: string, url: string}} [all]
 * @property {string} no What needs none
 */

/** Which spelling of a variable is set, if any; curl's rule: lower case wins, empty is not set. */
function spelling(name) {
  return [name.toLowerCase(), name].find((spelt) => process.env[spelt]);
}

/** The proxy that a variable names. */
function proxyIn(name) {
  if (name === undefined) return undefined;
  const url = process.env[name];
  return url?.trim() ? { name, url } : undefined;
}

/**
 * Which proxies there are: the engine chooses among them for each host that it dials.
 *
 * @param {string|URL|false|null} [option] A URL for this proxy, `false` for none; otherwise the environment decides
 * @return {Proxies|undefined} Nothing where no host needs one
 */
function proxiesFor(option) {
  if (option === false || option === '') return undefined;
  if (option !== undefined && option !== null) {
    return { all: { name: 'options.proxy', url: String(option) }, no: '' };
  }
  // In a CGI program `HTTP_PROXY` is the request's `Proxy` header, which is the caller's to choose.
  const http = proxyIn(process.env.REQUEST_METHOD === undefined ? spelling('HTTP_PROXY') : 'http_proxy');
  const https = proxyIn(spelling('HTTPS_PROXY'));
  const all = proxyIn(spelling('ALL_PROXY'));
  if (http === undefined && https === undefined && all === undefined) return undefined;
  return { http, https, all, no: process.env[spelling('NO_PROXY')] ?? '' };
}

/**
 * The proxy for a destination.
 *
 * @param {string|URL|false|null} option As for `proxiesFor()`
 * @param {boolean} secure TLS to the destination
 * @param {string} host Name or address, without brackets
 * @param {number} port
 * @return {string|undefined} The proxy's URL
 * @throws {TypeError} with `code` `ERR_INVALID_ARG_VALUE` for a URL that cannot be used; names the option or the variable
 */
function proxyFor(option, secure, host, port) {
  const proxies = proxiesFor(option);
  return proxies && (native.chooseProxy(proxies, secure, host, port) ?? undefined);
}

/** `--use-openssl-ca`, or a Node that was built that way, as some distributions do. */
function usesOpensslStore() {
  const built = process.config?.target_defaults?.defines?.includes('NODE_OPENSSL_CERT_STORE') === true;
  return isFlagged('openssl') || (built && !isFlagged('bundled'));
}

/** Whether Node was started with `--use-<store>-ca`; it takes underscores for dashes. */
function isFlagged(store) {
  const given = [...(process.execArgv ?? []), ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return given.some((flag) => flag.replaceAll('_', '-') === `--use-${store}-ca`);
}

/** As Node does, once: it says how the process was started. */
const OPENSSL_STORE = usesOpensslStore();

let collectedRoots;

/**
 * The certificates that this process trusts, as PEM: what Node's own `tls.connect()` would use, `NODE_EXTRA_CA_CERTS`
 * and `--use-openssl-ca` included. The same array until the set changes.
 *
 * @return {readonly string[]}
 */
function trustedRoots() {
  const asksNode = typeof tls.getCACertificates === 'function';
  // Of OpenSSL's own store Node lists nothing.
  if (asksNode && !OPENSSL_STORE) return tls.getCACertificates('default');
  collectedRoots ??= Object.freeze([
    ...(OPENSSL_STORE ? opensslRoots() : tls.rootCertificates),
    ...(asksNode ? tls.getCACertificates('extra') : extraRoots())
  ]);
  return collectedRoots;
}

/** Where the OpenSSL in Node looks if nothing else is said. */
const OPENSSL_FOLDER = {
  win32: 'C:\\Program Files\\Common Files\\SSL',
  darwin: '/System/Library/OpenSSL'
};

/** That of a distribution, with which its Node is linked, looks in one of these; it does not say in which. */
const SHARED_FOLDERS = [
  '/etc/ssl',
  '/etc/pki/tls',
  '/opt/homebrew/etc/openssl@3',
  '/usr/local/etc/openssl@3'
];

/** OpenSSL's own store: a file, and folders of files that are named after the hash of a certificate's subject. */
function opensslRoots() {
  const shared = process.config?.variables?.node_shared_openssl === true;
  const homes = shared ? SHARED_FOLDERS : [OPENSSL_FOLDER[process.platform] ?? '/etc/ssl'];
  const { SSL_CERT_FILE: file, SSL_CERT_DIR: folders } = process.env;
  const files = file === undefined ? homes.map((home) => path.join(home, 'cert.pem')) : [file];
  const hashed =
    folders === undefined ? homes.map((home) => path.join(home, 'certs')) : folders.split(path.delimiter);
  for (const folder of hashed) {
    const names = attempt(() => readdirSync(folder)) ?? [];
    for (const name of names) if (/^[\da-f]{8}\.\d+$/.test(name)) files.push(path.join(folder, name));
  }
  // As in OpenSSL, what is not there is not missed.
  return files.flatMap((each) => certificatesIn(attempt(() => readFileSync(each, 'latin1')) ?? ''));
}

function attempt(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function extraRoots() {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (!file) return [];
  try {
    return certificatesIn(readFileSync(file, 'latin1'));
  } catch (error) {
    // Node warns about this itself, and goes on, when it first makes a TLS context; this may be before.
    process.emitWarning(`Ignoring extra certs from \`${file}\`, load failed: ${error.code}`);
    return [];
  }
}

function certificatesIn(text) {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
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

module.exports = { proxiesFor, proxyFor, rejectUnauthorizedByDefault, trustedRoots };
