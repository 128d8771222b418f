'use strict';

/**
 * Reads records of numbers and texts, as `src/node/packed_record.rs` packs them: seven numbers, a text by itself, and the others
 * in one, behind their lengths.
 */

/** Bytes of the numbers that each record begins with. */
const HEAD = 28;
/** Characters of a length. */
const LENGTH = 3;

/** A record; its texts are cut out of one string when they are asked for. */
class PackedRecord {
  #first;
  #text;
  #count;
  #index = 0;
  #at;

  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    const start = HEAD + record.readUInt32LE(20);
    // A part of a string keeps the whole of it: what lives longer is cut from the bytes.
    this.#first = record.utf8Slice(HEAD, start);
    this.#text = record.utf8Slice(start, record.length);
    this.#count = record.readUInt32LE(24);
    this.#at = LENGTH * this.#count;
    this.id = numberOf(record);
    this.port = record.readUInt32LE(8);
  }

  /** The text that stands by itself. Out of sight of whatever lists properties. */
  get first() {
    return this.#first;
  }

  /** @return {string} The next text */
  take() {
    return this.#text.slice(this.#at, (this.#at += lengthOf(this.#text, this.#index++)));
  }

  /** @return {string[]} All that have not been taken, any number of times */
  rest() {
    const text = this.#text;
    const from = this.#index;
    const texts = new Array(this.#count - from);
    let at = this.#at;
    for (let index = 0; index < texts.length; index++) {
      texts[index] = text.slice(at, (at += lengthOf(text, from + index)));
    }
    return texts;
  }
}

/** The length of the text of that index: three times seven bits. */
function lengthOf(text, index) {
  const at = LENGTH * index;
  return text.charCodeAt(at) | (text.charCodeAt(at + 1) << 7) | (text.charCodeAt(at + 2) << 14);
}

/** The number that a record begins with, whatever else is in it. */
function numberOf(record) {
  return record.readUInt32LE(0) + record.readUInt32LE(4) * 2 ** 32;
}

module.exports = { PackedRecord, numberOf };
