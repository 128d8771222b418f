'use strict';

/** The forwarding rules of azbridge's command line: text in, plain data out. Errors quote the rule, which has no secrets. */

const { bareHost } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');

/**
 * A local port or socket whose connections go to a relay.
 *
 * @typedef {{name: string, host: string|undefined, port: number}|{name: string, path: string}} LocalBinding `host` is
 *     undefined where the rule leaves it open
 * @typedef {{relay: string, bindings: LocalBinding[]}} LocalRule
 */

/**
 * A relay whose connections go to targets, by name; or whose requests go to a web server.
 *
 * @typedef {{name: string, host: string, port: number}|{name: string, path: string}} RemoteBinding
 * @typedef {{relay: string, bindings: RemoteBinding[]}|{relay: string, url: string}} RemoteRule
 */

/** @param {string} text `[host:]port[/name];…:relay` or `/path[/name];…:relay` @return {LocalRule} */
function readLocalRule(text) {
  const at = text.lastIndexOf(':');
  if (at < 1 || at === text.length - 1) throw wrong('-L', text, '[host:]port[/name]:relay');
  const bindings = text.slice(0, at).split(';');
  return { relay: text.slice(at + 1), bindings: bindings.map((each) => readLocalBinding(each, text)) };
}

function readLocalBinding(text, rule) {
  const [, host, port, name] = /^(?:(\[[^\]]*\]|[^:/[\]]*):)?(\d+U?)(?:\/([^/]+))?$/i.exec(text) ?? [];
  if (port !== undefined) {
    const number = readPort(port, '-L', rule);
    return { name: checkName(name ?? port, rule), host: host && bareHost(host), port: number };
  }
  if (text === '' || text.includes(':')) throw wrong('-L', rule, '[host:]port[/name]:relay');
  // Nothing else tells a name behind a path from the last part of the path.
  const [, path, given] = /^(.+\.sock(?:et)?|[^/]+)\/([^/]+)$/.exec(text) ?? [];
  return path === undefined
    ? { name: checkName(text, rule), path: text }
    : { name: checkName(given, rule), path };
}

/**
 * @param {string} text `relay:[name/][host:]port;…` or `relay:[name/]/path;…`
 * @param {'-T'|'-R'} flag `-R` has the name behind the host
 * @return {RemoteRule}
 */
function readRemoteRule(text, flag = '-T') {
  const at = text.indexOf(':');
  if (at < 1 || at === text.length - 1) throw wrong(flag, text, 'relay:[name/][host:]port');
  const bindings = text.slice(at + 1).split(';');
  return {
    relay: text.slice(0, at),
    bindings: bindings.map((each) => readRemoteBinding(each, flag, text))
  };
}

function readRemoteBinding(text, flag, rule) {
  const form =
    flag === '-R'
      ? /^(?:(?<host>\[[^\]]*\]|[^:/[\]]+):)?(?:(?<name>[^/:]+)\/)?(?<port>\d+U?)$/i
      : /^(?:(?<name>[^/:]+)\/)?(?:(?<host>\[[^\]]*\]|[^:/[\]]+):)?(?<port>\d+U?)$/i;
  const { host, name, port } = form.exec(text)?.groups ?? {};
  if (port !== undefined) {
    const number = readPort(port, flag, rule);
    return { name: checkName(name ?? port, rule), host: bareHost(host ?? 'localhost'), port: number };
  }
  if (text === '' || text.includes(':')) throw wrong(flag, rule, 'relay:[name/][host:]port');
  const [, given, path] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  return path === undefined
    ? { name: checkName(text, rule), path: text }
    : { name: checkName(given, rule), path };
}

/** @param {string} text `relay:http/[host[/path]:]port` @return {RemoteRule} */
function readHttpRule(text) {
  const form = 'relay:http/[host[/path]:]port, or https';
  const [, relay, scheme, rest] = /^([^:]+):(https?)\/(.+)$/i.exec(text) ?? [];
  if (rest === undefined) throw wrong('-H', text, form);
  if (rest.includes(';')) throw wrong('-H', text, 'one web server; azbridge, too, only ever asks the first');
  const [, host, path = '', port] =
    /^(?:(\[[^\]]*\]|[^:/[\]]*[^:/[\]\d][^:/[\]]*)(\/[^:]*)?)?(?:(?:^|:)(\d+))?$/.exec(rest) ?? [];
  if (host === undefined && port === undefined) throw wrong('-H', text, form);
  return { relay, url: httpUrl({ scheme, host, path, port }, () => wrong('-H', text, form)) };
}

/** @return {string} The address of a web server */
function httpUrl({ scheme, host = 'localhost', path = '', port }, complain) {
  const place = port === undefined ? host : `${host}:${port}`;
  try {
    return new URL(`${scheme.toLowerCase()}://${place}${path}`).href;
  } catch {
    throw complain();
  }
}

function readPort(text, flag, rule) {
  if (/u$/i.test(text)) throw unsupportedUdp(text);
  const port = Number(text);
  if (port < (flag === '-L' ? 0 : 1) || port > 65_535) {
    throw invalidValue(`${flag} ${rule}: there is no port ${port}`);
  }
  return port;
}

/** @param {string|number} port @return {Error} */
function unsupportedUdp(port) {
  return invalidValue(`UDP (${port}) is not supported: only TCP and unix sockets are forwarded`);
}

/** A byte says how long it is. */
function checkName(name, rule) {
  if (Buffer.byteLength(name) <= 255) return name;
  throw invalidValue(`${rule}: a name has at most 255 bytes`);
}

function wrong(flag, text, form) {
  return invalidValue(`${flag} takes ${form}, and not ${text}`);
}

module.exports = { checkName, httpUrl, readHttpRule, readLocalRule, readRemoteRule, unsupportedUdp };
