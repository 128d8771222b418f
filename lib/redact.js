'use strict';

/** Takes credentials out of text that somebody may read: URIs, tokens, messages of foreign errors. */

const MASK = '***';

const PATTERNS = [
  // The rendezvous address carries the whole connection's credentials in its other sb-hc parameters, too.
  [/(\bsb-hc-token=)[^&#\s"'<>]*/gi, `$1${MASK}`],
  [/(SharedAccessSignature[ +=]|SharedAccessSignature%20)[^\s"'<>,;]+/gi, `$1${MASK}`],
  [/(\bSharedAccessKey=)[^;\s"']+/gi, `$1${MASK}`],
  [/([?&]sig=)[^&#\s"']*/gi, `$1${MASK}`],
  [/\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g, MASK],
  [/(:\/\/)[^/?#@\s"']+@/g, `$1${MASK}@`]
];

/**
 * @param {string} text
 * @param {Array<string|undefined>} [secrets] Texts to take out wherever they stand
 * @return {string}
 */
function redact(text, secrets = []) {
  let result = String(text);
  for (const secret of secrets) {
    if (typeof secret !== 'string' || secret === '') continue;
    result = result.replaceAll(secret, MASK).replaceAll(encodeURIComponent(secret), MASK);
  }
  for (const [pattern, replacement] of PATTERNS) result = result.replace(pattern, replacement);
  return result;
}

/** Names of headers whose values are credentials. */
const SECRET_HEADERS = new Set(['servicebusauthorization', 'authorization', 'proxy-authorization', 'cookie']);

/**
 * A copy of `headers` for printing.
 *
 * @param {Object<string, string|string[]>} headers
 * @return {Object<string, string|string[]>}
 */
function redactHeaders(headers) {
  const result = {};
  for (const [name, value] of Object.entries(headers)) {
    result[name] = SECRET_HEADERS.has(name.toLowerCase()) ? MASK : value;
  }
  return result;
}

module.exports = { redact, redactHeaders };
