'use strict';

/** What one side of a conversation says: every form that `send()` takes, and what the other side has to see of it. */

const { EDGES, anySize, payload, pieces } = require('./payload.js');

/**
 * @typedef {object} Utterance
 * @property {'send'|'ping'|'pong'} method
 * @property {function(): *} data Makes the argument
 * @property {object} [options] Of `send()`
 * @property {boolean} [counted] Has a callback
 * @property {string} [after] What it waits for; without it, it follows in the same turn
 * @property {boolean} [throws] The call has to throw, and nothing else may come of it
 */

/** Forms of binary data: from bytes to something that stands for them. */
const BINARY = {
  buffer: (bytes) => Buffer.from(bytes),
  // At an odd offset of a larger buffer.
  view: (bytes) =>
    Buffer.concat([Buffer.alloc(3, 0xaa), bytes, Buffer.alloc(5, 0xaa)]).subarray(3, 3 + bytes.length),
  uint8: (bytes) => new Uint8Array(bytes),
  int16: (bytes) => new Int16Array(arrayBuffer(bytes.subarray(0, bytes.length & ~1))),
  float64: (bytes) => new Float64Array(arrayBuffer(bytes.subarray(0, bytes.length & ~7))),
  dataView: (bytes) => new DataView(arrayBuffer(bytes)),
  arrayBuffer,
  shared: (bytes) => {
    const shared = new SharedArrayBuffer(bytes.length);
    Buffer.from(shared).set(bytes);
    return shared;
  },
  array: (bytes) => [...bytes.subarray(0, 1000)],
  blob: (bytes) => new Blob([bytes])
};

/** How many of `length` bytes a form carries. */
const CARRIED = {
  int16: (length) => length & ~1,
  float64: (length) => length & ~7,
  array: (length) => Math.min(length, 1000)
};

/**
 * Nothing, in all its forms: what is sent, and whether it arrives as binary. Views of resizable buffers are not among
 * them: once V8's optimized code (of Node.js 20) has seen one it takes a detached view for as long as it was.
 */
const NOTHING = [
  [() => '', false],
  [() => Buffer.alloc(0), true],
  [() => new ArrayBuffer(0), true],
  [() => new Uint8Array(0), true],
  [() => undefined, true],
  [() => null, true],
  [() => [], true],
  // A Buffer that has been given away is empty.
  [() => detached(Buffer.alloc(8)), true],
  [() => new Blob([]), true]
];

/** What no `send()` takes. */
const REFUSED = [
  () => ({}),
  () => Symbol('x'),
  () => detached(new Uint8Array(8)),
  () => detached(new Uint16Array(8)),
  () => detached(new DataView(new ArrayBuffer(8)))
];

function arrayBuffer(bytes) {
  const copy = new ArrayBuffer(bytes.length);
  Buffer.from(copy).set(bytes);
  return copy;
}

