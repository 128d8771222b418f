'use strict';

/** What a record costs beside its texts, about. */
const OVERHEAD = 256;

/**
 * The last records of a process, within bounds. Messages have half of the room at most where the rest is wanted: a flood of
 * them does not push out what there is to know of their connection.
 */
class RecordRing {
  #maxRecords;
  #maxBytes;
  #lanes = [new Lane(), new Lane()];
  #last = 0;
  #armed = false;

  /** Called once there is something new, after `arm()`. */
  onWake = () => {};

  /** @param {{maxRecords: number, maxBytes: number}} bounds */
  constructor({ maxRecords, maxBytes }) {
    this.#maxRecords = maxRecords;
    this.#maxBytes = maxBytes;
  }

  /** @param {{kind: string}} details A raw record, but for its number and time */
  push(details) {
    const record = { seq: ++this.#last, time: Date.now(), ...details };
    this.#lanes[record.kind === 'message' ? 0 : 1].push({ record, bytes: OVERHEAD + sizeOf(details) });
    this.#makeRoom();
    if (!this.#armed) return;
    this.#armed = false;
    this.onWake();
  }

  #makeRoom() {
    const [messages, others] = this.#lanes;
    while (
      messages.length + others.length > this.#maxRecords ||
      messages.bytes + others.bytes > this.#maxBytes
    ) {
      const count = messages.length / this.#maxRecords >= 0.5;
      const bytes = messages.bytes / this.#maxBytes >= 0.5;
      (others.length === 0 || (messages.length > 0 && (count || bytes)) ? messages : others).shift();
    }
  }

  /**
   * @param {number} after
   * @param {number} limit
   * @return {object[]} The raw records behind that number, from the oldest
   */
  read(after, limit) {
    const [messages, others] = this.#lanes.map((lane) => lane.from(after, limit));
    return [...messages, ...others].sort((a, b) => a.seq - b.seq).slice(0, limit);
  }

  /** @param {number} after @return {boolean} There is more already; otherwise `onWake` is called when there is */
  arm(after) {
    if (this.#last > after) return true;
    this.#armed = true;
    return false;
  }
}

/** A queue whose front is given up without moving the rest each time. */
class Lane {
  #entries = [];
  #front = 0;
  bytes = 0;

  get length() {
    return this.#entries.length - this.#front;
  }

  push(entry) {
    this.#entries.push(entry);
    this.bytes += entry.bytes;
  }

  shift() {
    this.bytes -= this.#entries[this.#front].bytes;
    this.#entries[this.#front++] = undefined;
    if (this.#front * 2 < this.#entries.length) return;
    this.#entries.splice(0, this.#front);
    this.#front = 0;
  }

  /** The first records behind a number, which is looked for in halves. */
  from(after, limit) {
    let [low, high] = [this.#front, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle].record.seq > after) high = middle;
      else low = middle + 1;
    }
    return this.#entries.slice(low, low + limit).map(({ record }) => record);
  }
}

function sizeOf(value) {
  if (typeof value === 'string') return value.length * 2;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.values(value).reduce((sum, each) => sum + sizeOf(each), 16);
}

module.exports = { RecordRing };
