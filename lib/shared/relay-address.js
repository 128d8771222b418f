'use strict';

/** Relay addresses as text. They are taken apart without being put together anew: the relay's own parts are opaque. */

const TOKEN_PARAMETER = 'sb-hc-token';

/**
 * `sb://namespace/path`, as connection strings and the Azure SDKs write it, as the WebSocket URI it stands for. Other
 * addresses come back as they are.
 *
 * @param {string|URL} address
 * @param {'listen'|'connect'} action
 * @return {string|URL}
 */
function translate(address, action) {
  const match = /^sb:\/\/([^/?#]*)([^?#]*)(\?[^#]*)?/i.exec(String(address));
  if (match === null) return address;
  const [, authority, path, query = ''] = match;
  const target = /^\/(\$|%24)hc(\/|$)/i.test(path) ? path : `/$hc${path || '/'}`;
  const hasAction = /[?&]sb-hc-action=/.test(query);
  const joint = query === '' ? '?' : query === '?' ? '' : '&';
  return `wss://${authority}${target}${query}${hasAction ? '' : `${joint}sb-hc-action=${action}`}`;
}

/**
 * Whether a URI asks for an action.
 *
 * @param {string|URL} uri
 * @param {'listen'|'connect'} action
 * @return {boolean}
 */
function asksFor(uri, action) {
  const [, query = ''] = /^[^?#]*\?([^#]*)/.exec(String(uri)) ?? [];
  return query.split('&').some((pair) => pair.toLowerCase() === `sb-hc-action=${action}`);
}

/**
 * Takes an embedded token out of a URI, so that it can travel in a header instead of in everybody's logs.
 *
 * @param {string} uri
 * @return {{uri: string, token: string|undefined}}
 */
function splitToken(uri) {
  const start = uri.indexOf('?');
  if (start < 0) return { uri, token: undefined };
  const end = uri.indexOf('#', start);
  const query = uri.slice(start + 1, end < 0 ? undefined : end);
  let token;
  const kept = query.split('&').filter((pair) => {
    if (!pair.startsWith(`${TOKEN_PARAMETER}=`)) return true;
    token = decode(pair.slice(TOKEN_PARAMETER.length + 1));
    return false;
  });
  if (!token) return { uri, token: undefined };
  return { uri: uri.slice(0, start) + (kept.length > 0 ? `?${kept.join('&')}` : ''), token };
}

/**
 * The URL that the sender asked for, as a program sees it: path and query without `/$hc` and the relay's `sb-hc-*`
 * parameters.
 *
 * @param {string} address
 * @return {string}
 */
function logicalTarget(address) {
  const target = address.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, '').replace(/#.*$/s, '');
  const at = target.indexOf('?');
  const path = (at < 0 ? target : target.slice(0, at)).replace(/^\/(\$|%24)hc(?=\/|$)/i, '') || '/';
  if (at < 0) return path;
  const kept = target
    .slice(at + 1)
    .split('&')
    .filter((pair) => !isRelayParameter(pair));
  return kept.length > 0 ? `${path}?${kept.join('&')}` : path;
}

/** A parameter without `=` is the sender's own even with the prefix: that is how the service treats it. */
function isRelayParameter(pair) {
  const at = pair.indexOf('=');
  return at >= 0 && decode(pair.slice(0, at)).toLowerCase().startsWith('sb-hc-');
}

function decode(text) {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

module.exports = { asksFor, logicalTarget, splitToken, translate };
