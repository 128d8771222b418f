'use strict';

/** Placeholder of the errors module: only what the server side calls, until the real file is merged. */

class RelayError extends Error {
  constructor(message, fields) {
    super(message, fields?.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'RelayError';
    Object.assign(this, fields);
  }
}

function fromReport(report) {
  const { message, causes, system, ...rest } = report;
  const fields = { ...rest };
  if (causes?.length) fields.cause = new Error(causes[0]);
  if (system !== undefined) Object.assign(fields, { ...system, code: rest.code });
  return new RelayError(message, fields);
}

function withCode(error, code) {
  error.code = code;
  return error;
}

function invalidArgType(name, expected, value) {
  const received = value === null ? 'null' : typeof value;
  return withCode(
    new TypeError(`The "${name}" must be ${expected}. Received ${received}`),
    'ERR_INVALID_ARG_TYPE'
  );
}

function invalidArgValue(name, value, reason = 'is invalid') {
  return withCode(new TypeError(`The "${name}" ${reason}`), 'ERR_INVALID_ARG_VALUE');
}

function unsupportedOption(name) {
  return withCode(new TypeError(`The option "${name}" is not supported`), 'ERR_HYCO_UNSUPPORTED');
}

module.exports = { RelayError, fromReport, invalidArgType, invalidArgValue, unsupportedOption };
