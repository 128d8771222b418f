'use strict';

const { parseArgs } = require('node:util');

const { proxyFor } = require('../engine/environment.js');
const { entityPath, placeOf } = require('../shared/address.js');
const { withCode } = require('../shared/errors.js');
const { nameAddress, redact } = require('../shared/redact.js');
const { remedyFor } = require('../shared/remedy.js');
const { paint, printJson, waiting } = require('./output.js');
const { askClock, openTcp, openTls, openTunnel, resolveName } = require('./probe.js');
const { TARGET_HELP, TARGET_OPTIONS, readTarget, tokenFields } = require('./target.js');

const summary = 'goes the way to the relay step by step and says what is wrong';

const help = `Usage: hyco-ws-rs doctor [options]

Checks name, proxy, port, TLS, clock, token and at last a connection through the relay, and says in words what
is wrong. Exits with 1 if something is. The last step comes to the listener, if there is one, as a connection that
is closed at once.

Options:
  --listen   takes the last step as a listener would: for rules that may not send
  --json     prints one JSON object with all steps
  --help     prints this

${TARGET_HELP}`;

/** More than this, in seconds, and tokens may count as expired or not yet begun. */
const SKEW = 60;

/**
 * @param {String[]} args
 * @returns {Promise<Number>} 0 if all is well, 1 if not
 */
async function run(args) {
  const options = { ...TARGET_OPTIONS, listen: { type: 'boolean' } };
  const { values } = parseArgs({ args, options, strict: true });
  const action = values.listen ? 'listen' : 'connect';
  const target = await readTarget(values, action);
  const checks = [];
  const report = (check) => {
    checks.push(check);
    if (!values.json) process.stdout.write(lineOf(check));
  };
  await examine(target, action, report);
  const ok = checks.every(({ result }) => result !== 'failed');
  if (values.json) printJson({ ok, checks });
  else process.stdout.write(ok ? '\nAll is well.\n' : '\nSee docs/troubleshooting.md for more.\n');
  return ok ? 0 : 1;
}

