/** Requests and their responses: what they said, how long each part took, and how to send one again. */

import { announce, badge, bytes, exactly, facts, h, line, milliseconds, visible, wanted } from './dom.mjs';
import { curl } from './curl.mjs';
import { openReplay } from './replay.mjs';
import { store } from './store.mjs';
import { headersOf, preview } from './value.mjs';
import { View } from './view.mjs';

export const view = new View({
  label: 'Requests',
  items: () => store.requests,
  kinds: [
    ['', 'Every answer'],
    ['open', 'No answer yet'],
    ['good', '1xx to 3xx'],
    ['bad', '4xx and 5xx']
  ],
  isOf: ({ status }, kind) => kind === (status === undefined ? 'open' : status < 400 ? 'good' : 'bad'),
  textOf: ({ id, path, request, response, status }) => JSON.stringify([id, path, request, response, status]),
  columns: ['status', 'method', 'text', 'number', 'time'],
  cells: (one) => [
    [String(one.status ?? one.state), toneOf(one)],
    one.request?.method ?? '',
    wanted(one.request ?? one),
    milliseconds(one.end?.timing?.end),
    exactly(one.since)
  ],
  show,
  none: [
    'No request has come yet',
    'Send one to the address above, with the path of a hybrid connection behind it.'
  ],
  choose: ['No request is chosen', 'Choose one to see headers, bodies and times.']
});

function toneOf({ status }) {
  if (status === undefined) return 'plain';
  return status < 400 ? 'ok' : status < 500 ? 'warn' : 'bad';
}

function show(exchange, detail) {
  const { end, id, path, request = {}, response, since, state, status } = exchange;
  const canReplay = store.overview.capabilities.replay && request.method !== undefined;
  detail.replaceChildren(
    h(
      'h2',
      badge(String(status ?? state), toneOf(exchange)),
      ' ',
      line(`${request.method ?? ''} ${wanted(exchange.request ?? exchange)}`)
    ),
    h(
      'div.bar',
      canReplay && h('button.main', { type: 'button', onclick: () => replay(exchange) }, 'Replay…'),
      request.method !== undefined &&
        h('button', { type: 'button', onclick: () => copy(exchange) }, 'Copy as curl')
    ),
    waterfall(end?.timing),
    facts({ id, path, time: since }, request, response, end),
    ...part('Request', request, end?.requestBody),
    ...(response === undefined ? [] : part('Response', response, end?.responseBody))
  );
}

/** Its headers and its body. */
function part(title, { headers, reason, status }, body) {
  return [
    h('h3', title, ' ', h('span.muted', line(status === undefined ? '' : `${status} ${reason}`))),
    headersOf(`${title} headers`, headers),
    body?.encoding !== undefined && h('p.muted', `${bytes(body.size)}, ${line(body.encoding)}`),
    body?.size > 0 && body.encoding === undefined && preview(body, body.text)
  ].filter(Boolean);
}

/** Times of one request, each part as a bar behind those before it. */
function waterfall({ accepted, end, firstByte, queued } = {}) {
  if (end === undefined) return h('p.muted', 'Its times are known when it has ended.');
  const parts = [
    ['Queue', 0, queued],
    ['Accept', queued, accepted],
    ['First byte', accepted, firstByte],
    ['Body', firstByte, end]
  ];
  let last = 0;
  const rows = parts.map(([name, from = last, to]) => {
    if (to === undefined || to === null) return undefined;
    from ??= last;
    last = to;
    const bar = h('span.fillbar');
    bar.style.left = `${end > 0 ? Math.min(99.5, (from / end) * 100) : 0}%`;
    bar.style.width = `${end > 0 ? Math.max(0.5, ((to - from) / end) * 100) : 0}%`;
    return h('tr', h('th', { scope: 'row' }, name), h('td.track', bar), h('td', milliseconds(to - from)));
  });
  return h(
    'table.waterfall',
    h('caption', `Answered in ${milliseconds(end)}`),
    h('tbody', ...rows.filter(Boolean))
  );
}

async function copy({ end, request }) {
  const text = curl(request, end?.requestBody, store.overview.address);
  try {
    await navigator.clipboard.writeText(text);
    announce('Copied. The token comes from npx hyco-ws-rs token.');
  } catch {
    // Not allowed: to be copied by hand.
    view.detail.querySelector('.bar').after(h('pre.curl', { tabindex: 0 }, visible(text)));
  }
}

function replay({ end, request }) {
  openReplay(request, end?.requestBody, ({ status, reason }) => {
    announce(`Answered with ${status ?? '?'} ${line(reason ?? '')}: the newest request is that one.`);
  });
}
