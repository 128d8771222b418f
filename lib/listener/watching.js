'use strict';

/**
 * What an inspector is told of one socket or one HTTP exchange. Their own methods get others in front of them, on this one
 * object: where nobody inspects, nothing is asked and nothing is slower.
 */

const { isUtf8 } = require('node:buffer');

const { now } = require('../shared/clock');
const { Frame, Kind } = require('../engine/records');
const { kExchange } = require('../http/light-socket');
const { MARGIN, previewOf } = require('../inspector/redaction');
const { Sends } = require('../socket/state');

const OPCODE = 0x0f;
const CLOSE = 8;
const TYPES = { 0: 'text', 1: 'text', 2: 'binary', 9: 'ping', 10: 'pong' };

/** Has `before` called with what a method of `object` is about to be called with, and whatever it returns after that. */
function hook(object, name, before) {
  const method = object[name];
  Object.defineProperty(object, name, {
    configurable: true,
    writable: true,
    value(...args) {
      const after = before(...args);
      const result = method.apply(this, args);
      after?.();
      return result;
    }
  });
}

/**
 * @param {object} socket One that a server has just accepted
 * @param {number} previewBytes
 * @param {object} told
 * @param {function(object): void} told.message A raw record of a message, but for what it belongs to
 * @param {function(object): void} told.closed The same of its end
 */
function watchSocket(socket, previewBytes, { closed, message }) {
  const openedAt = now();
  const codes = { senderCode: 1006, senderReason: '', listenerCode: 1006, listenerReason: '' };
  /** A message that we send in pieces: its beginning, and how long it is so far. */
  let begun;
  const tell = (type, data) => message({ direction: 'toListener', ...shown(type, data, previewBytes) });

  // Has `send()` go by `_frame()`, as it does where messages are sent in pieces.
  socket._sends ??= new Sends();
  hook(socket, '_frame', (meta, data) => {
    const opcode = meta & OPCODE;
    if (opcode === CLOSE) {
      codes.listenerCode = data.length < 2 ? 1005 : data.readUInt16BE(0);
      codes.listenerReason = data.toString('utf8', 2);
      return undefined;
    }
    const isControl = opcode > CLOSE;
    const piece = isControl ? shown(TYPES[opcode], data, previewBytes) : beginning(data, previewBytes);
    // It may not be sent: masks of the program's throw.
    return () => {
      if (isControl) return message({ direction: 'toSender', ...piece });
      begun ??= { type: TYPES[opcode], fragments: 0, body: new BodyWatch(previewBytes) };
      const { body, type } = begun;
      begun.fragments++;
      body.add(piece.start, piece.size);
      if (!(meta & Frame.FIN)) return;
      const { fragments } = begun;
      begun = undefined;
      const whole = shown(type, body.start, previewBytes);
      const cut = body.size > previewBytes;
      message({ direction: 'toSender', ...whole, size: body.size, cut, ...(fragments > 1 && { fragments }) });
    };
  });
  hook(socket, '_onMessage', (kind, payload) => {
    tell(kind === Kind.BINARY ? 'binary' : 'text', payload);
  });
  hook(socket, '_handle', (kind, detail, payload) => {
    if (kind === Kind.PING) tell('ping', payload);
    else if (kind === Kind.PONG) tell('pong', payload);
    else if (kind === Kind.CLOSE) Object.assign(codes, { senderCode: detail, senderReason: String(payload) });
  });
  hook(socket, 'emitClose', () => closed({ ...codes, duration: now() - openedAt }));
}

/** Type, size and beginning of a message. A text is shown as one, whatever it comes in, and nothing else is. */
function shown(type, data, previewBytes) {
  if (type !== 'text' && typeof data === 'string') data = Buffer.from(data);
  const { raw, ...rest } = previewOf(data, previewBytes);
  if (type !== 'text') return { type, ...rest, raw };
  return { type, ...rest, preview: raw ? Buffer.from(rest.preview, 'latin1').toString() : rest.preview };
}

/** How long a piece of a message is, and a copy of what its preview may need of it. */
function beginning(data, previewBytes) {
  const most = previewBytes + MARGIN;
  const start = typeof data === 'string' ? data.slice(0, most) : data.subarray(0, most);
  return { start: Buffer.from(start), size: Buffer.byteLength(data) };
}

/** A body as it goes by: how long it is, and its beginning. */
class BodyWatch {
  size = 0;
  #kept = [];
  #room;

  constructor(previewBytes) {
    this.previewBytes = previewBytes;
    // With what `previewOf()` looks at beyond the preview.
    this.#room = previewBytes + MARGIN;
  }

  add(chunk, size = chunk.length) {
    this.size += size;
    if (this.#room <= 0) return;
    const piece = Buffer.from(chunk.subarray(0, this.#room));
    this.#room -= piece.length;
    this.#kept.push(piece);
  }

  /** How it begins. */
  get start() {
    return Buffer.concat(this.#kept);
  }

  report(encoding) {
    const { size, start: data } = this;
    if (encoding !== undefined) return { size, preview: '', text: false, cut: size > 0, encoding };
    // A letter may be cut at the end.
    const text = [0, 1, 2, 3].some((less) => isUtf8(data.subarray(0, data.length - less)));
    const { preview, raw } = text
      ? previewOf(data.toString(), this.previewBytes)
      : previewOf(data, this.previewBytes);
    return { size, preview, raw, text, cut: size > this.previewBytes };
  }
}

/**
 * @param {import('node:http').IncomingMessage} request A relayed one that no handler has got yet
 * @param {number} previewBytes
 * @param {function(object): void} onResponse Gets status and headers of its answer
 * @return {function(): {requestBody: object, responseBody: object, timing: object}} What there was, at its end
 */
function watchExchange(request, previewBytes, onResponse) {
  const exchange = request.socket[kExchange];
  const { answer, startedAt } = exchange;
  const [requestBody, responseBody] = [new BodyWatch(previewBytes), new BodyWatch(previewBytes)];
  let firstByte = null;
  let encoding;
  hook(exchange, 'onBody', (chunk) => requestBody.add(chunk));
  hook(answer, 'begins', (head) => {
    firstByte = now() - startedAt;
    const { headers, ...status } = readHead(head ?? '');
    encoding = headers.find(([name]) => /^content-encoding$/i.test(name))?.[1];
    onResponse({ ...status, headers });
  });
  hook(answer, 'write', (chunk, charset) => {
    responseBody.add(typeof chunk === 'string' ? Buffer.from(chunk, charset || 'utf8') : chunk);
  });
  return () => ({
    requestBody: requestBody.report(request.headers['content-encoding']),
    responseBody: responseBody.report(encoding),
    timing: { queued: null, accepted: null, firstByte, end: now() - startedAt }
  });
}

/** Status line and header lines, as Node's response has made them. */
function readHead(head) {
  const [first, ...lines] = head.split('\r\n').filter(Boolean);
  const [, status, reason = ''] = /^\S+ (\d+) ?(.*)$/.exec(first) ?? [];
  const headers = lines.map((line) => {
    const at = line.indexOf(':');
    return [line.slice(0, at), line.slice(at + 1).trim()];
  });
  return { status: Number(status), reason, headers };
}

module.exports = { watchExchange, watchSocket };
