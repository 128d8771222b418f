'use strict';

/** Memory of the IO thread that JavaScript holds: V8 is made to look in time which of it is garbage. */

/** After so many bytes of it. */
const FOREIGN = 12 * 1024 * 1024;
/** More than V8 lets young buffers have together. */
const WEIGHT = 33 * 1024 * 1024;

let held = 0;

/**
 * V8 collects young buffers when it allocates one and they have 32 MiB together; otherwise it sees only at 64 MiB what
 * they hold, and then marks the whole heap. Both are too late for the processor's caches: memory that comes back
 * sooner is several times as fast. So from time to time we make one that weighs enough, and let go of it.
 */
function countForeign(length) {
  held += length;
  if (held < FOREIGN) return;
  held = 0;
  try {
    // Of this size it is always mapped, and nobody ever touches it: it costs no memory.
    new ArrayBuffer(WEIGHT);
    new ArrayBuffer(1);
  } catch {
    // Where even addresses are rationed V8 goes by its own measure.
    held = -Infinity;
  }
}

module.exports = { countForeign };
