'use strict';

/**
 * Where what a public function throws says that it comes from: its stack begins with the caller, as with Node's own
 * functions, and not with the checks in here. A fault of ours keeps its stack: that shows where it is.
 */

const path = require('node:path');

/** The folder of this package's code, as it stands in stacks; a bundle that is an ES module has none. */
const HERE = typeof __dirname === 'string' ? path.join(__dirname, '..', path.sep) : '';

/** Errors that are about what the caller gave. */
const refusals = new WeakSet();

/**
 * @template {Error} E
 * @param {E} error Is about what the caller gave
 * @return {E} The same
 */
function refusal(error) {
  refusals.add(error);
  return error;
}

/**
 * @template E
 * @param {E} error What a public function is about to throw
 * @param {function} call That function, which is running
 * @return {E} The same
 */
function atCaller(error, call) {
  // One that points out of here already is another call's, made by a getter of the program's for example.
  if (refusals.has(error) && /^ +at .*$/m.exec(error.stack)?.[0].includes(HERE)) {
    Error.captureStackTrace(error, call);
  }
  return error;
}

/**
 * @template {function} F
 * @param {F} work
 * @return {F} A public function that does that
 */
function publicly(work) {
  const call = function (...args) {
    try {
      return work.apply(this, args);
    } catch (error) {
      throw atCaller(error, call);
    }
  };
  for (const name of ['name', 'length']) Object.defineProperty(call, name, { value: work[name] });
  return call;
}

/** Makes all methods of a prototype, or those with these names, public ones. */
function publishMethods(prototype, names = Object.getOwnPropertyNames(prototype)) {
  for (const name of names) {
    const { value, ...rest } = Object.getOwnPropertyDescriptor(prototype, name);
    if (name === 'constructor' || typeof value !== 'function') continue;
    Object.defineProperty(prototype, name, { ...rest, value: publicly(value) });
  }
}

module.exports = { atCaller, publicly, publishMethods, refusal };
