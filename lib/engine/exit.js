'use strict';

/** What was sent in the last tick goes out although the process ends in it. */

/** One listener for all copies of this package in a process. */
const kEngines = Symbol.for('hyco-ws-rs.engines');

/** @param {{flush: function(): void}} engine */
function flushAtExit(engine) {
  let engines = process[kEngines];
  if (engines === undefined) {
    engines = new Set();
    Object.defineProperty(process, kEngines, { value: engines });
    process.once('exit', () => {
      for (const reference of engines) reference.deref()?.flush();
    });
  }
  engines.add(new WeakRef(engine));
}

module.exports = { flushAtExit };
