'use strict';

const { execFileSync } = require('node:child_process');
const diagnosticsChannel = require('node:diagnostics_channel');
const path = require('node:path');
const { inspect } = require('node:util');

jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);

const { closeServers, startServer } = require('./helpers/fake-server');
const { RelayedServer } = require('../lib/listener/server');

const NAMES = [
  'server:connecting',
  'server:listening',
  'server:reconnecting',
  'server:offline',
  'server:error',
  'server:close',
  'accept:offer',
  'accept:accepted',
  'accept:rejected',
  'accept:failed',
  'token:renewed',
  'token:failed',
  'control:malformed',
  'options:unknown'
];

afterEach(closeServers);

test('everything that happens is published, with the server and without its secrets', async () => {
  const seen = [];
  const subscriptions = NAMES.map((name) => {
    const fn = (message) => seen.push([name, message]);
    diagnosticsChannel.subscribe(`hyco-ws-rs:${name}`, fn);
    return () => diagnosticsChannel.unsubscribe(`hyco-ws-rs:${name}`, fn);
  });
  const error = { code: 'ERR_HYCO_TOKEN', message: 'no sig=SECRET', reason: 'sig=SECRET', transient: true };
  const { server, listener } = startServer(RelayedServer, {
    server: 'wss://ns.test/$hc/h?sb-hc-token=SECRET',
    token: () => Promise.reject(new Error('SharedAccessSignature SECRET')),
    verifyClient: ({ req }) => req.url !== '/no',
    colour: 1
  });
  server.on('error', () => {});
  listener.event('connecting', { channel: 0, attempt: 0 });
  listener.event('token', { refresh: false });
  listener.event('listening', { channel: 0, replaced: false });
  listener.event('tokenRenewed', { channel: 0, expiresIn: 5 });
  listener.event('malformed', { message: 'Unknown control message: sb-hc-token=SECRET' });
  listener.offer({ path: '/no' });
  listener.open(listener.offer({ headers: { ServiceBusAuthorization: 'SECRET' } }));
  listener.fail(listener.offer(), new Error('gone'));
  const reason = 'lost (sig=SECRET)';
  listener.event('reconnecting', { channel: 0, attempt: 1, delay: 2, reason, error });
  listener.event('error', { terminal: true, error });
  listener.event('offline', { channel: 0 });
  await new Promise(setImmediate);
  await server.close();
  await new Promise(setImmediate);
  subscriptions.forEach((unsubscribe) => unsubscribe());

  expect(new Set(seen.map(([name]) => name))).toEqual(new Set(NAMES));
  for (const [, message] of seen) expect(message.server).toBe(server);
  expect(seen[0]).toEqual(['options:unknown', { server, options: 'RelayedServer', names: ['colour'] }]);
  expect(inspect(seen, { depth: 9 })).not.toContain('SECRET');
  const accepted = seen.find(([name]) => name === 'accept:accepted')[1];
  expect(accepted.duration).toBeGreaterThanOrEqual(0);
});

test('NODE_DEBUG=hyco-ws prints what is published', () => {
  const script = `
    const { publish } = require(${JSON.stringify(path.join(__dirname, '../lib/shared/diagnostics'))});
    publish('accept:rejected', { server: { path: '/hyco' }, statusCode: 401, reason: 'sb-hc-token=SECRET', request: { id: 't', url: '/x' } });
    publish('server:error', { server: { path: '/hyco' }, error: Object.assign(new Error('lost'), { code: 'E' }) });
    process.stdout.write('done');
  `;
  const { status, stderr } = require('node:child_process').spawnSync(process.execPath, ['-e', script], {
    env: { ...process.env, NODE_DEBUG: 'hyco-ws' },
    encoding: 'utf8'
  });
  expect(status).toBe(0);
  expect(stderr).toMatch(/HYCO-WS \d+: accept:rejected server=\/hyco statusCode=401 .*request=t \/x/);
  expect(stderr).toMatch(/server:error server=\/hyco error=E: lost/);
  expect(stderr).not.toContain('SECRET');
  const quiet = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', stdio: 'pipe' });
  expect(quiet).toBe('done');
});

test('the trace of the engine shows each phase of a dial, and nothing secret', () => {
  const script = `
    const { subscribe } = require('node:diagnostics_channel');
    const { once } = require('node:events');
    if (process.argv[1] === 'subscribe') {
      subscribe('hyco-ws-rs:engine:trace', (message) => console.log(JSON.stringify(message)));
    }
    const { RelayedServer, relayedConnect } = require('.');
    const { RelayEmulator } = require('./emulator.js');
    (async () => {
      const relay = await RelayEmulator.start();
      const server = RelayedServer.fromConnectionString(relay.connectionString());
      await once(server, 'listening');
      await once(relayedConnect(relay.sendUri(), 'sr=SECRET'), 'error');
      await server.close();
      await relay.close();
    })();`;
  const run = (argument) =>
    execFileSync(process.execPath, ['-e', script, argument], {
      cwd: path.join(__dirname, '..'),
      encoding: 'utf8'
    });
  const text = run('subscribe');
  const lines = text.trim().split('\n');
  const trace = lines.map((line) => JSON.parse(line));
  const phases = ({ target }) => target === 'transport';
  const dial = ['dialling', 'connected', 'answered'];
  expect(trace.filter(phases).map(({ message }) => message)).toEqual([...dial, ...dial]);
  expect(trace.filter(({ message }) => message === 'answered').map(({ status }) => status)).toEqual([
    101, 401
  ]);
  for (const { level } of trace) expect(level).toBe('debug');
  expect(text).not.toContain('SECRET');
  expect(run('')).toBe('');
});
