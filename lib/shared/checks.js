'use strict';

/**
 * Checks of options and arguments, for listeners, senders and the emulator. Each takes a value and its name, and returns
 * what to keep or throws a `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) that names the option and never
 * shows the value, which may be a key.
 */

const { inspect } = require('node:util');

const { invalidArgType, invalidArgValue } = require('./errors');

/** The longest delay of a timer of Node. */
const MAX_TIME = 2 ** 31 - 1;

const isObject = (value) => typeof value === 'object' && value !== null;

/** A number that is written as text, as variables of the environment are; anything else as it is. */
function numeric(value) {
  if (typeof value !== 'string' || value.trim() === '' || Number.isNaN(Number(value))) return value;
  return Number(value);
}

/** A number of anything, without ever throwing. */
const coerced = (value) => (isObject(value) || typeof value === 'symbol' ? NaN : Number(value));

/** Stands for the default of what has to be given. */
const REQUIRED = Symbol('required');

const check = {
  any: (value) => value,
  /** Whatever counts as true in ws. */
  truth: (value) => Boolean(value),
  string(value, name) {
    if (typeof value !== 'string') throw invalidArgType(name, 'a string', value);
    return value;
  },
  word(value, name) {
    if (check.string(value, name) === '') throw invalidArgValue(name, 'it must not be empty');
    return value;
  },
  boolean(value, name) {
    if (typeof value !== 'boolean') throw invalidArgType(name, 'a boolean', value);
    return value;
  },
  function(value, name) {
    if (typeof value !== 'function') throw invalidArgType(name, 'a function', value);
    return value;
  },
  object(value, name) {
    if (!isObject(value) || Array.isArray(value)) throw invalidArgType(name, 'an object', value);
    return value;
  },
  array(value, name) {
    if (!Array.isArray(value)) throw invalidArgType(name, 'an array', value);
    return value;
  },
  number(least, most) {
    return (value, name) => {
      if (typeof value !== 'number') throw invalidArgType(name, 'a number', value);
      if (!(value >= least && value <= most)) {
        throw invalidArgValue(name, `it must be a number from ${least} to ${most}`);
      }
      return value;
    };
  },
  integer(least, most) {
    return (value, name) => {
      if (value === false && least === 0) return 0;
      if (typeof value !== 'number') throw invalidArgType(name, 'a number', value);
      if (!Number.isInteger(value) || value < least || value > most) {
        throw invalidArgValue(name, `it must be an integer from ${least} to ${most}`);
      }
      return value;
    };
  },
  oneOf(...allowed) {
    return (value, name) => {
      if (!allowed.includes(value)) {
        throw invalidArgValue(name, `it must be one of ${allowed.map((word) => inspect(word)).join(', ')}`);
      }
      return value;
    };
  },
  /** Milliseconds; `false` for none. */
  time(value, name) {
    if (value === false) return 0;
    value = numeric(value);
    if (typeof value !== 'number') throw invalidArgType(name, 'a number of milliseconds', value);
    if (!(value >= 0 && value <= MAX_TIME)) throw invalidArgValue(name, `it must be 0 to ${MAX_TIME}`);
    return value;
  },
  /** The same for a socket: as Node does, what is too long is cut. */
  longTime(value, name) {
    const isLong = typeof value === 'number' && value > MAX_TIME && value < Infinity;
    return check.time(isLong ? MAX_TIME : value, name);
  },
  /** A delay as `setTimeout()` takes it, which refuses nothing. */
  delay(value) {
    const delay = coerced(value);
    return delay >= 1 && delay <= MAX_TIME ? delay : 1;
  },
  /** ws cuts it to 32 bits. */
  limit(value, name) {
    value = numeric(value);
    if (typeof value !== 'number' || Number.isNaN(value)) throw invalidArgType(name, 'a number', value);
    return value;
  },
  int32: (value) => coerced(value) | 0,
  /** Bytes, `Infinity` included. */
  size(value, name) {
    if (value === false) return 0;
    value = numeric(value);
    if (typeof value !== 'number') throw invalidArgType(name, 'a number of bytes', value);
    if (!(value >= 0)) throw invalidArgValue(name, 'it must not be negative');
    return Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER);
  },
  /** PEM in one or several texts or buffers. */
  pem(value, name) {
    for (const each of Array.isArray(value) ? value.flat() : [value]) {
      if (typeof each === 'string' || ArrayBuffer.isView(each) || each instanceof ArrayBuffer) continue;
      throw invalidArgType(name, 'a string, a Buffer or an array of these', each);
    }
    return value;
  },
  /** The same, or `{ pem, passphrase }`, as Node takes it. */
  tlsKey(value, name) {
    for (const each of Array.isArray(value) ? value.flat() : [value]) check.pem(each?.pem ?? each, name);
    return value;
  },
  proxy(value, name) {
    if (value === false || value instanceof URL || typeof value === 'string') return value;
    throw invalidArgType(name, 'a URL or false', value);
  },
  signal(value, name) {
    const fits =
      isObject(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function';
    if (!fits) throw invalidArgType(name, 'an AbortSignal', value);
    return value;
  }
};

