'use strict';

// `npm run demo`: a listener and its senders talk through the embedded relay, by WebSocket and by HTTP. Tokens are made,
// checked and renewed for real; nothing leaves this machine.

const { once } = require('node:events');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');

const MESSAGES = 5;
/** Short, so that the renewal can be watched. */
const TOKEN_SECONDS = 4;

const say = (who, text) => console.log(`${who.padEnd(9)}| ${text}`);

/** A listener that answers messages and bodies of requests in upper case, and whose tokens are made from the SAS rule. */
async function startListener(relay) {
  const server = WebSocket.createRelayedServer(
    {
      server: relay.listenUri(),
      keyName: relay.keyName,
      key: relay.key,
      tokenLifetime: TOKEN_SECONDS
    },
    (socket, request) => {
      say('listener', `accepted a sender from ${request.socket.remoteAddress}, path ${request.url}`);
      socket.on('message', (data, isBinary) => {
        if (isBinary) socket.send(data.reverse(), { binary: true });
        else socket.send(data.toString().toUpperCase());
      });
      socket.on('close', (code) => say('listener', `the sender has gone (${code})`));
    }
  );
  server.on('request', async (req, res) => {
    say('listener', `${req.method} ${req.url} from ${req.socket.remoteAddress}`);
    const parts = await req.toArray();
    res.setHeader('Content-Type', 'text/plain');
    res.end(Buffer.concat(parts).toString().toUpperCase());
  });
  await once(server, 'listening');
  say('listener', `online at ${server.listenUri}`);
  return server;
}

/** Connects with a token of its own, asks and prints the answers. */
async function runSender(relay) {
  const uri = relay.sendUri();
  const token = WebSocket.createRelayToken(uri, relay.keyName, relay.key, 60);
  const socket = WebSocket.relayedConnect(uri, token);
  await once(socket, 'open');
  say('sender', 'connected');
  for (let n = 1; n <= MESSAGES; n++) {
    const text = `hello through the relay, ${n} of ${MESSAGES}`;
    socket.send(text);
    const [answer] = await once(socket, 'message');
    say('sender', `"${text}" -> "${answer}"`);
  }
  socket.send(Buffer.from([1, 2, 3]));
  const [binary] = await once(socket, 'message');
  say('sender', `binary 010203 -> ${binary.toString('hex')}`);
  socket.close(1000, 'done');
  await once(socket, 'close');
}

/** Asks over plain HTTP, as a browser or `curl` would. */
async function runHttpSender(relay) {
  const url = `${relay.httpUri()}/shout?from=demo`;
  const headers = { ServiceBusAuthorization: WebSocket.createRelayToken(url, relay.keyName, relay.key, 60) };
  const body = 'hello over HTTP';
  const response = await fetch(url, { method: 'POST', headers, body });
  say(
    'sender',
    `POST "${body}" -> ${response.status} "${await response.text()}", via ${response.headers.get('via')}`
  );
}

/** A token that was signed with another key does not get in. */
async function showRefusal(relay) {
  const uri = relay.sendUri();
  const forged = WebSocket.createRelayToken(uri, relay.keyName, 'not the key');
  const [error] = await once(WebSocket.relayedConnect(uri, forged), 'error');
  say('sender', `a token with a wrong key is refused: ${error.code}, status ${error.statusCode}`);
}

async function main() {
  const relay = await RelayEmulator.start();
  say('relay', `the embedded relay listens on ${relay.host}:${relay.port}`);
  const server = await startListener(relay);
  await runSender(relay);
  await runHttpSender(relay);
  await showRefusal(relay);

  say('listener', `its token lives ${TOKEN_SECONDS} s; waiting for the renewal`);
  while (server.stats().renewals === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  say('listener', 'has renewed its token on the open control channel');

  await server.close();
  await relay.close();
  say('relay', 'closed; that was the demo');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
