'use strict';

const check = require('./check.js');

const ACTIONS = ['listen', 'connect', 'accept', 'request'];

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
  dropControl({ path, id, reset = false } = {}) {
    return this.#inflict({ fault: 'dropControl', ...readChannel(path, id), reset: Boolean(reset) });
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
  closeControl(code, reason = '', { path, id } = {}) {
    check.integer('code', code, 1000, 4999);
    check.string('reason', reason);
    return this.#inflict({ fault: 'closeControl', ...readChannel(path, id), code, reason });
  }

  /**
   * Sends a text frame, whatever it says, to every listener.
   *
   * @param {String} text
   * @param {Object} [options]
   * @param {String} [options.path] only of this hybrid connection
   * @returns {Number}
   */
  sendControl(text, { path } = {}) {
    check.string('text', text);
    return this.#inflict({ fault: 'sendControl', path: readPath(path), text });
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
  refuse({ status, reason = 'Refused by order.', tracked = true, times = 1, action } = {}) {
    check.integer('options.status', status, 200, 599);
    check.string('options.reason', reason);
    const plan = { fault: 'refuse', status, reason, tracked: Boolean(tracked), action: readAction(action) };
    if (times !== Infinity) plan.times = check.integer('options.times', times, 1, 2 ** 31);
    this.#inflict(plan);
  }

  /**
   * Keeps `accept` messages back from listeners.
   *
   * @param {Number|true} [time=true] each for so many milliseconds, or all until `releaseAccepts()`
   */
  holdAccepts(time = true) {
    if (time === true) this.#inflict({ fault: 'holdAccepts' });
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
  goSilent({ control = true, data = true, handshakes = false } = {}) {
    this.#inflict({
      fault: 'goSilent',
      control: Boolean(control),
      data: Boolean(data),
      handshakes: Boolean(handshakes)
    });
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
  cutRendezvous({ path, midFrame = true, reset = false } = {}) {
    return this.#inflict({
      fault: 'cutRendezvous',
      path: readPath(path),
      midFrame: Boolean(midFrame),
      reset: Boolean(reset)
    });
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
  closeRendezvous(code, reason = '', { path } = {}) {
    check.integer('code', code, 1000, 4999);
    check.string('reason', reason);
    return this.#inflict({ fault: 'closeRendezvous', path: readPath(path), code, reason });
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
  swallowPongs(on = true) {
    this.#inflict({ fault: 'swallowPongs', on: Boolean(on) });
  }

  /**
   * Answers handshakes and requests late.
   *
   * @param {Number} time milliseconds; 0 ends it
   * @param {Object} [options]
   * @param {'listen'|'connect'|'accept'|'request'} [options.action] which ones; all if left out
   */
  delay(time, { action } = {}) {
    this.#inflict({ fault: 'delay', ms: readTime('time', time), action: readAction(action) });
  }

  /** Takes back whatever lasts: refusals, holds, silence, delays, swallowed pongs. */
  clear() {
    this.#inflict({ fault: 'clear' });
  }
}

function readPath(path) {
  return path === undefined ? undefined : check.string('options.path', path);
}

function readChannel(path, id) {
  return { path: readPath(path), id: id === undefined ? undefined : check.string('options.id', id) };
}

function readAction(action) {
  if (action !== undefined && !ACTIONS.includes(action)) {
    throw check.invalidValue('options.action', `must be one of ${ACTIONS.join(', ')}`);
  }
  return action;
}

function readTime(name, time) {
  return Math.ceil(check.number(name, time, 0, 2 ** 31 - 1));
}

module.exports = { Faults };
