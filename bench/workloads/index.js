'use strict';

module.exports = [
  ...require('./throughput.js'),
  ...require('./latency.js'),
  ...require('./light.js'),
  ...require('./connections.js'),
  ...require('./http.js'),
  ...require('./event-loop.js'),
  ...require('./process.js'),
  ...require('./recorder.js')
];
