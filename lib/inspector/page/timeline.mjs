/** Everything that happened but messages and requests, the newest first. */

import { badge, exactly, facts, fold, h, line, milliseconds, moment, wanted, words } from './dom.mjs';
import { store } from './store.mjs';
import { headersOf, preview } from './value.mjs';
import { View } from './view.mjs';

/** Kind: how it is called, in which colour, and what of it fits on a line. */
const KINDS = {
  listener: ['Listener up', 'ok', (one) => `${from(one)}${validity(one.token)}`],
  listenerClosed: ['Listener gone', 'warn', (one) => `${one.code} ${one.reason}`],
  renewed: ['Token renewed', 'ok', (one) => validity(one.token)],
  sender: ['Sender', 'plain', (one) => `${from(one)}asks for ${wanted(one)}`],
  accepted: ['Accepted', 'ok', (one) => `in ${milliseconds(one.duration)}`],
  rejected: ['Rejected', 'warn', (one) => `by the listener: ${status(one)}`],
  timedOut: ['Timed out', 'bad', () => 'no listener has accepted in time'],
  refused: ['Refused', 'bad', (one) => `${one.role ?? 'client'}: ${status(one)}`],
  closed: [
    'Closed',
    'plain',
    (one) => `sender ${one.senderCode ?? '–'}, listener ${one.listenerCode ?? '–'}`
  ],
  requestFailed: ['Request failed', 'bad', status],
  fault: ['Fault', 'accent', (one) => `${one.fault}${one.struck > 0 ? `, ${one.struck} struck` : ''}`],
  connecting: ['Connecting', 'plain', () => 'to the relay'],
  connected: ['Connected', 'ok', () => 'to the relay'],
  reconnecting: ['Reconnecting', 'warn', (one) => `in ${milliseconds(one.delay)}: ${one.reason}`],
  offline: ['Offline', 'bad', problem],
  error: ['Error', 'bad', problem]
};

export const view = new View({
  label: 'Timeline',
  items: () => store.timeline,
  kinds: [
    ['', 'Every kind'],
    ['failed', 'Whatever failed'],
    ...Object.entries(KINDS).map(([kind, [name]]) => [kind, name])
  ],
  isOf: ({ kind }, chosen) =>
    kind === chosen || (chosen === 'failed' && (kind === 'rejected' || nameOf(kind)[1] === 'bad')),
  columns: ['time', 'kind', 'path', 'text'],
  cells(record) {
    const [name, tone, text] = nameOf(record.kind);
    return [exactly(record.time), [name, tone], record.path ?? '', text(record)];
  },
  show,
  none: ['Nothing has happened yet', 'Start a listener, then a sender: their handshakes come here.'],
  choose: ['Nothing is chosen', 'Choose a line to see what happened, and what to do about it.']
});

function nameOf(kind) {
  return Object.hasOwn(KINDS, kind) ? KINDS[kind] : [kind, 'plain', () => ''];
}

function from({ remoteAddress }) {
  return remoteAddress === undefined ? '' : `from ${remoteAddress}, `;
}

function validity(token) {
  return token?.expires === undefined ? '' : `token valid until ${moment(token.expires)}`;
}

function problem({ code = '', message = '' }) {
  return `${code} ${message}`;
}

function status({ reason = '', status = '' }) {
  // The relay's own words end with ids.
  return `${status} ${reason.replace(/\.? TrackingId:.*/s, '')}`;
}

function show(record, detail) {
  const [name, tone, textOf] = nameOf(record.kind);
  const { token } = record;
  const text = JSON.stringify(record);
  detail.replaceChildren(
    h('h2', badge(name, tone), ' ', line(textOf(record), 400)),
    token ? fate(token) : '',
    facts(record),
    headersOf('Headers of the handshake', record.headers),
    fold('Record', () => preview({ preview: text, size: text.length }, true))
  );
}

/** What became of a token, in words, and how to mend it. */
function fate({ remedy, result, ...rest }) {
  const isGood = result === 'ok' || result === 'notNeeded';
  return h(
    isGood ? 'div.verdict' : 'div.verdict.bad',
    h('h3', `Token: ${words(result)}`),
    facts(rest),
    remedy !== undefined && h('p', h('strong', 'How to mend it: '), line(remedy, 600))
  );
}
