'use strict';

/** The engine's switches for tests (`HYCO_WS_RS_TUNING`, see CONTRIBUTING.md), as the test runs combine them. */

/** Each turns one fast path off. */
const FAST_PATHS = ['no-outbox', 'no-direct-write', 'no-direct-read', 'no-spin'];
const WITHOUT_FAST_PATHS = FAST_PATHS.join(',');
/** Reads and writes single bytes. */
const BYTE_BY_BYTE = 'short-io';

module.exports = { BYTE_BY_BYTE, FAST_PATHS, WITHOUT_FAST_PATHS };
