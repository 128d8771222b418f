'use strict';

/** How a server closes: what it still waits for, and when it is down. `inner` is what `server.js` keeps of it. */

const { check, readTable } = require('../shared/checks');
const { clearTimeout, nextTick, setTimeout } = require('../shared/clock');
const diagnostics = require('../shared/diagnostics');
const { invalidArgType } = require('../shared/errors');

const Phase = Object.freeze({ RUNNING: 0, CLOSING: 1, CLOSED: 2 });

const CLOSE_OPTIONS = {
  drain: [false, check.boolean],
  timeout: [undefined, check.number(0, 2 ** 31 - 1)],
  signal: [undefined, check.signal]
};

function readCloseOptions(options) {
  if (options !== undefined && options !== null && typeof options !== 'object') {
    throw invalidArgType('options', 'an object or a function', options);
  }
  return readTable(CLOSE_OPTIONS, options ?? {}, 'options.');
}

/** Waits no longer for clients once `signal` is aborted. */
function dropOn(signal, server, inner) {
  const drop = () => {
    if (inner.phase === Phase.CLOSING) closeNow(server, inner, 0);
  };
  if (signal.aborted) {
    drop();
    return;
  }
  signal.addEventListener('abort', drop, { once: true });
  server.once('close', () => signal.removeEventListener('abort', drop));
}

function setTimer(inner, fn, delay) {
  clearTimeout(inner.timer);
  inner.timer = setTimeout(fn, delay);
  // Sockets and control channel keep the process alive while they close, if they are meant to.
  inner.timer.unref?.();
}

/** Closes what is open and turns away what waits. */
function closeNow(server, inner, timeout) {
  const { acceptor, control } = inner;
  acceptor.closing = true;
  clearTimeout(inner.timer);
  control.close(false);
  acceptor.streams?.closeNow();
  if (server.clients !== undefined) {
    for (const socket of [...acceptor.sockets]) socket.close(1001);
    if (timeout !== undefined) {
      const terminate = () => [...acceptor.sockets].forEach((socket) => socket.terminate());
      if (timeout === 0) terminate();
      else setTimer(inner, terminate, timeout);
    }
  }
}

/** Ends the closing, once nothing is open or on its way any more. */
function checkClosed(server, inner) {
  const { acceptor, control, phase, requests } = inner;
  if (
    phase !== Phase.CLOSING ||
    !control.closed ||
    acceptor.pending.size > 0 ||
    requests.exchanges.size > 0
  ) {
    return;
  }
  if (server.clients !== undefined && acceptor.sockets.size > 0) return;
  inner.phase = Phase.CLOSED;
  clearTimeout(inner.timer);
  const finish = () => {
    diagnostics.publish('server:close', { server });
    inner.resolve();
    inner.context.runInAsyncScope(server.emit, server, 'close', server);
  };
  if (inner.inspection === undefined) nextTick(finish);
  else inner.inspection.close().then(finish);
}

module.exports = { Phase, checkClosed, closeNow, dropOn, readCloseOptions, setTimer };
