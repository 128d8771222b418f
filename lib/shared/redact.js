'use strict';

/** Takes credentials out of text that somebody may read: addresses, tokens, messages of foreign errors. */

const { readEscapes } = require('./escapes');

const MASK = '***';

/** Between a name and its value: `=` or `:`, and the quotes of JSON and of shells. */
const IS = String.raw`[\s"'\\]{0,8}[=:][\s"'\\]{0,8}`;

const NOT_IN_QUERY = String.raw`(?=s)(?<!\bsb[-_]hc[-_]token${IS})`;

/**
 * `before` is looked for in the text with its escapes read, as the far end would read them; what it matches
 * stays. The secret begins there and goes as far, in the text as it is written, as `value` says for text, and for
 * something that is one address as a whole: what a stray space or line end has cut in two is still one secret there.
 */
const NAMED = [
  // The address of a rendezvous is good for whoever has it.
  [String.raw`\bsb[-_]hc[-_](?:token|key|rendezvous)${IS}`, String.raw`[^&#\s"'<>]+`, '[^&]+'],
  // Not the token in a query, which has just been seen to: what follows that is none of it.
  [`${NOT_IN_QUERY}sharedaccesssignature${IS}`, String.raw`[^\s"'<>,;]+`, '[^;]+'],
  // Nor a word behind the name, in a sentence about it.
  [
    String.raw`${NOT_IN_QUERY}sharedaccesssignature[\s+]{1,8}`,
    String.raw`(?![a-z]{1,16}(?:[\s.,;]|$))[^\s"'<>,;]+`,
    '[^;]+'
  ],
  [String.raw`\bsharedaccesskey${IS}`, String.raw`[^;"'<>\r\n]+`, '[^;]+'],
  [String.raw`\bsig${IS}`, String.raw`[^&#\s"'<>]+`, '[^&]+'],
  [String.raw`authorization${IS}`, String.raw`[^"'\r\n]+`, '[^"\']+'],
  [String.raw`\bbearer[\s+]{1,8}(?=[\w.~+/-]{16})`, String.raw`[^\s"'<>,;]+`, '[^;]+']
].map(([before, ...values]) => ({
  before: new RegExp(before, 'gi'),
  values: values.map((value) => new RegExp(value, 'y'))
}));

/** One of these is in whatever `NAMED` matches. Most texts have none, and are done with after one look. */
const NAMES = /sb[-_]hc|sharedaccess|\bsig|authorization|\bbearer/i;

/** Secrets by their looks, in the text with its escapes read; and what is in whatever they match, and in few other texts. */
const LOOKS = [
  // A JWT.
  { has: /eyJ/, pattern: /\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g },
  // The 32 bytes of a SAS rule's key, in base64.
  { has: /[\w+/]=/, pattern: /(?<![\w+/])[A-Za-z0-9+/]{43,}=/g }
];
const ADDRESS = /(?:wss?|https?|sb|socks\w{0,2}):|[/\\]{2}/i;
const USER_INFO_IN_TEXT = userInfo(String.raw`\s"'<>`);
const USER_INFO_IN_ADDRESS = userInfo('');

/**
 * User and password of an address. One with a slash in its password is cut off there by every URL parser, which takes
 * what is before it for a port: where that is none, everything up to the last `@` counts.
 *
 * @param {string} end The characters that end an address
 * @return {RegExp}
 */
function userInfo(end) {
  const before = String.raw`(?:\b(?:wss?|https?|sb|socks\w{0,2}):|(?<![^:\s"'=(,])(?=[/\\]{2}))[/\\]{0,8}`;
  const noPort = String.raw`[^/\\?#:@[${end}]{0,256}:(?!\d+(?:[/\\?#${end}]|$))[^${end}]{0,1024}`;
  return new RegExp(String.raw`(?<=${before})(?:${noPort}|[^/\\?#${end}]{1,1024})(?=@)`, 'gi');
}

/**
 * For texts of any kind.
 *
 * @param {string} text
 * @param {Array<string|undefined>} [secrets] Texts to take out wherever they stand
 * @return {string}
 */
