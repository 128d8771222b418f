'use strict';

/**
 * Compares what a socket tells with what its peer has said, and disturbs it meanwhile as programs do: it pauses, holds
 * the event loop up, changes `binaryType`, keeps buffers, overwrites them, gives them away.
 */

const WebSocket = require('ws');

const BINARY_TYPES = ['nodebuffer', 'nodebuffer', 'arraybuffer', 'fragments', 'blob'];
/** How many bytes of buffers are kept, to be looked at once more at the end. */
const KEPT = 8 * 1024 * 1024;

/** What listeners do between two events, and how often: most do nothing. */
function drawHabits(dice) {
  const rare = (probability) => (dice.chance(0.3) ? probability * dice.pick([1, 1, 10]) : 0);
  return {
    pause: rare(0.004),
    busy: rare(0.004),
    type: rare(0.02),
    keep: dice.chance(0.5) ? 0.3 : 0,
    fill: dice.chance(0.3) ? 0.5 : 0,
    give: dice.chance(0.15) ? 0.3 : 0,
    /** The newer form of listeners, whose texts are strings. */
    target: dice.chance(0.15)
  };
}

class Watch {
  /**
   * @param {import('ws')} socket
   * @param {object} options
   * @param {string} options.name For reports
   * @param {Array<{type: string, binary?: boolean, bytes: Buffer}>} options.expected
   * @param {import('./dice.js').Dice} options.dice
   * @param {boolean} [options.whole=true] All of it has to come, not just a beginning
   * @param {number[]} [options.codes] One of these has to be the close code
   * @param {string} [options.reason]
   * @param {'heard'|'answered'|'swallowed'} [options.controls='heard'] Control frames are events like others; or pongs
   *     are `answers` that come as they can, between the events; or nobody knows which ones come
   * @param {Buffer[]} [options.answers] In their order
   * @param {boolean} [options.answered] All of those have to come, too
   * @param {string} [options.error] The code of the `error` that has to come
   * @param {function(Watch): void} [options.onEvent] Called after each
   */
  constructor(socket, options) {
    const defaults = { whole: true, controls: 'heard', answered: false, onEvent() {} };
    Object.assign(this, defaults, options, { socket });
    this.habits = drawHabits(this.dice);
    this.faults = [];
    this.seen = 0;
    this.pongs = 0;
    /** Only ours copy what they send, call every callback and give away nothing of their own. */
    this.ours = socket.constructor !== WebSocket;
    this.opened = false;
    this.kept = [];
    this.keptBytes = 0;
    this.types = new Set([socket.binaryType]);
    this.checks = [];
    this.over = new Promise((resolve) => (this.finish = resolve));
    this.#listen();
  }

  /** @return {boolean} Whether all that was expected has come */
  get complete() {
    return this.seen >= this.expected.length;
  }

  /** @return {string} How far it is, for a report about a round that does not end */
  get state() {
    const paused = this.socket.isPaused ? ', paused' : '';
    return `${this.name}: ${this.seen} of ${this.expected.length} events, state ${this.socket.readyState}${paused}`;
  }

  fault(text) {
    // One leads to others: the first says most.
    if (this.faults.length < 3) this.faults.push(`${this.name}: ${text}`);
  }

