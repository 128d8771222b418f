'use strict';

/**
 * Argument checks that name the argument and never its value, which may be a key.
 */

function invalidType(name, expected) {
  return Object.assign(new TypeError(`The "${name}" argument must be ${expected}`), {
    code: 'ERR_INVALID_ARG_TYPE'
  });
}

function invalidValue(name, complaint) {
  return Object.assign(new TypeError(`The "${name}" argument ${complaint}`), {
    code: 'ERR_INVALID_ARG_VALUE'
  });
}

function string(name, value) {
  if (typeof value !== 'string') throw invalidType(name, 'a string');
  return value;
}

function nonEmpty(name, value) {
  if (string(name, value) === '') throw invalidValue(name, 'must not be empty');
  return value;
}

function boolean(name, value) {
  if (typeof value !== 'boolean') throw invalidType(name, 'a boolean');
  return value;
}

function object(name, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidType(name, 'an object');
  }
  return value;
}

function array(name, value) {
  if (!Array.isArray(value)) throw invalidType(name, 'an array');
  return value;
}

function number(name, value, min, max) {
  if (typeof value !== 'number') throw invalidType(name, 'a number');
  if (!(value >= min && value <= max)) throw invalidValue(name, `must be between ${min} and ${max}`);
  return value;
}

function integer(name, value, min, max) {
  number(name, value, min, max);
  if (!Number.isInteger(value)) throw invalidValue(name, 'must be an integer');
  return value;
}

module.exports = { invalidType, invalidValue, string, nonEmpty, boolean, object, array, number, integer };
