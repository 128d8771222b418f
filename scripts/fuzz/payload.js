'use strict';

/** What messages carry: how much, and which bytes. */

const { Dice } = require('./dice.js');

const KIB = 1024;
const POOL = 256 * KIB;

/** Sizes at which something changes: in a frame's header, in the engine's buffers, in TLS records. */
const EDGES = [
  ...[1, 124, 125, 126, 127, 128, 1023, 1024, 2047, 2048, 4095, 4096, 4097],
  ...[16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1],
  ...[
    64 * KIB - 14,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    128 * KIB,
    256 * KIB - 1,
    256 * KIB,
    256 * KIB + 1
  ],
  ...[1024 * KIB, 1024 * KIB + 1]
];

/** Characters of one to four bytes. */
const ALPHABET = ['a', 'B', ' ', '7', 'é', 'ß', 'Ж', '€', '語', '￿', '😀', '𝄞'];

const pools = makePools();

function makePools() {
  const dice = new Dice(1);
  const noise = Buffer.allocUnsafe(POOL);
  for (let at = 0; at < POOL; at += 4) noise.writeUInt32LE(dice.seed(), at);
  let text = '';
  while (text.length < POOL / 4) text += dice.pick(ALPHABET);
  return { noise, text: Buffer.from(text) };
}

/** @return {Buffer} `size` bytes, from anywhere in `pool` */
function slice(dice, pool, size) {
  const from = dice.int(0, pool.length - 1);
  if (from + size <= pool.length) return Buffer.from(pool.subarray(from, from + size));
  const bytes = Buffer.allocUnsafe(size);
  let filled = pool.copy(bytes, 0, from);
  while (filled < size) filled += pool.copy(bytes, filled);
  return bytes;
}

const isWithinCharacter = (byte) => (byte & 0xc0) === 0x80;

/** @return {Buffer} Valid UTF-8 of exactly `size` bytes */
function text(dice, size) {
  const bytes = slice(dice, pools.text, size);
  let from = 0;
  while (from < size && isWithinCharacter(bytes[from])) bytes[from++] = 0x78;
  // The last character may have been cut, too.
  let last = size - 1;
  while (last >= from && isWithinCharacter(bytes[last])) last--;
  if (last >= from && bytes[last] >= 0xc0) bytes.fill(0x78, last);
  return bytes;
}

/** @return {Buffer} Of bytes that compress, or do not */
function binary(dice, size) {
  return slice(dice, dice.chance(0.7) ? pools.noise : pools.text, size);
}

/** @return {Buffer} */
const payload = (dice, size, isText) => (isText ? text(dice, size) : binary(dice, size));

/** @return {number} Of any kind, from 0 to `most` */
function anySize(dice, most) {
  const size = dice.pick([
    () => 0,
    () => dice.int(1, 20),
    () => dice.int(1, 300),
    () => dice.pick(EDGES),
    () => dice.int(1, 70_000),
    () => dice.int(1, 4 * 1024 * KIB)
  ])();
  return size <= most ? size : dice.int(0, Math.max(0, most));
}

/** @return {number[]} Where `length` is cut into `count` pieces: their lengths, 0 among them */
function pieces(dice, length, count) {
  const cuts = Array.from({ length: count - 1 }, () =>
    dice.chance(0.2) ? dice.pick([0, length]) : dice.int(0, length)
  ).sort((a, b) => a - b);
  return [...cuts, length].map((to, index) => to - (index === 0 ? 0 : cuts[index - 1]));
}

module.exports = { EDGES, anySize, payload, pieces };
