/** Each fault of `relay.faults`, to press while a program runs. */

import { act } from './act.mjs';
import { announce, clock, h, line } from './dom.mjs';
import { store } from './store.mjs';

/** What they take: what to begin with, or what to choose from. */
const FIELDS = {
  path: [['', 'all']],
  reset: false,
  code: 1011,
  reason: 'by order',
  text: '{',
  on: true,
  ms: 2000,
  midFrame: true,
  of: [['response'], ['request']],
  after: 0,
  times: 1,
  status: 503,
  action: [['', 'all'], ['listen'], ['connect'], ['accept'], ['request'], ['rendezvous']],
  control: true,
  data: true,
  handshakes: false
};
/** The others are options. */
const ARGUMENTS = ['code', 'reason', 'text', 'on', 'ms'];

const GROUPS = {
  'Control channels': {
    dropControl: ['Cuts them without a close frame.', 'path', 'reset'],
    recycle: ['Closes them with 1011, as the service does once a day.', 'path'],
    expireTokens: ['Closes them with 1008, as if their tokens were over.', 'path'],
    closeControl: ['Closes them with a code of yours.', 'code', 'reason', 'path'],
    sendControl: ['Sends a text to the listeners.', 'text', 'path'],
    swallowPongs: ['Leaves pings unanswered.', 'on']
  },
  'Connections and requests': {
    cutRendezvous: ['Cuts both ends of what is established.', 'path', 'midFrame', 'reset'],
    closeRendezvous: ['Closes both ends.', 'code', 'reason', 'path'],
    expireRendezvous: ['Lets the addresses expire that are still open.'],
    expireRequests: ['Answers 504 for what has no response yet.', 'path'],
    cutBodies: ['Cuts the next body after so many bytes.', 'of', 'after', 'times']
  },
  Handshakes: {
    refuse: ['Answers the next one with a status.', 'status', 'times', 'action'],
    delay: ['Answers late; 0 ends it.', 'ms', 'action'],
    holdAccepts: ['Keeps accept messages back for a while.', 'ms'],
    releaseAccepts: ['Lets go of them.']
  },
  Silence: {
    goSilent: ['Stops reading and writing, and closes nothing.', 'control', 'data', 'handshakes'],
    resume: ['Goes on.'],
    clear: ['Takes back whatever lasts.']
  }
};

const log = h('ol.log', { 'aria-label': 'What was pressed' });
const hint = h('p.muted', 'Press one while your program runs, and see what it does about it.');
const groups = h('div.groups');
const selects = [];

export function build(panel) {
  for (const [title, faults] of Object.entries(GROUPS)) {
    groups.append(h('section.card', h('h2', title), ...Object.entries(faults).map(row)));
  }
  panel.append(h('div.split.wide', groups, h('aside.card', h('h2', 'Pressed'), hint, log)));
}

export function draw() {
  for (const select of selects) {
    for (const name of [...store.paths].slice(select.options.length - 1)) {
      select.append(h('option', { value: name }, line(name, 60)));
    }
  }
}

function row([name, [text, ...fields]]) {
  const inputs = fields.map((field) => [field, makeInput(field)]);
  const form = h(
    'form.fault',
    { 'aria-labelledby': `fault-${name}` },
    h('div', h('h3', { id: `fault-${name}` }, name), h('p.muted', text)),
    ...inputs.map(([field, input]) => h('label', h('span', field), input)),
    h('button', { type: 'submit', 'aria-label': `Press ${name}` }, 'Press')
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void press(name, inputs);
  });
  return form;
}

function makeInput(name) {
  const value = FIELDS[name];
  if (Array.isArray(value)) {
    const options = value.map(([one, text = one]) => h('option', { value: one }, text));
    const select = h('select', { name }, ...options);
    if (name === 'path') selects.push(select);
    return select;
  }
  if (typeof value === 'boolean') return h('input', { name, type: 'checkbox', checked: value });
  return h('input', { name, type: typeof value === 'number' ? 'number' : 'text', value: String(value) });
}

function valueOf({ checked, type, value }) {
  if (type === 'checkbox') return checked;
  if (value === '') return undefined;
  return type === 'number' ? Number(value) : value;
}

async function press(name, inputs) {
  const isArgument = ([field]) => ARGUMENTS.includes(field);
  const args = inputs.filter(isArgument).map(([, input]) => valueOf(input));
  const options = inputs.filter((one) => !isArgument(one)).map(([field, input]) => [field, valueOf(input)]);
  if (options.length > 0) args.push(Object.fromEntries(options));
  let said;
  try {
    const { struck } = await act(`faults/${name}`, { args });
    said = struck === undefined ? `${name}: done` : `${name}: ${struck} struck`;
  } catch (error) {
    said = `${name}: ${error.message}`;
  }
  log.prepend(h('li', h('span.muted', clock(Date.now())), ' ', line(said)));
  while (log.childElementCount > 50) log.lastChild.remove();
  announce(said);
}
