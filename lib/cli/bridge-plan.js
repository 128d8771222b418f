'use strict';

/** What `bridge` has to open: put together from the command line, azbridge's files and the environment. */

const { readFileSync } = require('node:fs');
const { homedir } = require('node:os');
const { join } = require('node:path');

const { hostAndPort, readConnectionString } = require('../shared/address.js');
const { invalidValue } = require('../shared/errors.js');
const { readCredential } = require('./credential.js');
const { readBridgeFile, readSetting } = require('./bridge-file.js');
const { readHttpRule, readLocalRule, readRemoteRule } = require('./bridge-rules.js');
const { inFlags } = require('./flags.js');
const { readTarget } = require('./target.js');

/** Where azbridge looks for its files; what is not there is left out. */
const FILES =
  process.platform === 'win32'
    ? [
        join(process.env.ProgramData ?? '', 'Microsoft', 'AzureBridge', 'azbridge_config.machine.yml'),
        join(process.env.APPDATA ?? '', 'azbridge', 'azbridge_config.yml')
      ]
    : ['/etc/azbridge/azbridge_config.machine.yml', join(homedir(), '.azbridge', 'azbridge_config.yml')];

const CREDENTIALS = ['token', 'keyName', 'key', 'credential'];

/**
 * One end of a tunnel, to be opened.
 *
 * @typedef {object} PlannedForward
 * @property {string} title For logs
 * @property {string} signature What distinguishes it from others; holds credentials, and is for comparing alone
 * @property {'local'|'remote'} kind
 * @property {string} relay
 * @property {string} uri The relay's address
 * @property {object} options Credentials, and what the settings say
 * @property {{host: string, port: number}|{path: string}} [bind] Of a local one
 * @property {string} [name] Of a local one
 * @property {import('../forward/target').ForwardTarget} [target] Of a remote one
 */

/**
 * @param {object} values Of `parseArgs`
 * @return {Promise<{settings: object, forwards: PlannedForward[]}>}
 * @throws {TypeError} for what is wrong with them
 */
async function readPlan(values) {
  const { settings, locals, remotes } = gather(values);
  const forwards = [];
  for (const rule of locals) {
    for (const binding of rule.bindings) forwards.push(await planLocal(rule, binding, settings, values));
  }
  for (const rule of byRelay(remotes)) forwards.push(await planRemote(rule, settings, values));
  if (forwards.length === 0) {
    throw invalidValue('There is nothing to forward: give -L, -T or -H, or a file that has forwards in it');
  }
  for (const forward of forwards) forward.signature = JSON.stringify(forward);
  return { settings, forwards };
}

/** Files first, then the command line, whose settings take their place and whose forwards join theirs. */
function gather(values) {
  const result = { settings: {}, locals: [], remotes: [] };
  const files = values['config-file'] === undefined ? FILES : [values['config-file']];
  for (const name of files) {
    const text = readFile(name, values['config-file'] !== undefined);
    if (text === undefined) continue;
    const file = readBridgeFile(text, name);
    Object.assign(result.settings, file.settings);
    result.locals.push(...file.locals);
    result.remotes.push(...file.remotes);
  }
  const flags = settingsOf(values);
  if (flags.ClearAllForwardings) result.locals = result.remotes = [];
  Object.assign(result.settings, flags);
  result.locals = result.locals.concat((values['local-forward'] ?? []).map(readLocalRule));
  result.remotes = result.remotes.concat(
    (values['remote-forward'] ?? []).map((text) => readRemoteRule(text, '-T')),
    (values['old-remote-forward'] ?? []).map((text) => readRemoteRule(text, '-R')),
    (values['remote-http-forward'] ?? []).map(readHttpRule)
  );
  return result;
}

function readFile(name, isNeeded) {
  try {
    return readFileSync(name, 'utf8');
  } catch (error) {
    if (!isNeeded && (error.code === 'ENOENT' || error.code === 'EACCES')) return undefined;
    throw invalidValue(`${name} cannot be read: ${error.code}`);
  }
}

/** The flags that have a setting of their own. */
const FLAGS = {
  'connection-string': 'AzureRelayConnectionString',
  'endpoint-uri': 'AzureRelayEndpoint',
  'shared-access-key-name': 'AzureRelaySharedAccessKeyName',
  'shared-access-key': 'AzureRelaySharedAccessKey',
  signature: 'AzureRelaySharedAccessSignature',
  'bind-address': 'BindAddress',
  'gateway-ports': 'GatewayPorts',
  'keep-alive-interval': 'KeepAliveInterval',
  'log-file': 'LogFileName'
};

function settingsOf(values) {
  const settings = {};
  for (const [flag, name] of Object.entries(FLAGS)) {
    if (values[flag] !== undefined) Object.assign(settings, readSetting(`${name}:${values[flag]}`));
  }
  for (const text of values.option ?? []) Object.assign(settings, readSetting(text));
  if (values.verbose) settings.LogLevel = 'VERBOSE';
  if (values.quiet) settings.LogLevel = 'QUIET';
  return settings;
}

