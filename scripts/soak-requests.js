'use strict';

/** The soak's HTTP requests: bodies of any size, sent back by the listener, which are whole or seen to be cut. */

const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

/** What a fault may leave without an answer is given up after so many ms. */
const PATIENCE = 4_000;

/** The listener's end: sends back what comes, as it comes. */
function sendBack(req, res) {
  res.setHeader('X-Number', req.headers['x-number'] ?? '');
  req.pipe(res);
  req.on('error', () => res.destroy());
}

/** Makes one request; resolves to 'answered', 'corrupt', or 'failed' where a fault was in the way. */
function ask({ relay, agent, patience }, number, body, chunked) {
  return new Promise((resolve) => {
    const request = http.request(relay.httpUri('hyco'), {
      agent,
      method: 'POST',
      headers: {
        ServiceBusAuthorization: relay.createToken('hyco'),
        'X-Number': String(number),
        ...(chunked ? {} : { 'Content-Length': body.length })
      },
      signal: AbortSignal.timeout(PATIENCE * patience)
    });
    const fail = () => resolve('failed');
    request.on('error', fail);
    request.on('response', (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', fail);
      response.on('close', () => {
        if (!response.complete || response.statusCode !== 200) return fail();
        const same = Buffer.concat(pieces).equals(body) && response.headers['x-number'] === String(number);
        resolve(same ? 'answered' : 'corrupt');
      });
    });
    if (!chunked) return void request.end(body);
    const half = body.length >>> 1;
    request.write(body.subarray(0, half));
    setImmediate(() => request.end(body.subarray(half)));
  });
}

/** One request after the other, until the end. */
async function askForever(soak, chance) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const { relay, patience, requests } = soak;
  for (let number = 0; soak.running; number++) {
    const size = Math.floor(chance() * [10, 3_000, 200_000][Math.floor(chance() * 3)]);
    const body = Buffer.alloc(size, `${number}`);
    requests[await ask({ relay, agent, patience }, number, body, chance() < 0.3)]++;
    await sleep(chance() * 20);
  }
  agent.destroy();
}

module.exports = { askForever, sendBack };
