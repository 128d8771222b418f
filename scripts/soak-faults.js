'use strict';

/** What the soak does to the relay, to the network and to the listener. */

const { setTimeout: sleep } = require('node:timers/promises');

/**
 * The faults, by name. Those that strike connections say so first.
 *
 * @param {object} soak With `relay`, `proxy`, its `open` connections and `strike()`
 * @param {function(): number} chance
 * @return {Object<string, function>}
 */
function faultsOf(soak, chance) {
  const { relay, proxy, open } = soak;
  return {
    recycle: () => relay.faults.recycle(),
    dropControl: () => relay.faults.dropControl({ reset: chance() < 0.5 }),
    expireTokens: () => relay.faults.expireTokens(),
    malformed: () => relay.faults.sendControl('{"accept":'.repeat(1 + Math.floor(chance() * 5))),
    foreign: () => relay.faults.sendControl('{"accept":{"address":"ws://evil.example/"}}'),
    refuse: () =>
      relay.faults.refuse({
        status: [401, 429, 500, 503][Math.floor(chance() * 4)],
        action: ['listen', 'connect', 'request', 'rendezvous'][Math.floor(chance() * 4)]
      }),
    holdAccepts: async () => {
      relay.faults.holdAccepts(true);
      await sleep(50 + chance() * 100);
      relay.faults.releaseAccepts();
    },
    slow: async () => {
      relay.faults.delay(chance() * 100);
      await sleep(300);
      relay.faults.delay(0);
    },
    cutRendezvous: () => {
      soak.strike();
      relay.faults.cutRendezvous({ midFrame: chance() < 0.5, reset: chance() < 0.5 });
    },
    closeRendezvous: () => {
      soak.strike();
      relay.faults.closeRendezvous(1011, 'on purpose');
    },
    expireRendezvous: () => relay.faults.expireRendezvous(),
    cutNetwork: () => {
      soak.strike();
      proxy.cut(() => chance() < 0.5);
    },
    silence: async () => {
      soak.strike();
      proxy.swallow();
      await sleep(200 + chance() * 800);
      // What was dialled meanwhile has not got through either.
      soak.strike();
      proxy.restore();
    },
    pause: async () => {
      for (const { socket } of open.values()) if (socket && chance() < 0.5) socket.pause();
      await sleep(chance() * 200);
      for (const { socket } of open.values()) socket?.resume();
    }
  };
}

module.exports = { faultsOf };
