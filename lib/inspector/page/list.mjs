/** A long list of which only what is to be seen exists: as many nodes for ten thousand items as for fifty. */

import { h, line, say } from './dom.mjs';

/** Rows beyond the edges. */
const MARGIN = 6;
let made = 0;

export class List {
  #items = [];
  #rows = [];
  #name = `list${++made}`;
  #edge;

  /** `cells(item)` gives texts for the columns, with a tone if they have one. Unless the newest are first, the end is followed. */
  constructor({ label, columns, cells, onSelect, newestFirst = true, height = 34 }) {
    Object.assign(this, { columns, cells, onSelect, newestFirst, height });
    this.selected = undefined;
    this.space = h('div.space', { role: 'presentation' });
    this.node = h(
      'div.list',
      {
        role: 'listbox',
        tabindex: 0,
        'aria-label': label,
        onscroll: () => this.draw(),
        onkeydown: (event) => this.#onKey(event),
        onclick: (event) => this.#onClick(event)
      },
      this.space
    );
    new ResizeObserver(() => this.draw()).observe(this.node);
  }

  /** @param {object[]} items The oldest first */
  show(items) {
    const { node, height, newestFirst } = this;
    const old = this.#items.length;
    const follows = !newestFirst && node.scrollTop + node.clientHeight >= old * height - 4;
    this.#items = items;
    this.space.style.height = `${items.length * height}px`;
    if (newestFirst) {
      // What is being read stays where it is.
      const added = this.#edge === undefined ? 0 : items.length - 1 - items.lastIndexOf(this.#edge);
      if (node.scrollTop > 0 && added > 0 && added < items.length) node.scrollTop += added * height;
      this.#edge = items.at(-1);
    } else if (follows) node.scrollTop = items.length * height;
    this.draw();
  }

  select(item) {
    this.selected = item;
    this.onSelect(item);
    this.draw();
  }

  at(index) {
    return this.#items[this.newestFirst ? this.#items.length - 1 - index : index];
  }

  draw() {
    const { node, height } = this;
    const total = this.#items.length;
    const first = Math.max(0, Math.floor(node.scrollTop / height) - MARGIN);
    const seen = Math.ceil(node.clientHeight / height) + 2 * MARGIN;
    while (this.#rows.length < seen) this.#rows.push(this.#makeRow());
    const size = this.#rows.length;
    let active;
    for (let index = first; index < first + size; index++) {
      const row = this.#rows[index % size];
      const item = index < total && index < first + seen ? this.at(index) : undefined;
      row.node.hidden = item === undefined;
      if (item === undefined) continue;
      if (row.item !== item || row.version !== item.version) this.#fill(row, item);
      row.node.style.transform = `translateY(${index * height}px)`;
      row.node.setAttribute('aria-posinset', index + 1);
      row.node.setAttribute('aria-setsize', total);
      row.node.setAttribute('aria-selected', item === this.selected);
      if (item === this.selected) active = row.node.id;
    }
    if (active === undefined) node.removeAttribute('aria-activedescendant');
    else node.setAttribute('aria-activedescendant', active);
  }

  #makeRow() {
    const node = h(
      'div.row',
      { role: 'option', id: `${this.#name}-${this.#rows.length}`, 'aria-selected': 'false' },
      ...this.columns.map((name) => h(`span.${name}`))
    );
    this.space.append(node);
    return { node, item: undefined, version: undefined };
  }

  #fill(row, item) {
    row.item = item;
    row.version = item.version;
    this.cells(item).forEach((cell, index) => {
      const [text, tone] = Array.isArray(cell) ? cell : [cell, undefined];
      const span = row.node.children[index];
      span.className = `${this.columns[index]} ${tone ?? ''}`;
      say(span, line(text));
    });
  }

  #onClick(event) {
    const row = this.#rows.find(({ node }) => node.contains(event.target));
    if (row !== undefined) this.select(row.item);
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.height) - 1);
    const last = this.#items.length - 1;
    const now = this.#items.lastIndexOf(this.selected);
    const index = now < 0 ? -1 : this.newestFirst ? last - now : now;
    const goal = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: last
    }[event.key];
    if (goal === undefined || last < 0) return;
    event.preventDefault();
    const to = Math.min(Math.max(goal, 0), last);
    const { node, height } = this;
    if (to * height < node.scrollTop) node.scrollTop = to * height;
    const below = (to + 1) * height - node.clientHeight;
    if (below > node.scrollTop) node.scrollTop = below;
    this.select(this.at(to));
  }
}
