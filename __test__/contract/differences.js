'use strict';

/**
 * Where our sockets are not as ws's, on purpose: the scenario, the reason, and what makes ws's log equal to ours.
 *
 * @type {Object<string, {reason: string, adapt: function(object): void}>}
 */
const DIFFERENCES = {};

module.exports = { DIFFERENCES };