/** Step after step; what a failed one makes pointless is left out, except for the last. */
async function examine({ uri, options }, action, report) {
  const { secure, host, port } = placeOf(new URL(uri));
  const proxy = proxyFor(undefined, secure, host, port);

  const step = async (name, work) => {
    try {
      const { result = 'ok', text, value } = await waiting(`   ${name}`, work());
      report({ name, result, text });
      return value;
    } catch (error) {
      report({
        name,
        result: 'failed',
        text: redact(`${textOf(error)}${codeOf(error)}`),
        remedy: remedyFor(error, name)
      });
      return undefined;
    }
  };

  let socket;
  if (proxy === undefined) {
    const addresses = await step('name', async () => {
      const value = await resolveName(host);
      return { text: `${host} is ${value.join(', ')}`, value };
    });
    report({ name: 'proxy', result: 'skipped', text: 'none is set for this host' });
    if (addresses !== undefined) {
      socket = await step('port', async () => ({
        text: `port ${port} is open`,
        value: await openTcp(host, port)
      }));
    }
  } else if (/^socks/i.test(proxy)) {
    report({
      name: 'proxy',
      result: 'skipped',
      text: `${nameAddress(proxy)}: SOCKS is tried with the last step`
    });
  } else {
    socket = await step('proxy', async () => {
      const value = await openTunnel(/:\/\//.test(proxy) ? proxy : `http://${proxy}`, host, port);
      return { text: `${nameAddress(proxy)} opens a tunnel`, value };
    });
  }

  if (socket !== undefined && secure) {
    const plain = socket;
    socket = await step('tls', async () => {
      const value = await openTls(plain, host);
      const { issuer, valid_to: until } = value.getPeerCertificate();
      return {
        text: `${value.getProtocol()}, certificate by ${issuer?.O ?? issuer?.CN}, valid until ${until}`,
        value
      };
    });
    if (socket === undefined) plain.destroy();
  }
  if (socket !== undefined) {
    await step('clock', () => checkClock(socket, host));
    socket.destroy();
  }
  const authorised = await step('token', () => checkToken(uri, options));
  if (authorised !== false) await step('relay', () => reach(uri, options, action));
}

async function checkClock(socket, host) {
  const skew = await askClock(socket, host);
  if (skew === undefined) return { result: 'skipped', text: 'the relay did not tell the time' };
  const text = `this machine's clock is ${Math.abs(skew).toFixed(0)} s ${skew < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(skew) > SKEW) throw withCode(new Error(text), 'CLOCK');
  return { text };
}

/** What can be seen of the token without asking anybody. */
async function checkToken(uri, options) {
  const { TokenSource } = require('../shared/token-source.js');
  const { token, credential, key } = options;
  if (token === undefined && credential === undefined && key === undefined) {
    return { result: 'skipped', text: 'none is given; only some hybrid connections let senders in without' };
  }
  const text = await new TokenSource({ ...options, uri }).get();
  const { tokenExpiry } = require('../shared/native.js');
  const expiry = tokenExpiry(text) ?? undefined;
  const scope = tokenFields(text).get('sr');
  const resource = scope === null ? undefined : new URL(scope.replace(/^(?!\w+:\/\/)/, 'http://'));
  const left = expiry === undefined ? undefined : expiry - Date.now() / 1000;
  if (left !== undefined && left <= 0) {
    throw withCode(new Error(`the token expired ${Math.round(-left)} s ago`), 'EXPIRED');
  }
  if (resource !== undefined) checkScope(resource, uri);
  const scoped = resource === undefined ? '' : ` for ${resource.host}${resource.pathname}`;
  return { text: `good${left === undefined ? '' : ` for ${Math.round(left)} s`}${scoped}` };
}

function checkScope(resource, uri) {
  const url = new URL(uri);
  const { hostname } = url;
  const path = entityPath(url).toLowerCase();
  const own = resource.pathname.replace(/\/$/, '').toLowerCase();
  const fits = path === own || path.startsWith(`${own}/`);
  if (resource.hostname.toLowerCase() === hostname && fits) return;
  const message = `the token is for ${resource.hostname}${resource.pathname}, not for ${hostname}${path}`;
  throw withCode(new Error(message), 'SCOPE');
}

async function reach(uri, options, action) {
  if (action === 'listen') return listenOnce(uri, options);
  const { connectRelayed } = require('../socket/connect.js');
  try {
    const socket = await connectRelayed(uri, { ...options, handshakeTimeout: 30_000 });
    socket.on('error', () => {});
    socket.close(1000);
    return { text: 'a listener has accepted a connection' };
  } catch (error) {
    // Name, token and way are good then.
    if (!/no listeners/i.test(error.reason ?? '')) throw error;
    return { result: 'warning', text: 'the relay lets us in, but no listener is connected' };
  }
}

async function listenOnce(uri, options) {
  const { RelayedServer } = require('../listener/server.js');
  const server = new RelayedServer({ ...options, server: uri, reconnect: false, verifyClient: () => false });
  try {
    await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject));
    return { text: 'the relay lets us listen' };
  } finally {
    await server.close();
  }
}

const textOf = (error) => error.errors?.map(({ message }) => message).join(', ') || error.message;
const codeOf = ({ code, message }) => (code && !message.includes(code) ? ` (${code})` : '');

const MARKS = {
  ok: ['green', 'ok'],
  skipped: ['grey', '--'],
  warning: ['yellow', '!!'],
  failed: ['red', 'no']
};

function lineOf({ name, result, text, remedy }) {
  const [colour, mark] = MARKS[result];
  const line = `${paint(colour, mark)} ${name.padEnd(6)} ${text}\n`;
  return remedy === undefined ? line : `${line}          ${remedy}\n`;
}

module.exports = { summary, help, run };
