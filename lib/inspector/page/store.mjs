/** What the page knows: records as they come, put together to connections and requests. Bounded, whatever comes. */

/** Messages that are kept, and as many other records, so that a flood of the ones does not push out the others. */
const MOST = 6000;
const LEAST = 5000;
const MOST_PATHS = 200;
const SECONDS = 60;

/** What has a view of its own, and is not in the timeline. */
const ELSEWHERE = ['message', 'request', 'response', 'requestDone', 'lost'];

export const store = {
  overview: undefined,
  /** Records that were dropped before they got here. */
  lost: 0,
  timeline: [],
  connections: [],
  requests: [],
  paths: new Set(),
  /** Once a second, the newest last. */
  history: { messages: [], bytes: [], latency: [] }
};

const connections = new Map();
const requests = new Map();
/** Numbers of the records that are kept: of messages, and of all others. */
const kept = { messages: [], others: [] };
/** How long accepting took since the last overview. */
let accepts = [];

export function clear() {
  for (const list of [store.timeline, store.connections, store.requests, kept.messages, kept.others]) {
    list.length = 0;
  }
  connections.clear();
  requests.clear();
  store.lost = 0;
}

export function take(records) {
  for (const record of records) {
    kept[record.kind === 'message' ? 'messages' : 'others'].push(record.seq);
    addPath(record.path);
    if (!ELSEWHERE.includes(record.kind)) store.timeline.push(record);
    if (Object.hasOwn(TAKE, record.kind)) TAKE[record.kind](record);
  }
  for (const [name, numbers] of Object.entries(kept)) {
    if (numbers.length <= MOST) continue;
    numbers.splice(0, numbers.length - LEAST);
    forget[name]((record) => (record.last ?? record.seq) >= numbers[0]);
  }
}

function addPath(path) {
  if (path !== undefined && store.paths.size < MOST_PATHS) store.paths.add(path);
}

/** What a record is part of; its number tells that it has changed. */
function part(map, list, { id, path, seq, time }, fields) {
  let found = map.get(id);
  if (found === undefined) {
    found = { id, path, since: time, version: 0, messages: [], toListener: 0, toSender: 0, bytes: 0 };
    map.set(id, found);
    list.push(found);
  }
  found.version++;
  return Object.assign(found, { last: seq }, fields);
}

const connection = (record, fields) => part(connections, store.connections, record, fields);
const request = (record, fields) =>
  part(requests, store.requests, record, { status: record.status, ...fields });

const TAKE = {
  sender: (record) => connection(record, { state: 'offered', sender: record }),
  accepted(record) {
    accepts.push(record.duration);
    connection(record, { state: 'open', accepted: record });
  },
  rejected: (record) => connection(record, { state: 'rejected', end: record }),
  refused: (record) => connections.has(record.id) && connection(record, { state: 'refused', end: record }),
  timedOut: (record) => connection(record, { state: 'timed out', end: record }),
  closed: (record) => connection(record, { state: 'closed', end: record }),
  message(record) {
    const found = connection(record);
    found.state ??= 'open';
    found.messages.push(record);
    found[record.direction]++;
    found.bytes += record.size;
  },
  request: (record) => request(record, { state: 'waiting', request: record }),
  response: (record) => request(record, { state: 'answering', response: record }),
  requestDone: (record) => request(record, { state: 'done', end: record }),
  requestFailed: (record) => request(record, { state: 'failed', end: record }),
  lost: ({ count }) => (store.lost += count)
};

/** Throws out what is older than the records that are kept. */
const forget = {
  messages(isKept) {
    for (const one of store.connections) one.messages = one.messages.filter(isKept);
  },
  others(isKept) {
    store.timeline = store.timeline.filter(isKept);
    store.connections = store.connections.filter((one) => isKept(one) || !connections.delete(one.id));
    store.requests = store.requests.filter((one) => isKept(one) || !requests.delete(one.id));
  }
};

/** Once a second. */
export function takeOverview(overview) {
  store.overview = overview;
  for (const { path } of overview.hybridConnections) addPath(path);
  const sum = (name) =>
    overview.connections.reduce(
      (total, { toListener, toSender }) => total + toListener[name] + toSender[name],
      0
    );
  push('messages', sum('messagesPerSecond'));
  push('bytes', sum('bytesPerSecond'));
  push(
    'latency',
    accepts.length > 0 ? accepts.reduce((total, one) => total + one, 0) / accepts.length : undefined
  );
  accepts = [];
}

function push(name, value) {
  const list = store.history[name];
  list.push(value);
  if (list.length > SECONDS) list.shift();
}
