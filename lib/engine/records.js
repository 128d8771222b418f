'use strict';

/** What crosses the border in tables, both ways, as `src/socket/delivery/record.rs` and `src/node/engine.rs` number it. */

/** Words of a record: slot, meta, offset, length. Meta is kind | flags << 8 | detail << 16. */
const WORDS = 4;
/** The payload is a buffer of its own, which the offset numbers. */
const FLAG_LARGE = 1 << 8;
/** The payload lies in the chunk that was taken last. */
const FLAG_CHUNK = 1 << 9;

/** Kinds of records. */
const Kind = Object.freeze({
  TEXT: 1,
  BINARY: 2,
  PING: 3,
  PONG: 4,
  CLOSE: 5,
  ERROR: 6,
  END: 7,
  CLOSED: 8,
  OPEN: 9,
  FAILED: 10,
  RESPONSE: 11,
  BODY: 12,
  BODY_END: 13,
  SENT: 14,
  FRAGMENTS: 15,
  LISTENER: 16,
  SHUT: 17,
  LOST: 18
});

/** Bits of an outgoing frame's meta beside its opcode. */
const Frame = Object.freeze({ FIN: 16, RSV1: 32, COMPRESS: 64, MASK: 128, RECEIPT: 256 });

module.exports = { FLAG_CHUNK, FLAG_LARGE, Frame, Kind, WORDS };
