'use strict';

const { publicly } = require('../shared/caller.js');
const { REQUIRED, check, readTable } = require('../shared/checks.js');
const { wholeTime } = require('../shared/option-checks.js');

const PATH = { path: [undefined, check.string] };
const CHANNEL = { ...PATH, id: [undefined, check.string] };
const ACTION = { action: [undefined, check.oneOf('listen', 'connect', 'accept', 'request', 'rendezvous')] };
const TIMES = {
  times: [1, (value, name) => (value === Infinity ? undefined : check.integer(1, 2 ** 31)(value, name))]
};
const CLOSE = {
  code: [REQUIRED, check.integer(1000, 4999)],
  reason: ['', check.string]
};

/** The relay counts them in milliseconds, and knows them by that. */
const milliseconds = (value) => wholeTime(value, 'time');

/**
 * The faults, by the names of their methods: what a method takes, in its order, and behind it its options. With `fault`
 * the relay knows it by another name, and `order` is what belongs to that. What strikes connections returns how many.
 */
const FAULTS = {
  dropControl: { options: { ...CHANNEL, reset: [false, check.truth] }, strikes: true },
  closeControl: { takes: CLOSE, options: CHANNEL, strikes: true },
  // As the service does once a day.
  recycle: {
    fault: 'closeControl',
    order: { code: 1011, reason: 'InternalServerError: NameRenewalFailed.' },
    options: CHANNEL,
    strikes: true
  },
  expireTokens: {
    fault: 'closeControl',
    order: { code: 1008, reason: 'ExpiredToken: The token is expired.' },
    options: CHANNEL,
    strikes: true
  },
  sendControl: { takes: { text: [REQUIRED, check.string] }, options: PATH, strikes: true },
  cutRendezvous: {
    options: { ...PATH, midFrame: [true, check.truth], reset: [false, check.truth] },
    strikes: true
  },
  closeRendezvous: { takes: CLOSE, options: PATH, strikes: true },
  expireRendezvous: { strikes: true },
  expireRequests: { options: PATH, strikes: true },
  cutBodies: {
    options: {
      of: ['response', check.oneOf('request', 'response')],
      after: [0, check.integer(0, Number.MAX_SAFE_INTEGER)],
      ...TIMES
    }
  },

  refuse: {
    options: {
      status: [REQUIRED, check.integer(200, 599)],
      reason: ['Refused by order.', check.string],
      tracked: [true, check.truth],
      ...TIMES,
      ...ACTION
    }
  },
  holdAccepts: { takes: { ms: [true, (value) => (value === true ? undefined : milliseconds(value))] } },
  releaseAccepts: {},
  goSilent: {
    options: { control: [true, check.truth], data: [true, check.truth], handshakes: [false, check.truth] }
  },
  resume: {},
  swallowPongs: { takes: { on: [true, check.truth] } },
  delay: { takes: { ms: [REQUIRED, milliseconds] }, options: ACTION },
  clear: {}
};

/**
 * Faults on demand, as `emulator.d.ts` has them. Each takes effect before the call returns, as far as it concerns what
 * comes later; what is established is struck by the relay's thread right after.
 */
class Faults {
  #inflict;

  /** @private */
  constructor(inflict) {
    this.#inflict = inflict;
  }

  static {
    for (const [name, { fault = name, order, takes = {}, options, strikes }] of Object.entries(FAULTS)) {
      const names = Object.keys(takes);
      const method = {
        [name](...given) {
          const taken = Object.fromEntries(names.map((each, index) => [each, given[index]]));
          const struck = this.#inflict({
            fault,
            ...order,
            ...readTable(takes, taken, ''),
            ...(options && readTable(options, check.object(given[names.length] ?? {}, 'options'), 'options.'))
          });
          return strikes ? struck : undefined;
        }
      };
      Object.defineProperty(Faults.prototype, name, {
        value: publicly(method[name]),
        configurable: true,
        writable: true
      });
    }
  }
}

module.exports = { Faults };
