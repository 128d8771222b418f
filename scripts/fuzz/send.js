'use strict';

/** A round of sending: one to fifty of our sockets talk to a server of ws, and it to them. */

const { RelayedWebSocket } = require('../..');
const { Dice } = require('./dice.js');
const { comeLate, drawOptions } = require('./options.js');
const { Party, makeConversation } = require('./party.js');
const { Thread } = require('./thread.js');

/** @see `receive.js` for the parameters */
async function send(dice, { budget, tls, follow }) {
  const count = dice.pick([1, 1, 2, 5, 20, 50]);
  const secure = dice.chance(0.4);
  const deflate = dice.chance(0.3) && {
    threshold: dice.pick([0, 1024]),
    clientNoContextTakeover: dice.chance(0.3),
    serverNoContextTakeover: dice.chance(0.3)
  };
  const controls = dice.pick(['heard', 'answered']);
  // Each compressed message takes ws a while.
  const share = {
    bytes: budget.bytes / count / 2,
    frames: (deflate ? 1500 : budget.frames) / count,
    controls
  };
  const seeds = Array.from({ length: count }, () => dice.seed());
  const peer = await Thread.start('server.js', {
    seeds,
    budget: share,
    deflate,
    tls: secure ? tls : undefined
  });

  const connect = async (seed, number) => {
    const conversation = makeConversation(new Dice(seed), share);
    const own = new Dice(conversation.seeds.client);
    await comeLate(own);
    const socket = new RelayedWebSocket(peer.url(number), {
      ...drawOptions(own),
      ca: tls.cert,
      autoPong: controls === 'answered',
      perMessageDeflate: deflate && { threshold: deflate.threshold }
    });
    const party = new Party(socket, 'client', conversation, {
      name: `socket ${number}`,
      dice: own
    });
    follow(party);
    return party.over();
  };
  const faults = await Promise.all(seeds.map(connect));
  return [...faults.flat(), ...(await peer.report()).faults];
}

module.exports = { send };
