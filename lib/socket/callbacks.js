'use strict';

/** Calling back those who wait for their bytes to be written. */

const { nextTick } = require('../shared/clock');
const { withCode } = require('../shared/errors');

/** Calls back, with errors or without, and then `next`. A callback that throws must not cost the others their turn. */
function callAll(callbacks, makeError, next, from = 0) {
  let at = from;
  let threw = true;
  try {
    while (at < callbacks.length) {
      const callback = callbacks[at++];
      if (typeof callback !== 'function') continue;
      callback(makeError());
    }
    threw = false;
  } finally {
    if (threw) nextTick(callAll, callbacks, makeError, next, at);
  }
  next?.();
}

/** What a Node stream tells those whose write it will not do any more. */
function streamDestroyed() {
  return withCode(new Error('Cannot call write after a stream was destroyed'), 'ERR_STREAM_DESTROYED');
}

module.exports = { callAll, streamDestroyed };
