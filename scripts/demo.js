'use strict';

// `npm run demo`: a listener and a sender exchange messages through the embedded relay, with a real token.

const { once } = require('node:events');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const PATH = 'hyco';
const RULE = { keyName: 'demo', key: 'a key that only this demo knows', rights: ['Listen', 'Send'] };

async function main() {
  const relay = await RelayEmulator.start({
    hybridConnections: [{ path: PATH }],
    sharedAccessPolicies: [RULE]
  });
  console.log(`relay      on 127.0.0.1:${relay.port}, hybrid connection "${PATH}"`);

  const server = WebSocket.createRelayedServer(
    {
      server: relay.listenUri(PATH),
      token: () => WebSocket.createRelayToken(relay.listenUri(PATH), RULE.keyName, RULE.key)
    },
    (socket, request) => {
      console.log(`listener   accepts ${request.url}`);
      socket.on('message', (data, isBinary) => {
        console.log(`listener   received ${JSON.stringify(String(data))}, sends it back`);
        socket.send(data, { binary: isBinary });
      });
    }
  );
  await once(server, 'listening');
  console.log('listener   is online');

  const uri = relay.sendUri(PATH);
  const sender = WebSocket.relayedConnect(uri, WebSocket.createRelayToken(uri, RULE.keyName, RULE.key));
  await once(sender, 'open');
  console.log('sender     is connected');
  for (const text of ['hello', 'from the other side', 'of the relay']) {
    sender.send(text);
    const [data] = await once(sender, 'message');
    console.log(`sender     received ${JSON.stringify(String(data))}`);
  }

  sender.close(1000, 'done');
  const [code] = await once(sender, 'close');
  console.log(`sender     closed with ${code}`);
  await server.close();
  await relay.close();
  console.log('relay      closed');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
