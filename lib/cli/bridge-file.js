'use strict';

/** azbridge's configuration file, in JSON, or in YAML where a library for it is installed. */

const { invalidValue } = require('../shared/errors.js');
const { checkName, httpUrl, unsupportedUdp } = require('./bridge-rules.js');

/** Libraries that read YAML, and how. */
const YAML = [
  ['js-yaml', ({ load }) => load],
  ['yaml', ({ parse }) => parse]
];

const LOG_LEVELS = [
  'QUIET',
  'NONE',
  'FATAL',
  'ERROR',
  'INFO',
  'VERBOSE',
  'DEBUG',
  'DEBUG1',
  'DEBUG2',
  'DEBUG3'
];

const read = {
  text(value, name) {
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    throw invalidValue(`${name} takes a text`);
  },
  /** As YAML 1.1 has them, in which azbridge's files are written. */
  flag(value, name) {
    if (/^(?:true|yes|on|y)$/i.test(value)) return true;
    if (/^(?:false|no|off|n)$/i.test(value)) return false;
    throw invalidValue(`${name} takes true or false`);
  },
  number(value, name) {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (Number.isInteger(number) && number >= 0 && number < 2 ** 31) return number;
    throw invalidValue(`${name} takes a number`);
  },
  port(value, name) {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (number < 0) throw unsupportedUdp(value);
    if (Number.isInteger(number) && number <= 65_535) return number;
    throw invalidValue(`${name} takes a port`);
  },
  oneOf:
    (...words) =>
    (value, name) => {
      const word = words.find((each) => each.toLowerCase() === String(value).toLowerCase());
      if (word !== undefined) return word;
      throw invalidValue(`${name} takes one of ${words.join(', ')}`);
    },
  list(value, name) {
    if (Array.isArray(value)) return value;
    throw invalidValue(`${name} takes a list`);
  }
};

const SETTINGS = {
  AzureRelayConnectionString: read.text,
  AzureRelayEndpoint: read.text,
  AzureRelaySharedAccessKeyName: read.text,
  AzureRelaySharedAccessKey: read.text,
  AzureRelaySharedAccessSignature: read.text,
  AddressFamily: read.oneOf('any', 'inet', 'inet6'),
  BindAddress: read.text,
  ClearAllForwardings: read.flag,
  ConnectionAttempts: read.number,
  ConnectTimeout: read.number,
  ExitOnForwardFailure: read.flag,
  GatewayPorts: read.flag,
  KeepAliveInterval: read.number,
  LogFileName: read.text,
  LogLevel: read.oneOf(...LOG_LEVELS)
};

const LOCAL_BINDING = {
  BindAddress: read.text,
  BindPort: read.port,
  PortName: read.text,
  BindLocalSocket: read.text,
  // For people only.
  HostName: read.text,
  RemoteHostName: read.text
};
const LOCAL = {
  RelayName: read.text,
  ConnectionString: read.text,
  NoAuthentication: read.flag,
  Bindings: read.list,
  ...LOCAL_BINDING
};
const REMOTE_BINDING = {
  Host: read.text,
  HostPort: read.port,
  PortName: read.text,
  LocalSocket: read.text,
  Http: read.flag,
  Path: read.text,
  Insecure: read.flag
};
const REMOTE = { RelayName: read.text, ConnectionString: read.text, Bindings: read.list, ...REMOTE_BINDING };

/**
 * Parses a file.
 *
 * @param {string} text
 * @param {string} name Of the file, for errors
 * @param {function(string): *} [load] Finds a library
 * @return {{settings: object, locals: object[], remotes: object[]}} Settings by azbridge's names, and rules
 * @throws {TypeError} that names the key, and shows no value of one
 */
function readBridgeFile(text, name, load = loadHere) {
  const { LocalForward, RemoteForward, ...rest } = plainObject(parse(text, name, load) ?? {}, name);
  return {
    settings: readKeys(SETTINGS, rest, name),
    locals: entries(LocalForward, `${name}: LocalForward`).map(localOf),
    remotes: entries(RemoteForward, `${name}: RemoteForward`).map(remoteOf)
  };
}