function detached(view) {
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

const AFTER = ['turn', 'timer', 'tick', 'event', 'event'];

const STYLES = {
  flood: (dice) => ({ count: dice.int(1, 3000), size: () => dice.int(0, 40), rests: 0.001 }),
  empty: (dice) => ({ count: dice.int(1, 3000), size: () => 0, rests: 0.001 }),
  same: (dice) => {
    const size = dice.pick(EDGES);
    return { count: dice.int(1, 1000), size: () => size, rests: 0.05 };
  },
  mixed: (dice) => ({
    count: dice.int(1, 200),
    size: (most) => anySize(dice, most),
    rests: dice.pick([0, 0.05, 0.5])
  }),
  dialogue: (dice) => ({ count: dice.int(1, 200), size: () => dice.int(0, 300), rests: 0.9 }),
  few: (dice) => ({ count: dice.int(0, 3), size: (most) => anySize(dice, most), rests: 0.2 })
};

class Author {
  constructor(dice, counted, controls) {
    Object.assign(this, { dice, counted, controls });
    this.utterances = [];
    this.events = [];
  }

  add(utterance, rests) {
    const { dice } = this;
    if (dice.chance(rests)) {
      const last = this.utterances.at(-1);
      utterance.after = last?.counted && dice.chance(0.2) ? 'callback' : dice.pick(AFTER);
    }
    utterance.counted = !utterance.throws && dice.chance(this.counted);
    this.utterances.push(utterance);
  }

  control(rests) {
    const { dice } = this;
    const method = this.controls !== 'answered' && dice.chance(0.3) ? 'pong' : 'ping';
    const bytes = payload(dice, dice.chance(0.4) ? 0 : dice.int(1, 125), true);
    const data = dice.pick([() => `${bytes}`, () => Buffer.from(bytes), () => new Uint8Array(bytes)]);
    this.add({ method, data: bytes.length === 0 && dice.chance(0.5) ? () => undefined : data }, rests);
    if (this.controls !== 'swallowed') this.events.push({ type: method, bytes });
  }

  message(size, rests) {
    const { dice } = this;
    const options = dice.chance(0.2) ? { compress: dice.chance(0.5) } : undefined;
    if (size === 0) {
      const [data, binary] = dice.pick(NOTHING);
      this.whole(data, binary, Buffer.alloc(0), options, rests);
    } else if (dice.chance(0.02)) {
      const number = dice.pick([0, 7, -1.5, 1e21, NaN]);
      this.whole(() => number, false, Buffer.from(String(number)), options, rests);
    } else if (dice.chance(0.5)) {
      this.text(size, options, rests);
    } else {
      const form = dice.pick(Object.keys(BINARY));
      const length = CARRIED[form]?.(size) ?? size;
      const bytes = payload(dice, length, false);
      this.whole(() => BINARY[form](bytes), true, bytes, options, rests);
    }
  }

  text(size, options, rests) {
    const { dice } = this;
    const bytes = payload(dice, size, true);
    const form = dice.pick(['string', 'string', 'latin1', 'surrogates', 'buffer']);
    if (form === 'latin1') {
      const string = bytes.toString('latin1');
      this.whole(() => string, false, Buffer.from(string), options, rests);
    } else if (form === 'surrogates') {
      // Halves of pairs become U+FFFD.
      const string = ['\ud83d', `${bytes}`, '\ude00', `${bytes}`.slice(0, 9), '\ud83d'].join('');
      this.whole(() => string, false, Buffer.from(string), options, rests);
    } else if (form === 'buffer') {
      this.whole(() => Buffer.from(bytes), false, bytes, { ...options, binary: false }, rests);
    } else {
      const string = `${bytes}`;
      this.whole(() => string, false, bytes, options, rests);
    }
  }

  whole(data, binary, bytes, options, rests) {
    this.add({ method: 'send', data, options }, rests);
    this.events.push({ type: 'message', binary, bytes });
  }

  /** A message in pieces, with control frames between them. */
  inPieces(size, rests) {
    const { dice } = this;
    const binary = dice.chance(0.5);
    const bytes = payload(dice, size, !binary);
    let from = 0;
    pieces(dice, size, dice.int(2, 8)).forEach((length, index, all) => {
      const piece = bytes.subarray(from, (from += length));
      if (index > 0 && dice.chance(0.2)) this.control(rests);
      const form = length === 0 ? () => dice.pick(['', undefined]) : () => Buffer.from(piece);
      const [data, blob] = [form(), dice.chance(0.1)];
      this.add(
        {
          method: 'send',
          data: blob ? () => new Blob([piece]) : () => (length === 0 ? data : Buffer.from(piece)),
          options: { binary, fin: index === all.length - 1 }
        },
        rests
      );
    });
    this.events.push({ type: 'message', binary, bytes });
  }

  refused(rests) {
    const data = this.dice.pick(REFUSED);
    this.add({ method: 'send', data, throws: true }, rests);
  }
}

/**
 * @param {import('./dice.js').Dice} dice
 * @param {object} options
 * @param {number} options.bytes How many payload bytes at most, about
 * @param {number} options.frames How many messages at most
 * @param {'heard'|'answered'|'swallowed'} options.controls What the other side does with control frames: it only hears
 *     them, it answers pings, too, or does not get any of them
 * @return {{style: string, utterances: Utterance[], events: object[]}}
 */
function makeSends(dice, { bytes, frames, controls }) {
  const style = dice.pick(Object.keys(STYLES));
  const { count, size, rests } = STYLES[style](dice);
  const author = new Author(dice, dice.pick([0, 0.3, 1]), controls);
  const [control, cut, refused] = [dice.pick([0, 0.05]), dice.pick([0, 0, 0.3]), dice.pick([0, 0, 0.02])];
  let left = bytes;
  for (let made = 0; made < count && left >= 0 && author.utterances.length < frames; made++) {
    const length = Math.min(size(left), left);
    if (dice.chance(control)) author.control(rests);
    if (dice.chance(refused)) author.refused(rests);
    if (dice.chance(cut)) author.inPieces(length, rests);
    else author.message(length, rests);
    left -= length;
  }
  return { style, utterances: author.utterances, events: author.events };
}

module.exports = { makeSends };
