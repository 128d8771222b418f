'use strict';

/** What a raw peer says on one connection: the bytes, how they are cut, how it ends, and what has to come of it. */

const { Opcode, close, deflate, frame } = require('../../__test__/helpers/frames.js');
const { EDGES, anySize, payload, pieces } = require('./payload.js');

/**
 * How the messages of a connection are chosen: how many at most, and the size of each, of which `most` bytes are left.
 *
 * @type {Object<string, function(import('./dice.js').Dice): {count: number, size: function(number): number}>}
 */
const STYLES = {
  empty: (dice) => ({ count: dice.pick([1, 20, 1000, 12_000]), size: () => 0 }),
  tiny: (dice) => ({ count: dice.int(1, 6000), size: () => dice.int(0, 20) }),
  same: (dice) => {
    const size = dice.pick(EDGES);
    return { count: dice.int(1, 5000), size: () => size };
  },
  mixed: (dice) => ({ count: dice.int(1, 200), size: (most) => anySize(dice, most) }),
  emptyAndLarge: (dice) => ({
    count: dice.int(2, 60),
    size: (most) => (dice.chance(0.5) ? 0 : dice.int(20_000, Math.max(20_000, Math.min(300_000, most))))
  }),
  large: (dice) => ({ count: dice.int(1, 4), size: (most) => dice.int(100_000, Math.max(100_000, most)) }),
  pieces: (dice) => ({
    count: dice.int(1, 100),
    size: (most) => anySize(dice, Math.min(most, 200_000)),
    cut: 0.8
  }),
  control: (dice) => ({ count: dice.int(0, 300), size: () => dice.int(0, 200), control: 0.7 })
};

