'use strict';

/** What the environment says about the engine, for tests and measurements. */

/** @param {string} [text] Milliseconds; 4 if it is not a positive number */
function readSlice(text) {
  const given = Number(text);
  return given > 0 && given < Infinity ? given : 4;
}

/** Switches for tests, from `HYCO_WS_RS_TUNING`: comma-separated names, see CONTRIBUTING.md. */
function readTuning() {
  const words = new Set((process.env.HYCO_WS_RS_TUNING || '').split(','));
  return {
    outbox: !words.has('no-outbox'),
    directWrite: !words.has('no-direct-write'),
    directRead: !words.has('no-direct-read'),
    spin: !words.has('no-spin'),
    shortIo: words.has('short-io')
  };
}

/** How long JavaScript is held by deliveries before timers and other IO get their turn, in milliseconds. */
const SLICE = readSlice(process.env.HYCO_WS_RS_SLICE);

module.exports = { SLICE, readTuning };