/**
 * Reads options by a table: `undefined` and `null` stand for the default.
 *
 * @param {Object<string, [unknown, function]>} table Name: [default, check]
 * @param {object} given
 * @param {string} prefix Of the names in errors
 * @return {object} A value for each name of the table
 */
function readTable(table, given, prefix) {
  const result = {};
  for (const name of Object.keys(table)) {
    const [fallback, read] = table[name];
    const value = given[name] ?? fallback;
    if (value === undefined) result[name] = undefined;
    else result[name] = read(value === REQUIRED ? given[name] : value, prefix + name);
  }
  return result;
}

/** A check of an array of things that are checked alike. */
function listOf(read) {
  const readAll = (value, name) =>
    check.array(value, name).map((each, index) => read(each, `${name}[${index}]`));
  return Object.assign(readAll, { table: read.table });
}

/** A check of a group of options. Who looks at the table finds it there. */
function group(table) {
  const read = (value, name) => readTable(table, check.object(value, name), `${name}.`);
  return Object.assign(read, { table });
}

/** The same, or `false` for none of it, or `true` for its defaults. */
function optionalGroup(table) {
  const whole = group(table);
  const read = (value, name) =>
    value === false || value === 0 ? null : whole(value === true ? {} : value, name);
  return Object.assign(read, { table });
}

/** As `check`, where everything that counts as false is nothing. */
const unlessFalse = (read) => (value, name) => (value ? read(value, name) : undefined);

/**
 * The known name that a misspelt one is meant to be, if there is one.
 *
 * @param {string} given
 * @param {Iterable<string>} known
 * @return {string|undefined}
 */
function nearest(given, known) {
  const word = given.toLowerCase();
  let best;
  // Of a short word one letter is much.
  let least = word.length < 4 ? 1 : word.length < 6 ? 2 : 3;
  for (const name of known) {
    const distance = editDistance(word, name.toLowerCase(), least);
    if (distance < least) [best, least] = [name, distance];
  }
  return best;
}

/** Letters to insert, leave out, change or swap until `a` is `b`; or some number that is not less than `limit`. */
function editDistance(a, b, limit) {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      row[j] = Math.min(row[j - 1] + 1, last[j] + 1, last[j - 1] + same);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, last] = [last, row];
  }
  return last[b.length];
}

/**
 * @param {string} name Of an argument
 * @param {unknown} value
 * @return {string}
 */
function text(name, value) {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  // Half of a surrogate pair has no UTF-8 form, and so none in a URI.
  if (!value.isWellFormed()) throw invalidArgValue(name, 'it is not well-formed Unicode');
  return value;
}

/**
 * @param {string} name Of an argument
 * @param {unknown} value
 * @return {string}
 */
function nonEmpty(name, value) {
  if (text(name, value) === '') throw invalidArgValue(name, 'it is empty');
  return value;
}

/** @param {string} name @return {boolean} Whether it is a token of HTTP, as names of headers and subprotocols are */
function isToken(name) {
  return /^[!#$%&'*+\-.0-9A-Z^_`|a-z~]+$/.test(name);
}

module.exports = {
  REQUIRED,
  check,
  group,
  isObject,
  isToken,
  listOf,
  nearest,
  nonEmpty,
  optionalGroup,
  readTable,
  text,
  unlessFalse
};
