'use strict';

// The single place that loads the addon, and where what it throws becomes errors of ours. Everything else asks this file.

const { fromAddon } = require('./errors');

function load() {
  try {
    return require('../../native.js');
  } catch (cause) {
    // Hardly anybody needs it.
    throw require('./load-error').loadError(cause);
  }
}

/**
 * @param {function} call A function or method of the addon
 * @return {function} The same, which throws errors of ours
 */
function typed(call) {
  return function (...args) {
    try {
      return call.apply(this, args);
    } catch (error) {
      throw fromAddon(error);
    }
  };
}

function typedClass(Native) {
  const Typed = class extends Native {
    constructor(...args) {
      try {
        super(...args);
      } catch (error) {
        throw fromAddon(error);
      }
    }
  };
  for (const name of Object.getOwnPropertyNames(Native.prototype)) {
    if (name !== 'constructor') Typed.prototype[name] = typed(Native.prototype[name]);
  }
  return Typed;
}

/** The functions that a native engine has for every delivery. */
module.exports.callsOf = (engine) =>
  Object.fromEntries(Object.entries(engine.calls()).map(([name, call]) => [name, typed(call)]));

for (const [name, value] of Object.entries(load())) {
  if (typeof value === 'function') module.exports[name] = /^[A-Z]/.test(name) ? typedClass(value) : typed(value);
}
