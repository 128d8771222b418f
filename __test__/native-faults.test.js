'use strict';

// The addon throws where it does so in no test otherwise: nothing is kept, and everybody who waits is told.

const { once } = require('node:events');

const { RelayedServer, RelayedWebSocket, connectRelayed, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');
const { getEngine } = require('../lib/engine/engine.js');
const native = require('../lib/shared/native.js');

const engine = getEngine();
let relay;
let server;
let spy;

beforeEach(async () => {
  relay = await RelayEmulator.start();
});
afterEach(async () => {
  spy?.mockRestore();
  await server?.close({ timeout: 0 });
  server = undefined;
  await relay.close({ force: true });
});

function breakNative(object, name) {
  spy = jest.spyOn(object, name).mockImplementation(() => {
    throw new Error('the addon threw');
  });
}

/** What the engine keeps: slots in use, and reasons to stay alive. */
const kept = () => [engine.owners.filter(Boolean).length, engine.references];

const credentials = () => ({ keyName: relay.keyName, key: relay.key });

test('NativeListener: the constructor throws', () => {
  const before = kept();
  breakNative(native, 'NativeListener');
  for (let count = 0; count < 3; count++) {
    expect(() => new RelayedServer({ server: relay.listenUri(), ...credentials() })).toThrow(
      'the addon threw'
    );
  }
  expect(kept()).toEqual(before);
});

test('dial: the constructor throws', () => {
  const before = kept();
  breakNative(engine.native, 'dial');
  expect(() => new RelayedWebSocket('ws://127.0.0.1:1')).toThrow('the addon threw');
  expect(() => relayedConnect(relay.sendUri(), credentials())).toThrow('the addon threw');
  expect(kept()).toEqual(before);
});

test('dial, once the token has come: the error of the socket', async () => {
  const before = kept();
  breakNative(engine.native, 'dial');
  const socket = relayedConnect(relay.sendUri(), { token: async () => 'late' });
  const events = [];
  socket.on('error', (error) => events.push(error.message));
  socket.on('close', (code) => events.push(code));
  await new Promise((resolve) => socket.on('close', resolve));
  expect(events).toEqual(['the addon threw', 1006]);
  expect(socket.readyState).toBe(RelayedWebSocket.CLOSED);
  expect(kept()).toEqual(before);
});

test('accept: a rendezvousError, and the sender gets a 500', async () => {
  server = new RelayedServer({ server: relay.listenUri(), ...credentials() });
  await once(server, 'listening');
  const before = kept();
  breakNative(native.NativeListener.prototype, 'accept');
  const failed = once(server, 'rendezvousError');
  const sender = relayedConnect(relay.sendUri(), credentials());
  const [error] = await new Promise((resolve) => sender.on('error', (...given) => resolve(given)));
  expect(error).toMatchObject({ statusCode: 500 });
  expect((await failed)[0].message).toBe('the addon threw');
  expect(server.stats()).toMatchObject({ failed: 1, rejected: 0, pendingAccepts: 0 });
  // The sender's slot is free when the engine has let go of it.
  while (String(kept()) !== String(before)) await new Promise(setImmediate);
  spy.mockRestore();
  // The next one finds everything as it was.
  const socket = await connectRelayed(relay.sendUri(), credentials());
  socket.terminate();
});

test('a token function that throws at once: the error of the sender, and of the listener', async () => {
  const token = () => {
    throw new Error('no vault');
  };
  const refused = await connectRelayed(relay.sendUri(), { token }).catch((reason) => reason);
  expect(refused).toMatchObject({ code: 'ERR_HYCO_TOKEN', cause: { message: 'no vault' } });
  server = new RelayedServer({ server: relay.listenUri(), token });
  const [error] = await new Promise((resolve) => server.on('error', (...given) => resolve(given)));
  expect(error).toMatchObject({ code: 'ERR_HYCO_TOKEN', cause: { cause: { message: 'no vault' } } });
});
