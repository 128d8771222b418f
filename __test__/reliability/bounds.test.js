'use strict';

// The list of bounds in docs/reliability.md: each item has a check, each check an item, and the values are those of the
// options and of the source.

const { constants } = require('node:buffer');
const { once } = require('node:events');
const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const { RawPeer } = require('../helpers/raw-peer.js');
const { binary } = require('../helpers/frames.js');
const { readServerOptions } = require('../../lib/shared/options.js');
const { RelayedWebSocket } = require('../../lib/socket/socket.js');

const root = path.join(__dirname, '..', '..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');
const FLOODS = '__test__/reliability/memory.test.js';
const FAULTS = 'src/socket/tests/faults.rs';
const CHANNELS = 'src/listener/tests/bounds.rs';
const FLOW = 'src/socket/tests/flow.rs';
const STREAMS = 'src/forward/tests.rs';
const REQUESTS = 'src/listener/tests/requests/limits.rs';

/** By item: the tests that show how it behaves at its bound, as file and name. Of the others only the values are checked. */
const SHOWN_BY = {
  'senders that wait for a verdict': [
    [CHANNELS, 'thousands_of_accepts_at_once_stay_bounded'],
    [CHANNELS, 'a_sender_that_is_being_dialled_is_still_among_the_pending_ones'],
    ['__test__/reliability/closing.test.js', 'beyond maxPendingAccepts gets 503, and the others get in']
  ],
  'rendezvous that are dialled at once': [
    ['__test__/accept.test.js', 'waits for its dial while 64 others are dialled']
  ],
  'rejections that are dialled at once': [
    [CHANNELS, 'thousands_of_accepts_at_once_stay_bounded'],
    [CHANNELS, 'rejections_that_wait_hold_a_bounded_number_of_bytes']
  ],
  "sent, not yet taken by the sender's connection": [
    [FLOODS, '20 senders that flood an echo and never read: they are given up'],
    [FLOODS, 'a single turn that sends 800 MiB'],
    [FAULTS, 'all_sockets_together_have_a_limit_that_spares_the_modest_ones'],
    [FAULTS, 'what_is_sent_on_a_connection_that_was_given_up_is_dropped']
  ],
  'received, not yet given to the program': [
    [FLOW, 'reading_stops_at_the_high_water_mark'],
    [FLOW, 'reading_stops_while_the_whole_queue_is_full'],
    [FLOODS, 'a program which is busy: 64 MiB wait, no more']
  ],
  'held by `pause()`': [[FLOODS, 'senders that flood a listener which never reads: they are stalled']],
  'unfinished messages of accepted sockets': [
    [FLOODS, '30 senders that never end their messages'],
    [FAULTS, 'of_unfinished_messages_the_largest_is_given_up'],
    [FAULTS, 'many_small_ones_are_bounded_too'],
    ['src/frame/decoder/tests.rs', 'an_announcement_alone_reserves_little']
  ],
  'one message': [
    ['src/frame/decoder/tests.rs', 'no_limit_ends_below_what_a_record_can_count'],
    ['src/frame/decoder/tests.rs', 'the_payload_limit_also_holds_for_what_is_inflated'],
    ['src/frame/decoder/tests.rs', 'fragments_are_counted_even_if_empty']
  ],
  compression: [],
  'pongs that are owed': [['__test__/contract/receiving.js', 'too many pongs are pending']],
  'frames that leave together': [],
  "the head of a handshake's answer": [
    ['src/transport/handshake/tests.rs', 'the_size_of_the_head_is_limited'],
    ['__test__/reliability/hostile.test.js', 'has a head without end']
  ],
  'the body of an answer that opens nothing': [['src/http/body/tests.rs', 'malformed_chunks_are_refused']],
  "a proxy's answer": [['src/transport/proxy/tests.rs', 'an_answer_without_end_is_cut_off']],
  'TLS, for each connection': [
    ['src/transport/tls/records/tests.rs', 'what_is_no_record_is_refused_by_its_header']
  ],
  'TLS sessions that wait to be resumed': [
    ['src/transport/tls/sessions.rs', 'so_many_servers_are_remembered'],
    ['src/transport/tls/tests.rs', 'as_many_sessions_are_resumed_as_are_dialled_at_once']
  ],
  'buffers that wait for their next use': [['src/buffers.rs', 'keeps_no_more_than_its_limit']],
  'a control message': [['src/listener/tests.rs', 'malformed_and_huge_messages_are_survived']],
  'questions to `rendezvousHosts` that are not answered': [],
  'HTTP requests in progress': [
    [REQUESTS, 'ten_thousand_requests_at_once_stay_bounded'],
    [REQUESTS, 'bodies_that_are_here_hold_a_bounded_number_of_bytes']
  ],
  'rendezvous of HTTP requests': [
    [REQUESTS, 'no_more_than_so_many_are_dialled_at_once'],
    [REQUESTS, 'requests_that_wait_elsewhere_are_bounded_and_refused_there'],
    [REQUESTS, 'of_idle_rendezvous_so_many_are_kept']
  ],
  'the body of an HTTP request that streams': [
    ['src/listener/tests/requests/rendezvous.rs', 'a_body_waits_until_it_is_wanted']
  ],
  'an HTTP answer that its sender does not read': [
    [REQUESTS, 'a_sender_that_does_not_read_costs_bounded_memory']
  ],
  'the headers of an HTTP request, and of an answer': [
    ['src/listener/tests/requests.rs', 'what_is_no_request_is_answered_with_400_and_told'],
    ['src/listener/tests/requests.rs', 'an_answer_that_cannot_be_sent_becomes_500']
  ],
  'what the listener says by itself and the relay does not read': [
    [CHANNELS, 'a_relay_that_does_not_read_costs_bounded_memory']
  ],
  'the id of a request, which its answer repeats': [
    [CHANNELS, 'an_id_that_no_sender_can_have_is_not_repeated']
  ],
  'the text of the relay that an error of a control channel or a rejection repeats': [],
  'in the embedded relay: what it holds of a control channel': [
    ['src/emulator/tests.rs', 'a_breach_of_the_framing_rules_is_the_end_of_the_channel']
  ],
  'in the embedded relay: what a sender says before it is met': [],
  'in the embedded relay: an HTTP request and its response': [
    ['__test__/emulator-http.test.js', 'streams large bodies both ways at once, in little memory'],
    ['__test__/emulator-http.test.js', 'is 64 kB at most on the control channel'],
    ['__test__/emulator-http.test.js', 'with more than 32 kB of headers is 431']
  ],
  'in the embedded relay: offers and answers that a listener does not read': [
    ['__test__/emulator-http.test.js', 'that do not read are spared: 503']
  ],
  'in the embedded relay: events for a program that is busy': [
    ['__test__/emulator-process.test.js', 'tells a program that was busy 10,000 events']
  ],
  'records of what passes': [
    ['src/emulator/record_store.rs', 'it_keeps_to_its_bounds_and_messages_push_out_nothing_else'],
    ['src/emulator/record_store.rs', 'bytes_count_too_and_a_record_beyond_all_bounds_is_not_kept'],
    ['src/emulator/record.rs', 'whatever_a_client_has_made_long_counts'],
    ['__test__/inspector-recorder.test.js', 'keeps to its bounds, and messages push out nothing else']
  ],
  "the inspector's page": [
    ['__test__/inspector-server.test.js', 'keeps no more than the ring for a page that does not read'],
    ['__test__/inspector-server.test.js', 'is not there for any number of pages'],
    ['__test__/inspector-server.test.js', 'have an end']
  ],
  'a forwarded stream whose target does not read, or whose relay does not': [
    [STREAMS, 'a_target_that_never_reads_holds_one_read_of_its_sender'],
    [STREAMS, 'a_peer_that_never_reads_holds_one_frame_of_the_target'],
    ['src/forward/preamble.rs', 'a_name_has_255_bytes_at_most']
  ],
  'a forwarded stream of which one direction has ended': [
    [STREAMS, 'a_stream_that_is_half_open_may_be_silent_for_a_minute']
  ],
  'reports about malformed messages': [['src/listener/tests.rs', 'malformed_and_huge_messages_are_survived']],
  "reports of rejections that failed, and the engine's trace": []
};

