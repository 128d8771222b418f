'use strict';

// A program that listens for `listening` alone hears of the first failure by a warning, and of nothing else.

const { once } = require('node:events');

jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);

const { closeServers, startServer } = require('./helpers/fake-server');
const { RelayedServer } = require('../lib/listener/server');

const report = (fields) => ({ code: 'ERR_HYCO_UNAUTHORIZED', message: 'refused', ...fields });
let warn;

beforeEach(() => {
  warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(async () => {
  warn.mockRestore();
  await closeServers();
});

function start(options) {
  const { server, listener } = startServer(RelayedServer, options);
  return {
    server,
    listener,
    lose: (fields) =>
      listener.event('reconnecting', {
        channel: 0,
        attempt: 1,
        delay: 5,
        reason: 'x',
        error: report(fields)
      }),
    complain: (fields) => listener.event('error', { terminal: false, error: report(fields) })
  };
}

test.each(['lose', 'complain'])('the first failure is a warning, once for each server: %s', (kind) => {
  for (let servers = 1; servers <= 2; servers++) {
    const { server, ...does } = start();
    server.on('listening', () => {});
    server.on('connection', () => {});
    does[kind]({ statusCode: 401, message: 'Unexpected server response: 401 (InvalidSignature)' });
    does.lose();
    does.complain();
    expect(warn).toHaveBeenCalledTimes(servers);
    expect(warn).toHaveBeenLastCalledWith(
      'Cannot listen at ns.test/hyco: Unexpected server response: 401 (InvalidSignature) ' +
        '(see hyco-ws-rs/docs/errors.md#err_hyco_unauthorized). Compare rule and key with ' +
        'the portal: there may be another rule of that name, or a key that was renewed or lost characters in copying; ' +
        "those of Azure end in \"=\". It is tried again; listen for 'error' and 'reconnecting' to hear of it.",
      { code: 'HYCO_WS_RS_NOT_LISTENING' }
    );
  }
});

test.each([
  [{ code: 'ERR_HYCO_NETWORK', system: { code: 'ENOTFOUND' } }, 'No such name'],
  [{ code: 'ERR_HYCO_NETWORK', system: { code: 'ECONNREFUSED' } }, 'Nothing listens there'],
  [{ code: 'ERR_HYCO_TLS', system: { code: 'SELF_SIGNED_CERT_IN_CHAIN' } }, 'NODE_EXTRA_CA_CERTS'],
  [{ code: 'ERR_HYCO_TIMEOUT' }, 'open port 443'],
  [{ code: 'ERR_HYCO_PROXY', statusCode: 407 }, 'HTTPS_PROXY=http://user:password@'],
  [{ code: 'ERR_HYCO_PROXY', statusCode: 403 }, 'allow CONNECT'],
  [{ code: 'ERR_HYCO_PROXY' }, 'the address and the credentials of the proxy'],
  [{ code: 'ERR_HYCO_TOKEN' }, 'The token cannot be used'],
  [
    { code: 'ERR_HYCO_INTERNAL' },
    'refused (see hyco-ws-rs/docs/errors.md#err_hyco_internal). It is tried again'
  ]
])('it says what to try: %j', (fields, text) => {
  start().lose(fields);
  expect(warn.mock.calls[0][0]).toContain(text);
});

test('it shows no credentials', () => {
  const { lose } = start({
    server: 'wss://ns.test/$hc/hyco?sb-hc-token=SECRET',
    token: undefined
  });
  lose({ message: 'no: wss://ns.test/?sb-hc-token=SECRET, SharedAccessSignature sr=x&sig=SECRET' });
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0][0]).toContain('no: ');
  expect(warn.mock.calls[0][0]).not.toContain('SECRET');
});

test.each(['error', 'reconnecting'])('nobody is warned who listens for %s', (event) => {
  const { server, lose, complain } = start();
  server.on(event, () => {});
  lose();
  complain();
  expect(warn).not.toHaveBeenCalled();
});

test('nobody is warned of a later loss', () => {
  const { listener, lose, complain } = start();
  listener.event('listening', { channel: 0, replaced: false });
  lose();
  complain();
  expect(warn).not.toHaveBeenCalled();
});

test('nobody is warned of an end, which is an error', async () => {
  const { server, lose, listener } = start({ reconnect: false });
  expect(() => lose()).toThrow('refused');
  const other = start();
  expect(() => other.listener.event('error', { terminal: true, error: report() })).toThrow('refused');
  expect(warn).not.toHaveBeenCalled();
  if (server.state !== 'closed') await once(server, 'close');
  expect(listener.closes).toEqual(['drain']);
});
