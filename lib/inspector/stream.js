'use strict';

/**
 * What one open page is sent: server-sent events. A page that does not read is not read for either, so nothing piles up
 * here; what the store has dropped meanwhile, the page is told of as `lost`.
 */

const { setImmediate } = require('../shared/clock');

class RecordStream {
  #res;
  #reader;
  #batch = [];
  #isWaiting = false;
  /** While the page does not read: a promise of the end of that. */
  #stalled;

  /**
   * @param {import('node:http').ServerResponse} res
   * @param {import('./recorder').Recorder} recorder
   * @param {string} [last] The id of the last event that the page has got
   */
  constructor(res, recorder, last) {
    this.#res = res;
    this.#reader = recorder.records({ since: /^\d{1,15}$/.test(last) ? Number(last) : 0 });
    res.write('retry: 1000\n\n');
    void this.#pump();
  }

  /** Anything but records; a page that does not read can do without. */
  tell(event, data) {
    if (this.#stalled === undefined && this.#res.writable) this.#write(event, data);
  }

  close() {
    void this.#reader.return();
  }

  async #pump() {
    for await (const record of this.#reader) {
      this.#batch.push(record);
      if (!this.#isWaiting) {
        this.#isWaiting = true;
        // Those that were read together are here by then.
        setImmediate(() => this.#flush());
      }
      await this.#stalled;
    }
    this.#flush();
    this.#res.end();
  }

  #flush() {
    this.#isWaiting = false;
    if (this.#batch.length === 0 || !this.#res.writable) return;
    this.#write('records', this.#batch, this.#batch.at(-1).seq);
    this.#batch = [];
  }

  #write(event, data, id) {
    const head = id === undefined ? '' : `id: ${id}\n`;
    if (this.#res.write(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)) return;
    this.#stalled ??= new Promise((resolve) => {
      const goOn = () => {
        this.#stalled = undefined;
        this.#res.off('drain', goOn).off('close', goOn);
        resolve();
      };
      this.#res.on('drain', goOn).on('close', goOn);
    });
  }
}

module.exports = { RecordStream };
