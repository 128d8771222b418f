'use strict';

const { REQUIRED, check, readTable } = require('../shared/checks.js');

const PATH = { path: [undefined, check.string] };
const CHANNEL = { ...PATH, id: [undefined, check.string] };
const ACTION = { action: [undefined, check.oneOf('listen', 'connect', 'accept', 'request')] };

const read = (table, options) => readTable(table, check.object(options ?? {}, 'options'), 'options.');
const closeCode = check.integer(1000, 4999);

/**
 * Faults on demand. Each takes effect before the call returns, as far as it concerns what comes later; what is
 * established is struck by the relay's thread right after. Methods that strike connections return how many.
 */
class Faults {
  #inflict;

  /** @private */
  constructor(inflict) {
    this.#inflict = inflict;
  }

  /**
   * Cuts control channels without a close frame.
   *
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @param {String} [options.id] only this control channel, by its `listener` event
   * @param {Boolean} [options.reset=false] by RST instead of FIN
   * @returns {Number}
   */
  dropControl(options) {
    return this.#inflict({
      fault: 'dropControl',
      ...read({ ...CHANNEL, reset: [false, check.truth] }, options)
    });
  }

  /**
   * Closes control channels as the service does once a day: 1011 with `NameRenewalFailed`.
   *
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @param {String} [options.id] only this control channel, by its `listener` event
   * @returns {Number}
   */
  recycle(options) {
    return this.closeControl(1011, 'InternalServerError: NameRenewalFailed.', options);
  }

  /**
   * Closes control channels as if their tokens, and the grace, were over: 1008.
   *
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @param {String} [options.id] only this control channel, by its `listener` event
   * @returns {Number}
   */
  expireTokens(options) {
    return this.closeControl(1008, 'ExpiredToken: The token is expired.', options);
  }

  /**
   * Closes control channels.
   *
   * @param {Number} code close code
   * @param {String} [reason] a tracking id is added to it
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @param {String} [options.id] only this control channel, by its `listener` event
   * @returns {Number}
   */
  closeControl(code, reason, options) {
    closeCode(code, 'code');
    reason = check.string(reason ?? '', 'reason');
    return this.#inflict({ fault: 'closeControl', ...read(CHANNEL, options), code, reason });
  }

  /**
   * Sends a text frame, whatever it says, to every listener.
   *
   * @param {String} text
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @returns {Number}
   */
  sendControl(text, options) {
    check.string(text, 'text');
    return this.#inflict({ fault: 'sendControl', ...read(PATH, options), text });
  }

  /**
   * Answers handshakes and requests with a status.
   *
   * @param {Object} options
   * @param {Number} options.status 200 to 599
   * @param {String} [options.reason] the reason phrase
   * @param {Boolean} [options.tracked=true] adds a tracking id as the service does
   * @param {Number} [options.times=1] how often; `Infinity` until `clear()`
   * @param {'listen'|'connect'|'accept'|'request'} [options.action] for whom; everybody if left out
   */
  refuse(options) {
    const table = {
      status: [REQUIRED, check.integer(200, 599)],
      reason: ['Refused by order.', check.string],
      tracked: [true, check.truth],
      times: [1, (value, name) => (value === Infinity ? undefined : check.integer(1, 2 ** 31)(value, name))],
      ...ACTION
    };
    this.#inflict({ fault: 'refuse', ...read(table, options) });
  }

  /**
   * Keeps `accept` messages back from listeners.
   *
   * @param {Number|true} [time=true] each for so many milliseconds, or all until `releaseAccepts()`
   */
  holdAccepts(time) {
    if ((time ?? true) === true) this.#inflict({ fault: 'holdAccepts' });
    else this.#inflict({ fault: 'holdAccepts', ms: readTime('time', time) });
  }

  /** Sends the `accept` messages that were kept back, and keeps back no more. */
  releaseAccepts() {
    this.#inflict({ fault: 'releaseAccepts' });
  }

  /**
   * Stops reading and writing without closing anything, until `resume()`.
   *
   * @param {Object} [options]
   * @param {Boolean} [options.control=true] on control channels
   * @param {Boolean} [options.data=true] on established rendezvous
   * @param {Boolean} [options.handshakes=false] on connections that have not been answered yet
   */
  goSilent(options) {
    const table = {
      control: [true, check.truth],
      data: [true, check.truth],
      handshakes: [false, check.truth]
    };
    this.#inflict({ fault: 'goSilent', ...read(table, options) });
  }

  /** Goes on where `goSilent()` stopped. */
  resume() {
    this.#inflict({ fault: 'resume' });
  }

  /**
   * Cuts established rendezvous on both sides.
   *
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @param {Boolean} [options.midFrame=true] after the beginning of a frame
   * @param {Boolean} [options.reset=false] by RST instead of FIN
   * @returns {Number}
   */
  cutRendezvous(options) {
    const table = { ...PATH, midFrame: [true, check.truth], reset: [false, check.truth] };
    return this.#inflict({ fault: 'cutRendezvous', ...read(table, options) });
  }

  /**
   * Closes established rendezvous on both sides.
   *
   * @param {Number} code close code
   * @param {String} [reason]
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @returns {Number}
   */
  closeRendezvous(code, reason, options) {
    closeCode(code, 'code');
    reason = check.string(reason ?? '', 'reason');
    return this.#inflict({ fault: 'closeRendezvous', ...read(PATH, options), code, reason });
  }

  /**
   * Lets the rendezvous addresses that are still open expire.
   *
   * @returns {Number}
   */
  expireRendezvous() {
    return this.#inflict({ fault: 'expireRendezvous' });
  }

  /**
   * Leaves pings unanswered, on control channels and rendezvous.
   *
   * @param {Boolean} [on=true]
   */
  swallowPongs(on) {
    this.#inflict({ fault: 'swallowPongs', on: Boolean(on ?? true) });
  }

  /**
   * Answers handshakes and requests late.
   *
   * @param {Number} time milliseconds; 0 ends it
   * @param {Object} [options]
   * @param {'listen'|'connect'|'accept'|'request'} [options.action] which ones; all if left out
   */
  delay(time, options) {
    this.#inflict({ fault: 'delay', ms: readTime('time', time), ...read(ACTION, options) });
  }

  /** Takes back whatever lasts: refusals, holds, silence, delays, swallowed pongs. */
  clear() {
    this.#inflict({ fault: 'clear' });
  }
}

function readTime(name, time) {
  return Math.ceil(check.number(0, 2 ** 31 - 1)(time, name));
}

module.exports = { Faults };
