'use strict';

/**
 * What the package itself waits with, taken when it is loaded: tests replace these, and deliveries must go on under fake
 * timers. Only what was replaced before that cannot be helped.
 */

const { nextTick } = process;
const { performance } = require('node:perf_hooks');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');

/** Milliseconds of a clock that nobody sets. */
const now = performance.now.bind(performance);

module.exports = { clearTimeout, nextTick, now, setImmediate, setTimeout };
