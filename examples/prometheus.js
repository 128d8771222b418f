'use strict';

// The numbers of a server in the text format of Prometheus, without a dependency. `service.js` serves them; with
// prom-client beside it, append this text to `register.metrics()`.

/** Of `server.stats()`: the name that a counter gets, and what it counts. */
const COUNTERS = {
  dials: ['relay_dials_total', 'Control channels that were dialled.'],
  listening: ['relay_listening_total', 'Control channels that came up.'],
  reconnects: ['relay_reconnects_total', 'Control channels that were lost and dialled again.'],
  offers: ['relay_senders_total', 'Senders that came.'],
  accepted: ['relay_senders_accepted_total', 'Senders whose connection opened.'],
  rejected: ['relay_senders_rejected_total', 'Senders that were turned away.'],
  failed: ['relay_senders_failed_total', 'Senders that could not be met at the rendezvous.'],
  expired: ['relay_senders_expired_total', 'Senders that nobody decided about in time.'],
  rejectFailures: ['relay_reject_failures_total', 'Rejections that did not reach the relay.'],
  rejectsDropped: ['relay_rejects_dropped_total', 'Rejections that were not tried.'],
  requests: ['relay_requests_total', 'HTTP requests that came.'],
  requestsRefused: ['relay_requests_refused_total', 'HTTP requests that were answered 503 at once.'],
  requestsFailed: [
    'relay_requests_failed_total',
    'HTTP requests whose answer was lost, given up or too late.'
  ],
  answersByChannel: ['relay_answers_by_channel_total', 'Answers that went by the control channel.'],
  answersByRendezvous: ['relay_answers_by_rendezvous_total', 'Answers that went by a rendezvous.'],
  requestBytes: ['relay_request_bytes_total', 'Bytes of the bodies of HTTP requests.'],
  answerBytes: ['relay_answer_bytes_total', 'Bytes of the bodies of answers.'],
  messagesSent: ['relay_messages_sent_total', 'Messages that sockets have sent.'],
  messagesReceived: ['relay_messages_received_total', 'Messages that sockets have received.'],
  bytesSent: ['relay_bytes_sent_total', 'Bytes of the messages sent.'],
  bytesReceived: ['relay_bytes_received_total', 'Bytes of the messages received.'],
  wireBytesSent: ['relay_wire_bytes_sent_total', 'Bytes of the frames sent.'],
  wireBytesReceived: ['relay_wire_bytes_received_total', 'Bytes of the frames received.'],
  malformed: ['relay_malformed_total', 'Control messages that could not be used.'],
  tokens: ['relay_tokens_total', 'Tokens that were asked for.'],
  renewals: ['relay_token_renewals_total', 'Tokens that were renewed on an open channel.']
};

const GAUGES = {
  online: ['relay_online', 'Control channels that are up.'],
  connections: ['relay_connections', 'Open connections.'],
  pendingAccepts: ['relay_pending_accepts', 'Senders that are being let in.'],
  pending: ['relay_pending_verdicts', 'Senders that wait for a verdict.'],
  requestsPending: ['relay_requests_pending', 'HTTP requests in progress.']
};

const HISTOGRAMS = {
  acceptLatency: ['relay_accept_seconds', "From a sender's arrival to its open connection."],
  answerLatency: ['relay_answer_seconds', 'From an HTTP request to the head of its answer.']
};

/**
 * @param {import('hyco-ws-rs').RelayedServer} server
 * @param {object} [labels] For all of them
 * @return {string} For an answer of `Content-Type: text/plain; version=0.0.4`
 */
function metricsOf(server, labels = { path: server.path }) {
  const stats = server.stats();
  const lines = [];
  const begin = ([name, help], type) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    return name;
  };
  const line = (name, value, more) => lines.push(`${name}${written({ ...labels, ...more })} ${value}`);

  for (const [field, names] of Object.entries(COUNTERS)) line(begin(names, 'counter'), stats[field] ?? 0);
  for (const [field, names] of Object.entries(GAUGES)) line(begin(names, 'gauge'), stats[field] ?? 0);
  // There is none before the first ping was answered.
  if (stats.rtt !== undefined) {
    line(begin(['relay_rtt_seconds', 'Round trip of the control channel.'], 'gauge'), stats.rtt / 1000);
  }
  for (const [field, names] of Object.entries(HISTOGRAMS)) {
    const { bounds, counts, count, sum } = stats[field];
    const name = begin(names, 'histogram');
    let total = 0;
    // Milliseconds here, seconds there; and each bucket has those below it.
    bounds.forEach((bound, at) => line(`${name}_bucket`, (total += counts[at]), { le: bound / 1000 }));
    line(`${name}_bucket`, count, { le: '+Inf' });
    line(`${name}_sum`, sum / 1000);
    line(`${name}_count`, count);
  }
  return `${lines.join('\n')}\n`;
}

function written(labels) {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const text = String(value).replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');
    return `${name}="${text}"`;
  });
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

module.exports = { metricsOf };
