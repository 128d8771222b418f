'use strict';

/**
 * A text with its percent-escapes read, those of escaped escapes, too; and for a place in that, the place in the text.
 *
 * @param {string} text
 * @return {{plain: string, at: function(number): number}}
 */
function readEscapes(text) {
  if (!/%[0-9a-f]{2}/i.test(text)) return { plain: text, at: (index) => index };
  const chars = [];
  const starts = [];
  for (let index = 0; index < text.length; index++) {
    chars.push(text[index]);
    starts.push(index);
    for (;;) {
      const escape = chars.slice(-3).join('');
      if (!/^%[0-9a-f]{2}$/i.test(escape)) break;
      chars.splice(-3, 3, String.fromCharCode(parseInt(escape.slice(1), 16)));
      starts.length -= 2;
    }
  }
  starts.push(text.length);
  return { plain: chars.join(''), at: (index) => starts[index] };
}

module.exports = { readEscapes };
