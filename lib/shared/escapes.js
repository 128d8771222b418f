'use strict';

const { Buffer } = require('node:buffer');

/** An escape of an address, or one that JSON has for any letter and for a slash. */
const ESCAPED = /%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\\//i;

const [PERCENT, SLASH, BACKSLASH, SMALL_U] = ['%', '/', '\\', 'u'].map((letter) => letter.charCodeAt(0));

/** By the code of a letter: the digit that it is. */
const DIGITS = new Int8Array(128).map((_none, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase())
);

/**
 * A text with the escapes of addresses and of JSON read, those of escaped escapes, too; and for a place in that, the place
 * in the text.
 *
 * @param {string} text
 * @return {{plain: string, at: function(number): number}}
 */
function readEscapes(text) {
  if (!ESCAPED.test(text)) return { plain: text, at: (index) => index };
  const chars = new Uint16Array(text.length);
  const starts = new Uint32Array(text.length + 1);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    chars[length] = text.charCodeAt(index);
    starts[length++] = index;
    for (let size; (size = escapeAtEnd(chars, length)) > 0;) {
      const value = size === 2 ? SLASH : hexOf(chars, length - (size === 3 ? 2 : 4), length);
      length -= size;
      chars[length++] = value;
    }
  }
  starts[length] = text.length;
  return {
    plain: Buffer.from(chars.buffer, 0, length * 2).toString('utf16le'),
    at: (index) => starts[index]
  };
}

/** How long the escape is that ends there; 0 where none does. */
function escapeAtEnd(chars, end) {
  if (chars[end - 1] === SLASH) return chars[end - 2] === BACKSLASH ? 2 : 0;
  if (chars[end - 3] === PERCENT && hexOf(chars, end - 2, end) >= 0) return 3;
  const isJson = chars[end - 6] === BACKSLASH && chars[end - 5] === SMALL_U;
  return isJson && hexOf(chars, end - 4, end) >= 0 ? 6 : 0;
}

/** The number that those digits are; -1 where one of them is none. */
function hexOf(chars, from, to) {
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = DIGITS[chars[at]] ?? -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

module.exports = { readEscapes };
