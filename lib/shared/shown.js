'use strict';

/**
 * What an object of this package shows of itself is chosen: `util.inspect()`, `JSON.stringify()` and what uses them
 * get a few fields without credentials, and not whatever hangs on it.
 */

const { inspect } = require('node:util');

/**
 * @param {object} prototype
 * @param {function(object): object} fieldsOf Plain data; has to cope with a bare instance of the prototype
 * @param {string} [name] The class's, where it is not that of the constructor
 */
function showOnly(prototype, fieldsOf, name) {
  const define = (key, value) =>
    Object.defineProperty(prototype, key, { value, configurable: true, writable: true });
  define(inspect.custom, function show(depth, options) {
    const title = name ?? this.constructor.name;
    if (depth !== null && depth < 0) return `[${title}]`;
    // Deep enough for the values of headers.
    const settings = { ...options, depth: depth === null ? null : Math.max(depth, 2) };
    return `${title} ${inspect(fieldsOf(this), settings)}`;
  });
  define('toJSON', function toJSON() {
    return fieldsOf(this);
  });
}

module.exports = { showOnly };
