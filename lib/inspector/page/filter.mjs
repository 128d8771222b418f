/** Path, kind and text to filter a list by. */

import { h, line } from './dom.mjs';
import { store } from './store.mjs';

/** What an item says, in small letters; made when somebody looks for something, and again when it has changed. */
const known = new WeakMap();

function wordsOf(item, textOf) {
  let found = known.get(item);
  if (found === undefined || found.version !== item.version) {
    found = { version: item.version, words: textOf(item).toLowerCase() };
    known.set(item, found);
  }
  return found.words;
}

export class Filter {
  constructor({ label, kinds, isOf, textOf = JSON.stringify }) {
    Object.assign(this, { isOf, textOf });
    const option = (value, name) => h('option', { value }, line(name, 60));
    this.path = h('select', { 'aria-label': 'Hybrid connection' }, option('', 'Every path'));
    this.kind = h('select', { 'aria-label': 'Kind' }, ...kinds.map(([value, name]) => option(value, name)));
    this.text = h('input', {
      type: 'search',
      'aria-label': 'Text',
      placeholder: 'Filter by text  ( / )',
      spellcheck: 'false'
    });
    this.counter = h('span.muted');
    this.option = option;
    this.node = h(
      'div.filter',
      { role: 'search', 'aria-label': `Filter: ${label}` },
      this.text,
      this.path,
      this.kind,
      this.counter
    );
  }

  get isOn() {
    return [this.path, this.kind, this.text].some(({ value }) => value !== '');
  }

  of(items) {
    for (const path of [...store.paths].slice(this.path.options.length - 1)) {
      this.path.append(this.option(path, path));
    }
    const [path, kind, text] = [this.path.value, this.kind.value, this.text.value.toLowerCase()];
    const result = this.isOn
      ? items.filter(
          (item) =>
            (path === '' || item.path === path) &&
            (kind === '' || this.isOf(item, kind)) &&
            (text === '' || wordsOf(item, this.textOf).includes(text))
        )
      : items;
    this.counter.textContent = this.isOn ? `${result.length} of ${items.length}` : `${items.length}`;
    return result;
  }
}
