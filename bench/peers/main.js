'use strict';

/**
 * A peer in a process of its own: `node peers/main.js NAME URL [--direct] [--deflate]`. It says `ready` and takes
 * orders over stdin, as JSON lines; it ends with stdin.
 */

const { monitorEventLoopDelay } = require('node:perf_hooks');

const { say, takeOrders } = require('./orders.js');
const { serve } = require('./serve.js');

const [name, url, ...flags] = process.argv.slice(2);
const options = { deflate: flags.includes('--deflate') };

/** `listen(url, options, onSocket)` starts a listener, `dial(url, options)` makes a socket that dials by itself. */
const peer = require(`./${name}.js`);

let delay;
let churning = false;

function dial(to) {
  const socket = peer.dial(to, options);
  serve(socket, peer.ws1);
  return socket;
}

/** Keeps one short-lived connection after the other. */
function churn(to) {
  if (!churning) return;
  dial(to).on('close', () => churn(to));
}

takeOrders({
  dial: ({ url: to, sockets }) => {
    for (let i = 0; i < sockets; i++) dial(to);
  },
  churn: ({ url: to, concurrency }) => {
    churning = true;
    for (let i = 0; i < concurrency; i++) churn(to);
  },
  'churn-stop': () => {
    churning = false;
  },
  usage: () => process.memoryUsage(),
  snapshot: ({ file }) => require('node:v8').writeHeapSnapshot(file),
  'delay-start': () => {
    delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
  },
  'delay-stop': () => {
    delay.disable();
    const millis = (ns) => ns / 1e6;
    return { p50: millis(delay.percentile(50)), p99: millis(delay.percentile(99)), max: millis(delay.max) };
  }
});

if (!flags.includes('--direct')) peer.listen(url, options, (socket) => serve(socket, peer.ws1));
say({ event: 'ready' });
