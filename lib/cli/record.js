'use strict';

const { createWriteStream } = require('node:fs');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');

/**
 * Writes the records of a relay into a file, a JSON object a line, until the relay has closed.
 *
 * @param {{records: function(): AsyncIterable<object>}} relay
 * @param {string} file
 * @returns {{done: Promise<void>, failed: Promise<void>}} `done` once all is written; either rejects where the file cannot be
 *     written, `failed` does nothing else
 */
function record(relay, file) {
  const done = pipeline(
    Readable.from(relay.records()),
    async function* (records) {
      for await (const one of records) yield `${JSON.stringify(one)}\n`;
    },
    // Whoever could read it could use what was relayed.
    createWriteStream(file, { mode: 0o600 })
  );
  const failed = new Promise((_resolve, reject) => {
    done.catch(reject);
  });
  return { done, failed };
}

module.exports = { record };
