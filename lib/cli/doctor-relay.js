'use strict';

/** The steps of `doctor` at the relay. What it may do there is found out by trying. */

const { entityPath } = require('../shared/address.js');
const { withCode } = require('../shared/errors.js');
const { kindOf } = require('../shared/remedy.js');
const { isSocks } = require('./doctor-way.js');
const { OwnListener, callListener } = require('./relay-probe.js');

/**
 * @typedef {object} Trial
 * @property {string} uri To send to
 * @property {object} options Credentials, if any
 * @property {string} [proxy]
 * @property {boolean} listens Whether to listen whoever else does, and to send to nobody else
 */

/**
 * @param {Trial} trial
 * @param {import('./doctor-steps.js').Steps} steps
 */
async function examineRelay(trial, steps) {
  const found = trial.listens ? 'unknown' : await steps.take('sender', () => send(trial));
  if (found === undefined) return;
  if (found === 'listener') {
    // Ours would share its senders, and has nothing for them.
    steps.skip('listen', 'left out, for a listener is connected; --listen has one of our own beside it');
    return;
  }
  const { token, credential, key } = trial.options;
  if ((token ?? credential ?? key) === undefined) {
    await steps.take('listen', async () => {
      const error = withCode(new Error('a listener needs a rule and its key, or a token'), 'TOKEN_MISSING');
      if (trial.listens) throw error;
      return { result: 'skipped', text: `left out, for ${error.message}` };
    });
    return;
  }
  const listener = new OwnListener(trial.uri, trial.options);
  try {
    const up = await steps.take('listen', () => listen(listener, found));
    if (up !== true) return;
    if (found === 'denied') steps.skip('gateway', 'left out, for no sender of ours is let in');
    else await meet(listener, trial, steps);
  } finally {
    await listener.close();
  }
}

async function send({ uri, options }) {
  const { found, error } = await callListener(uri, options);
  switch (found) {
    case 'accepted':
      return { text: 'a listener has accepted a connection', value: 'listener' };
    case 'refused': {
      const text =
        `a listener is connected, and turned us away with ${error.statusCode} ${error.reason ?? ''}`.trim();
      return { result: 'warning', text, value: 'listener' };
    }
    case 'nobody':
      return {
        result: 'warning',
        text: 'the relay lets us in, but no listener is connected',
        error,
        value: 'nobody'
      };
    default:
      return { result: 'skipped', text: 'the credentials are good, but not for sending', value: 'denied' };
  }
}

async function listen(listener, found) {
  try {
    await listener.open();
    return { text: 'the relay lets us listen', value: true };
  } catch (error) {
    // A rule that may send need not. One that may neither is of no use.
    if (kindOf(error) !== 'ERR_HYCO_FORBIDDEN' || found !== 'nobody') throw error;
    return { result: 'skipped', text: 'the credentials are good, but not for listening', value: false };
  }
}

/** A sender of ours at a listener of ours. */
async function meet(listener, { uri, proxy }, steps) {
  const url = new URL(uri);
  const socket = await steps.take('gateway', async () => {
    try {
      const value = await listener.meet();
      return {
        text: `${listener.gateway} joined a sender with us; firewalls have to let it through, too`,
        value
      };
    } catch (error) {
      if (kindOf(error) === 'ERR_HYCO_FORBIDDEN' && listener.gateway === undefined) {
        return { result: 'skipped', text: 'left out, for the credentials are not for sending' };
      }
      if (listener.gateway !== undefined) error.message = `at ${listener.gateway}: ${error.message}`;
      throw error;
    }
  });
  if (socket === undefined) return;
  await steps.take('message', async () => {
    const time = await listener.exchange(socket);
    return { text: `a message went there and back in ${Math.ceil(time)} ms` };
  });
  socket.close(1000);
  if (proxy !== undefined && isSocks(proxy)) steps.skip('http', 'left out, for the proxy is one of SOCKS');
  else await steps.take('http', () => request(listener, url, proxy));
  const { strangers } = listener;
  if (strangers > 0) {
    steps.skip('others', `${strangers} of other senders came to our listener meanwhile, and got 503`);
  }
}

async function request(listener, url, proxy) {
  const scheme = url.protocol === 'wss:' ? 'https' : 'http';
  const { status, reached } = await listener.request(
    new URL(`${scheme}://${url.host}${entityPath(url)}`),
    proxy
  );
  if (reached && status === 200) return { text: 'an HTTP request was answered' };
  const text = `an HTTP request was answered with ${status}, by another listener or by the relay`;
  return { result: status < 500 ? 'warning' : 'failed', text };
}

module.exports = { examineRelay };
