'use strict';

/** Reads the record of a relayed HTTP request, as `src/node/packed_record.rs` packs it. */

const { PackedRecord } = require('../engine/packed');
const { RequestFlag } = require('../engine/records');

/** Methods with which senders give the length of a body even if it is empty. */
const WITH_BODY = /^(POST|PUT|PATCH)$/;

class RequestRecord extends PackedRecord {
  /** @param {Buffer} record Shares its memory with other records, so nothing of it is kept */
  constructor(record) {
    super(record);
    const flags = record.readUInt32LE(12);
    this.hasBody = (flags & RequestFlag.BODY) !== 0;
    /** All of the body is in the record that follows. */
    this.isWhole = (flags & RequestFlag.WHOLE) !== 0;
    /** Whether the relay is reached over TLS. */
    this.secure = (flags & RequestFlag.SECURE) !== 0;
    this.method = this.first;
    this.target = this.take();
    this.host = this.take();
    this.trackingId = this.take();
    this.remoteAddress = this.take();
    this.headers = this.rest();
    // The relay takes it off, but it is what tells an empty body from none: body parsers go by it.
    if (!this.hasBody && WITH_BODY.test(this.method)) this.headers.push('Content-Length', '0');
  }
}

module.exports = { RequestRecord };
