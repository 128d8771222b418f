'use strict';

/**
 * `await using`, where Node.js has it.
 *
 * @param {object} prototype
 * @param {function(): Promise<void>} [dispose] As a method; `close()` is the default
 */
function addAsyncDispose(prototype, dispose) {
  if (Symbol.asyncDispose === undefined) return;
  const value =
    dispose ??
    function () {
      return this.close();
    };
  Object.defineProperty(prototype, Symbol.asyncDispose, { value, configurable: true, writable: true });
}

module.exports = { addAsyncDispose };
