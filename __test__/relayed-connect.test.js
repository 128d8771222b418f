'use strict';

jest.mock('../lib/listener/handle', () => require('./helpers/fake-engine').listener);
jest.mock('../lib/socket/socket', () => require('./helpers/fake-engine').relayedSocket);
jest.mock('../lib/shared/helpers', () => ({ createRelayToken: (...args) => args.join('|') }));

const { FakeSocket } = require('./helpers/fake-engine');
const { relayedConnect } = require('../lib/socket/connect');

const URI = 'wss://ns.test:443/$hc/hyco?sb-hc-action=connect';
const headersOf = (socket) => socket.arguments.options.headers;
const tokenOf = (socket) => socket.arguments.options.relay.token;
const turn = () => new Promise(setImmediate);

test("takes hyco-ws's arguments: address, token, function", () => {
  const fn = jest.fn();
  const socket = relayedConnect(URI, 'the-token', fn);
  expect(socket).toBeInstanceOf(FakeSocket);
  expect(socket.arguments).toMatchObject({ address: URI, protocols: [], options: { relay: {} } });
  expect(headersOf(socket)).toEqual({});
  expect(tokenOf(socket)).toBe('the-token');
  socket.emit('open');
  expect(fn.mock.calls).toEqual([[socket]]);
});

test('the token may be missing', () => {
  for (const token of [undefined, null]) expect(headersOf(relayedConnect(URI, token))).toEqual({});
  const fn = jest.fn();
  const socket = relayedConnect(URI, fn);
  socket.emit('open');
  expect(fn).toHaveBeenCalledWith(socket);
});

test("takes ws's client options in the token's place", () => {
  const options = {
    token: 't',
    headers: { 'X-A': '1', servicebusauthorization: 'old' },
    protocols: 'p',
    ca: 'CA',
    key: 'PEM'
  };
  const socket = relayedConnect(URI, options);
  expect(socket.arguments.protocols).toEqual(['p']);
  expect(socket.arguments.options).toEqual({
    relay: { token: 't' },
    ca: 'CA',
    key: 'PEM',
    headers: { 'X-A': '1' }
  });
  expect(options.headers.servicebusauthorization).toBe('old');
});

test('a key makes the token', () => {
  const socket = relayedConnect('sb://ns.test/hyco', { keyName: 'rule', key: 'k', tokenLifetime: 9 });
  const uri = 'wss://ns.test/$hc/hyco?sb-hc-action=connect';
  expect(socket.arguments.address).toBe(uri);
  expect(tokenOf(socket)).toBe(`${uri}|rule|k|9`);
  expect(socket.arguments.options).not.toHaveProperty('key');
});

test('wrong arguments are a TypeError', () => {
  for (const token of [5, { token: 5 }, { credential: {} }, { keyName: 'rule' }]) {
    expect(() => relayedConnect(URI, token)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' })
    );
  }
});

test('a provider is asked first; the socket is CONNECTING meanwhile', async () => {
  let answer;
  const socket = relayedConnect(URI, { token: () => new Promise((resolve) => (answer = resolve)) });
  expect(socket.readyState).toBe(0);
  expect(socket.constructor.name).toBe('FakeSocket');
  expect(socket.dialled).toBeUndefined();
  answer('late');
  await turn();
  expect(socket.dialled.headers.get('servicebusauthorization').value).toBe('late');
});

test('a provider that fails is the error of the socket', async () => {
  const socket = relayedConnect(URI, { token: () => Promise.reject(new Error('no')) });
  const events = [];
  socket.on('error', (error) => events.push(error.code));
  await new Promise((resolve) => socket.on('close', (code) => resolve(events.push(code))));
  expect(events).toEqual(['ERR_HYCO_TOKEN', 1006]);
});

test('a dial that throws after the token has come is the error of the socket', async () => {
  const dial = jest.spyOn(FakeSocket.prototype, '_dial');
  const socket = relayedConnect(URI, { token: async () => 'late' });
  dial.mockImplementation(() => {
    throw new Error('no dial');
  });
  const events = [];
  socket.on('error', (error) => events.push(error.message));
  await new Promise((resolve) => socket.on('close', (code) => resolve(events.push(code))));
  dial.mockRestore();
  expect(events).toEqual(['no dial', 1006]);
});

test('a socket that is closed before its token comes is never dialled', async () => {
  let signal;
  const getToken = (_, { abortSignal }) => ((signal = abortSignal), new Promise(() => {}));
  const socket = relayedConnect(URI, { credential: { getToken } });
  socket.end(1006);
  await turn();
  expect(signal.aborted).toBe(true);
  expect(socket.dialled).toBeUndefined();
});
