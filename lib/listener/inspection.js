'use strict';

/** What a server's own inspector shows: what passes through this process, by what the diagnostics channels tell. */

const diagnosticsChannel = require('node:diagnostics_channel');

const { Recorder } = require('../inspector/recorder');
const { RecordRing } = require('../inspector/record-ring');
const { createRedaction } = require('../inspector/redaction');
const { startInspector } = require('../inspector/server');
const { now } = require('../shared/clock');
const { headerPairs } = require('../shared/headers');
const { watchExchange, watchSocket } = require('./watching');

/** Connections that are told one by one. */
const MOST_CONNECTIONS = 200;

class Counts {
  messages = 0;
  bytes = 0;
  /** The same at the last look. */
  #before = [0, 0];

  look(seconds, buffered) {
    const { bytes, messages } = this;
    const [messagesBefore, bytesBefore] = this.#before;
    this.#before = [messages, bytes];
    return {
      messages,
      bytes,
      messagesPerSecond: (messages - messagesBefore) / seconds,
      bytesPerSecond: (bytes - bytesBefore) / seconds,
      buffered
    };
  }
}

/** The source of the page, as `startInspector()` takes it, and the page. */
class Inspection {
  #server;
  /** The hybrid connection. */
  #path;
  #settings;
  #ring;
  #page;
  #subscriptions;
  /** Socket: { id, since, toListener, toSender }. */
  #open = new Map();
  /** Of requests that are under way: what becomes of them. */
  #exchanges = new Map();
  #since;
  #tokenExpires;
  #lookedAt = now();

  /**
   * @param {import('./server').RelayedServer} server
   * @param {object} settings The server's options
   */
  constructor(server, settings) {
    const { maxBytes, maxRecords, port, previewBytes } = settings.inspect;
    this.#server = server;
    this.#path = server.path.replace(/^\//, '');
    this.#settings = settings;
    this.#ring = new RecordRing({ maxRecords, maxBytes });
    const secrets = [settings.key, settings.token].flat().filter((one) => typeof one === 'string');
    this.recorder = new Recorder(this.#ring, createRedaction({ secrets: () => secrets, previewBytes }));
    this.#subscriptions = Object.entries(this.#listeners()).map(([name, tell]) => {
      const channel = `hyco-ws-rs:${name}`;
      const onMessage = (message) => message.server === server && tell(message);
      diagnosticsChannel.subscribe(channel, onMessage);
      return () => diagnosticsChannel.unsubscribe(channel, onMessage);
    });
    this.#page = startInspector(this, { port });
  }

  /** The page's address, when it is there. */
  get opened() {
    return this.#page.then(({ url }) => url);
  }

  async close() {
    for (const unsubscribe of this.#subscriptions.splice(0)) unsubscribe();
    this.recorder.close();
    const page = await this.#page.catch(() => undefined);
    await page?.close();
  }

  #push(kind, fields) {
    this.#ring.push({ kind, path: this.#path, ...fields });
  }

  /** Channel: what it brings to the records. */
  #listeners() {
    const { id } = this.#settings;
    const push = (kind, fields) => this.#push(kind, fields);
    const problem = (kind) => (message) =>
      push(kind, { id: message.request?.id ?? id, ...plain(message.error) });
    return {
      'server:connecting': () => push('connecting', { id }),
      'server:listening': () => {
        this.#since ??= Date.now();
        push('connected', { id });
      },
      'server:reconnecting': ({ delay, reason }) => {
        this.#since = undefined;
        push('reconnecting', { id, delay, reason });
      },
      'server:offline': problem('offline'),
      'server:error': problem('error'),
      'token:failed': problem('error'),
      'token:renewed': ({ expiresIn }) => {
        this.#tokenExpires = Date.now() + expiresIn;
        push('renewed', { id, token: { result: 'ok', expires: this.#tokenExpires } });
      },
      'control:malformed': ({ message }) => push('error', { id, code: 'malformed', message }),
      'accept:offer': ({ request }) => push('sender', describe(request)),
      'accept:accepted': (message) => this.#onAccepted(message),
      'accept:rejected': ({ reason, request, statusCode }) =>
        push('rejected', { id: request.id, status: statusCode, reason }),
      'accept:failed': problem('error'),
      'request:received': ({ request }) => this.#onRequest(request),
      'request:answered': ({ request, statusCode }) =>
        this.#onRequestEnd('requestDone', request, { status: statusCode }),
      'request:failed': (message) => {
        if (!this.#exchanges.has(message.request)) return problem('error')(message);
        this.#onRequestEnd('requestFailed', message.request, {
          status: null,
          reason: message.error?.message ?? ''
        });
      }
    };
  }

  #onAccepted({ duration, request, socket }) {
    const { id } = request;
    const entry = { id, since: Date.now(), toListener: new Counts(), toSender: new Counts() };
    this.#open.set(socket, entry);
    this.#push('accepted', { id, duration });
    watchSocket(socket, this.#settings.inspect.previewBytes, {
      message: (message) => {
        const counts = entry[message.direction];
        counts.messages++;
        counts.bytes += message.size;
        this.#push('message', { id, ...message });
      },
      closed: (end) => {
        this.#open.delete(socket);
        this.#push('closed', { id, ...end });
      }
    });
  }

  #onRequest(request) {
    const { id } = request;
    this.#push('request', { ...describe(request), method: request.method });
    const onResponse = (response) => this.#push('response', { id, ...response });
    this.#exchanges.set(request, watchExchange(request, this.#settings.inspect.previewBytes, onResponse));
  }

  #onRequestEnd(kind, request, fields) {
    const endOf = this.#exchanges.get(request);
    this.#exchanges.delete(request);
    this.#push(kind, { id: request.id, ...fields, ...endOf?.() });
  }

  /** The server at a glance, with what went by in each second since the last look. */
  overview() {
    const server = this.#server;
    const { id, uri } = this.#settings;
    const path = this.#path;
    const { state } = server;
    const seconds = Math.max((now() - this.#lookedAt) / 1000, 0.001);
    this.#lookedAt = now();
    const stats = server.stats();
    const isOnline = state === 'online';
    const listener = { path, id, since: this.#since, tokenExpires: this.#tokenExpires, roundTrip: stats.rtt };
    const connections = [...this.#open].slice(0, MOST_CONNECTIONS).map(([socket, entry]) => ({
      path,
      id: entry.id,
      since: entry.since,
      kind: 'websocket',
      toListener: entry.toListener.look(seconds, 0),
      toSender: entry.toSender.look(seconds, socket.bufferedAmount)
    }));
    return {
      time: Date.now(),
      address: new URL(uri).origin.replace(/^ws/, 'http'),
      state,
      hybridConnections: [{ path, listeners: Number(isOnline), senders: this.#open.size }],
      listeners: isOnline ? [listener] : [],
      connections,
      totals: {
        rendezvous: stats.accepted,
        requests: stats.requests,
        refused: stats.rejected,
        renewals: stats.renewals
      },
      pending: stats.pendingAccepts,
      capabilities: { replay: false, faults: false }
    };
  }
}

/** Who has come for what. */
function describe(request) {
  const { id, rawHeaders, socket } = request;
  const target = request.originalUrl ?? request.url;
  return { id, remoteAddress: socket.remoteAddress, target, headers: headerPairs(rawHeaders) };
}

function plain(error) {
  return { code: error?.code ?? '', message: error?.message ?? '' };
}

module.exports = { Inspection };
