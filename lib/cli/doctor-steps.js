'use strict';

const { redact } = require('../shared/redact.js');
const { kindOf, remedyFor } = require('../shared/remedy.js');
const { waiting } = require('./output.js');

/** Takes one step of `doctor` after the other, and reports what each has found. */
class Steps {
  #report;

  /** @param {function(object): void} report Gets `{ name, result, text, code, remedy }` */
  constructor(report) {
    this.#report = report;
  }

  /**
   * @template T
   * @param {string} name
   * @param {function(): Promise<{text: string, result?: string, error?: Error, value?: T}>} work `error` is what a
   *     step that has not failed stumbled over
   * @return {Promise<T|undefined>} `value`; `undefined` if it has failed
   */
  async take(name, work) {
    try {
      const { text, result = 'ok', error, value } = await waiting(`   ${name}`, work());
      const details = error && { code: kindOf(error), remedy: remedyFor(error, name) };
      this.#report({ name, result, text: redact(text), ...details });
      return value;
    } catch (error) {
      const code = kindOf(error);
      const text = redact(`${textOf(error)}${code && !textOf(error).includes(code) ? ` (${code})` : ''}`);
      this.#report({ name, result: 'failed', text, code, remedy: remedyFor(error, name) });
      return undefined;
    }
  }

  /** @param {string} text Why it is not taken */
  skip(name, text) {
    this.#report({ name, result: 'skipped', text });
  }
}

const textOf = (error) =>
  error.errors?.map(({ message }) => message).join(', ') || withoutSource(error.message.trim());

/** Of a line of OpenSSL's, the words that are for people. */
function withoutSource(message) {
  return message.replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):[^]*$/i, 'TLS: $1');
}

module.exports = { Steps };
