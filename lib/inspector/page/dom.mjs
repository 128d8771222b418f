/** Makes elements, and texts for people. Nothing that came by the relay is ever read as markup: it is set as text. */

/** An element: `div.card.wide`; attributes, and listeners as `onclick`, if there are any; children but `false` and nothing. */
export function h(tag, ...children) {
  const [name, ...classes] = tag.split('.');
  const props = children[0]?.constructor === Object ? children.shift() : {};
  const node = document.createElement(name);
  if (classes.length > 0) node.className = classes.join(' ');
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== false));
  return node;
}

/** The same of SVG. */
export function svg(name, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Sets a text, if it is another one. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** What is not to be seen, or turns the text around it: controls, joiners, marks of direction. */
const UNSEEN = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text of somebody else's, with everything in it to be seen. */
export function visible(text) {
  return String(text).replace(UNSEEN, (mark) => `⟨${mark.codePointAt(0).toString(16).padStart(4, '0')}⟩`);
}

/** The same on one line, and no longer than a line. */
export function line(text, most = 240) {
  text = String(text ?? '');
  return visible(text.length > most ? `${text.slice(0, most)}…` : text).replace(/[\t\n]+/g, ' ');
}

const TIME = { hour: '2-digit', minute: '2-digit', second: '2-digit' };
const BYTES = { notation: 'compact', style: 'unit', unit: 'byte', unitDisplay: 'narrow' };

export const clock = new Intl.DateTimeFormat('en-GB', TIME).format;
export const exactly = new Intl.DateTimeFormat('en-GB', { ...TIME, fractionalSecondDigits: 3 }).format;
/** Any number that a token has; the others throw at times that no calendar has. */
export const moment = (time) => new Date(time).toLocaleString('en-GB');
export const bytes = new Intl.NumberFormat('en', BYTES).format;
export const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 }).format;

export function milliseconds(time) {
  if (typeof time !== 'number') return '–';
  if (time >= 1000) return `${(time / 1000).toFixed(1)} s`;
  return `${time.toFixed(time < 10 ? 1 : 0)} ms`;
}

export function ago(time) {
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function short(id) {
  return line(id?.slice(0, 8));
}

/** What a sender asks for, without the relay's own part of the address. */
export function wanted({ path, target = path ?? '' }) {
  return target
    .replace(/^\/\$hc/, '')
    .replace(/sb-hc-[^&]*&?/g, '')
    .replace(/[?&]$/, '');
}

/** A word with a colour; the colour says nothing that the word does not. */
export function badge(text, tone) {
  return h(`span.badge.${tone}`, text);
}

const SHOWN = {
  time: exactly,
  delay: milliseconds,
  duration: milliseconds,
  expires: moment
};

/** A name of the program's, as people write it. */
export function words(name) {
  return line(name).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Whatever is plain in some records, under its name in words. */
export function facts(...records) {
  const { kind: _kind, seq: _seq, ...rest } = Object.assign({}, ...records.toReversed());
  const rows = Object.entries(rest)
    .filter(([, value]) => value !== '' && ['string', 'number', 'boolean'].includes(typeof value))
    .map(([name, value]) => {
      const text = Object.hasOwn(SHOWN, name) ? SHOWN[name](value) : visible(value);
      return h('div', h('dt', words(name)), h('dd', text));
    });
  return h('dl', ...rows);
}

/** What stands where there is nothing yet, and what to do about it. */
export function nothing(title, ...hints) {
  return h('div.nothing', h('h2', title), ...hints.map((hint) => h('p', hint)));
}

/** Something that is folded away. */
export function fold(title, make, open = false) {
  const node = h('details', { open }, h('summary', title));
  const fill = () => {
    if (node.open && node.childElementCount === 1) node.append(make());
  };
  node.addEventListener('toggle', fill);
  fill();
  return node;
}

/** Says something to whoever does not see the page, and for a while to all others. */
export function announce(text) {
  const node = document.getElementById('said');
  node.textContent = text;
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => (node.textContent = ''), 5000);
}
