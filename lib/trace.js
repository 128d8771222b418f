'use strict';

const diagnostics = require('./diagnostics');

/**
 * Brings the engine's own trace to its diagnostics channel, if anybody listens when the engine starts. Otherwise the
 * engine does not even put its events into words.
 *
 * @param {import('./engine').Engine} engine
 */
function startTrace(engine) {
  if (!diagnostics.hasSubscribers('engine:trace')) return;
  const slot = engine.open({
    onRecord(kind, detail, payload) {
      if (payload.length > 0) diagnostics.publish('engine:trace', JSON.parse(payload));
    }
  });
  engine.native.trace(slot);
}

module.exports = { startTrace };
