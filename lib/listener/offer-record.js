'use strict';

/** Reads the record of a sender's offer, as `src/node/offer_record.rs` packs it. */

/** Bytes of the numbers that each record begins with. */
const HEAD = 28;
/** Characters of a length. */
const LENGTH = 3;
/** Texts that each record has before those of the headers. */
const TEXTS = 4;

/**
 * The headers are kept as they came: a part of one string, of which most programs never look at more.
 */
class OfferRecord {
  #address;
  /** Lengths and texts. */
  #text;
  #count;
  /** Where the headers begin. */
  #headers;

  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    this.id = record.readUInt32LE(0) + record.readUInt32LE(4) * 2 ** 32;
    this.port = record.readUInt32LE(8);
    /** The status that the sender was turned away with already; 0 if it waits. */
    this.refused = record.readUInt32LE(12);
    this.offersProtocols = record.readUInt32LE(16) !== 0;
    const address = HEAD + record.readUInt32LE(20);
    const count = record.readUInt32LE(24);
    // A part of a string keeps the whole of it: what lives longer is cut from the bytes.
    this.#address = record.utf8Slice(HEAD, address);
    const text = record.utf8Slice(address, record.length);
    let at = LENGTH * count;
    const next = (index) => text.slice(at, (at += lengthOf(text, index)));
    /** Path and query, for the program. */
    this.target = next(0);
    /** Of the rendezvous, with its port where that is not the scheme's own. */
    this.host = next(1);
    /** The tracking id of the connection. */
    this.trackingId = next(2);
    /** The sender as the relay sees it; empty if it does not say. */
    this.remoteAddress = next(3);
    this.#text = text;
    this.#count = count;
    this.#headers = at;
  }

  /** The rendezvous. Out of sight of whatever lists properties, for it holds the credentials of the connection. */
  get address() {
    return this.#address;
  }

  /** @return {string[]} Names and values of the sender's headers in turn, as in `rawHeaders` */
  headerLines() {
    const text = this.#text;
    const lines = new Array(this.#count - TEXTS);
    let at = this.#headers;
    for (let index = 0; index < lines.length; index++) {
      lines[index] = text.slice(at, (at += lengthOf(text, TEXTS + index)));
    }
    return lines;
  }
}

/** The length of the text of that index: three times seven bits. */
function lengthOf(text, index) {
  const at = LENGTH * index;
  return text.charCodeAt(at) | (text.charCodeAt(at + 1) << 7) | (text.charCodeAt(at + 2) << 14);
}

module.exports = { OfferRecord };
