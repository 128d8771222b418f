'use strict';

/** What limits of time are multiplied by: with IO of single bytes, what takes milliseconds takes seconds. */
const patience = (process.env.HYCO_WS_RS_TUNING ?? '').split(',').includes('short-io') ? 30 : 1;

module.exports = { patience };
