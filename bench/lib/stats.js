'use strict';

/** @param {number[]} values */
function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Medians of the ratios within each round, so that what slows the machine for a while slows both sides.
 *
 * @param {number[]} values
 * @param {number[]|undefined} reference Of the same rounds
 */
function ratio(values, reference) {
  if (reference === undefined) return undefined;
  return median(values.map((value, round) => value / reference[round]));
}

module.exports = { median, ratio };
