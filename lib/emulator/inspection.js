'use strict';

const http = require('node:http');
const https = require('node:https');

const { Recorder } = require('../inspector/recorder.js');
const { createRedaction } = require('../inspector/redaction.js');
const { bareHost } = require('../shared/address');
const { check, readTable } = require('../shared/checks');
const { invalidArgValue, withCode } = require('../shared/errors');
const { HOP_BY_HOP, headerPairs } = require('../shared/headers');

/** What is told of the response to a request that was sent again. */
const MAX_REPLY = 1024 * 1024;
/** Whoever trickles its response has so long between two pieces. */
const REPLY_TIMEOUT = 120_000;

/** The old token, and what the new request writes by itself. */
const NOT_AGAIN = new Set(['content-length', 'expect', 'host', 'servicebusauthorization', 'via']);

const REPLAY = {
  method: ['GET', check.word],
  path: [undefined, check.word],
  headers: [[], check.array],
  body: ['', (value, name) => (Buffer.isBuffer(value) ? value : check.string(value, name))]
};

/** The records of a relay, which lie in Rust and are brought over when somebody looks at them. */
class RelayRecords {
  #native;
  onWake = () => {};

  constructor(native) {
    this.#native = native;
  }

  read(after, limit) {
    return JSON.parse(this.#native.readRecords(after, limit));
  }

  arm(after) {
    return this.#native.armRecords(after);
  }
}

/** What there is to see of a relay, and to do to it: the source of the inspector's page. */
class Inspection {
  #relay;
  #native;
  #options;
  #records;
  /** The last look at each connection, for its rates. */
  #before = { time: 0, connections: new Map() };

  /**
   * Begins to record.
   *
   * @param {import('./relay-emulator').RelayEmulator} relay
   * @param {object} native
   * @param {object} options The relay's
   * @param {{maxRecords: number, maxBytes: number, previewBytes: number}} limits
   */
  constructor(relay, native, options, limits) {
    this.#relay = relay;
    this.#native = native;
    this.#options = options;
    native.record(JSON.stringify(limits));
    this.#records = new RelayRecords(native);
    const keys = options.sharedAccessPolicies.map(({ key }) => key);
    const { previewBytes } = limits;
    this.recorder = new Recorder(this.#records, createRedaction({ secrets: () => keys, previewBytes }));
    this.faults = relay.faults;
  }

  /** There are records to read. */
  wake() {
    this.#records.onWake();
  }

  /** The relay at a glance, with what went by in each second since the last look. */
  overview() {
    const seen = JSON.parse(this.#native.overview());
    const time = Date.now();
    const seconds = Math.max((time - this.#before.time) / 1000, 0.001);
    const before = this.#before.connections;
    const connections = new Map();
    for (const connection of seen.connections) {
      const key = `${connection.since} ${connection.id}`;
      const { toListener, toSender } = connection;
      connections.set(key, { toListener: { ...toListener }, toSender: { ...toSender } });
      for (const way of ['toListener', 'toSender']) {
        const now = connection[way];
        const then = before.get(key)?.[way] ?? now;
        now.messagesPerSecond = (now.messages - then.messages) / seconds;
        now.bytesPerSecond = (now.bytes - then.bytes) / seconds;
      }
    }
    this.#before = { time, connections };
    const address = this.#relay.httpUri('').replace(/\/$/, '');
    return { time, address, ...seen, capabilities: { replay: true, faults: true } };
  }

  /**
   * Sends a request to this relay, signed anew.
   *
   * @param {object} request
   * @param {string} [request.method='GET']
   * @param {string} request.path Of the hybrid connection and what follows: `/hyco/a?b=c`
   * @param {Array<[string, string]>} [request.headers] Those of the hop, and those that were redacted, are left out
   * @param {string|Buffer} [request.body]
   * @return {Promise<{status: number, reason: string, headers: Array<[string, string]>, body: Buffer, cut: boolean}>}
   */
  async replay(request) {
    const { method, path, headers, body } = readTable(REPLAY, check.object(request, 'request'), 'request.');
    if (path === undefined || !path.startsWith('/') || /[^\x21-\x7e]/.test(path)) {
      throw invalidArgValue('request.path', 'it must begin with a slash, and be percent-encoded');
    }
    if (path.split('?')[0].toLowerCase().startsWith('/$hc')) {
      throw invalidArgValue('request.path', 'it must be that of an HTTP request');
    }
    const target = withoutRelayParameters(path);
    const lines = [];
    for (const [name, value] of headers.map((pair, index) =>
      check.array(pair, `request.headers[${index}]`)
    )) {
      const known = String(name).toLowerCase();
      if (HOP_BY_HOP.has(known) || NOT_AGAIN.has(known) || String(value).includes('***')) continue;
      lines.push(name, value);
    }
    const relay = this.#relay;
    lines.push('Host', relay.address, 'ServiceBusAuthorization', this.#tokenFor(target));
    lines.push('Content-Length', String(Buffer.byteLength(body)));
    const options = {
      method,
      path: target,
      host: bareHost(relay.host),
      port: relay.port,
      headers: lines,
      agent: false,
      timeout: REPLY_TIMEOUT,
      // The relay of this very process, by its bound address.
      rejectUnauthorized: false
    };
    return reply((relay.secure ? https : http).request(options), body);
  }

  #tokenFor(target) {
    const path = target.split('?')[0].toLowerCase();
    const reaches = (policy) =>
      policy.path === undefined || `${path}/`.startsWith(`/${policy.path.toLowerCase()}/`);
    const sends = ({ rights }) => rights.includes('Send') || rights.includes('Manage');
    const policy = this.#options.sharedAccessPolicies.find((own) => sends(own) && reaches(own));
    if (policy === undefined) {
      throw invalidArgValue('request.path', 'no SAS rule of this relay may send there');
    }
    return this.#relay.createToken(policy.path ?? '', { keyName: policy.keyName });
  }
}

/** Above all without the old token. */
function withoutRelayParameters(path) {
  const [before, ...query] = path.split('?');
  if (query.length === 0) return path;
  const kept = query
    .join('?')
    .split('&')
    .filter((pair) => !/^sb(?:-|%2d)hc(?:-|%2d)[^=]*=/i.test(pair));
  return `${before}${kept.length > 0 ? '?' : ''}${kept.join('&')}`;
}

function reply(request, body) {
  return new Promise((resolve, reject) => {
    request.on('timeout', () =>
      request.destroy(withCode(new Error('The listener does not go on with its response'), 'ETIMEDOUT'))
    );
    request.on('error', reject);
    // An answer to CONNECT, or one that upgrades, is no response.
    request.on('close', () => reject(withCode(new Error('There was no response'), 'ECONNRESET')));
    request.on('response', (response) => {
      const chunks = [];
      let size = 0;
      const done = (cut) => {
        const { statusCode: status, statusMessage: reason } = response;
        const headers = headerPairs(response.rawHeaders);
        resolve({ status, reason, headers, body: Buffer.concat(chunks).subarray(0, MAX_REPLY), cut });
      };
      response.on('data', (chunk) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= MAX_REPLY) return;
        done(true);
        request.destroy();
      });
      response.on('end', () => done(false));
      response.on('error', () => done(true));
    });
    request.end(body);
  });
}

module.exports = { Inspection };
