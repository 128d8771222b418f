'use strict';

/** Reads the record of a sender's offer, as `src/node/offer_record.rs` packs it. */

const { Packed, numberOf } = require('../engine/packed');

/**
 * The headers are kept as they came: two strings, of which most programs never look at more than a part.
 */
class OfferRecord {
  #address;
  #text;
  #lengths;

  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    this.id = numberOf(record);
    this.port = record.readUInt32LE(8);
    /** The status that the sender was turned away with already; 0 if it waits. */
    this.refused = record.readUInt32LE(12);
    this.offersProtocols = record.readUInt32LE(16) !== 0;
    const packed = new Packed(record);
    this.#address = packed.cutFirst();
    // Path and query, for the program; the host of the rendezvous, with its port where that is not the scheme's own; the
    // tracking id of the connection; the sender as the relay sees it, or nothing if it does not say.
    [this.target, this.host, this.trackingId, this.remoteAddress] = packed.cutTexts();
    this.#text = record.utf8Slice(packed.headers, record.length);
    // As UTF-16, two units for each number: a string is the cheapest way to keep a few bytes.
    this.#lengths = record.ucs2Slice(packed.names, packed.first);
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
