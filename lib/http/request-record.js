'use strict';

/** Reads the record of a relayed HTTP request, as `src/node/offer_record.rs` packs it. */

const { Packed, numberOf } = require('../engine/packed');

const BODY = 1;
const WHOLE = 2;
const SECURE = 4;

class RequestRecord {
  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    this.number = numberOf(record);
    this.port = record.readUInt32LE(8);
    const flags = record.readUInt32LE(12);
    this.hasBody = (flags & BODY) !== 0;
    /** All of the body is in the record that follows. */
    this.isWhole = (flags & WHOLE) !== 0;
    /** Whether the relay is reached over TLS. */
    this.secure = (flags & SECURE) !== 0;
    const packed = new Packed(record);
    this.method = packed.cutFirst();
    [this.target, this.host, this.trackingId, this.remoteAddress] = packed.cutTexts();
    this.headers = packed.cutHeaders();
  }
}

module.exports = { RequestRecord };
