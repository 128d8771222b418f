'use strict';

/** What makes a record fit to be seen. Everything that shows, sends or writes one goes through here, and nothing else does it. */

const { MASK, redact, redactHeader } = require('../shared/redact');

/** A shorter key is a word that may stand anywhere; nobody could read a record without it. */
const LEAST_SECRET = 8;

/** More than a preview shows is looked at, so that a key which begins at its end is seen whole. */
const MARGIN = 256;

/** Fields whose values are words of ours. */
const OURS = new Set([
  'by',
  'carriedBy',
  'cause',
  'direction',
  'fault',
  'kind',
  'result',
  'role',
  'text',
  'type'
]);

/**
 * @param {object} options
 * @param {function(): string[]} options.secrets Texts to take out wherever they stand: the keys that are in use
 * @param {number} options.previewBytes How much of a message or body is shown
 * @return {function(object): object} Makes of a raw record, as a store has it, the one that is shown. A raw preview with
 *     `raw: true` beside it has a character for each byte, and is shown as base64
 */
function createRedaction({ secrets, previewBytes }) {
  let known;
  const clean = (text) => redact(text, known);

  function cleanHeaders(headers) {
    return Object.freeze(
      headers.map(([name, value]) => Object.freeze([clean(name), clean(redactHeader(name, value))]))
    );
  }

  function cleanPreview(value, raw) {
    // Redacted before it is cut, and before it is encoded: nobody finds a key in base64.
    const cleaned = clean(value);
    if (!raw && value.length * 3 <= previewBytes) return cleaned.toWellFormed();
    const encoding = raw ? 'latin1' : 'utf8';
    const bytes = Buffer.from(cleaned, encoding);
    // What is masked is shorter, so more comes into the preview of what lies behind it. What comes last there may be a secret
    // that is cut in two, and looks like none.
    const unseen = Math.max(0, Buffer.byteLength(value, encoding) - previewBytes);
    const tail = Buffer.byteLength(behindMasks(cleaned), encoding);
    const most = Math.min(previewBytes, bytes.length - Math.min(unseen, tail));
    if (raw) return bytes.toString('base64', 0, most);
    // Without half a letter at the end.
    return most < bytes.length
      ? bytes.toString('utf8', 0, most).replace(/\ufffd$/, '')
      : cleaned.toWellFormed();
  }

  function cleanObject(given) {
    const result = {};
    for (const [name, value] of Object.entries(given)) {
      if (name === 'raw') continue;
      if (name === 'preview') result[name] = cleanPreview(value, given.raw === true);
      else if (name === 'headers' && Array.isArray(value)) result[name] = cleanHeaders(value);
      else result[name] = OURS.has(name) && !isTextOfOthers(name, given) ? value : cleanValue(value);
    }
    return Object.freeze(result);
  }

  function cleanValue(value) {
    if (typeof value === 'string') return clean(value);
    if (Array.isArray(value)) return Object.freeze(value.map(cleanValue));
    return typeof value === 'object' && value !== null ? cleanObject(value) : value;
  }

  return (record) => {
    known = secrets().filter((secret) => secret.length >= LEAST_SECRET);
    return cleanObject(record);
  };
}

function behindMasks(text) {
  const at = text.lastIndexOf(MASK);
  return at < 0 ? text : text.slice(at + MASK.length);
}

/** A body has `text: true`, a fault that sends something its text. */
function isTextOfOthers(name, { [name]: value }) {
  return name === 'text' && typeof value === 'string';
}

/**
 * The beginning of a message or body, for a raw record.
 *
 * @param {string|Uint8Array} data
 * @param {number} previewBytes
 * @return {{size: number, preview: string, cut: boolean, raw?: true}}
 */
function previewOf(data, previewBytes) {
  const seen = previewBytes + MARGIN;
  if (typeof data === 'string') {
    const size = Buffer.byteLength(data);
    return { size, preview: data.slice(0, seen), cut: size > previewBytes };
  }
  const bytes = Buffer.from(data.buffer, data.byteOffset, Math.min(data.byteLength, seen));
  const cut = data.byteLength > previewBytes;
  return { size: data.byteLength, preview: bytes.toString('latin1'), cut, raw: true };
}

module.exports = { MARGIN, createRedaction, previewOf };
