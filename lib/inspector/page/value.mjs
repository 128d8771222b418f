/** Shows what somebody has sent: JSON as a tree, other texts as they are, bytes in hexadecimal, and headers. */

import { bytes, fold, h, line, visible } from './dom.mjs';

/** Members of an array or object that are shown at once. */
const STEP = 100;
const HEX_LINES = 64;

/** The bytes of a preview, which come in base64. */
export function decode(base64 = '') {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

function parse(text) {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A message or a body: `{ preview, size, cut }`, the preview a text, or bytes in base64. */
export function preview({ cut = false, preview: shown = '', size }, isText) {
  const json = isText && !cut ? parse(shown) : undefined;
  const views = [];
  if (json !== undefined) views.push(['Tree', () => h('div.tree', ...members(json))]);
  if (isText) views.push(['Text', () => h('pre', { tabindex: 0 }, visible(shown))]);
  views.push(['Hex', () => hex(isText ? new TextEncoder().encode(shown) : decode(shown))]);
  const body = h('div.preview');
  const choose = (index) => {
    buttons.forEach((button, at) => button.setAttribute('aria-pressed', at === index));
    body.replaceChildren(views[index][1]());
  };
  const buttons = views.map(([name], index) =>
    h('button', { type: 'button', onclick: () => choose(index) }, name)
  );
  const note = cut ? `${bytes(size)}, of which this is the beginning` : bytes(size);
  choose(0);
  return h('div.value', h('div.bar', h('span.choice', ...buttons), h('span.muted', note)), body);
}

/** The members of an object or an array; more of them at the press of a button, and theirs when they are unfolded. */
function* members(value, depth = 0, from = 0) {
  const entries = Object.entries(value);
  for (const [name, member] of entries.slice(from, from + STEP)) {
    const label = h('span.name', line(name));
    if (typeof member === 'object' && member !== null) {
      const size = Object.keys(member).length;
      const kind = Array.isArray(member) ? `[${size}]` : `{${size}}`;
      const head = h('span', label, ' ', h('span.muted', kind));
      yield fold(head, () => h('div', ...members(member, depth + 1)), depth < 3 && size < 20);
    } else {
      const kind = member === null ? 'null' : typeof member;
      yield h('p', label, ' ', h(`span.${kind}`, line(JSON.stringify(member), 2000)));
    }
  }
  const left = entries.length - from - STEP;
  if (left <= 0) return;
  const more = h('button.plain', { type: 'button' }, `${left} more`);
  more.addEventListener('click', () => more.replaceWith(...members(value, depth, from + STEP)));
  yield more;
}

function hex(data) {
  const lines = [];
  for (let at = 0; at < data.length && lines.length < HEX_LINES; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${digits.padEnd(47)}  ${letters}`);
  }
  if (data.length > 16 * HEX_LINES) lines.push(`… ${bytes(data.length - 16 * HEX_LINES)} more`);
  return h('pre.hex', { tabindex: 0 }, lines.join('\n') || 'nothing');
}

export function headersOf(title, entries = [], open = false) {
  if (entries.length === 0) return '';
  const rows = () =>
    h(
      'table.headers',
      { 'aria-label': title },
      h(
        'tbody',
        ...entries.map(([name, value]) =>
          h('tr', h('th', { scope: 'row' }, line(name)), h('td', visible(value)))
        )
      )
    );
  return fold(`${title} (${entries.length})`, rows, open);
}
