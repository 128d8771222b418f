'use strict';

/** All choices of the fuzzer. Whatever it decides comes from here, so that a seed brings it back. */

const { random } = require('../random.js');

class Dice {
  #next;

  /** @param {number} seed */
  constructor(seed) {
    this.#next = random(seed);
  }

  /** @return {Dice} That of one round of a run */
  static forRound(seed, round) {
    return new Dice(Math.imul(seed, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca6b));
  }

  /** @return {number} From `low` to `high`, both included */
  int(low, high) {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  /** @return {boolean} True in `probability` of the cases */
  chance(probability) {
    return this.#next() < probability;
  }

  pick(list) {
    return list[this.int(0, list.length - 1)];
  }

  /** @return {number} The seed of dice of their own: how often they are thrown changes nothing here */
  seed() {
    return this.int(0, 2 ** 32 - 1);
  }

  fork() {
    return new Dice(this.seed());
  }
}

module.exports = { Dice };
