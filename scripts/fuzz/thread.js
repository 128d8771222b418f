'use strict';

/** The other side of a round, on a thread of its own. */

const { once } = require('node:events');
const { join } = require('node:path');
const { Worker } = require('node:worker_threads');

/** A worker that posts `{ port }` when it listens, and what it has to report when everything is over. */
class Thread {
  /**
   * @param {string} file In this folder
   * @param {object} workerData With `tls` it listens for TLS
   * @return {Promise<Thread>} With the `port` it listens on
   */
  static async start(file, workerData) {
    const thread = new Thread();
    thread.scheme = workerData.tls === undefined ? 'ws' : 'wss';
    const worker = new Worker(join(__dirname, file), { workerData });
    const failed = new Promise((_resolve, reject) => worker.once('error', reject));
    failed.catch(() => {});
    thread.exited = once(worker, 'exit');
    const [{ port }] = await Promise.race([once(worker, 'message'), failed]);
    thread.port = port;
    thread.reported = Promise.race([once(worker, 'message'), failed]);
    // Whoever waits for it later gets the failure.
    thread.reported.catch(() => {});
    return thread;
  }

  /** @return {string} Where the socket of this number connects to */
  url(number) {
    return `${this.scheme}://127.0.0.1:${this.port}/${number}`;
  }

  /** @return {Promise<object>} What the worker reported, once it has ended */
  async report() {
    const [report] = await this.reported;
    await this.exited;
    return report;
  }
}

module.exports = { Thread };
