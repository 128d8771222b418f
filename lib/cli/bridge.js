'use strict';

const { parseArgs } = require('node:util');

const { Forwards } = require('./forwards.js');
const { RUN_HELP, RUN_OPTIONS, keepOpen, logger, readRunOptions } = require('./keep-open.js');
const { readPlan } = require('./bridge-plan.js');

const summary = 'forwards ports and sockets both ways, as azbridge does';

const help = `Usage: hyco-ws-rs bridge [options]

Forwards local ports to relays and relays to targets, with the rules, the files and the wire of Microsoft's azbridge,
which can be at the other end. Ctrl+C stops it. SIGHUP reads the files again, and what has not changed
goes on; Windows has no such signal.

Rules, each any number of times; several bindings of a rule are separated by semicolons:
  -L [host:]port[/name]:relay  a local port whose connections go to the relay
  -L /path.sock[/name]:relay   a local unix socket
  -T relay:[name/][host:]port  a relay whose connections go to this target (-R: the old form, relay:host:[name/]port)
  -T relay:[name/]/path        a target that is a unix socket
  -H relay:http/[host[/path]:]port
                               a relay whose requests and WebSockets go to this web server; https/, too

Where to, and with which credentials:
  -x <connection string>       or AZURE_BRIDGE_CONNECTIONSTRING
  -e <endpoint>                sb://contoso.servicebus.windows.net/
  -K <name>, -k <key>          a SAS rule and its key
  -s <signature>               a token
  Without a key or a token it is Entra ID, by DefaultAzureCredential of @azure/identity. Without -x and -e it is
  SB_HC_NAMESPACE and the other variables of this package, or --credential default.
  Arguments can be read by everybody on this machine: keys are better off in variables and files.

Options:
  -f <file>                    the configuration file: JSON, or YAML where js-yaml or yaml is installed
  -o Key:value                 a setting of the configuration file
  -g                           local ports for other machines, too
  -b <address>                 the local address of connections to targets
  -a <seconds>                 the interval of keep-alive messages
  -l <file>                    where to write the log
  -q, -v                       no log; one that has each connection and request in it
  --raw                        no preamble: one target for each relay, as App Service has it
  --insecure                   ws:// to an emulator on this machine (SB_HC_SECURE=false)
${RUN_HELP}
  --json                       prints one JSON object for each thing that happens
  --help                       prints this

Not supported: UDP ports (5000U), -I and -U (a service of Windows), -svc.
`;

const text = (short) => ({ type: 'string', short });
const texts = (short) => ({ type: 'string', short, multiple: true });
const flag = (short) => ({ type: 'boolean', short });

const OPTIONS = {
  ...RUN_OPTIONS,
  'local-forward': texts('L'),
  'remote-forward': texts('T'),
  'old-remote-forward': texts('R'),
  'remote-http-forward': texts('H'),
  'connection-string': text('x'),
  'endpoint-uri': text('e'),
  'shared-access-key-name': text('K'),
  'shared-access-key': text('k'),
  signature: text('s'),
  'config-file': text('f'),
  option: texts('o'),
  'gateway-ports': flag('g'),
  'bind-address': text('b'),
  'keep-alive-interval': text('a'),
  'log-file': text('l'),
  quiet: flag('q'),
  verbose: flag('v'),
  credential: { type: 'string' },
  raw: { type: 'boolean' },
  insecure: { type: 'boolean' },
  json: { type: 'boolean' }
};

/**
 * @param {String[]} args
 * @returns {Promise<Number>} the exit code
 */
