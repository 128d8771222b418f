// Traces and metrics with OpenTelemetry.
//
//     npm install @opentelemetry/api     and an SDK of your choice
//     node --import ./your-sdk.mjs examples/opentelemetry.mjs
//
// Metrics come from `server.stats()`, which the SDK has read whenever it collects, and from the diagnostics channels,
// which tell why. Traces: the sender puts its trace context into the headers of the handshake or of the request, which the
// relay carries to the listener; the listener goes on with it.

import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';

import { SpanKind, SpanStatusCode, context, metrics, propagation, trace } from '@opentelemetry/api';

import { RelayedServer, connectRelayed } from 'hyco-ws-rs';

const tracer = trace.getTracer('hyco-ws-rs');
const meter = metrics.getMeter('hyco-ws-rs');

/** Fields of `server.stats()` that only grow, as the names and units of their instruments. */
const COUNTERS = {
  dials: ['relay.dials'],
  listening: ['relay.listening'],
  reconnects: ['relay.reconnects'],
  offers: ['relay.senders'],
  accepted: ['relay.senders.accepted'],
  rejected: ['relay.senders.rejected'],
  failed: ['relay.senders.failed'],
  expired: ['relay.senders.expired'],
  requests: ['relay.requests'],
  requestsRefused: ['relay.requests.refused'],
  requestsFailed: ['relay.requests.failed'],
  requestBytes: ['relay.requests.body', 'By'],
  answerBytes: ['relay.answers.body', 'By'],
  messagesSent: ['relay.messages.sent'],
  messagesReceived: ['relay.messages.received'],
  bytesSent: ['relay.messages.sent.size', 'By'],
  bytesReceived: ['relay.messages.received.size', 'By'],
  wireBytesSent: ['relay.wire.sent', 'By'],
  wireBytesReceived: ['relay.wire.received', 'By'],
  malformed: ['relay.malformed'],
  renewals: ['relay.tokens.renewed']
};

/** Those that go up and down. */
const GAUGES = {
  online: ['relay.online'],
  connections: ['relay.connections'],
  pendingAccepts: ['relay.senders.pending'],
  requestsPending: ['relay.requests.pending'],
  rtt: ['relay.rtt', 'ms']
};

/**
 * Has the SDK collect the numbers of a server; all instruments are read from one `stats()`.
 *
 * @param {RelayedServer} server
 * @return {function(): void} Ends that
 */
export function measure(server) {
  const instruments = new Map();
  const make = (table, kind) => {
    for (const [field, [name, unit]] of Object.entries(table)) {
      instruments.set(field, meter[kind](name, { unit: unit ?? '1' }));
    }
  };
  make(COUNTERS, 'createObservableCounter');
  make(GAUGES, 'createObservableGauge');
  const attributes = { 'relay.path': server.path };
  const collect = (result) => {
    const stats = server.stats();
    for (const [field, instrument] of instruments) {
      // Before the first pong there is no `rtt`.
      if (stats[field] !== undefined) result.observe(instrument, stats[field], attributes);
    }
  };
  const all = [...instruments.values()];
  meter.addBatchObservableCallback(collect, all);
  return () => meter.removeBatchObservableCallback(collect, all);
}

/** Counts what the channels tell of all servers of the process, with what `stats()` does not say: why, and how long. */
export function observe() {
  const accepting = meter.createHistogram('relay.accept.duration', { unit: 'ms' });
  const answering = meter.createHistogram('relay.answer.duration', { unit: 'ms' });
  const troubles = meter.createCounter('relay.troubles');
  const trouble = (what) => (message) =>
    troubles.add(1, {
      'relay.path': message.server.path,
      'relay.trouble': what,
      'error.type': message.error?.code ?? String(message.statusCode ?? 'none')
    });
  const handlers = {
    'accept:accepted': ({ server, duration }) => accepting.record(duration, { 'relay.path': server.path }),
    'request:answered': ({ server, duration, statusCode }) =>
      answering.record(duration, { 'relay.path': server.path, 'http.response.status_code': statusCode }),
    'server:reconnecting': trouble('reconnecting'),
    'server:offline': trouble('offline'),
    'server:error': trouble('error'),
    'accept:rejected': trouble('rejected'),
    'accept:failed': trouble('sender lost'),
    'request:failed': trouble('request failed'),
    'request:slow': trouble('request slow'),
    'token:failed': trouble('token failed'),
    'control:malformed': trouble('malformed')
  };
  for (const [name, handler] of Object.entries(handlers)) channel(`hyco-ws-rs:${name}`).subscribe(handler);
}

/** A span for each connection and each request, which goes on with the sender's trace. */
export function traceServer(server) {
  const begin = (name, { headers }) =>
    tracer.startSpan(name, { kind: SpanKind.SERVER }, propagation.extract(context.active(), headers));
  const spans = new WeakMap();
  server.prependListener('connection', (socket, request) => {
    const span = begin('relayed connection', request);
    spans.set(socket, span);
    socket.on('error', (error) => {
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.code });
    });
    socket.on('close', (code) => {
      const { bytesReceived, bytesSent } = socket.stats();
      span.setAttributes({
        'websocket.close_code': code,
        'relay.bytes_received': bytesReceived,
        'relay.bytes_sent': bytesSent
      });
      span.end();
    });
  });
  // Only where requests are served: with a listener for them they are no longer answered 501.
  if (server.listenerCount('request') > 0) {
    server.prependListener('request', (req, res) => {
      const span = begin(`${req.method} relayed`, req);
      spans.set(req, span);
      res.on('close', () => {
        span.setAttribute('http.response.status_code', res.statusCode);
        if (res.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      });
    });
  }
  /** The span of a socket or a request. */
  return (subject) => spans.get(subject);
}

/** The headers that carry the trace on, for a sender. */
export function traceHeaders(headers = {}) {
  propagation.inject(context.active(), headers);
  return headers;
}

// The example itself, unless another program imports the above.
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const connectionString = process.env.SB_HC_CONNECTION_STRING;
  observe();
  const server = RelayedServer.fromConnectionString(connectionString);
  const stopMeasuring = measure(server);
  const spanOf = traceServer(server);
  server.on('connection', (socket) => {
    socket.on('message', (data) => socket.send(`${data}, trace ${spanOf(socket).spanContext().traceId}`));
  });
  await once(server, 'listening');

  await tracer.startActiveSpan('ask', { kind: SpanKind.CLIENT }, async (span) => {
    const socket = await connectRelayed(connectionString, { headers: traceHeaders() });
    socket.send('hello');
    const [answer] = await once(socket, 'message');
    console.log(answer.toString(), 'of', span.spanContext().traceId);
    socket.close();
    await once(socket, 'close');
    span.end();
  });
  await server.close();
  // A last time, with the connection in it.
  await metrics.getMeterProvider().forceFlush?.();
  stopMeasuring();
}
