'use strict';

/** What can be seen of a token without asking anybody. */

const { isIP } = require('node:net');

const { entityPath } = require('../shared/address.js');
const { withCode } = require('../shared/errors.js');

/** The audience of Azure Relay in tokens of Entra ID. */
const AUDIENCE = /^https:\/\/relay\.azure\.net\/*$/i;

/**
 * @param {string} token
 * @param {string} uri What it is to be for
 * @return {string} How long it is good, and for what
 * @throws {Error} with `code` `TOKEN_MALFORMED`, `TOKEN_EXPIRED` or `TOKEN_WRONG_AUDIENCE`
 */
function examineToken(token, uri) {
  const isSas = /^\s*SharedAccessSignature\s/i.test(token);
  const { expiry, audience } = isSas ? examineSas(token.trim(), uri) : examineJwt(token.trim());
  const left = Math.round(expiry - Date.now() / 1000);
  if (left <= 0) throw fault('TOKEN_EXPIRED', `the token expired ${-left} s ago`);
  return `good for ${left} s, for ${audience}`;
}

function examineSas(token, uri) {
  const fields = new URLSearchParams(token.slice(token.search(/\s/)).trim());
  for (const name of ['sr', 'sig', 'se', 'skn']) {
    const [value, ...more] = fields.getAll(name);
    if (!value) throw fault('TOKEN_MALFORMED', `the token has no ${name}`);
    if (more.length > 0) throw fault('TOKEN_MALFORMED', `the token has ${name} more than once`);
  }
  const scope = fields.get('sr').replace(/^(?!\w+:\/\/)/, 'http://');
  if (!/^\d+$/.test(fields.get('se'))) throw fault('TOKEN_MALFORMED', 'the expiry of the token is no number');
  if (!URL.canParse(scope)) throw fault('TOKEN_MALFORMED', 'the token is for something that is no address');
  const { host, hostname, pathname } = new URL(scope);
  checkScope(hostname, pathname, new URL(uri));
  return { expiry: Number(fields.get('se')), audience: host + pathname };
}

function checkScope(hostname, pathname, url) {
  const path = entityPath(url).toLowerCase();
  const own = pathname.replace(/\/$/, '').toLowerCase();
  const isBelow = path === own || path.startsWith(`${own}/`);
  if (isBelow && (hostname.toLowerCase() === url.hostname || (isOwn(hostname) && isOwn(url.hostname)))) {
    return;
  }
  const text = `the token is for ${hostname}${pathname}, not for ${url.hostname}${path}`;
  throw fault('TOKEN_WRONG_AUDIENCE', text);
}

/** An emulator goes by each of these names. */
function isOwn(hostname) {
  return (
    hostname === 'localhost' || hostname === '[::1]' || (isIP(hostname) === 4 && /^127\./.test(hostname))
  );
}

function examineJwt(token) {
  if (/^bearer\s/i.test(token)) {
    throw fault('TOKEN_MALFORMED', 'the token begins with "Bearer", which is no part of it');
  }
  const claims = claimsOf(token);
  if (claims === undefined) {
    const text =
      'the token is neither a SAS token ("SharedAccessSignature sr=…&sig=…&se=…&skn=…") nor one of Entra ID';
    throw fault('TOKEN_MALFORMED', text);
  }
  const { aud, exp } = claims;
  if (typeof exp !== 'number') throw fault('TOKEN_MALFORMED', 'the token has no expiry');
  if (![aud].flat().some((one) => AUDIENCE.test(one))) {
    throw fault('TOKEN_WRONG_AUDIENCE', 'the token of Entra ID is not for https://relay.azure.net/');
  }
  return { expiry: exp, audience: 'Azure Relay, by Entra ID' };
}

function claimsOf(token) {
  const [, payload] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token) ?? [];
  try {
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    return typeof claims === 'object' && claims !== null ? claims : undefined;
  } catch {
    return undefined;
  }
}

function fault(code, text) {
  return withCode(new Error(text), code);
}

module.exports = { examineToken };
