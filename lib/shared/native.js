'use strict';

// The single place that loads the addon, and where what it throws becomes errors of ours. Everything else asks this file.

const { explained, fromAddon, withCode } = require('./errors');

/**
 * Tells a musl system (Alpine) from a glibc one; only Linux has the question.
 *
 * @return {string} `'glibc'`, `'musl'` or an empty string
 */
function libc() {
  if (process.platform !== 'linux') return '';
  // Without this, a report may look up the names of open connections.
  if (process.report) process.report.excludeNetwork = true;
  const report = process.report?.getReport();
  const { header } = typeof report === 'string' ? JSON.parse(report) : (report ?? {});
  return header?.glibcVersionRuntime ? 'glibc' : 'musl';
}

/**
 * @param {unknown} cause What the generated loader threw
 * @return {Error} The same for people, with `code` `ERR_HYCO_NATIVE`
 */
function loadError(cause) {
  const system = [process.platform, process.arch, libc()].filter(Boolean).join(' ');
  const text =
    `hyco-ws-rs has no native addon that loads on ${system} (Node.js ${process.version}). ` +
      'Install it without --omit=optional on the system that runs it. Where no addon is made for that, build one ' +
      'in a clone of the repository with "npm run build:release" (needs stable Rust), and name its file in ' +
      'NAPI_RS_NATIVE_LIBRARY_PATH';
  return withCode(new Error(explained(text, 'ERR_HYCO_NATIVE'), { cause }), 'ERR_HYCO_NATIVE');
}

function load() {
  try {
    return require('../../native.js');
  } catch (cause) {
    throw loadError(cause);
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
