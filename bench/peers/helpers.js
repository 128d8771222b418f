'use strict';

/** How many tokens and URIs a second, after a warm-up: `node helpers.js MODULE SECONDS`. */

const [id, seconds] = process.argv.slice(2);
const relay = require(id);

const NAMESPACE = 'contoso.servicebus.windows.net';
const KEY = 'q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=';
const uri = `https://${NAMESPACE}/hyco`;
const keys = Array.from({ length: 64 }, (_, at) => `${at}${KEY}`);
const token = relay.createRelayToken(uri, 'rule', KEY);
let at = 0;

const jobs = {
  token: () => relay.createRelayToken(uri, 'rule', KEY),
  tokens: () => relay.createRelayToken(uri, 'rule', keys[at++ & 63]),
  listenUri: () => relay.createRelayListenUri(NAMESPACE, 'hyco', token, 'an id'),
  sendUri: () => relay.createRelaySendUri(NAMESPACE, 'hyco', token, 'an id'),
  plainUri: () => relay.createRelaySendUri(NAMESPACE, 'hyco')
};

function perSecond(job, length) {
  const from = process.hrtime.bigint();
  const until = from + BigInt(Math.round(length * 1e9));
  let count = 0;
  let now;
  do {
    for (let i = 0; i < 200; i++) job();
    count += 200;
    now = process.hrtime.bigint();
  } while (now < until);
  return (count / Number(now - from)) * 1e9;
}

const results = {};
for (const [name, job] of Object.entries(jobs)) {
  perSecond(job, Number(seconds) / 10);
  results[name] = perSecond(job, Number(seconds) / 4);
}
process.stdout.write(JSON.stringify(results));
