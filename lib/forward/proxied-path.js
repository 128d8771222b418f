'use strict';

/** Where a request goes below the path of an HTTP target: the operator chooses that, and nothing in a request leaves it. */

/** What may stand in the target of a request: the relay and every client have escaped the rest. */
const VISIBLE = /^\/[\x21-\x7e]*$/;
const SEPARATOR = /\/|\\|%2f|%5c|%c0%af|%c1%9c|%u002f|%u005c/i;
/** With the overlong and the Microsoft forms, which old servers read. */
const DOT = /%2e|%c0%ae|%u002e/gi;
/** What some leave out of a name, as Windows does with spaces. */
const INVISIBLE = /%(?:[01][\da-f]|20|7f)/gi;
/** What some take for the end of a name. */
const BEHIND_NAME = /(?:;|%3b|%00).*/i;
/** An escaped percent sign, as a target would see it that reads escapes twice. */
const ESCAPED_PERCENT = /%25/gi;

/**
 * @param {string} base The path of the target
 * @param {string} url The target of a request: `/path?query`
 * @return {string|undefined} The target of ours; nothing if it must not be passed on
 */
function proxiedPath(base, url) {
  if (!VISIBLE.test(url) || url.includes('#')) return undefined;
  const query = url.indexOf('?');
  if (climbs(query < 0 ? url : url.slice(0, query))) return undefined;
  return base.endsWith('/') ? base + url.slice(1) : base + url;
}

/**
 * Whether a path leaves the one that it is appended to, for a target that reads it in whatever way: with backslashes for
 * slashes, with escapes read once or several times, without what follows a semicolon.
 */
function climbs(path) {
  let plain = path;
  for (let read; (read = plain.replace(ESCAPED_PERCENT, '%')) !== plain;) plain = read;
  let depth = 0;
  for (const part of plain.split('/')) {
    const names = part.split(SEPARATOR).map(bareName);
    const ups = names.filter((name) => name === '..').length;
    depth -= ups;
    // Escaped slashes go down no further than one step, for to some they are no slashes.
    if (ups === 0 && names.some((name) => name !== '' && name !== '.')) depth++;
    if (depth < 0) return true;
  }
  return false;
}

function bareName(name) {
  return name.replace(BEHIND_NAME, '').replace(INVISIBLE, '').replace(DOT, '.');
}

module.exports = { proxiedPath };
