'use strict';

/** What crosses the border in tables, both ways, by the addon's own numbers: `src/node/records.rs`. */

const native = require('../shared/native');

// Spread copies have a shape that V8 optimizes; objects from napi have not.
const { words, block, kinds, flags, ends, frame, causes } = native.records();

module.exports = {
  /** Bytes of the block for small payloads. */
  BLOCK: block,
  /** What a connection broke of, as `CLOSED` records number it: Node's codes, or nothing. */
  CAUSES: causes.map((code) => code || undefined),
  /** Why a drain ended. */
  End: Object.freeze({ ...ends }),
  /** Bits of a record's meta. */
  Flag: Object.freeze({ ...flags }),
  /** Bits of an outgoing frame's meta beside its opcode. */
  Frame: Object.freeze({ ...frame }),
  /** Kinds of records. */
  Kind: Object.freeze({ ...kinds }),
  /** Words of a record: slot, meta, offset, length. Meta is kind | flags << 8 | detail << 16. */
  WORDS: words
};