  #listen() {
    const { socket } = this;
    socket.on('open', () => (this.opened = true));
    if (this.habits.target) {
      socket.addEventListener('message', ({ data }) => {
        if (typeof data === 'string') this.#take('message', Buffer.from(data), false, undefined);
        else this.#message(data, true);
      });
    } else {
      socket.on('message', (data, isBinary) => this.#message(data, isBinary));
    }
    if (this.controls !== 'swallowed') socket.on('ping', (data) => this.#take('ping', data, undefined, data));
    if (this.controls === 'heard') socket.on('pong', (data) => this.#take('pong', data, undefined, data));
    if (this.controls === 'answered') socket.on('pong', (data) => this.#answer(data));
    socket.on('error', (error) => {
      if (this.error === undefined || error.code !== this.error) {
        this.fault(`error ${error.code} ${error.stack}`);
      } else if (this.seen < this.expected.length) this.fault(`error after ${this.seen} events`);
      this.error = 'a second one';
    });
    socket.on('close', (code, reason) => this.#closed(code, reason));
  }

  #answer(data) {
    const at = this.pongs++;
    if (this.answers[at]?.equals(data) !== true) this.fault(`answer ${at} of ${data.length} bytes is wrong`);
  }

  #message(data, isBinary) {
    const type = !isBinary || Buffer.isBuffer(data) ? 'nodebuffer' : typeOf(data);
    if (isBinary && !this.types.has(type)) this.fault(`message ${this.seen} came as ${type}`);
    if (!isBinary && !Buffer.isBuffer(data)) this.fault(`text ${this.seen} came as ${typeOf(data)}`);
    if (type === 'blob') {
      const expected = this.expected[this.seen];
      const at = this.seen;
      this.checks.push(
        data.arrayBuffer().then((bytes) => {
          if (expected && !expected.bytes.equals(Buffer.from(bytes))) this.fault(`blob ${at} differs`);
        })
      );
      return this.#take('message', expected?.bytes, isBinary, undefined);
    }
    this.#take('message', bytesOf(data), isBinary, data);
  }

  /** @param {*} own What the program got, if it may do with it what it likes */
  #take(type, bytes, isBinary, own) {
    const at = this.seen++;
    const expected = this.expected[at];
    if (!this.opened) this.fault(`${type} ${at} before open`);
    if (expected === undefined) return this.fault(`more than was sent: ${type} of ${bytes?.length} bytes`);
    if (expected.type !== type || (type === 'message' && expected.binary !== isBinary)) {
      this.fault(`event ${at} is ${describe(type, isBinary, bytes)}, not ${describeEvent(expected)}`);
    } else if (!expected.bytes.equals(bytes)) {
      this.fault(`event ${at}, ${describeEvent(expected)}: ${difference(expected.bytes, bytes)}`);
    }
    if (own !== undefined) this.#use(own, bytes, expected.bytes, type);
    this.#disturb();
    this.onEvent(this);
  }

  /** What a program may do with what it was given. */
  #use(own, bytes, expected, type) {
    const { dice, habits } = this;
    if (habits.keep > 0 && dice.chance(habits.keep) && this.keptBytes < KEPT) {
      this.kept.push([bytes, expected, this.seen - 1]);
      this.keptBytes += bytes.length;
    } else if (type === 'message' && own instanceof ArrayBuffer && dice.chance(habits.give)) {
      // ws gives away its own empty buffer.
      if (own.byteLength === 0 && !this.ours) return;
      structuredClone(own, { transfer: [own] });
    } else if (type === 'message' && dice.chance(habits.fill)) {
      for (const part of Array.isArray(own) ? own : [own]) bytesOf(part).fill(0xee);
    }
  }

  #disturb() {
    const { dice, habits, socket } = this;
    if (habits.busy > 0 && dice.chance(habits.busy)) {
      for (const until = performance.now() + dice.int(1, 20); performance.now() < until;);
    }
    if (habits.type > 0 && dice.chance(habits.type)) {
      this.types.add((socket.binaryType = dice.pick(BINARY_TYPES)));
    }
    if (habits.pause > 0 && dice.chance(habits.pause)) {
      const resume = () => socket.resume();
      socket.pause();
      const length = dice.int(-5, 15);
      if (length < 0) setImmediate(resume);
      else setTimeout(resume, length);
    }
  }

  async #closed(code, reason) {
    if (this.closed) this.fault('closed twice');
    this.closed = true;
    if (this.whole && !this.complete) {
      this.fault(`closed with ${code} after ${this.seen} of ${this.expected.length} events`);
    }
    if (this.answered && this.pongs < this.answers.length) {
      this.fault(`closed after ${this.pongs} of ${this.answers.length} answers`);
    }
    if (this.codes !== undefined && !this.codes.includes(code)) {
      this.fault(`close code ${code}, not ${this.codes}, reason ${reason}`);
    }
    if (this.reason !== undefined && String(reason) !== this.reason) {
      this.fault(`close reason ${JSON.stringify(String(reason))}, not ${JSON.stringify(this.reason)}`);
    }
    if (this.error !== undefined && this.error !== 'a second one') this.fault(`no error ${this.error}`);
    await Promise.all(this.checks);
    for (const [bytes, expected, at] of this.kept) {
      if (!expected.equals(bytes)) this.fault(`event ${at} was overwritten: ${difference(expected, bytes)}`);
    }
    this.kept = [];
    this.finish(this.faults);
  }
}

function typeOf(data) {
  if (data instanceof ArrayBuffer) return 'arraybuffer';
  if (Array.isArray(data)) return 'fragments';
  return data instanceof Blob ? 'blob' : String(data);
}

function bytesOf(data) {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

const describe = (type, isBinary, bytes) =>
  `${type === 'message' ? (isBinary ? 'binary' : 'text') : type} of ${bytes.length} bytes`;

const describeEvent = ({ type, binary, bytes }) => describe(type, binary, bytes);

function difference(expected, bytes) {
  if (expected.length !== bytes.length) return `${bytes.length} bytes have come`;
  let from = 0;
  while (expected[from] === bytes[from]) from++;
  const shown = (all) => all.subarray(from, from + 8).toString('hex');
  return `byte ${from} and on: ${shown(bytes)}, not ${shown(expected)}`;
}

module.exports = { BINARY_TYPES, Watch };
