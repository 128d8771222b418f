'use strict';

/**
 * Reads records of numbers and texts, as `src/node/offer_record.rs` packs them: eight numbers, the lengths of the texts, a text
 * that is cut by itself, those that each record has, and then names and values of headers in turn.
 */

/** Bytes of the numbers that each record begins with. */
const HEAD = 32;
/** Texts that each record has, before those of the headers. */
const TEXTS = 4;

/** Where the parts of a record are. */
class Packed {
  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    this.record = record;
    this.names = HEAD + 4 * TEXTS;
    this.first = this.names + 4 * record.readUInt32LE(28);
    this.texts = this.first + record.readUInt32LE(20);
    this.headers = this.texts + record.readUInt32LE(24);
  }

  /** A part of a string keeps the whole of it: this one is cut from the bytes, so that it can live longer. */
  cutFirst() {
    return this.record.utf8Slice(this.first, this.texts);
  }

  /** @return {string[]} The texts before the headers */
  cutTexts() {
    return cut(this.record, HEAD, this.names, this.record.utf8Slice(this.texts, this.headers));
  }

  /** @return {string[]} Names and values of the headers in turn */
  cutHeaders() {
    const { record } = this;
    return cut(record, this.names, this.first, record.utf8Slice(this.headers, record.length));
  }
}

/** Cuts `text` by the lengths that stand in `record` from `from` to `to`. */
function cut(record, from, to, text) {
  const texts = new Array((to - from) / 4);
  let at = 0;
  for (let index = 0; index < texts.length; index++) {
    texts[index] = text.slice(at, (at += record.readUInt32LE(from + 4 * index)));
  }
  return texts;
}

/** The number that a record begins with. */
function numberOf(record) {
  return record.readUInt32LE(0) + record.readUInt32LE(4) * 2 ** 32;
}

module.exports = { Packed, numberOf };
