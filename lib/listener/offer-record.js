'use strict';

/** Reads the record of a sender's offer, as `src/node/offer_record.rs` packs it. */

/** Bytes of the numbers that each record begins with. */
const HEAD = 24;
/** Texts that each record has, before those of the headers. */
const TEXTS = 5;

/**
 * The headers are kept as they came: two strings, of which most programs never look at more than a part.
 */
class OfferRecord {
  #address;
  #text;
  #lengths;

  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    this.id = record.readUInt32LE(0) + record.readUInt32LE(4) * 2 ** 32;
    this.port = record.readUInt32LE(8);
    /** The status that the sender was turned away with already; 0 if it waits. */
    this.refused = record.readUInt32LE(12);
    this.offersProtocols = record.readUInt32LE(16) !== 0;
    const names = HEAD + 4 * TEXTS;
    const texts = names + 4 * record.readUInt32LE(20);
    const text = record.utf8Slice(texts, record.length);
    let at = 0;
    const next = (index) => text.slice(at, (at += record.readUInt32LE(HEAD + 4 * index)));
    /** Path and query, for the program. */
    this.target = next(0);
    /** Of the rendezvous, with its port where that is not the scheme's own. */
    this.host = next(1);
    this.#address = next(2);
    /** The tracking id of the connection. */
    this.trackingId = next(3);
    /** The sender as the relay sees it; empty if it does not say. */
    this.remoteAddress = next(4);
    this.#text = text.slice(at);
    // As UTF-16, two units for each number: a string is the cheapest way to keep a few bytes.
    this.#lengths = record.ucs2Slice(names, texts);
  }

  /** The rendezvous. Out of sight of whatever lists properties, for it holds the credentials of the connection. */
  get address() {
    return this.#address;
  }

  /** @return {string[]} Names and values of the sender's headers in turn, as in `rawHeaders` */
  headerLines() {
    const text = this.#text;
    const lengths = this.#lengths;
    const lines = new Array(lengths.length / 2);
    let at = 0;
    for (let index = 0; index < lines.length; index++) {
      const length = lengths.charCodeAt(2 * index) + lengths.charCodeAt(2 * index + 1) * 2 ** 16;
      lines[index] = text.slice(at, (at += length));
    }
    return lines;
  }
}

module.exports = { OfferRecord };
