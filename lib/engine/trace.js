'use strict';

const diagnostics = require('../shared/diagnostics');
const { redact } = require('../shared/redact');

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
      if (payload.length > 0) diagnostics.publish('engine:trace', JSON.parse(payload, withoutSecrets));
    }
  });
  engine.native.trace(slot);
}

/** What the relay says is among it. */
function withoutSecrets(name, value) {
  return typeof value === 'string' ? redact(value) : value;
}

module.exports = { startTrace };