function parse(text, name, load) {
  const plain = text.replace(/^\ufeff/, '');
  // An empty file, of which not every library makes the same.
  if (!/^[ \t]*[^\s#]/m.test(plain)) return undefined;
  // JSON is YAML, too, and the one that needs no library.
  if (plain.trim().startsWith('{')) {
    try {
      return JSON.parse(plain);
    } catch (error) {
      if (/\.json$/i.test(name)) throw invalidValue(`${name} is no JSON${placeIn(error)}`);
    }
  }
  const parseYaml = yamlParser(load);
  if (parseYaml === undefined) {
    throw invalidValue(
      `${name} is YAML, for which a library is needed: npm install js-yaml (or yaml), or write it as JSON`
    );
  }
  try {
    return parseYaml(plain);
  } catch (error) {
    // The library's own text quotes the file, which has keys in it.
    const line = error.mark?.line ?? error.linePos?.[0]?.line - 1;
    throw invalidValue(`${name} is no YAML${Number.isInteger(line) ? `: look at line ${line + 1}` : ''}`);
  }
}

/** Where JSON ends: without the piece of it that the message quotes. */
function placeIn({ message }) {
  const [, position] = /position (\d+)/.exec(message) ?? [];
  return position === undefined ? '' : `: look at character ${position}`;
}

/** Where the user works, or beside this package: that may be a global installation. */
function loadHere(name) {
  return require(require.resolve(name, { paths: [process.cwd(), __dirname] }));
}

function yamlParser(load) {
  for (const [name, parserOf] of YAML) {
    try {
      return parserOf(load(name));
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

function plainObject(value, name) {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalidValue(`${name} must have names and values`);
}

function entries(value, name) {
  if (value === undefined || value === null) return [];
  return read.list(value, name).map((each, index) => [plainObject(each, name), `${name}[${index}]`]);
}

function readKeys(table, given, name) {
  const result = {};
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(table, key)) throw invalidValue(`${name}: there is no setting ${key}`);
    if (value !== null) result[key] = table[key](value, `${name}: ${key}`);
  }
  return result;
}

function localOf([given, name]) {
  const own = readKeys(LOCAL, given, name);
  const relay = need(own.RelayName, name, 'RelayName');
  const bindings = bindingsOf(own, name, LOCAL_BINDING).map(([binding, place]) => {
    const { BindAddress: host, BindPort: port, BindLocalSocket: path, PortName } = binding;
    if (path !== undefined) return { name: checkName(PortName ?? path, place), path };
    return { name: checkName(PortName ?? String(need(port, place, 'BindPort')), place), host, port };
  });
  return { relay, bindings, connectionString: own.ConnectionString, anonymous: own.NoAuthentication };
}

function remoteOf([given, name]) {
  const own = readKeys(REMOTE, given, name);
  const relay = need(own.RelayName, name, 'RelayName');
  const { ConnectionString: connectionString } = own;
  const all = bindingsOf(own, name, REMOTE_BINDING);
  const [first, place] = all[0];
  if (own.Http || first.Http) {
    if (all.length > 1) throw invalidValue(`${name}: Http takes one web server`);
    const { Host: host, HostPort: port, Path: path, PortName: scheme = 'http', Insecure: insecure } = first;
    if (!/^https?$/.test(scheme)) throw invalidValue(`${place}: with Http, PortName is http or https`);
    const slashed = path === undefined || path.startsWith('/') ? path : `/${path}`;
    const complain = () => invalidValue(`${place}: Host, HostPort and Path are no address`);
    return {
      relay,
      connectionString,
      insecure,
      url: httpUrl({ scheme, host, port, path: slashed }, complain)
    };
  }
  const bindings = all.map(([binding, at]) => {
    const { Host: host = 'localhost', HostPort: port, LocalSocket: path, PortName } = binding;
    if (path !== undefined) return { name: checkName(PortName ?? path, at), path };
    return { name: checkName(PortName ?? String(need(port, at, 'HostPort')), at), host, port };
  });
  return { relay, connectionString, bindings };
}

/** Those of the list, or the one that stands in the entry itself. */
function bindingsOf(own, name, table) {
  if (own.Bindings === undefined) return [[own, name]];
  const list = entries(own.Bindings, `${name}.Bindings`);
  if (list.length === 0) throw invalidValue(`${name}.Bindings is empty`);
  return list.map(([each, place]) => [readKeys(table, each, place), place]);
}

function need(value, name, key) {
  if (value !== undefined && value !== '') return value;
  throw invalidValue(`${name}: ${key} is missing`);
}

/** @param {string} text `Key:value`, as `-o` takes it @return {object} */
function readSetting(text) {
  const [, key, value] = /^\s*(\w+)\s*[:=]\s*(.*?)\s*$/.exec(text) ?? [];
  if (key === undefined) throw invalidValue('-o takes Key:value');
  return readKeys(SETTINGS, { [key]: value }, '-o');
}

module.exports = { readBridgeFile, readSetting };