const { settings: own } = readServerOptions({ server: 'wss://h/$hc/p', token: 't', inspect: true });
const settings = { ...own, ...own.inspect };

const rows = read('docs/reliability.md')
  .replace(/\n {2}(?=\S)/g, ' ')
  .split('\n')
  .map((line) => /^- \*\*(.*?)\*\*: (.*) Set by (.*)$/.exec(line)?.slice(1))
  .filter((item) => item !== undefined);

const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** `NAME` and value, and the file that it is in, where it is no option. */
function valuesOf(cell) {
  const values = [];
  let unplaced = [];
  for (const [, name, number, unit, file] of cell.matchAll(
    /`(\w+)` ([\d,]+)(?: ([KMG]iB))?|in `([\w./-]+)`/g
  )) {
    if (file !== undefined) {
      for (const value of unplaced) value.file = file;
      unplaced = [];
      continue;
    }
    const value = { name, value: Number(number.replaceAll(',', '')) * (UNITS[unit] ?? 1), file: undefined };
    values.push(value);
    unplaced.push(value);
    if (Object.hasOwn(settings, name)) unplaced = [];
  }
  return values;
}

/** The value of a constant, or of a field's default, in Rust or JavaScript. */
function constant(name, source) {
  const found = new RegExp(`const ${name}(?:: \\w+)? = ([^;]+);|^ *${name}: (\\d[\\d_]*),`, 'm').exec(source);
  if (found === null) throw new Error(`${name} is not there`);
  const expression = (found[1] ?? found[2])
    .replace(/ as \w+/g, '')
    .replaceAll('u32::MAX', '4294967295')
    .replace(/\b[A-Z][A-Z_]+\b/g, (other) => constant(other, everything));
  if (!/^[\dxa-f_ *+<()-]+$/.test(expression)) throw new Error(`${name} is ${expression}`);
  return Number(new Function(`return ${expression};`)());
}