/** Frames that break the protocol: what the socket's `error` says, and the code with which it closes. */
const BREACHES = [
  [frame(3), 'WS_ERR_INVALID_OPCODE', 1002],
  [frame(Opcode.BINARY, 'x', { rsv: 2 }), 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
  [frame(Opcode.BINARY, 'x', { mask: Buffer.from('mask') }), 'WS_ERR_UNEXPECTED_MASK', 1002],
  [frame(Opcode.TEXT, Buffer.from([0x61, 0xff])), 'WS_ERR_INVALID_UTF8', 1007],
  [frame(Opcode.BINARY, '', { length: 2n ** 40n }), 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
  [frame(Opcode.CLOSE, 'x'), 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
  [frame(Opcode.CONTINUATION, 'x'), 'WS_ERR_INVALID_OPCODE', 1002]
];

/** A compressing peer: with a window over its messages, or without. */
class Compressor {
  #window = Buffer.alloc(0);

  constructor(keeps) {
    this.keeps = keeps;
  }

  compress(bytes) {
    const compressed = deflate(bytes, { dictionary: this.#window });
    if (this.keeps) this.#window = Buffer.concat([this.#window, bytes]).subarray(-32768);
    return compressed;
  }
}

class Writer {
  constructor(dice, compressor) {
    Object.assign(this, { dice, compressor });
    this.frames = [];
    this.events = [];
  }

  control() {
    const { dice } = this;
    const type = dice.chance(0.7) ? 'ping' : 'pong';
    const bytes = payload(dice, dice.chance(0.4) ? 0 : dice.int(1, 125), false);
    this.frames.push(frame(type === 'ping' ? Opcode.PING : Opcode.PONG, bytes));
    this.events.push({ type, bytes });
  }

  message(size, cut, control) {
    const { dice, compressor } = this;
    const binary = dice.chance(0.6);
    const bytes = payload(dice, size, !binary);
    const compressed = compressor !== undefined && dice.chance(0.8);
    // An empty compressed message may be one byte, or none.
    const bare = compressed && size === 0 && !compressor.keeps && dice.chance(0.3);
    const wire = compressed ? (bare ? bytes : compressor.compress(bytes)) : bytes;
    const count = dice.chance(cut) ? dice.int(2, dice.pick([3, 10, 200])) : 1;
    let from = 0;
    pieces(dice, wire.length, count).forEach((length, index, all) => {
      const opcode = index > 0 ? Opcode.CONTINUATION : binary ? Opcode.BINARY : Opcode.TEXT;
      const rsv = compressed && index === 0 ? 4 : 0;
      if (index > 0 && dice.chance(control)) this.control();
      this.frames.push(
        frame(opcode, wire.subarray(from, from + length), { fin: index === all.length - 1, rsv })
      );
      from += length;
    });
    this.events.push({ type: 'message', binary, bytes });
  }
}

/** How a connection may end: in order, by a mere end, in the middle of a frame, by a reset, by a breach, by the client. */
const ENDS = ['close', 'close', 'close', 'end', 'truncated', 'reset', 'breach', 'client', 'terminate'];

/**
 * @param {import('./dice.js').Dice} dice
 * @param {object} options
 * @param {number} options.bytes How many payload bytes at most, about
 * @param {number} options.frames How many messages at most
 * @param {boolean} options.deflate
 * @param {boolean} options.keepsWindow Whether the peer compresses with a context
 * @param {string} [options.style]
 * @return {object} `chunks`, `end` and `reply` for the peer; `events`, `codes`, `reason`, `error`, `whole`, `act` for
 *     the socket
 */
function makeWire(dice, { bytes, frames, deflate: compresses, keepsWindow, style = pickStyle(dice) }) {
  const writer = new Writer(dice, compresses ? new Compressor(keepsWindow) : undefined);
  const { count, size, cut = 0.1, control = 0.05 } = STYLES[style](dice);
  let left = bytes;
  // Each compressed one costs a compressor.
  const most = compresses ? Math.min(frames, 300) : frames;
  for (let made = 0; made < count && left >= 0 && writer.frames.length < most; made++) {
    if (dice.chance(control)) writer.control();
    const length = Math.min(size(left), left);
    writer.message(length, cut, Math.max(control, 0.2));
    left -= length;
  }
  const { events } = writer;
  const ending = makeEnd(dice, writer);
  return { style, events, chunks: cutWire(dice, writer.frames), glued: dice.chance(0.3), ...ending };
}

const pickStyle = (dice) => dice.pick(Object.keys(STYLES));

function makeEnd(dice, writer) {
  const end = dice.pick(ENDS);
  const { frames } = writer;
  const code = dice.pick([undefined, 1000, 1001, 1011, 3000, 4999]);
  const reason = code === undefined || dice.chance(0.5) ? '' : `${payload(dice, dice.int(1, 123), true)}`;
  const farewell = close(code, reason);
  const [codes, whole] = [[1006], true];
  switch (end) {
    case 'close':
      frames.push(farewell);
      return { end, whole, codes: [code ?? 1005], reason };
    case 'truncated': {
      const last = frame(Opcode.BINARY, payload(dice, anySize(dice, 300_000), false));
      frames.push(last.subarray(0, dice.int(1, last.length - 1)));
      return { end: 'end', whole, codes };
    }
    case 'breach': {
      const [bytes, error, status] = dice.pick(BREACHES);
      frames.push(bytes, payload(dice, dice.int(0, 1000), false));
      return { end, whole, codes, error, status };
    }
    case 'client':
      return { end, whole, codes: [code ?? 1005], reason, reply: farewell, act: closing(dice, writer, code) };
    case 'terminate':
      return { end, whole: false, codes, act: { at: at(dice, writer), run: (socket) => socket.terminate() } };
    case 'reset':
      return { end, whole: false, codes };
    default:
      return { end, whole, codes };
  }
}

/** After which event the client acts: 0 is `open`. */
const at = (dice, { events }) => dice.int(0, events.length);

const closing = (dice, writer, code) => ({ at: at(dice, writer), run: (socket) => socket.close(code) });

/** Cuts the stream into writes, and says what the peer waits for after each: nothing, a turn, or milliseconds. */
function cutWire(dice, frames) {
  const wire = Buffer.concat(frames);
  const mode = dice.pick(['whole', 'frames', 'crumbs', 'small', 'chunks', 'edges', 'edges']);
  const size = {
    whole: () => wire.length,
    crumbs: () => dice.int(1, 9),
    small: () => dice.int(1, 3000),
    chunks: () => dice.int(1, 100_000),
    edges: () => dice.pick([4, 16, 64, 256]) * 1024 + dice.int(-15, 15)
  }[mode];
  const lengths = mode === 'frames' ? frames.map(({ length }) => length) : [];
  if (mode !== 'frames') {
    for (let from = 0; from < wire.length; from += lengths.at(-1)) {
      // Crumbs cost a system call each.
      const length = lengths.length > 2000 ? wire.length : size();
      lengths.push(Math.min(Math.max(length, 1), wire.length - from));
    }
  }
  let waits = 40;
  let from = 0;
  const rests = dice.chance(0.7) ? dice.pick([0.01, 0.1, 0.5]) : 0;
  return lengths.map((length) => {
    const bytes = wire.subarray(from, (from += length));
    const waiting = waits > 0 && dice.chance(rests);
    if (waiting) waits--;
    return { bytes, wait: waiting ? dice.int(-3, 5) : undefined };
  });
}

module.exports = { STYLES, makeWire, pickStyle };
