'use strict';

/** The ends of tunnels that a command keeps open: what is told of them, whether all is well, and how they end. */

const { hostAndPort } = require('../shared/address.js');
const { redact } = require('../shared/redact.js');
const { targetText } = require('../forward/target.js');
const { describeError, describeTraffic, plain } = require('./output.js');

/**
 * @typedef {object} RunningForward
 * @property {string} title
 * @property {'local'|'remote'} kind
 * @property {string} relay
 * @property {import('../forward/tunnel').Tunnel|import('../forward/local-streams').LocalStreams} end
 * @property {boolean} isUp Whether senders, or clients, can come
 * @property {number} failures Since it was up
 * @property {Error} [lost] It is over for good
 */

class Forwards {
  /**
   * @param {function(string, object): void} tell One line of the log
   * @param {object} [options]
   * @param {number} [options.attempts] After so many failures a listener that has never been up is given up
   * @param {function(RunningForward, Error): void} [options.onLost] One is over for good
   */
  constructor(tell, { attempts = Infinity, onLost = () => {} } = {}) {
    this.tell = tell;
    this.attempts = attempts;
    this.onLost = onLost;
    /** @type {Set<RunningForward>} */
    this.running = new Set();
    this.stopping = false;
  }

  /** Whether everything is up. */
  get isReady() {
    return !this.stopping && this.running.size > 0 && [...this.running].every(({ isUp }) => isUp);
  }

  /**
   * @param {{title: string, relay: string}} named
   * @param {import('../forward/tunnel').Tunnel} tunnel
   * @return {RunningForward}
   */
  addTunnel({ title, relay }, tunnel) {
    const forward = this.add(title, relay, 'remote', tunnel);
    let hasBeenUp = false;
    tunnel.on('listening', () => {
      if (!forward.isUp) this.tell('listening', { forward: title, url: tunnel.url });
      forward.isUp = hasBeenUp = true;
    });
    tunnel.on('reconnecting', ({ attempt, delay, error, reason }) => {
      forward.isUp = false;
      this.tell('reconnecting', { forward: title, delay: Math.round(delay), reason });
      if (!hasBeenUp && attempt >= this.attempts) this.lose(forward, error);
    });
    let last;
    tunnel.on('error', (error) => {
      last = error;
      this.tell('error', { forward: title, error: plain(error) });
    });
    tunnel.on('offline', (error) => this.lose(forward, error ?? last));
    tunnel.on('answered', (info, error) =>
      this.tell('request', { forward: title, ...info, error: shown(error) })
    );
    tunnel.on('rendezvousError', (error, { id }) =>
      this.tell('refused', { forward: title, id, error: plain(error) })
    );
    return forward;
  }

  /**
   * @param {{title: string, relay: string}} named
   * @param {import('../forward/local-streams').LocalStreams} local
   * @return {Promise<RunningForward>} Lost, where its port cannot be had
   */
  async addLocal({ title, relay }, local) {
    const forward = this.add(title, relay, 'local', local);
    local.on('error', (error) => this.lose(forward, error));
    try {
      const { host, port, path } = await local.listen();
      forward.isUp = true;
      this.tell('listening', { forward: title, address: path ?? hostAndPort(host, port), host, port, path });
    } catch (error) {
      this.lose(forward, error);
    }
    return forward;
  }

  add(title, relay, kind, end) {
    const forward = { title, relay, kind, end, isUp: false, lost: undefined };
    this.running.add(forward);
    end.on('connect', (info) => this.tell('connect', { forward: title, ...visible(info) }));
    end.on('disconnect', (info) =>
      this.tell('disconnect', { forward: title, ...visible(info), error: shown(info.error) })
    );
    end.on('refused', (error, info) =>
      this.tell('refused', { forward: title, ...visible(info ?? {}), error: plain(error) })
    );
    return forward;
  }

  lose(forward, error) {
    if (forward.lost !== undefined || this.stopping || !this.running.has(forward)) return;
    forward.lost = error ?? new Error('It has ended');
    forward.isUp = false;
    this.tell('offline', { forward: forward.title, error: plain(forward.lost) });
    this.onLost(forward, forward.lost);
  }

  /** @param {RunningForward} forward @param {object} [how] Of `close()` @return {Promise<void>} */
  remove(forward, how) {
    this.running.delete(forward);
    return forward.end.close(how);
  }

  /** @param {{drain: boolean, timeout: number}} how Those that are open may finish @return {Promise<void>} */
  async close(how) {
    this.stopping = true;
    await Promise.all([...this.running].map(({ end }) => end.close(how)));
  }
}

/** Of what a stream's events bring, what a line can show. */
function visible({ id, name, path, protocol, remoteAddress, statusCode, target, bytesReceived, bytesSent }) {
  return {
    id,
    name,
    path,
    protocol,
    remoteAddress,
    statusCode,
    target: target === undefined ? undefined : targetText({ kind: 'stream', ...target }),
    bytesReceived,
    bytesSent
  };
}

const shown = (error) => (error === undefined ? undefined : plain(error));

/** What needs somebody to look at it; the rest is grey. */
const COLOURS = { error: 'yellow', refused: 'yellow', offline: 'red' };

/** @return {string|undefined} The colour of a line */
function colourOf(event, { error, statusCode }) {
  if (event === 'request' && error === undefined && statusCode < 500) return undefined;
  return COLOURS[event] ?? (error === undefined ? undefined : 'yellow');
}

/** @param {string} event @param {object} fields @return {string} The same as a sentence */
function describe(event, fields) {
  const { forward, error } = fields;
  const failure = error === undefined ? '' : `: ${describeError(error)}`;
  switch (event) {
    case 'listening':
      return fields.url === undefined
        ? `listening on ${fields.address} (${forward})`
        : `online at ${fields.url} (${forward})`;
    case 'reconnecting':
      return `${forward}: connecting again in ${fields.delay} ms: ${fields.reason}`;
    case 'request': {
      const { method, path, statusCode = '-', duration, remoteAddress } = fields;
      return `${method} ${path} ${statusCode} ${Math.round(duration)} ms from ${remoteAddress ?? 'unknown'}${failure}`;
    }
    case 'connect':
      return `${whoOf(fields)} connected (${forward})`;
    case 'disconnect': {
      const traffic = fields.bytesSent === undefined ? '' : `: ${describeTraffic(fields)}`;
      return `${whoOf(fields)} ended${traffic}${failure}`;
    }
    case 'refused':
      return `${whoOf(fields)} refused (${forward})${failure}`;
    case 'offline':
      return `${forward}: over for good${failure}`;
    case 'stopping':
      return `stopping: ${fields.reason}`;
    case 'reloaded':
      return `reloaded: ${fields.kept} kept, ${fields.opened} opened, ${fields.closed} closed`;
    case 'notice':
      return fields.message;
    default:
      return `${forward ?? 'bridge'}${failure}`;
  }
}

function whoOf({ id, name, path, remoteAddress }) {
  const what = [name ?? (path === undefined ? undefined : redact(path))].filter(Boolean).join(' ');
  return `${id ?? '-'} from ${remoteAddress ?? 'unknown'}${what === '' ? '' : ` for ${what}`}`;
}

module.exports = { Forwards, colourOf, describe };