const everything = readdirSync(path.join(root, 'src'), { recursive: true })
  .filter((name) => name.endsWith('.rs') && !/tests?\.rs$/.test(name))
  .map((name) => read(path.join('src', name)))
  .join('\n');

test('each item has a check, and each check an item', () => {
  expect(rows.length).toBeGreaterThan(15);
  expect(rows.map(([what]) => what).sort()).toEqual(Object.keys(SHOWN_BY).sort());
});

test.each(rows)('%s', (what, bound, setBy) => {
  const values = valuesOf(setBy);
  expect(values.length).toBeGreaterThan(0);
  for (const { name, value, file } of values) {
    const actual = file === undefined ? settings[name] : constant(name, read(file));
    expect([name, actual]).toEqual([name, value]);
  }
  for (const [file, name] of SHOWN_BY[what]) {
    expect([file, read(file).includes(name)]).toEqual([file, true]);
  }
});

test('a message that is too long for a record is refused, limit or not', async () => {
  // What a record can say is no more than what a buffer can hold.
  expect(constants.MAX_LENGTH).toBeGreaterThanOrEqual(2 ** 32 - 1);
  const peer = await RawPeer.listen();
  try {
    for (const length of [2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1]) {
      const socket = new RelayedWebSocket(peer.url(), { maxPayload: 0, maxFragments: 0 });
      const connection = await peer.connection();
      const failed = once(socket, 'error');
      await connection.accept({ frames: [binary('start', { length })] });
      await expect(failed).resolves.toEqual([
        expect.objectContaining({
          name: 'RangeError',
          code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
          message: 'Max payload size exceeded'
        })
      ]);
      const [close] = await connection.frames(1);
      expect(Buffer.from(close.payload, 'latin1').readUInt16BE(0)).toBe(1009);
      const closed = once(socket, 'close');
      socket.terminate();
      await closed;
    }
  } finally {
    await peer.close();
  }
});
