'use strict';

// What graphql-ws's `useServer(options, server)` does to a WebSocketServer of ws, done to a RelayedServer.

const { once } = require('node:events');
const { inspect } = require('node:util');

const { RelayedServer, connectRelayed } = require('..');
const { RelayEmulator } = require('../emulator.js');

const PROTOCOL = 'graphql-transport-ws';

/** The parts of graphql-ws 6 that touch the server and its sockets, in its words and its order. */
function useServer(answer, server) {
  const handleProtocols = (protocols) => {
    if (protocols instanceof Set && protocols.has(PROTOCOL)) return PROTOCOL;
    if (Array.isArray(protocols) && protocols.includes(PROTOCOL)) return PROTOCOL;
    return false;
  };
  server.options.handleProtocols = handleProtocols;
  server.once('error', () => {
    for (const client of server.clients) client.close(4500, 'Internal server error');
  });
  server.on('connection', (socket) => {
    socket.once('error', () => socket.close(4500, 'Internal server error'));
    if (socket.protocol !== PROTOCOL) return socket.close(4406, 'Subprotocol not acceptable');
    socket.on('message', (event) => {
      if (socket.readyState === socket.OPEN) socket.send(answer(String(event)));
    });
  });
  return {
    async dispose() {
      for (const client of server.clients) client.close(1001, 'Going away');
      server.removeAllListeners();
      await new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
      });
    }
  };
}

let relay;
beforeEach(async () => {
  relay = await RelayEmulator.start();
});
afterEach(() => relay.close({ force: true }));

test('a library that sets handleProtocols, listens and disposes finds what it needs', async () => {
  const { keyName, key } = relay;
  const server = new RelayedServer({ server: relay.listenUri(), keyName, key });
  await once(server, 'listening');
  const disposable = useServer((text) => text.toUpperCase(), server);
  const connect = (protocols) => connectRelayed(relay.sendUri(), { keyName, key, protocols });

  const socket = await connect(['other', PROTOCOL]);
  expect(socket.protocol).toBe(PROTOCOL);
  socket.send('hello');
  const [data] = await once(socket, 'message');
  expect(String(data)).toBe('HELLO');

  const stranger = await connect(['other']).catch((error) => error);
  expect(stranger).toMatchObject({ message: 'Server sent no subprotocol' });

  const closed = once(socket, 'close');
  await disposable.dispose();
  expect((await closed)[0]).toBe(1001);
  expect(server.state).toBe('closed');
});

test('printing the options shows no credentials, whatever was set on them', () => {
  const secret = 'SECRET';
  const server = new RelayedServer({
    server: `${relay.listenUri()}&sb-hc-token=${secret}`,
    keyName: 'rule',
    key: secret,
    token: secret,
    proxy: `http://user:${secret}@127.0.0.1:1`
  });
  server.on('error', () => {});
  server.options.key = `another ${secret}`;
  server.options.handleProtocols = () => false;
  server.options.maxConnections = 1;
  const copy = { ...server.options };
  for (const shown of [server.options, copy, server]) {
    expect(inspect(shown) + JSON.stringify(shown.options ?? shown)).not.toContain(secret);
  }
  expect(Object.keys(copy)).toEqual(expect.arrayContaining(['handleProtocols', 'maxConnections', 'keyName']));
  return server.close();
});
