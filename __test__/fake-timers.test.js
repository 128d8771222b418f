'use strict';

// The package goes on under the fake timers of jest and its kin: it runs on what there was when it was loaded.

const { once } = require('node:events');

const { RelayedServer, WebSocketServer, RelayedWebSocket, relayedConnect } = require('..');
const { RelayEmulator } = require('../emulator.js');

afterEach(() => jest.useRealTimers());

test.each(['modern', 'legacy'])(
  '%s fake timers: everything is delivered, and everything closes',
  async (kind) => {
    const relay = await RelayEmulator.start();
    const wss = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(wss, 'listening');
    jest.useFakeTimers(kind === 'legacy' ? { legacyFakeTimers: true } : undefined);

    const server = new RelayedServer({ server: relay.listenUri(), keyName: relay.keyName, key: relay.key });
    server.on('connection', (socket) =>
      socket.on('message', (data) => socket.send(data, () => socket.pause()))
    );
    await once(server, 'listening');
    const sender = relayedConnect(relay.sendUri(), { token: async () => relay.createToken() });
    await once(sender, 'open');
    for (let i = 0; i < 5000; i++) sender.send(`${i}`);
    sender.pause();
    sender.resume();
    await once(sender, 'message');
    sender.terminate();
    await once(sender, 'close');

    const early = new RelayedWebSocket(`ws://127.0.0.1:${wss.address().port}`);
    early.on('error', () => {});
    early.close();
    await new Promise((resolve) => early.on('close', resolve));

    await server.close({ timeout: 0 });
    await relay.close({ force: true });
    wss.close();
  }
);
