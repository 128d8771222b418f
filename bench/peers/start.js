'use strict';

/** What loading costs: `node start.js MODULE`. */

const fs = require('node:fs');

const threads = () =>
  fs.existsSync('/proc/self/task') ? fs.readdirSync('/proc/self/task').length : undefined;
const rssBefore = process.memoryUsage.rss();
const threadsBefore = threads();
const from = process.hrtime.bigint();
require(process.argv[2]);
const took = Number(process.hrtime.bigint() - from) / 1e6;

process.stdout.write(
  JSON.stringify({
    require: took,
    rss: (process.memoryUsage.rss() - rssBefore) / 1048576,
    threads: threadsBefore === undefined ? undefined : threads() - threadsBefore
  })
);
process.exit();
