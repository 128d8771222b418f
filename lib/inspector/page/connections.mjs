/** The relayed WebSockets, and what passes through the one that is chosen. */

import { badge, bytes, count, exactly, facts, h, line, short, wanted } from './dom.mjs';
import { List } from './list.mjs';
import { store } from './store.mjs';
import { decode, headersOf, preview } from './value.mjs';
import { View } from './view.mjs';

const TONES = {
  offered: 'warn',
  open: 'ok',
  closed: 'plain',
  rejected: 'warn',
  refused: 'bad',
  'timed out': 'bad'
};
const WAYS = { toListener: '→ listener', toSender: '← sender' };

export const view = new View({
  label: 'Connections',
  items: () => store.connections,
  kinds: [['', 'Every state'], ...Object.keys(TONES).map((state) => [state, state])],
  isOf: (one, state) => one.state === state,
  textOf: ({ id, path, sender, end }) => JSON.stringify([id, path, sender, end]),
  columns: ['kind', 'text', 'id', 'number', 'number', 'time'],
  cells: (one) => [
    [one.state, TONES[one.state]],
    wanted(one.sender ?? one),
    short(one.id),
    `${count(one.toListener + one.toSender)} msg`,
    bytes(one.bytes),
    exactly(one.since)
  ],
  show,
  none: ['No sender has come yet', 'Try: npx hyco-ws-rs connect'],
  choose: ['No connection is chosen', 'Choose one to see its messages.']
});

const head = h('div.head');
const messages = new List({
  label: 'Messages',
  columns: ['kind', 'time', 'type', 'number', 'text'],
  newestFirst: false,
  height: 28,
  cells: (one) => [
    [WAYS[one.direction], one.direction],
    exactly(one.time),
    one.type,
    bytes(one.size),
    one.type === 'text' ? one.preview : hexStart(one.preview)
  ],
  onSelect: open
});
const message = h('div.message');

function show(connection, detail, isOther) {
  if (isOther) {
    messages.selected = undefined;
    message.replaceChildren();
    head.dataset.of = '';
    detail.replaceChildren(head, messages.node, message);
  }
  drawHead(connection);
  messages.show(connection.messages);
}

function drawHead(connection) {
  const { accepted, end, id, path, sender, since, state, toListener, toSender } = connection;
  const sums = `${count(toListener)} to the listener, ${count(toSender)} to the sender, ${bytes(connection.bytes)}`;
  // While messages pass only the numbers change.
  const now = `${id} ${state}`;
  if (head.dataset.of === now) return void (head.children[1].textContent = sums);
  head.dataset.of = now;
  head.replaceChildren(
    h('h2', badge(state, TONES[state]), ' ', line(wanted(sender ?? connection))),
    h('p.muted', sums),
    facts(sender ?? { id, path, time: since }, accepted, end),
    headersOf('Headers of the handshake', sender?.headers)
  );
}

function hexStart(base64) {
  return [...decode((base64 ?? '').slice(0, 64))].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function open(record) {
  const { direction, time, type } = record;
  message.replaceChildren(
    h('h3', `${WAYS[direction]}, ${type}, ${exactly(time)}`),
    record.compressed ? h('p.muted', 'It is compressed.') : preview(record, type === 'text')
  );
}
