'use strict';

/** The steps of `doctor` on the way to the relay: name, proxy, port, TLS, clock and token. */

const { proxyFor } = require('../engine/environment.js');
const { placeOf } = require('../shared/address.js');
const { withCode } = require('../shared/errors.js');
const { nameAddress } = require('../shared/redact.js');
const { TokenSource } = require('../shared/token-source.js');
const { askClock, openTcp, openTls, openTunnel, resolveName } = require('./probe.js');
const { examineToken } = require('./token-check.js');

/** More than this, in seconds, and tokens may count as expired or not yet begun. */
const SKEW = 60;

/**
 * What a failed step makes pointless is left out.
 *
 * @param {string} uri
 * @param {object} options Credentials
 * @param {import('./doctor-steps.js').Steps} steps
 * @return {Promise<{isUseful: boolean, proxy: string|undefined}>} Whether to go on to the relay: what failed here fails
 *     there, too, and in other words
 */
async function examineWay(uri, options, steps) {
  const url = new URL(uri);
  const { secure, host, port } = placeOf(url);
  const proxy = proxyFor(undefined, secure, host, port);
  let socket = await connect(host, port, proxy, steps);
  if (socket !== undefined && secure) socket = await secured(socket, host, steps);
  // Where a proxy is one of SOCKS, nothing has been tried.
  let isReached = proxy !== undefined && isSocks(proxy);
  if (socket !== undefined) {
    isReached = await steps.take('clock', () => checkClock(socket, url));
    socket.destroy();
  }
  const good = await steps.take('token', () => checkToken(uri, options));
  return { isUseful: good !== undefined && isReached === true, proxy };
}

async function connect(host, port, proxy, steps) {
  if (proxy === undefined) {
    const addresses = await steps.take('name', async () => {
      const value = await resolveName(host);
      return { text: `${host} is ${value.join(', ')}`, value };
    });
    steps.skip('proxy', 'none is set for this host');
    if (addresses === undefined) return undefined;
    return steps.take('port', async () => ({
      value: await openTcp(host, port),
      text: `port ${port} is open`
    }));
  }
  if (isSocks(proxy)) {
    steps.skip('proxy', `${nameAddress(proxy)}: SOCKS is tried with the steps at the relay`);
    return undefined;
  }
  return steps.take('proxy', async () => {
    const value = await openTunnel(proxy, host, port);
    return { text: `${nameAddress(proxy)} opens a tunnel`, value };
  });
}

async function secured(plain, host, steps) {
  const socket = await steps.take('tls', async () => {
    const value = await openTls(plain, host);
    const { issuer, valid_to: until } = value.getPeerCertificate();
    const by = issuer?.O ?? issuer?.CN;
    return { text: `${value.getProtocol()}, certificate by ${by}, valid until ${until}`, value };
  });
  if (socket === undefined) plain.destroy();
  return socket;
}

async function checkClock(socket, url) {
  const skew = await askClock(socket, url);
  if (skew === undefined) return { result: 'skipped', text: 'the relay did not tell the time', value: true };
  const text = `this machine's clock is ${Math.abs(skew).toFixed(0)} s ${skew < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(skew) <= SKEW) return { text, value: true };
  return { result: 'failed', text, error: withCode(new Error(text), 'CLOCK'), value: true };
}

async function checkToken(uri, options) {
  const { token, credential, key } = options;
  if ((token ?? credential ?? key) === undefined) {
    const text = 'none is given; only some hybrid connections let senders in without';
    return { result: 'skipped', text, value: 'none' };
  }
  const text = await new TokenSource({ ...options, uri }).get();
  return { text: examineToken(text, uri), value: 'good' };
}

/** @param {string} proxy A proxy's URL */
function isSocks(proxy) {
  return /^socks/i.test(proxy);
}

module.exports = { examineWay, isSocks };
