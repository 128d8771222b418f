'use strict';

// A port behind a firewall, brought to this machine. The bytes do not pass through JavaScript:
//
//     node examples/forward-port.js remote 127.0.0.1:22      behind the firewall
//     node examples/forward-port.js local 2222               anywhere; then: ssh -p 2222 127.0.0.1
//
// Flags and environment are those of listener.js. Microsoft's azbridge can be at either end.

const { createRelayListenUri, createRelaySendUri, forward, forwardLocal } = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('forward-port.js');
const [role, place] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const credentials = { keyName: settings.keyrule, key: settings.key };

async function open() {
  if (role === 'remote') {
    const server = adapt(createRelayListenUri(settings.ns, settings.path), settings);
    const tunnel = await forward(place, { server, ...credentials });
    console.log(`listening, for ${place}`);
    return tunnel;
  }
  const address = adapt(createRelaySendUri(settings.ns, settings.path), settings);
  const local = await forwardLocal(place, { address, ...credentials });
  console.log(`forwarding port ${local.address().port}`);
  return local;
}

async function main() {
  if (!['remote', 'local'].includes(role) || place === undefined) {
    return console.log('forward-port.js remote host:port | local port');
  }
  const end = await open();
  end.on('disconnect', ({ remoteAddress, bytesReceived, bytesSent }) => {
    console.log(`${remoteAddress}: ${bytesReceived} bytes received, ${bytesSent} sent`);
  });
  end.on('refused', (error) => console.error(error.message));
  process.once('SIGINT', () => end.close());
}
main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