async function run(args) {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const how = readRunOptions(values);
  const plan = await readPlan(values);
  const { ConnectionAttempts, ExitOnForwardFailure = true, LogFileName, LogLevel } = plan.settings;
  const tell = logger({ json: values.json, level: LogLevel ?? 'INFO', file: LogFileName });
  if (hasCredentials(values)) {
    const message =
      'Credentials in arguments can be read by every user of this machine: put them into the environment or a file';
    tell('notice', { message });
  }

  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const onLost = ({ title }, { message }) => {
    const isLast = [...forwards.running].every(({ lost }) => lost !== undefined);
    if (ExitOnForwardFailure || isLast) end(`${title}: ${message}`);
  };
  const forwards = new Forwards(tell, { attempts: ConnectionAttempts, onLost });
  const opened = new Opened(forwards, values);
  const opening = opened.become(plan);
  const reloading = reloader(opened, values, tell, opening);
  try {
    await opening;
    return await keepOpen(forwards, { ...how, ended });
  } finally {
    reloading.stop();
  }
}

/** Whether the command line has what nobody else should read. */
function hasCredentials(values) {
  const flags = ['shared-access-key', 'connection-string', 'signature'];
  const settings = values.option ?? [];
  return (
    flags.some((name) => values[name] !== undefined) ||
    settings.some((text) =>
      /^\s*AzureRelay(?:ConnectionString|SharedAccess(?:Key|Signature))\s*[:=]/.test(text)
    )
  );
}

/** What is open of a plan. */
class Opened {
  constructor(forwards, { raw }) {
    this.forwards = forwards;
    this.raw = raw;
    /** By signature. */
    this.open = new Map();
  }

  /** Closes what the plan does not have, and opens what it has more; connections that are open may finish. */
  async become({ forwards: planned }) {
    const wanted = new Map(planned.map((each) => [each.signature, each]));
    const gone = [...this.open].filter(
      ([signature, { lost }]) => lost !== undefined || !wanted.has(signature)
    );
    const isGone = new Set(gone.map(([signature]) => signature));
    const missing = [...wanted.values()].filter(
      ({ signature }) => isGone.has(signature) || !this.open.has(signature)
    );
    // Before anything is closed: settings that cannot be had change nothing.
    const ends = this.make(missing);
    for (const [signature, forward] of gone) {
      this.open.delete(signature);
      this.forwards.remove(forward, { drain: true });
    }
    const { forwards, open } = this;
    const [tunnels, locals] = ['remote', 'local'].map((kind) => ends.filter(([each]) => each.kind === kind));
    for (const [each, end] of tunnels) open.set(each.signature, forwards.addTunnel(each, end));
    // A local one that has changed is mostly at the same port as before.
    await Promise.all(gone.map(([, { end }]) => end.unbound));
    if (forwards.stopping) return locals.forEach(([, end]) => end.close());
    for (const [each, end] of locals) open.set(each.signature, await forwards.addLocal(each, end));
    return { kept: wanted.size - missing.length, opened: missing.length, closed: gone.length };
  }

  make(planned) {
    const ends = [];
    try {
      for (const each of planned) ends.push([each, this.endOf(each)]);
      return ends;
    } catch (error) {
      for (const [, end] of ends) end.close({ timeout: 0 });
      throw error;
    }
  }

  endOf({ bind, kind, name, options, target, uri }) {
    const { raw } = this;
    if (kind === 'remote') {
      const { Tunnel } = require('../forward/tunnel.js');
      return new Tunnel(target, { ...options, raw, server: uri });
    }
    const { LocalStreams } = require('../forward/local-streams.js');
    return new LocalStreams(uri, options, { bind, name, preamble: raw ? 'none' : 'azbridge' });
  }
}

/** Reads everything again at SIGHUP: one after the other, and a file that is wrong changes nothing. */
function reloader(opened, values, tell, opening) {
  // There it is the closing of the window.
  if (process.platform === 'win32') return { stop() {} };
  let turn = opening.catch(() => {});
  const reload = async () => {
    if (opened.forwards.stopping) return;
    try {
      const done = await opened.become(await readPlan(values));
      if (done !== undefined) tell('reloaded', done);
    } catch (error) {
      tell('error', { forward: 'reload', error: { code: error.code, message: error.message } });
    }
  };
  const onSignal = () => {
    turn = turn.then(reload);
  };
  process.on('SIGHUP', onSignal);
  return { stop: () => process.off('SIGHUP', onSignal) };
}

module.exports = { summary, help, run };
