'use strict';

/** Reads the record of a sender's offer, as `src/node/offer_record.rs` packs it. */

const { PackedRecord } = require('../engine/packed');

/** The headers are kept as they came: a part of one string, of which most programs never look at more. */
class OfferRecord extends PackedRecord {
  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    super(record);
    /** The status that the sender was turned away with already; 0 if it waits. */
    this.refused = record.readUInt32LE(12);
    this.offersProtocols = record.readUInt32LE(16) !== 0;
    /** Path and query, for the program. */
    this.target = this.take();
    /** Of the rendezvous, with its port where that is not the scheme's own. */
    this.host = this.take();
    /** The tracking id of the connection. */
    this.trackingId = this.take();
    /** The sender as the relay sees it; empty if it does not say. */
    this.remoteAddress = this.take();
  }

  /** The rendezvous. Out of sight of whatever lists properties, for it holds the credentials of the connection. */
  get address() {
    return this.first;
  }

  /** @return {string[]} Names and values of the sender's headers in turn, as in `rawHeaders` */
  headerLines() {
    return this.rest();
  }
}

module.exports = { OfferRecord };
