'use strict';

/**
 * The inspector's own port: a page, and what it asks for. Loopback only, and whoever comes has to know the secret in its
 * address; what acts needs it once more, as a header, which no page of another origin can send. Nothing here keeps the
 * process alive.
 */

const { createHash, randomBytes, timingSafeEqual } = require('node:crypto');
const { readFileSync, readdirSync } = require('node:fs');
const { createServer } = require('node:http');
const path = require('node:path');
const { clearInterval, setInterval } = require('node:timers');

const { RecordStream } = require('./stream');
const { now } = require('../shared/clock');
const { redact } = require('../shared/redact');

const HOST = '127.0.0.1';
const SECRET_HEADER = 'x-inspector-secret';

/** Bytes of an order of the page's: a request to send again, with its body in base64. */
const MAX_ORDER = 2 * 1024 * 1024;
/** Pages that may be open at once. */
const MAX_STREAMS = 16;
const OVERVIEW_INTERVAL = 1_000;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY'
};

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml'
};

/** Name: { type, bytes }. Only these can be asked for: no path of a request ever becomes one of the disk. */
function readPage() {
  const folder = path.join(__dirname, 'page');
  return new Map(
    readdirSync(folder).map((name) => [
      name === 'index.html' ? '' : name,
      { type: TYPES[path.extname(name)], bytes: readFileSync(path.join(folder, name)) }
    ])
  );
}

class InspectorServer {
  #secret = randomBytes(24).toString('base64url');
  #digest = digestOf(this.#secret);
  #files = readPage();
  #streams = new Set();
  #server = createServer((req, res) => this.#answer(req, res));
  #source;
  /** The last look at what is shown, and when that was. */
  #look = { at: -Infinity, overview: undefined };
  #hosts;
  #ticker;

  constructor(source) {
    this.#source = source;
    this.#server.on('connection', (socket) => socket.unref());
    // What is no HTTP gets no answer.
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  async listen(port) {
    const server = this.#server;
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: HOST, port, exclusive: true }, () => resolve(server.off('error', reject)));
    });
    server.unref();
    const bound = server.address().port;
    this.#hosts = new Set([`${HOST}:${bound}`, `localhost:${bound}`]);
    return `http://${HOST}:${bound}/${this.#secret}/`;
  }

  close() {
    clearInterval(this.#ticker);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const stream of this.#streams) stream.close();
    this.#server.closeAllConnections();
    return closed;
  }

  #answer(req, res) {
    for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
    const { host, origin } = req.headers;
    // A name that somebody has pointed at this machine, or a page that is not ours.
    if (!this.#hosts.has(host) || (origin !== undefined && origin !== `http://${host}`)) return end(res, 403);
    const [, secret, name, rest, ...more] = req.url.replace(/\?.*/s, '').split('/');
    if (!this.#knows(secret)) return end(res, 404);
    if (req.method === 'POST') {
      if (!this.#knows(req.headers[SECRET_HEADER])) return end(res, 403);
      return void this.#act(req, res, name, rest, more);
    }
    if (req.method !== 'GET') return end(res, 405);
    if (name === undefined) return end(res.setHeader('Location', `/${secret}/`), 308);
    if (rest !== undefined) return end(res, 404);
    if (name === 'events') return this.#stream(req, res);
    const file = this.#files.get(name);
    if (file === undefined) return end(res, 404);
    res.writeHead(200, { 'Content-Type': file.type }).end(file.bytes);
  }

  /** Takes as long for any word. */
  #knows(word) {
    return typeof word === 'string' && timingSafeEqual(digestOf(word), this.#digest);
  }

  #stream(req, res) {
    if (this.#streams.size >= MAX_STREAMS) return end(res, 503);
    res.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    const stream = new RecordStream(res, this.#source.recorder, req.headers['last-event-id']);
    this.#streams.add(stream);
    stream.tell('overview', this.#overview());
    this.#ticker ??= setInterval(() => this.#tick(), OVERVIEW_INTERVAL).unref();
    res.once('close', () => {
      stream.close();
      this.#streams.delete(stream);
      if (this.#streams.size > 0) return;
      clearInterval(this.#ticker);
      this.#ticker = undefined;
    });
  }

  #tick() {
    const overview = this.#overview();
    for (const stream of this.#streams) stream.tell('overview', overview);
  }

  /** Rates are those of a second, however many pages ask. */
  #overview() {
    const at = now();
    if (at - this.#look.at > 0.9 * OVERVIEW_INTERVAL) this.#look = { at, overview: this.#source.overview() };
    return this.#look.overview;
  }

  /** Replays a request, or presses a fault. */
  async #act(req, res, name, fault, more) {
    try {
      const order = await readOrder(req);
      const source = this.#source;
      if (more.length > 0) return end(res, 404);
      if (name === 'replay' && fault === undefined && source.replay !== undefined) {
        const { body = '' } = order;
        if (typeof body !== 'string') throw new SyntaxError('That is no order');
        const { status, reason } = await source.replay({ ...order, body: Buffer.from(body, 'base64') });
        return json(res, 200, { status, reason });
      }
      if (name !== 'faults' || !isMethod(source.faults, fault)) return end(res, 404);
      if (!Array.isArray(order.args)) throw new SyntaxError('That is no order');
      json(res, 200, { struck: source.faults[fault](...order.args) });
    } catch (error) {
      if (!req.complete) res.setHeader('Connection', 'close');
      const status = error instanceof SyntaxError || error instanceof TypeError ? 400 : (error.status ?? 502);
      json(res, status, { error: { code: error.code, message: redact(error.message) } });
    }
  }
}

/** The JSON object that an order of the page is. */
async function readOrder(req) {
  const pieces = [];
  let length = 0;
  for await (const piece of req) {
    length += piece.length;
    // The rest is not waited for, and nothing comes behind it.
    if (length > MAX_ORDER) throw Object.assign(new Error('That is too long'), { status: 413 });
    pieces.push(piece);
  }
  const order = JSON.parse(Buffer.concat(pieces).toString());
  if (typeof order !== 'object' || order === null) throw new SyntaxError('That is no order');
  return order;
}

/** Whether something is a method of an object's class, and not of all objects. */
function isMethod(object, name) {
  return object !== undefined && name !== 'constructor' && Object.hasOwn(Object.getPrototypeOf(object), name);
}

function json(res, status, value) {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

function end(res, status) {
  res.writeHead(status, { 'Content-Length': 0 }).end();
}

function digestOf(text) {
  return createHash('sha256').update(text).digest();
}

/**
 * @param {object} source What is shown
 * @param {import('./recorder').Recorder} source.recorder
 * @param {function(): object} source.overview
 * @param {function(object): Promise<object>} [source.replay]
 * @param {object} [source.faults]
 * @param {{port?: number}} [options]
 * @return {Promise<{url: string, close: function(): Promise<void>}>} Rejects where the port is taken
 */
async function startInspector(source, { port = 0 } = {}) {
  const server = new InspectorServer(source);
  const url = await server.listen(port);
  return { url, close: () => server.close() };
}

module.exports = { startInspector };
