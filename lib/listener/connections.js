'use strict';

/** `for await (const [socket, request] of server)`: the connections of a server, one after the other. */

const { setImmediate } = require('../shared/clock');

/**
 * Sockets that have not been taken yet are paused, so that no message gets lost while the loop's body is busy; they go
 * on one turn after they were handed over. The loop ends when the server closes, and throws on its `error`.
 *
 * @param {import('./server').RelayedServer} server
 * @return {AsyncIterator<[import('../socket/socket').RelayedWebSocket, import('./request').RelayedRequest]>}
 */
function connections(server) {
  const ready = [];
  const waiting = [];
  let ended = server.state === 'closed';
  let failure;

  const done = () => ({ value: undefined, done: true });
  const hand = (pair) => {
    setImmediate(() => pair[0].resume());
    return { value: pair, done: false };
  };
  const onConnection = (socket, request) => {
    socket.pause();
    const pair = [socket, request];
    if (waiting.length > 0) waiting.shift().resolve(hand(pair));
    else ready.push(pair);
  };
  const finish = () => {
    ended = true;
    server.off('connection', onConnection);
    server.off('error', onError);
    server.off('close', finish);
    for (const { resolve } of waiting.splice(0)) resolve(done());
  };
  const onError = (error) => {
    const first = waiting.shift();
    if (first === undefined) failure = { error };
    else first.reject(error);
    finish();
  };
  if (!ended) {
    server.on('connection', onConnection);
    server.on('error', onError);
    server.on('close', finish);
  }

  return {
    async next() {
      if (ready.length > 0) return hand(ready.shift());
      if (failure !== undefined) {
        const { error } = failure;
        failure = undefined;
        throw error;
      }
      if (ended) return done();
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async return() {
      finish();
      // Nobody will ever look at these.
      for (const [socket] of ready.splice(0)) {
        socket.resume();
        socket.close(1001);
      }
      return done();
    },
    [Symbol.asyncIterator]() {
      return this;
    }
  };
}

module.exports = { connections };
