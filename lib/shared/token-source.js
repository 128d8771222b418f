'use strict';

/**
 * One asynchronous source of tokens out of every form of credential: a string, a function, a SAS rule, or a
 * `TokenCredential` of `@azure/identity`. Of a rule, listeners make their tokens without it. Errors that come out of it
 * name no token and no key.
 */

const { inspect } = require('node:util');

const { clearTimeout, setTimeout } = require('./clock');
const { RelayError } = require('./errors');
const { createRelayToken } = require('./helpers');
const { redact } = require('./redact');

/** The audience of Azure Relay; the double slash is what the service expects, the audience itself ends in one. */
const SCOPE = 'https://relay.azure.net//.default';
/** A provider that is silent for so long, in milliseconds, has failed. */
const PROVIDER_TIMEOUT = 30_000;

class TokenSource {
  #settings;
  #timeout;
  #static;
  #keys;
  #pending = null;
  #last;

  /**
   * @param {object} settings One of `token` (string or function), `credential`, or `keyName` with `key`; the first of
   *     them counts
   * @param {string} settings.uri What the tokens are for
   * @param {number} [settings.tokenLifetime=3600] Seconds that a token made from a key is good for
   * @param {number} [timeout=30000] Limit of one call of a provider, in milliseconds
   */
  constructor(settings, timeout = PROVIDER_TIMEOUT) {
    this.#settings = settings;
    this.#timeout = timeout;
    if (typeof settings.token === 'string') this.#static = settings.token;
    this.#keys = settings.key === undefined ? [] : [settings.key].flat();
  }

  /** The SAS rule, if that is what counts. */
  get rule() {
    const { token, credential, keyName, tokenLifetime } = this.#settings;
    if (token !== undefined || credential !== undefined || this.#keys.length === 0) return undefined;
    return { keyName, keys: this.#keys, lifetime: tokenLifetime ?? 3600 };
  }

  /**
   * The token, if no provider has to be asked for it; `undefined` otherwise.
   *
   * @return {string|undefined}
   */
  immediate() {
    const { rule } = this;
    if (rule === undefined) return this.#static;
    return createRelayToken(this.#settings.uri, rule.keyName, rule.keys[0], rule.lifetime);
  }

  /**
   * A token. Asks that come while one is under way share its answer.
   *
   * @param {object} [options]
   * @param {AbortSignal} [options.signal] Gives up the ask; the other asks that share it, too
   * @return {Promise<string>}
   */
  get({ signal } = {}) {
    this.#pending ??= this.#ask(signal).finally(() => {
      this.#pending = null;
    });
    return this.#pending;
  }

  /**
   * Takes a token in place of the one that was given as a string; a source that makes tokens goes on doing so.
   *
   * @param {string} token
   */
  update(token) {
    if (this.#static !== undefined) this.#static = token;
  }

  /** `text` without anything that this source knows to be secret. */
  redact(text) {
    return redact(text, [this.#last, this.#static, ...this.#keys]);
  }

  async #ask(signal) {
    try {
      const token = this.immediate() ?? (await this.#askProvider(signal));
      this.#last = checkToken(token);
      return token;
    } catch (error) {
      throw this.#wrap(error);
    }
  }

  async #askProvider(signal) {
    const abort = new AbortController();
    const { token, credential } = this.#settings;
    let timer;
    let onAbort;
    const limit = new Promise((_, reject) => {
      const give = (error) => {
        reject(error);
        abort.abort(error);
      };
      timer = setTimeout(() => {
        give(tokenError(`The token provider did not answer within ${this.#timeout} ms`));
      }, this.#timeout);
      // A provider that hangs does not keep the process alive; the listener does, if it is to.
      timer.unref?.();
      onAbort = () => give(new RelayError('The token is no longer needed', { code: 'ERR_HYCO_ABORTED' }));
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
    try {
      const answer =
        token !== undefined ? token() : credential.getToken(SCOPE, { abortSignal: abort.signal });
      const given = await Promise.race([answer, limit]);
      return token !== undefined ? given : given?.token;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      // The race may have been lost by an answer, or by a limit that nobody looks at any more.
      limit.catch(() => {});
    }
  }

  #wrap(error) {
    if (error?.code === 'ERR_HYCO_ABORTED') return error;
    const text = error instanceof Error ? error.message : typeof error === 'string' ? error : 'unknown error';
    const known = error?.code === 'ERR_HYCO_TOKEN';
    const wrapped = tokenError(this.redact(known ? text : `The token provider failed: ${text}`));
    // A cause is printed with the error, so one that quotes the token is left out.
    if (!known && error instanceof Error) {
      const printed = inspect(error);
      if (this.redact(printed) === printed) wrapped.cause = error;
    }
    return wrapped;
  }
}

function checkToken(token) {
  if (typeof token !== 'string') {
    throw tokenError(
      `The token provider returned ${token === null ? 'null' : `a value of type ${typeof token}`}, not a string`
    );
  }
  if (token === '') throw tokenError('The token provider returned an empty string');
  if (!/^[\t\x20-\x7e]+$/.test(token)) {
    throw tokenError('The token has characters that no header may have');
  }
  return token;
}

/** Transient, as the engine's own of that code. */
function tokenError(message) {
  return new RelayError(message, { code: 'ERR_HYCO_TOKEN', transient: true });
}

module.exports = { SCOPE, TokenSource };
