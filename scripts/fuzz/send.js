'use strict';

/** A round of sending: one to fifty of our sockets talk to a server of ws, and it to them. */

const { RelayedWebSocket } = require('../..');
const { Dice } = require('./dice.js');
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
  // Each compressed message takes ws a while.
  const controls = dice.pick(['heard', 'answered']);
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

  const parties = seeds.map((seed, number) => {
    const conversation = makeConversation(new Dice(seed), share);
    const own = new Dice(conversation.seeds.client);
    const socket = new RelayedWebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${peer.port}/${number}`, {
      ca: tls.cert,
      autoPong: controls === 'answered',
      maxPendingAutoPongs: 0,
      perMessageDeflate: deflate && { threshold: deflate.threshold },
      allowSynchronousEvents: !own.chance(0.1)
    });
    const party = new Party(socket, 'client', conversation, {
      name: `socket ${number}`,
      dice: own
    });
    follow(party);
    return party;
  });
  const faults = await Promise.all(parties.map((party) => party.over()));
  return [...faults.flat(), ...(await peer.report()).faults];
}

module.exports = { send };
