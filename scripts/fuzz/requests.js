'use strict';

/**
 * A round of HTTP through the relay: heads and bodies of all kinds, answered with what came, and compared; and between them
 * messages to the listener and requests to the relay that make no sense, which must cost nobody else anything.
 */

const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

const { RelayedServer } = require('../..');
const { RelayEmulator } = require('../../emulator.js');

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'];
const NAMES = ['X-A', 'x-b', 'X-C', '__proto__', 'constructor', 'toString', 'Set-Cookie', 'Accept', 'x-!#$%'];
const TOKEN = 'ABCxyz019 ,;=:"\'()<>{}[]\t\u00e9\u00ff';

/** @see `receive.js` for the parameters */
async function requests(dice, { budget }) {
  const emulator = await RelayEmulator.start();
  const server = new RelayedServer({
    server: emulator.listenUri(),
    keyName: emulator.keyName,
    key: emulator.key
  });
  server.on('error', () => {});
  server.on('request', (req, res) => answer(dice.fork(), req, res));
  await once(server, 'listening');
  const faults = [];
  const sender = async (own) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let left = own.int(1, 12); left > 0; left--) {
      if (own.chance(0.15)) await nonsense(own, emulator);
      else faults.push(...(await ask(own, emulator, agent, budget)));
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: dice.pick([1, 3, 8]) }, () => sender(dice.fork())));
  await server.close();
  await emulator.close({ force: true });
  return faults;
}

function words(dice, length) {
  const text = Array.from({ length }, () => dice.pick(TOKEN)).join('');
  return text.trim();
}

/** What the relay passes on of a request, as the answer tells it. */
function seen({ method, headers }) {
  const own = Object.entries(headers).filter(([name]) => /^(x-|__|constr|tostr)/.test(name));
  return JSON.stringify([method, own.sort()]);
}

/** Sends back what has come: in one, in pieces, or as it comes. */
function answer(dice, req, res) {
  res.setHeader('X-Seen', encodeURIComponent(seen(req)));
  res.statusCode = dice.pick([200, 201, 404, 418, 500]);
  if (dice.chance(0.3)) res.flushHeaders();
  if (dice.chance(0.5)) return void req.pipe(res);
  const pieces = [];
  req.on('data', (piece) => pieces.push(piece));
  req.on('end', () => inPieces(dice, Buffer.concat(pieces), res));
}

/** Writes a body and ends it: at once, or in pieces. */
function inPieces(dice, body, to) {
  let at = 0;
  while (at < body.length && dice.chance(0.7)) {
    const size = dice.int(1, 50_000);
    to.write(body.subarray(at, at + size));
    at += size;
  }
  to.end(body.subarray(at));
}

/** @return {Promise<string[]>} What is wrong with the answer to a request */
function ask(dice, emulator, agent, budget) {
  const method = dice.pick(METHODS);
  const bodiless = ['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(method);
  const size = bodiless ? 0 : dice.pick([0, 1, 1000, 65_536, 65_537, dice.int(0, budget.bytes / 64)]);
  const body = Buffer.alloc(size, words(dice, 7) || 'x');
  const headers = { ServiceBusAuthorization: emulator.createToken('hyco') };
  for (let left = dice.int(0, 5); left > 0; left--) {
    const name = dice.pick(NAMES);
    headers[name === '__proto__' ? 'x-proto' : name] = words(dice, dice.int(1, 60));
  }
  if (dice.chance(0.5)) headers['Content-Length'] = size;
  const url = `${emulator.httpUri('hyco')}/${encodeURIComponent(words(dice, 5))}?q=${encodeURIComponent(words(dice, 9))}`;
  return new Promise((resolve) => {
    const request = http.request(url, { agent, method, headers });
    request.on('error', (error) => resolve([`${method}: ${error.message}`]));
    request.on('response', (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('close', () => {
        const got = Buffer.concat(pieces);
        const faults = [];
        if (!response.complete) faults.push(`${method} of ${size}: the answer was cut`);
        if (!got.equals(body)) faults.push(`${method} of ${size}: ${got.length} bytes came back`);
        const want = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
        );
        const told = response.headers['x-seen'];
        if (told === undefined) faults.push(`${method}: ${response.statusCode} ${response.statusMessage}`);
        else if (decodeURIComponent(told) !== seen({ method, headers: want })) {
          faults.push(
            `${method}: ${decodeURIComponent(told)} in place of ${seen({ method, headers: want })}`
          );
        }
        resolve(faults);
      });
    });
    inPieces(dice, body, request);
  });
}

/** Something that is no request: it gets an answer, or none, and that is all. */
async function nonsense(dice, emulator) {
  if (dice.chance(0.5)) {
    const junk = {
      address: dice.pick(['', 'ws://x/', 7]),
      id: words(dice, 9),
      method: words(dice, 4),
      body: dice.chance(0.5)
    };
    const text = JSON.stringify({
      request: { ...junk, requestTarget: words(dice, 6), requestHeaders: { a: words(dice, 5) } }
    });
    emulator.faults.sendControl(dice.chance(0.5) ? text : text.slice(0, dice.int(0, text.length)));
    return;
  }
  const socket = net.connect(emulator.port, '127.0.0.1');
  socket.on('error', () => {});
  const head = `${dice.pick([...METHODS, words(dice, 5)])} /hyco${words(dice, 8)} HTTP/1.${dice.int(0, 2)}\r\n`;
  socket.end(
    `${head}Host: x\r\nTransfer-Encoding: ${dice.pick(['chunked', 'x'])}\r\n${words(dice, 9)}: 1\r\n\r\n${words(dice, 30)}`
  );
  socket.resume();
  await once(socket, 'close').catch(() => {});
}

module.exports = { requests };
