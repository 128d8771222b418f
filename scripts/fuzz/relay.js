'use strict';

/** A round through the relay: senders, ours or ws's, talk to a listener of ours by way of the emulator. */

const { once } = require('node:events');

const WebSocket = require('ws');

const { RelayedServer, relayedConnect } = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { Dice } = require('./dice.js');
const { comeLate, drawOptions } = require('./options.js');
const { Party, makeConversation } = require('./party.js');

/** @see `receive.js` for the parameters */
async function relay(dice, { budget, tls, follow }) {
  const count = dice.pick([1, 2, 5, 20]);
  const secure = dice.chance(0.4);
  const deflate = dice.chance(0.3);
  // The relay answers pings itself.
  const share = {
    bytes: budget.bytes / count / 4,
    frames: (deflate ? 1500 : budget.frames) / count / 2,
    controls: 'swallowed'
  };
  const emulator = await RelayEmulator.start({ tls: secure ? tls : undefined, grantExtensions: deflate });
  const server = new RelayedServer({
    server: emulator.listenUri(),
    keyName: emulator.keyName,
    key: emulator.key,
    tls: secure ? { ca: tls.cert } : undefined,
    maxPendingAutoPongs: 0,
    highWaterMark: dice.pick([1, 1000, 65_536, 1024 * 1024, 1024 * 1024]),
    keepAlive: { interval: dice.pick([20, 30_000]), timeout: 30_000 },
    perMessageDeflate: deflate && { threshold: 0 }
  });
  await once(server, 'listening');
  const conversations = Array.from({ length: count }, () => makeConversation(dice.fork(), share));

  const parties = [];
  const join = (socket, side, number) => {
    const conversation = conversations[number];
    const own = new Dice(conversation.seeds[side]);
    const party = new Party(socket, side, conversation, {
      name: `socket ${number}`,
      dice: own,
      relayed: true
    });
    follow(party);
    parties.push(party);
    return party;
  };
  const accepted = new Promise((resolve) => {
    let waiting = count;
    server.on('connection', (socket, request) => {
      join(socket, 'server', Number(new URL(request.url, 'ws://x').searchParams.get('n')));
      if (--waiting === 0) resolve();
    });
  });
  const connect = async (ours, number) => {
    const own = new Dice(conversations[number].seeds.client);
    await comeLate(own);
    const uri = emulator.sendUri(`hyco?n=${number}`);
    const token = emulator.createToken('hyco');
    const options = { ca: tls.cert, maxPendingAutoPongs: 0, perMessageDeflate: deflate && { threshold: 0 } };
    const socket = ours
      ? relayedConnect(uri, { ...drawOptions(own), ...options, token })
      : new WebSocket(uri, { ...options, headers: { ServiceBusAuthorization: token } });
    join(socket, 'client', number);
  };
  Array.from({ length: count }, () => dice.chance(0.7)).forEach(connect);
  await accepted;
  const faults = await Promise.all(parties.map((party) => party.over()));
  await server.close();
  await emulator.close();
  return faults.flat();
}

module.exports = { relay };
