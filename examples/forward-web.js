'use strict';

// A web server of this machine, reached through the relay, with its WebSockets:
//
//     node examples/forward-web.js 3000                      or http://localhost:3000/base
//
// Flags and environment are those of listener.js. `npx hyco-ws-rs forward 3000` does the same.

const { createRelayListenUri, forward } = require('hyco-ws-rs');

const { adapt, readSettings } = require('./settings.js');

const settings = readSettings('forward-web.js');
const [target = '3000'] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

async function main() {
  const tunnel = await forward(target, {
    server: adapt(createRelayListenUri(settings.ns, settings.path), settings),
    keyName: settings.keyrule,
    key: settings.key
  });
  console.log(`online at ${tunnel.url}`);
  tunnel.on('answered', ({ method, path, statusCode, duration }, error) => {
    console.log(method, path, statusCode, `${Math.round(duration)} ms`, error?.message ?? '');
  });
  tunnel.on('reconnecting', ({ reason }) => console.error(`lost: ${reason}`));
  tunnel.on('error', (error) => console.error(error.message));
  process.once('SIGINT', () => tunnel.close());
}
main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
