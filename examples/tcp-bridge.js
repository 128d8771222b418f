'use strict';

// A TCP port of a machine behind a firewall, brought to this one:
//
//     node examples/tcp-bridge.js serve 127.0.0.1:22     behind the firewall
//     node examples/tcp-bridge.js forward 2222           anywhere; then: ssh -p 2222 127.0.0.1
//
// Flags and environment are those of listener.js. `npx hyco-ws-rs listen --to` and `connect --local` do the same.

const net = require('node:net');
const { pipeline } = require('node:stream');

const WebSocket = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('tcp-bridge.js');
const [role, place = ''] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const [port, host = '127.0.0.1'] = place.split(':').reverse();

/** The end of either is the end of both. */
function join(socket, tcp) {
  const stream = WebSocket.createWebSocketStream(socket);
  pipeline(tcp, stream, () => tcp.destroy());
  pipeline(stream, tcp, () => stream.destroy());
}

function serve() {
  const server = WebSocket.createRelayedServer(
    {
      server: adapt(WebSocket.createRelayListenUri(settings.ns, settings.path), settings),
      keyName: settings.keyrule,
      key: settings.key
    },
    (socket) => join(socket, net.connect(Number(port), host))
  );
  server.on('listening', () => console.log(`listening, for ${host}:${port}`));
  server.on('error', (error) => console.error(error.message));
  process.once('SIGINT', () => server.close());
}

function forward() {
  const uri = adapt(WebSocket.createRelaySendUri(settings.ns, settings.path), settings);
  // What arrives before the relay has answered waits in the kernel.
  const server = net.createServer({ pauseOnConnect: true }, async (tcp) => {
    try {
      join(await WebSocket.connectRelayed(uri, { keyName: settings.keyrule, key: settings.key }), tcp);
    } catch (error) {
      console.error(error.message);
      tcp.destroy();
    }
  });
  server.listen(Number(port), host, () => console.log(`forwarding port ${server.address().port}`));
}

if (role === 'serve') serve();
else if (role === 'forward') forward();
else console.log('tcp-bridge.js serve|forward [host:]port');
