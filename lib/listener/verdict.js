'use strict';

/**
 * The user's say in an incoming connection: `verifyClient`, then `handleProtocols`, in ws's forms and in hyco-ws's.
 * Each may answer at once, later through its callback, or with a promise; an answer at once is passed on at once. Both
 * are looked up for each sender, as ws does: libraries set them on `server.options`. As in ws, what is falsy counts as not
 * set, and what is no function throws when it is called.
 */

const { isToken } = require('../shared/checks');

/**
 * @callback VerdictCallback
 * @param {{protocol: string|undefined}|{statusCode: number, reason: string|undefined}} verdict
 */

/**
 * Asks `verifyClient(info)` or `verifyClient(info, callback)`; `info` is `{ origin, secure, req }`. The second form is
 * told by its two parameters, as in ws; its callback takes `(result, code, name, headers)`, of which the headers do not
 * cross the relay.
 *
 * @param {object} rules `server.options`
 * @param {import('./request').RelayedRequest} request
 * @param {function(boolean, number=, string=): void} done Called once
 * @param {function(Error): void} fail The user's code threw
 */
function verifyClient(rules, request, done, fail) {
  const verify = rules.verifyClient;
  if (!verify) return done(true);
  const { headers } = request;
  const origin = headers[headers['sec-websocket-version'] === '8' ? 'sec-websocket-origin' : 'origin'];
  const info = { origin, secure: request.socket.encrypted, req: request };
  const answer = once((result, code, name) => done(Boolean(result), code, name));
  const wantsCallback = verify.length >= 2;
  settle(
    () => (wantsCallback ? rules.verifyClient(info, answer) : rules.verifyClient(info)),
    (result) => wantsCallback || answer(result),
    fail
  );
}

/**
 * Asks `handleProtocols`, if the sender offers subprotocols at all.
 *
 * ws calls it as `(protocols: Set, request) => string|false`, hyco-ws as `(protocols: Array, callback(result,
 * protocol))`. Both have two parameters, so both kinds of argument are given at once: the protocols are a Set that can
 * also be read as an array, and the request can also be called as the callback. What the function does decides. If it
 * returns something (a promise included), that is the answer. If it returns `undefined` and has looked at the request,
 * no subprotocol is chosen, as in ws. Otherwise the callback answers, now or later, and if it never does,
 * `acceptTimeout` turns the sender away.
 *
 * @param {object} rules `server.options`
 * @param {import('./request').RelayedRequest} request
 * @param {function({protocol: (string|undefined)}|{statusCode: number, reason: (string|undefined)}): void} done
 * @param {function(Error): void} fail The user's code threw, or chose what is no subprotocol
 */
function chooseProtocol(rules, request, done, fail) {
  const header = request.headers['sec-websocket-protocol'];
  if (header === undefined) return done({ protocol: undefined });
  const offered = parseProtocols(header);
  if (offered === undefined) {
    return done({ statusCode: 400, reason: 'Invalid Sec-WebSocket-Protocol header' });
  }
  const handle = rules.handleProtocols;
  if (!handle) return done({ protocol: offered.values().next().value });

  const choose = once((protocol) => {
    if (!protocol) return done({ protocol: undefined });
    if (typeof protocol === 'string' && isToken(protocol)) return done({ protocol });
    fail(new TypeError('handleProtocols did not choose a valid subprotocol'));
  });
  if (handle.length < 2) {
    return settle(() => rules.handleProtocols(offered, request), choose, fail);
  }
  const use = { looked: false };
  const callback = once((result, protocol) => {
    if (result) choose(protocol);
    else done({ statusCode: 401, reason: undefined });
  });
  settle(
    () => rules.handleProtocols(offered, callableRequest(request, callback, use)),
    (result) => {
      if (result !== undefined || use.looked) callback(true, result);
    },
    fail
  );
}

/** The request, which can also be called. */
function callableRequest(request, callback, use) {
  return new Proxy(callback, {
    get(_, key) {
      // Reading `call` and `apply` is how a callback may be used.
      if (key === 'call' || key === 'apply' || key === 'bind') return callback[key].bind(callback);
      use.looked = true;
      return Reflect.get(request, key);
    },
    set: (_, key, value) => Reflect.set(request, key, value),
    has: (_, key) => Reflect.has(request, key),
    deleteProperty: (_, key) => Reflect.deleteProperty(request, key),
    getPrototypeOf: () => Reflect.getPrototypeOf(request)
  });
}

/** Subprotocols on offer, in the sender's order: ws's Set, with what hyco-ws's array is used for. */
class OfferedProtocols extends Set {
  constructor(names) {
    super(names);
    let index = 0;
    for (const name of this) Object.defineProperty(this, index++, { value: name });
  }

  get length() {
    return this.size;
  }
}

for (const name of [
  'at',
  'filter',
  'find',
  'includes',
  'indexOf',
  'join',
  'map',
  'reduce',
  'slice',
  'some',
  'every'
]) {
  Object.defineProperty(OfferedProtocols.prototype, name, {
    value(...args) {
      return Array.from(this)[name](...args);
    },
    configurable: true,
    writable: true
  });
}

/**
 * @param {string} header The value of `Sec-WebSocket-Protocol`
 * @return {OfferedProtocols|undefined} `undefined` if a name is no token or comes twice; ws refuses both
 */
function parseProtocols(header) {
  const names = header.split(',').map((name) => name.replace(/^[ \t]+|[ \t]+$/g, ''));
  if (!names.every(isToken)) return undefined;
  const offered = new OfferedProtocols(names);
  return offered.size === names.length ? offered : undefined;
}

/** Runs user code; its answer, or what it threw, goes on once, and at once unless it is a promise. */
function settle(run, done, fail) {
  let result;
  try {
    result = run();
  } catch (error) {
    return fail(error);
  }
  if (typeof result?.then === 'function') Promise.resolve(result).then(done, fail);
  else done(result);
}

function once(fn) {
  let called = false;
  return (...args) => {
    if (called) return;
    called = true;
    fn(...args);
  };
}

module.exports = { chooseProtocol, verifyClient };
