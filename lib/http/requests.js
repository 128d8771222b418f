'use strict';

/** The HTTP requests of one listener: brings each to its handler, and to each what the engine reports of it. */

const { STATUS_CODES } = require('node:http');

const { callHandlers } = require('./handlers');
const { now } = require('../shared/clock');
const diagnostics = require('../shared/diagnostics');
const { RelayError, fromReport } = require('../shared/errors');
const { Exchange } = require('./exchange');
const { numberOf } = require('../engine/packed');
const { Patience } = require('./patience');
const { ExchangeDetail, Kind } = require('../engine/records');
const { redact } = require('../shared/redact');
const { RequestRecord } = require('./request-record');

/** Bytes of the number that a record of an exchange begins with. */
const NUMBER = 8;

class Requests {
  /**
   * @param {import('../listener/server').RelayedServer} server Where `request` is emitted
   * @param {object} settings The server's options
   * @param {function(): void} onChange Called when one has ended
   */
  constructor(server, settings, onChange) {
    this.server = server;
    this.settings = settings;
    this.onChange = onChange;
    /** The native listener; set when it is open. */
    this.native = undefined;
    /** @type {import('./attachment').Attachment|undefined} Where requests go in place of the server. */
    this.attachment = undefined;
    this.patience = new Patience();
    /** @type {Map<number, Exchange>} By number, while anything of them is to come. */
    this.exchanges = new Map();
    this.warnedOfSlow = false;
  }

  /** One record about a request. What is of a number that is not known any more has come too late. */
  onRecord(kind, detail, payload) {
    // Of a record that was lost nothing is left.
    if (payload.length < NUMBER) return;
    if (kind === Kind.REQUEST) return this.onRequest(new RequestRecord(payload));
    const exchange = this.exchanges.get(numberOf(payload));
    if (exchange === undefined) {
      if (kind === Kind.EXCHANGE_END && detail === ExchangeDetail.FAILED) {
        this.onUndelivered(errorOf(payload.subarray(NUMBER)));
      }
      return;
    }
    const { answer } = exchange;
    if (kind === Kind.REQUEST_BODY) {
      exchange.runInAsyncScope(
        exchange.onBody,
        exchange,
        payload.subarray(NUMBER),
        detail === ExchangeDetail.LAST
      );
    } else if (kind === Kind.ANSWER_SENT) {
      exchange.runInAsyncScope(answer.onSent, answer, payload.readUInt32LE(NUMBER));
    } else if (detail === ExchangeDetail.FAILED) {
      exchange.runInAsyncScope(exchange.lose, exchange, errorOf(payload.subarray(NUMBER)));
    } else {
      exchange.runInAsyncScope(answer.onEnd, answer);
    }
  }

  onRequest(record) {
    const { attachment, native, server } = this;
    const target = attachment === undefined ? server : attachment.httpServer;
    if (target.listenerCount('request') === 0) {
      native.respond(record.id, plainHead(501, record.trackingId));
      if (record.hasBody && !record.isWhole) native.flowBody(record.id, true);
      return;
    }
    const exchange = new Exchange(this, record, attachment?.httpServer);
    this.exchanges.set(exchange.number, exchange);
    if (this.settings.earlyRendezvous) native.dialRequest(exchange.number);
    attachment?.place(exchange.req);
    exchange.runInAsyncScope(this.handle, this, exchange, target);
  }

  handle(exchange, target) {
    const { req, res } = exchange;
    if (diagnostics.hasSubscribers('request:received')) {
      diagnostics.publish('request:received', { server: this.server, request: req });
    }
    callHandlers(target, req, res, (error) => this.onFault(exchange, error));
  }

  /** A handler has thrown, or its promise was rejected. */
  onFault(exchange, error) {
    const { server } = this;
    const { req, res } = exchange;
    // Where there is an answer to be given up, that is told.
    if (!exchange.breakOff(error)) this.onLost(exchange, error);
    if (server.listenerCount('requestError') > 0) return void server.emit('requestError', error, req, res);
    const text = error instanceof Error ? (error.stack ?? String(error)) : String(error);
    process.emitWarning(
      `A handler of 'request' has failed, and the sender was answered 500: ${redact(text)}`,
      { code: 'HYCO_WS_RS_REQUEST_FAILED' }
    );
  }

  /** An answer of our own. */
  refuse(exchange, status) {
    this.native.respond(exchange.number, plainHead(status, exchange.req.id));
  }

  /** Its answer is out. */
  onAnswered({ req, res, startedAt }) {
    if (!diagnostics.hasSubscribers('request:answered')) return;
    const { statusCode } = res;
    const duration = now() - startedAt;
    diagnostics.publish('request:answered', { server: this.server, request: req, statusCode, duration });
  }

  /** A request could not be fetched, or an answer that was given long ago has not reached its sender. */
  onUndelivered(error) {
    diagnostics.publish('request:failed', { server: this.server, error });
  }

  /** No answer can reach its sender any more. */
  onLost({ req }, error) {
    if (!diagnostics.hasSubscribers('request:failed')) return;
    diagnostics.publish('request:failed', { server: this.server, request: req, error });
  }

  /** The engine: a handler has not answered for long, and the sender is about to get 504. */
  onSlow({ number }) {
    const request = this.exchanges.get(number)?.req;
    if (request === undefined) return;
    diagnostics.publish('request:slow', { server: this.server, request });
    if (this.warnedOfSlow) return;
    this.warnedOfSlow = true;
    const path = redact(request.url.replace(/\?.*/s, ''));
    process.emitWarning(
      `${request.method} ${path} has no answer after 55 seconds: after 60 the relay gives the sender 504. ` +
        'Of further ones the channel hyco-ws-rs:request:slow tells.',
      { code: 'HYCO_WS_RS_SLOW_REQUEST' }
    );
  }

  forget({ number }) {
    if (this.exchanges.delete(number)) this.onChange();
  }

  /** The engine has ended: nothing is heard of any of them any more. */
  forsake() {
    const error = new RelayError('The server was closed', { code: 'ERR_HYCO_ABORTED' });
    for (const exchange of [...this.exchanges.values()]) {
      exchange.runInAsyncScope(exchange.lose, exchange, error);
    }
  }
}

/** Why nothing more can be said to a sender. */
function errorOf(report) {
  if (report.length > 0) return fromReport(JSON.parse(report.toString()));
  return new RelayError('The sender has left', { code: 'ERR_HYCO_DISCONNECTED' });
}

/** The whole of an answer that has no body, with the id to look for. */
function plainHead(status, trackingId) {
  const id = /^[\w.:-]{1,128}$/.test(trackingId) ? ` TrackingId:${trackingId}` : '';
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}.${id}\r\n\r\n`;
}

module.exports = { Requests };