function redact(text, secrets = []) {
  return mask(String(text), 0, USER_INFO_IN_TEXT, secrets);
}

/**
 * The name of an address in a text: the address itself, but for the credentials in it. Whatever a program takes for an
 * address, a connection string or the half of one, goes through here before an error, a log or `util.inspect` shows it.
 *
 * @param {string} address
 * @return {string}
 */
function nameAddress(address) {
  return mask(String(address), 1, USER_INFO_IN_ADDRESS, []);
}

/** @param {number} scope Which of the values of `NAMED` */
function mask(text, scope, userInfoPattern, secrets) {
  const { plain, at } = readEscapes(text);
  /** Where secrets begin and end in `text`, in turn. */
  const found = [];
  for (const { before, values } of NAMES.test(plain) ? NAMED : []) {
    let end = 0;
    for (const match of plain.matchAll(before)) {
      const value = values[scope];
      value.lastIndex = at(match.index + match[0].length);
      if (value.lastIndex < end) continue;
      const start = value.lastIndex;
      if (!value.test(text)) continue;
      end = value.lastIndex;
      found.push([start, end]);
    }
  }
  const looks = plain.includes('@') ? [...LOOKS, { has: ADDRESS, pattern: userInfoPattern }] : LOOKS;
  for (const { has, pattern } of looks) {
    if (!has.test(plain)) continue;
    for (const match of plain.matchAll(pattern)) {
      found.push([at(match.index), at(match.index + match[0].length)]);
    }
  }
  for (const secret of secrets) {
    if (typeof secret !== 'string' || secret === '') continue;
    for (const needle of formsOf(secret)) {
      for (let from = plain.indexOf(needle); from >= 0; from = plain.indexOf(needle, from + needle.length)) {
        found.push([at(from), at(from + needle.length)]);
      }
    }
  }
  if (found.length === 0) return text;
  let result = '';
  let shown = 0;
  for (const [start, end] of found.sort((a, b) => a[0] - b[0])) {
    if (end <= shown) continue;
    if (start >= shown) result += text.slice(shown, start) + MASK;
    shown = end;
  }
  return result + text.slice(shown);
}

/** A secret as a text has it, and as one has it that is a character for each byte. */
function formsOf(secret) {
  if (/^[!-$&-[\]-~]*$/.test(secret)) return [secret];
  return [secret, Buffer.from(secret).toString('latin1')].map((form) => readEscapes(form).plain);
}

/** Names of headers whose values are credentials. */
const SECRET_HEADER = /authorization|cookie|token|secret|password|(?:api|subscription|functions)-?key/i;

/**
 * A copy of `headers` for printing.
 *
 * @param {Object<string, string|string[]>} headers
 * @return {Object<string, string|string[]>}
 */
function redactHeaders(headers) {
  const result = {};
  for (const [name, value] of Object.entries(headers)) {
    const isList = Array.isArray(value) && !SECRET_HEADER.test(name);
    result[name] = isList ? value.map((one) => redactHeader(name, one)) : redactHeader(name, value);
  }
  return result;
}

/**
 * @param {string} name
 * @param {string} value
 * @return {string} The value of a header, for printing
 */
function redactHeader(name, value) {
  return SECRET_HEADER.test(name) ? MASK : redact(value);
}

/**
 * Takes credentials out of an error that another library made, before it is passed on: message, stack, `input` and
 * causes. The error stays the same object.
 *
 * @template T
 * @param {T} error
 * @return {T}
 */
function redactError(error) {
  for (let one = error, depth = 0; one instanceof Error && depth < 8; one = one.cause, depth++) {
    const { message, stack, input } = one;
    const shown = nameAddress(message);
    const changes = { message: shown };
    if (typeof stack === 'string') changes.stack = redact(stack.split(message).join(shown));
    if (typeof input === 'string') changes.input = nameAddress(input);
    for (const [name, value] of Object.entries(changes)) {
      if (value === one[name]) continue;
      Object.defineProperty(one, name, { value, configurable: true, writable: true });
    }
  }
  return error;
}

module.exports = { MASK, nameAddress, redact, redactError, redactHeader, redactHeaders };