/** Rules for the same relay are one listener: of two, each would get half of the senders. */
function byRelay(rules) {
  const merged = new Map();
  for (const rule of rules) {
    const before = merged.get(rule.relay.toLowerCase());
    if (before === undefined) merged.set(rule.relay.toLowerCase(), { ...rule });
    else if (before.url !== undefined || rule.url !== undefined) {
      throw invalidValue(`The relay ${rule.relay} can have one web server, or targets with names`);
    } else before.bindings = before.bindings.concat(rule.bindings);
  }
  return [...merged.values()];
}

async function planLocal({ relay, connectionString, anonymous }, binding, settings, values) {
  const { uri, options } = await readRelay(
    relay,
    'connect',
    { connectionString, anonymous },
    settings,
    values
  );
  const { name, path, host, port } = binding;
  const bind = path === undefined ? { host: bindHost(host, settings), port } : { path };
  const place = path ?? `${host ?? bind.host}:${port}`;
  return { kind: 'local', title: `${place} to ${relay}`, relay, uri, options, bind, name };
}

/** `*` and nothing at all are every address; what is left out is this machine's alone, unless remote hosts may come. */
function bindHost(host, { AddressFamily, GatewayPorts }) {
  const any = AddressFamily === 'inet6' ? '::' : '0.0.0.0';
  if (host === undefined) return GatewayPorts ? any : AddressFamily === 'inet6' ? '::1' : '127.0.0.1';
  return host === '' || host === '*' ? any : host;
}

async function planRemote({ relay, connectionString, bindings, insecure, url }, settings, values) {
  const { uri, options } = await readRelay(relay, 'listen', { connectionString }, settings, values);
  const { AddressFamily, BindAddress } = settings;
  const family = { inet: 4, inet6: 6 }[AddressFamily];
  const shared = { kind: 'remote', relay, uri };
  if (BindAddress !== undefined) options.localAddress = BindAddress;
  if (family !== undefined) options.family = family;
  if (url !== undefined) {
    if (insecure) options.targetTls = { rejectUnauthorized: false };
    const target = { kind: 'http', url: new URL(url) };
    return { ...shared, title: `${relay} to ${url}`, options, target };
  }
  const targets = {};
  for (const { name, ...place } of bindings) {
    if (Object.hasOwn(targets, name)) {
      throw invalidValue(`The relay ${relay} has two targets of the name ${name}`);
    }
    targets[name] = place;
  }
  const places = Object.values(targets);
  if (values.raw && places.length > 1) {
    throw invalidValue(`--raw: without a preamble there are no names, so ${relay} can have one target`);
  }
  const title = `${relay} to ${places.map(placeText).join(', ')}`;
  // A single one also takes the numbers of other ports.
  const target =
    places.length === 1 ? { kind: 'stream', targets, ...places[0] } : { kind: 'stream', targets };
  return { ...shared, title, options, target };
}

const placeText = ({ host, path, port }) => path ?? hostAndPort(host, port);

/** The address of a relay, with credentials: the rule's own, the settings', or those of the environment. */
async function readRelay(relay, action, { connectionString, anonymous }, settings, values) {
  const text = connectionString ?? namespaceOf(settings);
  const read =
    text === undefined
      ? await readTarget({ path: relay, insecure: values.insecure, credential: values.credential }, action)
      : readNamespace(text, action, { path: relay, ...credentialsOf(settings, connectionString) });
  const { ConnectTimeout, KeepAliveInterval } = settings;
  const { options } = read;
  if (anonymous) for (const name of CREDENTIALS) delete options[name];
  else if (CREDENTIALS.every((name) => options[name] === undefined)) {
    options.credential = readCredential('default');
  }
  if (ConnectTimeout) options.handshakeTimeout = ConnectTimeout * 1000;
  if (KeepAliveInterval) {
    options.keepAlive = { interval: KeepAliveInterval * 1000, timeout: KeepAliveInterval * 2000 };
  }
  return read;
}

function readNamespace(text, action, given) {
  try {
    return readConnectionString(text, action, given);
  } catch (error) {
    throw inFlags(error, {
      connectionString: 'the connection string (-x, -e)',
      'options.path': `the relay ${given.path}`,
      'options.credential': 'a key or a token'
    });
  }
}

function namespaceOf({ AzureRelayConnectionString: text, AzureRelayEndpoint: endpoint }) {
  const given = text ?? (process.env.AZURE_BRIDGE_CONNECTIONSTRING || undefined);
  if (endpoint === undefined) return given;
  const place = `Endpoint=${endpoint.includes('://') ? endpoint : `sb://${endpoint}/`}`;
  return given === undefined ? place : given.replace(/(^|;)\s*Endpoint\s*=[^;]*/i, `$1${place}`);
}

function credentialsOf(settings, ownConnectionString) {
  if (ownConnectionString !== undefined) return {};
  const {
    AzureRelaySharedAccessKey: key,
    AzureRelaySharedAccessKeyName: keyName,
    AzureRelaySharedAccessSignature: token
  } = settings;
  if (token !== undefined) return { token };
  if ((key === undefined) !== (keyName === undefined)) {
    throw invalidValue('A key needs the name of its rule, and a rule its key: -K and -k');
  }
  return key === undefined ? {} : { keyName, key };
}

module.exports = { readPlan };
