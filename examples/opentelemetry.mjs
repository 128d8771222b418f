// Traces and metrics with OpenTelemetry. The sender puts its trace context into the headers of the handshake, which
// the relay carries to the listener; the listener goes on with it.
//
//     npm install @opentelemetry/api     and an SDK of your choice
//     node --import ./your-sdk.mjs examples/opentelemetry.mjs

import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';

import { SpanKind, context, metrics, propagation, trace } from '@opentelemetry/api';

import { RelayedServer, connectRelayed } from 'hyco-ws-rs';

const connectionString = process.env.SB_HC_CONNECTION_STRING;
const tracer = trace.getTracer('hyco-ws-rs-example');
const meter = metrics.getMeter('hyco-ws-rs-example');

// The listener: a histogram from the diagnostics channels, gauges from stats().
const latency = meter.createHistogram('relay.accept.duration', { unit: 'ms' });
subscribe('hyco-ws-rs:accept:accepted', ({ duration }) => latency.record(duration));

const server = RelayedServer.fromConnectionString(connectionString);
meter
  .createObservableGauge('relay.connections')
  .addCallback((result) => result.observe(server.stats().connections));

server.on('connection', (socket, request) => {
  const parent = propagation.extract(context.active(), request.headers);
  const span = tracer.startSpan('relayed connection', { kind: SpanKind.SERVER }, parent);
  socket.on('message', (data) => socket.send(`${data}, trace ${span.spanContext().traceId}`));
  socket.on('close', (code) => {
    span.setAttribute('websocket.close_code', code);
    span.end();
  });
});
await once(server, 'listening');

// The sender.
await tracer.startActiveSpan('ask', { kind: SpanKind.CLIENT }, async (span) => {
  const headers = {};
  propagation.inject(context.active(), headers);
  const socket = await connectRelayed(connectionString, { headers });
  socket.send('hello');
  const [answer] = await once(socket, 'message');
  console.log(answer.toString(), 'of', span.spanContext().traceId);
  socket.close();
  span.end();
});
await server.close();
