/** Puts the views together, and brings them what the inspector sends: all of a frame's records in one go. */

import { view as connections } from './connections.mjs';
import { count, line, say } from './dom.mjs';
import * as faults from './faults.mjs';
import { view as http } from './http.mjs';
import * as overview from './overview.mjs';
import { clear, store, take, takeOverview } from './store.mjs';
import { view as timeline } from './timeline.mjs';

const views = { overview, timeline, connections, http, faults };
const tabs = [...document.querySelectorAll('[role=tab]')];
const link = document.getElementById('link');
let current;
let isDrawn = true;

/** What is to be seen is drawn with the next frame, once, however much has come until then. */
function change() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    views[current].draw();
  });
}

function open(name, focus) {
  if (!Object.hasOwn(views, name)) name = 'overview';
  current = name;
  for (const tab of tabs) {
    const isIt = tab.id === `tab-${name}`;
    tab.setAttribute('aria-selected', isIt);
    tab.tabIndex = isIt ? 0 : -1;
    document.getElementById(tab.getAttribute('aria-controls')).hidden = !isIt;
    if (isIt && focus) tab.focus();
  }
  history.replaceState(null, '', `#${name}`);
  views[name].draw();
}

for (const tab of tabs) {
  const name = tab.getAttribute('aria-controls');
  views[name].build(document.getElementById(name));
  tab.addEventListener('click', () => open(name));
}
document.getElementById('tabs').addEventListener('keydown', ({ key }) => {
  const all = tabs.filter((tab) => !tab.hidden);
  const now = all.indexOf(document.activeElement);
  const goal = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: -1 }[key];
  if (goal !== undefined) open(all.at(goal % all.length).getAttribute('aria-controls'), true);
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target.matches('input, textarea, select')) return;
  const search = document.querySelector('section:not([hidden]) input[type=search]');
  if (search === null) return;
  event.preventDefault();
  search.focus();
});
document.querySelector('main').addEventListener('input', change);
document.getElementById('clear').addEventListener('click', () => {
  clear();
  for (const view of [timeline, connections, http]) view.reset();
  change();
});

const MARKS = { live: ['Live', 'ok'], waiting: ['Connecting again', 'warn'], gone: ['Disconnected', 'bad'] };

function mark(state) {
  const [text, tone] = MARKS[state];
  say(link, store.lost > 0 && state === 'live' ? `Live, ${count(store.lost)} records missed` : text);
  link.className = `badge ${tone}`;
}

const events = new EventSource('events');
events.addEventListener('open', () => mark('live'));
events.addEventListener('error', () => mark(events.readyState === EventSource.CLOSED ? 'gone' : 'waiting'));
events.addEventListener('records', ({ data }) => {
  take(JSON.parse(data));
  change();
});
events.addEventListener('overview', ({ data }) => {
  takeOverview(JSON.parse(data));
  const { address = '', capabilities } = store.overview;
  mark('live');
  say(document.getElementById('place'), line(address));
  document.getElementById('tab-faults').hidden = !capabilities.faults;
  if (current === 'faults' && !capabilities.faults) open('overview');
  change();
});

open(location.hash.slice(1));
