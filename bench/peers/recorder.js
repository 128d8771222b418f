'use strict';

/**
 * What recording costs the emulator: the same traffic through two relays of this process, one of which records, in turn.
 * Prints the throughput with the recorder as a ratio to that without, the median over the rounds.
 *
 *   node recorder.js PACKAGE SECONDS
 */

const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');

const [, , root, seconds] = process.argv;
const { RelayedServer, relayedConnect } = require(root);
const { RelayEmulator } = require(path.join(root, 'emulator.js'));

const ROUNDS = 9;
const IN_FLIGHT = 64;

async function stage(options) {
  const relay = await RelayEmulator.start({ hybridConnections: ['hyco'], ...options });
  const { keyName, key } = relay;
  const server = new RelayedServer({ server: relay.listenUri(), keyName, key });
  server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  server.on('request', (req, res) => req.pipe(res));
  await once(server, 'listening');
  const sender = relayedConnect(relay.sendUri(), relay.createToken());
  await once(sender, 'open');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  return { relay, server, sender, agent, token: relay.createToken() };
}

/** Echoes in a second, with some always on their way. */
async function echo({ sender }, size, inFlight) {
  const data = Buffer.alloc(size, 1);
  let back = 0;
  let open = inFlight;
  const began = performance.now();
  const end = began + (seconds * 1000) / 4;
  for (let i = 0; i < inFlight; i++) sender.send(data);
  await new Promise((resolve) => {
    sender.on('message', () => {
      back++;
      if (performance.now() < end) sender.send(data);
      else if (--open === 0) resolve();
    });
  });
  sender.removeAllListeners('message');
  return back / (performance.now() - began);
}

/** Requests in a second, eight at a time. */
async function requests({ relay, agent, token }) {
  const began = performance.now();
  const end = began + (seconds * 1000) / 4;
  let done = 0;
  const options = { method: 'POST', agent, headers: { ServiceBusAuthorization: token } };
  const one = () =>
    new Promise((resolve, reject) => {
      const request = http.request(relay.httpUri(), options, (response) =>
        response.on('end', resolve).on('error', reject).resume()
      );
      request.on('error', reject).end(Buffer.alloc(1024, 'x'));
    });
  const loop = async () => {
    for (; performance.now() < end; done++) await one();
  };
  await Promise.all(Array.from({ length: 8 }, loop));
  return done / (performance.now() - began);
}

const TRAFFIC = {
  small: (on) => echo(on, 32, IN_FLIGHT),
  kilobyte: (on) => echo(on, 1024, IN_FLIGHT),
  large: (on) => echo(on, 65_536, 8),
  request: requests
};

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

async function main() {
  const without = await stage({});
  const recorded = await stage({ inspect: true });
  const figures = {};
  for (const [name, run] of Object.entries(TRAFFIC)) {
    const ratios = [];
    await run(without);
    await run(recorded);
    for (let round = 0; round < ROUNDS; round++) {
      // In turn first and second, for the second one finds a warmer machine.
      const pair = round % 2 === 0 ? [without, recorded] : [recorded, without];
      const rates = [await run(pair[0]), await run(pair[1])];
      if (round % 2 === 1) rates.reverse();
      ratios.push(rates[1] / rates[0]);
      figures[`${name}Rate`] = rates[0] * 1000;
    }
    figures[name] = median(ratios);
  }
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  process.exit(0);
}

main();
