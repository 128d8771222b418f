/** A list with a filter above, and beside it what is chosen of it: what three of the views are. */

import { h, nothing } from './dom.mjs';
import { Filter } from './filter.mjs';
import { List } from './list.mjs';

export class View {
  #item;
  #version;
  #hint;

  /** Options are those of `Filter` and `List`, `items()`, `show(item, node, isOther)`, and texts for where there is nothing. */
  constructor(options) {
    this.options = options;
    this.filter = new Filter(options);
    this.list = new List({ ...options, onSelect: (item) => this.#show(item) });
    this.empty = h('div');
    this.detail = h('div.detail', { tabindex: 0, role: 'region', 'aria-label': 'Details' });
  }

  build(panel) {
    panel.append(this.filter.node, h('div.split', h('div.pane', this.list.node, this.empty), this.detail));
    this.reset();
  }

  reset() {
    this.#item = this.list.selected = undefined;
    this.detail.replaceChildren(nothing(...this.options.choose));
  }

  draw() {
    const { empty, filter, list, options } = this;
    const items = filter.of(options.items());
    list.node.hidden = items.length === 0;
    const hint = items.length > 0 ? '' : filter.isOn ? 'filter' : 'none';
    if (hint !== this.#hint) {
      const texts = { filter: ['Nothing matches', 'Take something out of the filter.'], none: options.none };
      empty.replaceChildren(...(hint === '' ? [] : [nothing(...texts[hint])]));
      this.#hint = hint;
    }
    list.show(items);
    if (this.#item !== undefined && this.#item.version !== this.#version) this.#show(this.#item);
  }

  #show(item) {
    const isOther = item !== this.#item;
    this.#item = item;
    this.#version = item.version;
    this.options.show(item, this.detail, isOther);
  }
}
