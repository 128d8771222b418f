/** The first view: who is there, and how much passes. */

import { chart } from './charts.mjs';
import { ago, bytes, count, h, line, milliseconds, moment, nothing, say, short } from './dom.mjs';
import { store } from './store.mjs';

/** Rows of a table; there may be more of what they show. */
const ROWS = 50;

const EMPTY = {
  Listeners: ['No listener is connected', 'Senders are refused with 404 until one is: npx hyco-ws-rs listen'],
  'Open connections': ['No connection is open', 'Senders appear here once a listener has accepted them.']
};

const charts = {
  messages: chart('Messages per second', count),
  bytes: chart('Bytes per second', bytes),
  latency: chart('Time to accept', milliseconds)
};
const numbers = h('dl.numbers');
const listeners = table('Listeners', 'Hybrid connection,Listener,From,Up for,Token valid until,Round trip');
const open = table(
  'Open connections',
  'Hybrid connection,Connection,Open for,Messages,Messages/s,Bytes/s,Buffered'
);

export function build(panel) {
  panel.append(
    numbers,
    h('div.charts', ...Object.values(charts).map(({ node }) => node)),
    listeners.node,
    open.node
  );
}

export function draw() {
  const { history, overview } = store;
  if (overview === undefined) return;
  const { connections, hybridConnections, state, totals } = overview;
  for (const [name, { draw }] of Object.entries(charts)) draw(history[name]);
  drawNumbers([
    state === undefined ? ['Listeners', count(overview.listeners.length)] : ['State', state],
    ['Open connections', count(connections.length)],
    ['Accepted', count(totals.rendezvous)],
    ['Requests', count(totals.requests)],
    ['Refused', count(totals.refused), totals.refused > 0 && 'bad'],
    ['Renewals', count(totals.renewals)]
  ]);
  const alone = hybridConnections.filter(({ path }) => !overview.listeners.some((one) => one.path === path));
  listeners.fill([
    ...overview.listeners.map(listenerRow),
    ...alone.map(({ path }) => [path, 'none', '', '', '', ''])
  ]);
  open.fill(connections.map(connectionRow));
}

function drawNumbers(entries) {
  while (numbers.childElementCount < entries.length) numbers.append(h('div', h('dt'), h('dd')));
  entries.forEach(([name, value, tone], index) => {
    const [title, number] = numbers.children[index].children;
    say(title, name);
    say(number, line(value));
    number.className = tone || '';
  });
}

function listenerRow({ id, path, remoteAddress = '–', roundTrip, since, tokenExpires }) {
  return [
    path,
    short(id),
    remoteAddress,
    ago(since),
    tokenExpires ? moment(tokenExpires) : '–',
    milliseconds(roundTrip)
  ];
}

function connectionRow({ id, kind, path, since, toListener, toSender }) {
  const sum = (name) => toListener[name] + toSender[name];
  return [
    path,
    `${short(id)} ${kind === 'http' ? 'HTTP' : ''}`,
    ago(since),
    count(sum('messages')),
    count(sum('messagesPerSecond')),
    bytes(sum('bytesPerSecond')),
    bytes(sum('buffered'))
  ];
}

/** A table whose rows change once a second. */
function table(title, columns) {
  const names = columns.split(',');
  const body = h('tbody');
  const note = h('span.muted');
  const empty = nothing(...EMPTY[title]);
  const head = h('thead', h('tr', ...names.map((name) => h('th', { scope: 'col' }, name))));
  const whole = h('table', { 'aria-label': title }, head, body);
  const fill = (rows) => {
    whole.hidden = rows.length === 0;
    empty.hidden = rows.length > 0;
    const shown = rows.slice(0, ROWS);
    say(note, rows.length > ROWS ? `${ROWS} of ${count(rows.length)}` : '');
    while (body.childElementCount > shown.length) body.lastChild.remove();
    while (body.childElementCount < shown.length) body.append(h('tr', ...names.map(() => h('td'))));
    shown.forEach((row, index) =>
      row.forEach((text, at) => say(body.children[index].children[at], line(text)))
    );
  };
  return { node: h('section.card', h('h2', title, ' ', note), whole, empty), fill };
}
