'use strict';

/** What crosses the border in tables, both ways, by the addon's own numbers: `src/node/records.rs`. */

const native = require('../shared/native');

// Spread copies have a shape that V8 optimizes; objects from napi have not.
const { words, block, kinds, flags, ends, exchange, frame, request, causes } = native.records();

module.exports = {
  /** Bytes of the block for small payloads. */
  BLOCK: block,
  /** What a connection broke of, as `CLOSED` records number it: Node's codes, or nothing. */
  CAUSES: causes.map((code) => code || undefined),
  /** Why a drain ended. */
  End: Object.freeze({ ...ends }),
  /** Details of records of an HTTP exchange. */
  ExchangeDetail: Object.freeze({ ...exchange }),
  /** Bits of a record's meta. */
  Flag: Object.freeze({ ...flags }),
  /** Bits of an outgoing frame's meta beside its opcode. */
  Frame: Object.freeze({ ...frame }),
  /** Kinds of records. */
  Kind: Object.freeze({ ...kinds }),
  /** Flags of an HTTP request's record. */
  RequestFlag: Object.freeze({ ...request }),
  /** Words of a record: slot, meta, offset, length. Meta is kind | flags << 8 | detail << 16. */
  WORDS: words
};
