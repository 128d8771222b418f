'use strict';

const { now, setTimeout } = require('../shared/clock');

/** How long an answer may wait for its end, in milliseconds, before it goes out as it comes. */
const PATIENCE = 50;

/** The answers of one listener that wait for their end. One timer serves them all: most are gone before it strikes. */
class Patience {
  constructor() {
    /** In the order in which they came. */
    this.waiting = new Set();
    this.isTicking = false;
  }

  /** @param {import('./answer').Answer} answer */
  add(answer) {
    answer.since = now();
    this.waiting.add(answer);
    if (!this.isTicking) this.tick(PATIENCE);
  }

  delete(answer) {
    this.waiting.delete(answer);
  }

  tick(delay) {
    this.isTicking = true;
    setTimeout(() => this.strike(), delay).unref?.();
  }

  strike() {
    this.isTicking = false;
    const time = now();
    for (const answer of this.waiting) {
      const left = answer.since + PATIENCE - time;
      if (left > 0) return this.tick(left);
      this.waiting.delete(answer);
      answer.begin();
    }
  }
}

module.exports = { Patience };
