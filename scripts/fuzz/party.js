'use strict';

/**
 * One side of a conversation between two sockets with the interface of ws: it says what `sends.js` has made, in bursts,
 * in listeners and callbacks, watches what the other side says, and plays its part in the end.
 */

const { payload } = require('./payload.js');
const { makeSends } = require('./sends.js');
const { Watch } = require('./watch.js');

/** How a conversation may end: when all is said and heard, when one side has said all, or at any moment. */
const ENDS = ['done', 'done', 'done', 'said', 'terminate'];
const SIDES = ['client', 'server'];

/**
 * What is said on one connection: the same on both threads.
 *
 * @param {import('./dice.js').Dice} dice
 * @param {{bytes: number, frames: number, controls: string}} budget See `makeSends()`
 */
function makeConversation(dice, budget) {
  const half = { bytes: dice.int(0, budget.bytes), frames: budget.frames / 2, controls: budget.controls };
  const said = { client: makeSends(dice.fork(), half), server: makeSends(dice.fork(), half) };
  const [end, by] = [dice.pick(ENDS), dice.pick(SIDES)];
  const code = dice.pick([undefined, 1000, 1001, 1011, 3000, 4999]);
  const reason = code === undefined || dice.chance(0.5) ? '' : `${payload(dice, dice.int(1, 123), true)}`;
  const at = dice.int(0, said[by].utterances.length);
  return {
    said,
    controls: budget.controls,
    end,
    by,
    code,
    reason,
    at,
    seeds: { client: dice.seed(), server: dice.seed() }
  };
}

const pingsOf = ({ events }) => events.filter(({ type }) => type === 'ping').map(({ bytes }) => bytes);

class Party {
  /**
   * @param {import('ws')} socket
   * @param {'client'|'server'} side
   * @param {object} conversation What `makeConversation()` made
   * @param {object} options
   * @param {string} options.name
   * @param {import('./dice.js').Dice} options.dice
   * @param {boolean} [options.relayed] Somebody is between the two, who says in his own way that one is gone
   */
  constructor(socket, side, conversation, { name, dice, relayed = false }) {
    Object.assign(this, { socket, conversation, dice });
    const { said, end, by, code, reason } = conversation;
    const other = side === 'client' ? 'server' : 'client';
    this.utterances = said[side].utterances;
    this.acts = by === side;
    this.at = 0;
    this.granted = false;
    this.wanted = undefined;
    this.callbacks = { given: 0, called: 0 };
    this.settled = new Promise((resolve) => (this.settle = resolve));
    this.orderly = end === 'done';
    const gone = end === 'terminate';
    // Who ends hears what it had not heard yet only as far as it was said.
    const whole = end === 'done' || (end === 'said' && !this.acts);
    this.watch = new Watch(socket, {
      name: `${name} ${side} (says ${said[side].style}, hears ${said[other].style}, ${end} by ${by})`,
      expected: said[other].events,
      dice,
      whole,
      controls: conversation.controls,
      answers: conversation.controls === 'answered' ? pingsOf(said[side]) : [],
      answered: end === 'done',
      codes: gone ? (relayed && !this.acts ? undefined : [1006]) : [code ?? 1005],
      reason: gone ? undefined : reason,
      onEvent: () => this.#heard()
    });
    socket.once('close', () => this.#closed());
    // A socket that a server of ws gives has no `open` any more.
    this.watch.opened = side === 'server' && !this.watch.ours;
    if (this.watch.opened) setImmediate(() => this.#step());
    else socket.once('open', () => this.#step());
  }

  /** @return {Promise<string[]>} What was wrong, when it is over */
  async over() {
    await this.watch.over;
    // A blob that is still being read outlives its socket, and so do the callbacks behind it.
    if (this.watch.ours) await this.settled;
    return this.faults;
  }

  get faults() {
    return this.watch.faults;
  }

  /** @return {string} How far it is, for a report about a round that does not end */
  get state() {
    const { given, called } = this.callbacks;
    return `${this.watch.state}, ${this.at} of ${this.utterances.length} said, ${called} of ${given} callbacks`;
  }

  /** Says what may be said now, up to what has to wait. */
  #step() {
    const { socket, utterances } = this;
    while (socket.readyState === socket.OPEN) {
      if (this.acts && this.conversation.end === 'terminate' && this.at === this.conversation.at) {
        this.at = Infinity;
        return socket.terminate();
      }
      const utterance = utterances[this.at];
      if (utterance === undefined) return this.#said();
      if (utterance.after !== undefined && !this.granted) return this.#await(utterance.after);
      this.granted = false;
      this.at++;
      this.#say(utterance);
    }
  }

  #await(what) {
    const go = () => {
      this.granted = true;
      this.#step();
    };
    if (what === 'turn' || (what === 'event' && this.watch.complete)) setImmediate(go);
    else if (what === 'timer') setTimeout(go, 1);
    else if (what === 'tick') process.nextTick(go);
    else {
      this.wanted = what;
      // The other side may wait for an event, too.
      if (what === 'event') setTimeout(() => this.#grant(what), 10);
    }
  }

  #grant(what) {
    if (this.wanted !== what) return;
    this.wanted = undefined;
    this.granted = true;
    this.#step();
  }

  #heard() {
    this.#grant('event');
    this.#said();
  }

  #say({ method, data, options, counted, throws }) {
    const { socket } = this;
    const value = data();
    const refused = () => this.watch.fault('a send that threw calls back');
    const callback = counted ? this.#callback() : throws ? refused : undefined;
    try {
      if (method === 'send') socket.send(value, options, callback);
      else socket[method](value, undefined, callback);
      if (throws) this.watch.fault(`send ${this.at - 1} did not throw`);
    } catch (error) {
      if (!throws) throw error;
    }
    // What was sent is copied, and the program's again.
    if (this.watch.ours && !throws && ArrayBuffer.isView(value) && value.byteLength > 0) {
      Buffer.from(value.buffer, value.byteOffset, value.byteLength).fill(0x55);
    }
  }

  #callback() {
    const number = this.callbacks.given++;
    return (error) => {
      // Of what is lost with a terminated socket ws tells as it comes.
      if (this.callbacks.called++ !== number && this.conversation.end !== 'terminate') {
        this.watch.fault(`callback ${number} came as ${this.callbacks.called - 1}`);
      }
      if (error && this.orderly) this.watch.fault(`callback ${number}: ${error}`);
      this.#grant('callback');
      this.#said();
      if (this.watch.closed && this.callbacks.called === this.callbacks.given) this.settle();
    };
  }

  /** Ends the conversation, where that is this side's part and all is done that has to be done before. */
  #said() {
    const { socket, conversation, callbacks } = this;
    if (!this.acts || this.at < this.utterances.length || this.ending || conversation.end === 'terminate') {
      return;
    }
    if (this.orderly && (!this.watch.complete || callbacks.called < callbacks.given)) return;
    this.ending = true;
    const close = () => socket.close(conversation.code, conversation.reason);
    if (this.dice.chance(0.5)) close();
    else setImmediate(close);
  }

  #closed() {
    const { given, called } = this.callbacks;
    if (called === given) this.settle();
    else if (this.watch.ours && this.orderly) this.watch.fault(`${called} of ${given} callbacks`);
    if (this.orderly && this.at < this.utterances.length) this.watch.fault(`closed at utterance ${this.at}`);
    if (this.watch.ours && this.orderly && this.socket.bufferedAmount !== 0) {
      this.watch.fault(`bufferedAmount ${this.socket.bufferedAmount} at the end`);
    }
  }
}

module.exports = { Party, makeConversation };
