'use strict';

/** Upper bounds of the buckets in milliseconds, each inclusive; one more bucket takes what lies above. */
const BOUNDS = Object.freeze([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]);

/** Counts durations in fixed buckets, in the form of OpenTelemetry's explicit-bucket histogram. */
class Histogram {
  #counts = new Array(BOUNDS.length + 1).fill(0);
  #count = 0;
  #sum = 0;
  #max = 0;

  /** @param {number} ms */
  record(ms) {
    const bucket = BOUNDS.findIndex((bound) => ms <= bound);
    this.#counts[bucket < 0 ? BOUNDS.length : bucket]++;
    this.#count++;
    this.#sum += ms;
    this.#max = Math.max(this.#max, ms);
  }

  /**
   * @return {{count: number, sum: number, max: number, bounds: number[], counts: number[]}} `counts[i]` is what lay
   *     above `bounds[i - 1]` and not above `bounds[i]`; the last one is what lay above all bounds
   */
  snapshot() {
    return {
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      bounds: [...BOUNDS],
      counts: [...this.#counts]
    };
  }
}

module.exports = { Histogram };
