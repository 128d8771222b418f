'use strict';

const readline = require('node:readline');

/** A child process that answers JSON lines with JSON lines of the same `id`. */
class Lines {
  /**
   * @param {import('node:child_process').ChildProcess} child
   * @param {string} name For messages
   */
  constructor(child, name) {
    this.child = child;
    this.name = name;
    this.number = 0;
    this.waiting = new Map();
    this.ready = new Promise((resolve, reject) => {
      this.waiting.set('ready', { resolve, reject });
    });
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        for (const { reject } of this.waiting.values()) {
          reject(new Error(`${name} ended (${signal ?? code})`));
        }
        this.waiting.clear();
        resolve();
      });
    });
    this.ready.catch(() => {});
    child.stdin.on('error', () => {});
    readline.createInterface({ input: child.stdout }).on('line', (line) => this.onLine(line));
  }

  /** Nothing that is asked takes this long; a lost answer must not hold up everything. */
  static patience = 90_000;

  onLine(line) {
    const message = JSON.parse(line);
    const key = message.event === 'ready' ? 'ready' : message.id;
    const waiting = this.waiting.get(key);
    if (waiting === undefined) return;
    this.waiting.delete(key);
    if (message.error === undefined) waiting.resolve(message);
    else waiting.reject(new Error(`${this.name}: ${message.error}`));
  }

  /**
   * @param {string} cmd
   * @param {object} [values]
   * @return {Promise<object>}
   */
  ask(cmd, values) {
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new Error(`${this.name}: no answer to ${cmd}`));
      }, Lines.patience);
      const settle = (done) => (value) => {
        clearTimeout(timer);
        done(value);
      };
      this.waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.child.stdin.write(JSON.stringify({ ...values, cmd, id }) + '\n');
    });
  }

  /** Ends the process and waits for it. */
  async stop() {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 3000);
    await this.ended;
    clearTimeout(timer);
  }
}

module.exports = { Lines };
