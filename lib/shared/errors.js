'use strict';

// Errors are made of what native code reports or throws here: those that it throws are not `instanceof Error` in another
// realm (a jest test, a vm context), and their `code` is a status of napi. Errors of our own get their code here, too.

const { refusal } = require('./caller');
const { redact } = require('./redact');

/** Shared by every copy of this package in a process, so that `instanceof` agrees between them. */
const kBrand = Symbol.for('hyco-ws-rs.RelayError');

const INVALID_VALUE = 'ERR_INVALID_ARG_VALUE';

/** What messages end with: where the documentation, which is in the package, explains the code. */
const SEE = / \(see hyco-ws-rs\/docs\/errors\.md#\w+\)$/;

/** The codes under which the operating system's or TLS's own code is the better one to match. */
const SYSTEM_CODES = new Set(['ERR_HYCO_NETWORK', 'ERR_HYCO_TLS']);

/**
 * A failure of the relay, of the way to it or of the configuration. Match `code`; the text is free to change.
 */
class RelayError extends Error {
  /**
   * @param {string} message
   * @param {object} [details]
   * @param {string} [details.code='ERR_HYCO_REFUSED'] The stable part
   * @param {number} [details.statusCode] HTTP status of the handshake
   * @param {string} [details.reason] The text that the relay, or the listener behind it, gave
   * @param {string} [details.trackingId] The relay's id of the event, to quote in a support request
   * @param {boolean} [details.transient=false] True where the same attempt may succeed later
   * @param {unknown} [details.cause]
   */
  constructor(message, details = {}) {
    const code = details.code ?? 'ERR_HYCO_REFUSED';
    super(explained(message, code), 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.statusCode !== undefined) this.statusCode = details.statusCode;
    if (details.reason !== undefined) this.reason = details.reason;
    if (details.trackingId !== undefined) this.trackingId = details.trackingId;
    this.transient = details.transient ?? false;
  }

  static [Symbol.hasInstance](value) {
    // A subclass means itself.
    if (this !== RelayError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && value[kBrand] === true;
  }
}

// On the prototype, as Error's own are: neither belongs in a printed list of properties.
Object.defineProperty(RelayError.prototype, 'name', {
  configurable: true,
  writable: true,
  value: 'RelayError'
});
Object.defineProperty(RelayError.prototype, kBrand, { value: true });

/**
 * What native code reports about a failure.
 *
 * @typedef {object} Report
 * @property {string} code
 * @property {string} message
 * @property {boolean} [transient]
 * @property {number} [statusCode]
 * @property {string} [reason]
 * @property {string} [trackingId]
 * @property {{code: string, errno?: number, syscall?: string, address?: string, port?: number, hostname?: string}} [system]
 * @property {string[]} [causes] Texts, outermost first
 */

/**
 * The error that a report stands for. A failure of the network or of TLS becomes an error as Node makes it
 * (`code: 'ECONNREFUSED'`, `syscall`, `address`, `port`), because programs written for ws match those; its
 * code among ours is `relayCode`. Everything else becomes a `RelayError`.
 *
 * @param {Report} given
 * @return {Error}
 */
function fromReport(given) {
  const report = withoutSecrets(given);
  const cause = causeOf(report.causes);
  if (!report.system) return new RelayError(report.message, cause ? { ...report, cause } : report);
  const failure = systemError(report.message, report.system, cause);
  if (!SYSTEM_CODES.has(report.code)) return new RelayError(report.message, { ...report, cause: failure });
  // Not enumerable: the error shows the same properties as Node's.
  Object.defineProperty(failure, 'relayCode', { configurable: true, value: report.code });
  Object.defineProperty(failure, 'transient', { configurable: true, value: report.transient ?? false });
  return failure;
}

/**
 * The same for a socket that is none of the relay's: ws has Node's errors, and no code where Node has none.
 *
 * @param {Report} report
 * @return {Error}
 */
function plainError(report) {
  if (report.code === 'ERR_HYCO_INTERNAL') return fromReport(report);
  const message = redact(report.message);
  return report.system ? systemError(message, report.system) : new Error(message);
}

/**
 * @param {{code: string, message: string, range: boolean, errno?: number}} report Why a peer's frames were refused
 * @return {Error} As ws has it
 */
function frameError({ code, message, range, errno }) {
  const error = withCode(new (range ? RangeError : Error)(explained(message, code)), code);
  if (errno !== undefined) error.errno = errno;
  return error;
}

/** Reasons are the relay's, a proxy's or a listener's words, and may quote what they were sent. */
function withoutSecrets(report) {
  const result = { ...report, message: redact(report.message) };
  if (report.reason !== undefined && report.reason !== null) result.reason = redact(report.reason);
  if (report.causes) result.causes = report.causes.map((text) => redact(text));
  return result;
}

/**
 * @param {string} what `'connection'`
 * @return {RelayError} For whoever has lost it by a fault of this package
 */
function lostByFault(what) {
  return new RelayError(`The ${what} was lost by a fault of this package`, { code: 'ERR_HYCO_INTERNAL' });
}

/**
 * What the addon has thrown, as users may see it: a failure comes as a report in JSON, a `TypeError` where an argument is
 * at fault, and an option that is of the wrong type as napi words it; everything else is a fault of this package.
 *
 * @param {{code: string, message: string}} thrown Not `instanceof Error` in another realm
 * @return {Error}
 */
function fromAddon({ code, message }) {
  if (message.startsWith('{')) {
    const report = JSON.parse(message);
    if (report.code !== INVALID_VALUE) return refusal(fromReport(report));
    return invalidValue(report.message, causeOf(report.causes));
  }
  const [, option] = /\bon \w+\.(\w+)$/.exec(message) ?? [];
  if (code === 'GenericFailure' || option === undefined) return lostByFault('call');
  // Without napi's own text, which quotes the value.
  return refusal(
    withCode(new TypeError(`The "${option}" option is of the wrong type`), 'ERR_INVALID_ARG_TYPE')
  );
}

/**
 * @param {string} message
 * @param {Report['system']} system
 * @param {Error} [cause]
 * @return {Error} An error with the properties of Node's system errors, in their order
 */
function systemError(message, system, cause) {
  const error = cause ? new Error(message, { cause }) : new Error(message);
  for (const name of ['errno', 'code', 'syscall', 'address', 'port', 'hostname']) {
    if (system[name] !== undefined && system[name] !== null) error[name] = system[name];
  }
  return error;
}

/**
 * @param {string[]} [texts] Outermost first
 * @return {Error|undefined} The chain of errors with these texts
 */
function causeOf(texts = []) {
  return texts.reduceRight(
    (cause, text) => (cause ? new Error(text, { cause }) : new Error(text)),
    undefined
  );
}

/**
 * @param {string} name The argument or the option
 * @param {string} expected `'of type string'`
 * @param {unknown} value Only its type goes into the text
 * @return {TypeError} With `code` `ERR_INVALID_ARG_TYPE`
 */
function invalidArgType(name, expected, value) {
  const text = `The "${name}" argument must be ${expected}. Received ${typeName(value)}`;
  return refusal(withCode(new TypeError(text), 'ERR_INVALID_ARG_TYPE'));
}

/**
 * @param {string} name The argument or the option
 * @param {string} reason What is wrong with it, without quoting it
 * @return {TypeError} With `code` `ERR_INVALID_ARG_VALUE`
 */
function invalidArgValue(name, reason) {
  return invalidValue(`The "${name}" argument is invalid: ${reason}`);
}

/**
 * @param {string} name The argument whose value alone can have made the addon throw
 * @param {Error} error What it has thrown
 * @return {Error} The same, naming the argument, unless it is a fault of this package
 */
function blameArgument(name, error) {
  return error.code === 'ERR_HYCO_INTERNAL' ? error : invalidArgValue(name, error.message.replace(SEE, ''));
}

/**
 * @param {string} text Names the option
 * @param {unknown} [cause]
 * @return {TypeError} With `code` `ERR_INVALID_ARG_VALUE`
 */
function invalidValue(text, cause) {
  return refusal(withCode(new TypeError(text, cause === undefined ? undefined : { cause }), INVALID_VALUE));
}

/**
 * @template {Error} E
 * @param {E} error
 * @param {string} code
 * @return {E} The same
 */
function withCode(error, code) {
  error.code = code;
  return error;
}

/**
 * @param {string} message
 * @param {string} code
 * @return {string} The message, and where a code of ours is explained; others are Node's or ws's, and so is their text
 */
function explained(message, code) {
  if (!code.startsWith('ERR_HYCO_')) return message;
  return `${`${message}`.replace(SEE, '')} (see hyco-ws-rs/docs/errors.md#${code.toLowerCase()})`;
}

/** The error that Node's own functions give, where `signal` has ended something. */
function abortError(signal) {
  const error = new Error('The operation was aborted', { cause: signal?.reason });
  error.name = 'AbortError';
  return withCode(error, 'ABORT_ERR');
}

/** Names a value without showing it: it may be a key in the wrong place. */
function typeName(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'object') return `an instance of ${value.constructor?.name || 'Object'}`;
  return typeof value === 'function' ? 'a function' : `type ${typeof value}`;
}

module.exports = {
  RelayError,
  abortError,
  blameArgument,
  explained,
  frameError,
  fromAddon,
  fromReport,
  invalidArgType,
  invalidArgValue,
  invalidValue,
  lostByFault,
  plainError,
  withCode
};
