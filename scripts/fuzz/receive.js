'use strict';

/** A round of receiving: from the bytes of a raw peer to the events of one to fifty sockets. */

const { RelayedWebSocket } = require('../..');
const { comeLate, drawOptions } = require('./options.js');
const { Thread } = require('./thread.js');
const { Watch } = require('./watch.js');
const { makeWire, pickStyle } = require('./wire.js');

const DEFLATE = 'Sec-WebSocket-Extensions: permessage-deflate';

/**
 * @param {import('./dice.js').Dice} dice
 * @param {object} context
 * @param {{bytes: number, frames: number}} context.budget For all sockets together
 * @param {{cert: string, key: string}} context.tls
 * @param {function({state: string, faults: string[]}): void} context.follow Told of each socket's watch
 * @return {Promise<string[]>} What is wrong
 */
async function receive(dice, { budget, tls, follow }) {
  const count = dice.pick([1, 1, 2, 3, 8, 20, 50]);
  const secure = dice.chance(0.4);
  const deflate = dice.chance(0.25);
  const keepsWindow = dice.chance(0.5);
  const style = dice.chance(0.4) ? pickStyle(dice) : undefined;
  const bytes = dice.int(0, budget.bytes / count);
  const wires = Array.from({ length: count }, () =>
    makeWire(dice.fork(), { bytes, frames: budget.frames / count, deflate, keepsWindow, style })
  );
  const headers = deflate ? [keepsWindow ? DEFLATE : `${DEFLATE}; server_no_context_takeover`] : [];
  const plans = wires.map(({ chunks, glued, end, reply }) => ({ chunks, glued, end, reply, headers }));
  const peer = await Thread.start('peer.js', { plans, tls: secure ? tls : undefined });

  const watches = [];
  const connect = async (wire, number, own) => {
    await comeLate(own);
    const options = {
      ...drawOptions(own),
      ca: tls.cert,
      autoPong: !own.chance(0.1),
      skipUTF8Validation: wire.error === undefined && own.chance(0.1)
    };
    const socket = new RelayedWebSocket(peer.url(number), options);
    const { events: expected, codes, reason, error, whole, act } = wire;
    const onEvent = (watch) => {
      if (watch.seen === act?.at) act.run(socket);
    };
    const name = `socket ${number} (${wire.style}, ${wire.end})`;
    const watch = new Watch(socket, { name, expected, codes, reason, error, whole, onEvent, dice: own });
    if (act?.at === 0) socket.on('open', () => act.run(socket));
    watch.autoPong = options.autoPong;
    follow(watch);
    watches[number] = watch;
    return watch.over;
  };
  const overs = wires.map((wire, number) => connect(wire, number, dice.fork()));
  const faults = (await Promise.all(overs)).flat();
  const { reports } = await peer.report();
  reports.forEach((report, number) => faults.push(...checkAnswers(wires[number], watches[number], report)));
  return faults;
}

/** Whether the peer got what the socket had to say by itself: pongs, and the code of its close frame. */
function checkAnswers(wire, { name, autoPong }, { pongs, close }) {
  const faults = [];
  if (wire.end === 'close') {
    const pings = wire.events
      .filter(({ type }) => type === 'ping')
      .map(({ bytes }) => bytes.toString('latin1'));
    const wanted = autoPong ? pings : [];
    const wrong = wanted.findIndex((payload, index) => payload !== pongs[index]?.payload);
    if (pongs.length !== wanted.length) {
      faults.push(`${name}: ${pongs.length} pongs for ${wanted.length} pings`);
    } else if (wrong >= 0) faults.push(`${name}: pong ${wrong} differs from its ping`);
  }
  if (wire.status !== undefined) {
    const status = Buffer.from(close?.payload ?? '', 'latin1');
    if (status.length < 2 || status.readUInt16BE() !== wire.status) {
      faults.push(`${name}: no close frame with ${wire.status}`);
    }
  }
  return faults;
}

module.exports = { receive };
