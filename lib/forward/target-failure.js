'use strict';

/** What a target's failure is to the sender, and to the operator. */

const { withCode } = require('../shared/errors');

const TIMEOUTS = new Set(['ERR_HYCO_TIMEOUT', 'ETIMEDOUT']);

/** @param {Error} error @return {number} A gateway's status */
function statusOf({ code }) {
  return TIMEOUTS.has(code) ? 504 : 502;
}

/**
 * @param {Error} error
 * @return {Error} One that says something: where a name has several addresses, Node's does so only inside
 */
function causeOf(error) {
  if (error.message !== '' || !Array.isArray(error.errors)) return error;
  const text = error.errors.map(({ message }) => message).join(', ');
  return withCode(new Error(text, { cause: error }), error.code);
}

module.exports = { causeOf, statusOf };
