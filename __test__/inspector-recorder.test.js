'use strict';

const { Recorder } = require('../lib/inspector/recorder.js');
const { RecordRing } = require('../lib/inspector/record-ring.js');
const { createRedaction, previewOf } = require('../lib/inspector/redaction.js');

const KEY = 'q7Yl0ZcX0r3mJ8Gk6t9uVw2y5B1dF4hK7nP0sR3uX6c=';

/** One with letters that some write as escapes. */
const SLASHED = 'q7Yl0Zc/0r3mJ8Gk6t9+Vw2y5B1/F4hK7nP0s+3uX6c=';

function recorder({ maxRecords = 1000, maxBytes = 1 << 20, secrets = [], previewBytes = 64 } = {}) {
  const ring = new RecordRing({ maxRecords, maxBytes });
  const redact = createRedaction({ secrets: () => secrets, previewBytes });
  const kept = () => ring.read(0, Infinity).map(redact);
  return { ring, kept, recorder: new Recorder(ring, redact) };
}

async function take(iterator, count) {
  const taken = [];
  while (taken.length < count) taken.push((await iterator.next()).value);
  return taken;
}

const message = (text, previewBytes = 64) => ({
  kind: 'message',
  type: 'text',
  ...previewOf(text, previewBytes)
});

describe('a reader', () => {
  test('gets what is kept, then what comes, then the end', async () => {
    const { ring, recorder: own } = recorder();
    ring.push({ kind: 'sender', id: 'a' });
    const iterator = own.records();
    expect(await take(iterator, 1)).toMatchObject([{ seq: 1, kind: 'sender', id: 'a' }]);
    const next = iterator.next();
    ring.push({ kind: 'accepted', id: 'a' });
    expect((await next).value).toMatchObject({ seq: 2, kind: 'accepted' });
    ring.push({ kind: 'closed', id: 'a' });
    own.close();
    expect((await iterator.next()).value.kind).toBe('closed');
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });

  test('may go on where another stopped, and want some kinds only', async () => {
    const { ring, recorder: own } = recorder();
    for (const kind of ['sender', 'message', 'sender', 'message']) ring.push({ kind });
    own.close();
    const seen = [];
    for await (const { seq } of own.records({ since: 1, kinds: ['message'] })) seen.push(seq);
    expect(seen).toEqual([2, 4]);
  });

  test('several at their own pace get the same', async () => {
    const { ring, recorder: own } = recorder();
    const [quick, slow] = [own.records(), own.records()];
    const first = quick.next();
    for (let i = 0; i < 600; i++) ring.push({ kind: 'sender', id: String(i) });
    expect((await first).value.seq).toBe(1);
    const rest = await take(quick, 599);
    own.close();
    const all = [];
    for await (const record of slow) all.push(record);
    expect(all.length).toBe(600);
    expect(all.slice(1)).toEqual(rest);
  });

  test('learns how much it was too slow for', async () => {
    const { ring, recorder: own } = recorder({ maxRecords: 10 });
    const iterator = own.records();
    ring.push({ kind: 'sender' });
    await take(iterator, 1);
    for (let i = 0; i < 30; i++) ring.push({ kind: 'sender' });
    const [lost, next] = await take(iterator, 2);
    expect(lost).toMatchObject({ kind: 'lost', count: 20, seq: 1 });
    expect(next.seq).toBe(22);
    own.close();
  });

  test('ends at once by return(), throw() and a signal, while it waits and before', async () => {
    const { recorder: own } = recorder();
    const waiting = own.records();
    const pending = [waiting.next(), waiting.next()];
    expect(await waiting.return('x')).toEqual({ value: 'x', done: true });
    expect(await Promise.all(pending)).toEqual([
      { value: undefined, done: true },
      { value: undefined, done: true }
    ]);
    const thrown = own.records();
    await expect(thrown.throw(new Error('x'))).rejects.toThrow('x');
    expect((await thrown.next()).done).toBe(true);

    const controller = new AbortController();
    const aborted = own.records({ signal: controller.signal });
    const late = own.records({ signal: controller.signal });
    const next = aborted.next();
    controller.abort(new Error('why'));
    await expect(next).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    expect((await aborted.next()).done).toBe(true);
    await expect(late.next()).rejects.toMatchObject({ name: 'AbortError' });
    const never = own.records({ signal: controller.signal });
    await expect(never.next()).rejects.toMatchObject({ name: 'AbortError' });
    own.close();
  });

  test.each([
    [{ since: -1 }, 'options.since'],
    [{ kinds: 'message' }, 'options.kinds'],
    [{ kinds: [1] }, 'options.kinds[0]'],
    [{ signal: {} }, 'options.signal'],
    [5, 'options']
  ])('refuses %j', (options, name) => {
    const { recorder: own } = recorder();
    expect(() => own.records(options)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(name) })
    );
  });
});

describe('the ring', () => {
  test('keeps to its bounds, and messages push out nothing else', () => {
    const { ring, kept } = recorder({ maxRecords: 100 });
    for (let i = 0; i < 20; i++) ring.push({ kind: 'sender' });
    for (let i = 0; i < 5000; i++) ring.push({ kind: 'message' });
    const kinds = kept().map(({ kind }) => kind);
    expect(kinds.length).toBe(100);
    expect(kinds.filter((kind) => kind === 'sender').length).toBe(20);
    for (let i = 0; i < 5000; i++) ring.push({ kind: 'sender' });
    const after = kept();
    expect(after.length).toBe(100);
    expect(after.at(-1).seq).toBe(10_020);
    const seqs = after.map(({ seq }) => seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  });

  test('counts bytes, and does not keep a record that is larger than all of them', () => {
    const { ring, kept } = recorder({ maxBytes: 10_000, previewBytes: 1000 });
    for (let i = 0; i < 100; i++) ring.push(message('x'.repeat(1000), 1000));
    expect(kept().length).toBeLessThan(6);
    expect(kept().length).toBeGreaterThan(1);
    ring.push({ kind: 'error', message: 'x'.repeat(20_000) });
    expect(kept().map(({ kind }) => kind)).not.toContain('error');
    ring.push({ kind: 'sender' });
    expect(kept().at(-1).kind).toBe('sender');
  });
});

describe('redaction', () => {
  const TOKEN = 'SharedAccessSignature sr=http%3A%2F%2Fh%2Fhyco&sig=abcdEFGH1234%3D&se=1&skn=root';
  const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl';

  function shown(record, options = {}) {
    const { ring, kept } = recorder({ secrets: [KEY, SLASHED, 'hunter2-hunter2'], ...options });
    ring.push(record);
    return kept()[0];
  }

  test.each([
    ['Authorization', 'Basic dXNlcjpodW50ZXIy'],
    ['serviceBusAuthorization', TOKEN],
    ['COOKIE', 'session=1234'],
    ['Set-Cookie', 'session=1234; Path=/'],
    ['X-Api-Key', 'k1234'],
    ['X-Other', `see ${KEY}`],
    [`x-${encodeURIComponent(KEY)}`, 'name'],
    ['__proto__', JWT]
  ])('of the header %s', (name, value) => {
    const record = shown({ kind: 'request', headers: [[name, value]] });
    expect(record.headers.length).toBe(1);
    expect(JSON.stringify(record)).not.toMatch(/dXNlcjpodW50ZXIy|EFGH1234|session|k1234|q7Yl0Z|c2lnbmF0dXJl/);
  });

  test.each([
    ['a target', { target: `/$hc/hyco?sb-hc-token=${encodeURIComponent(TOKEN)}&x=1` }],
    ['an address', { address: `wss://h/$hc/x?SB-HC-Rendezvous=abcdEFGH1234&sb-hc-id=1` }],
    ['an id', { id: KEY }],
    ['a reason', { reason: `no: ${TOKEN}` }],
    ['a path', { path: 'a/hunter2-hunter2/b' }],
    [
      'details',
      { kind: 'fault', fault: 'sendControl', details: { text: `{"renewToken":{"token":"${TOKEN}"}}` } }
    ],
    ['a text', message(`{"key":"${KEY}","t":"${TOKEN}"}`, 1000)],
    [
      'bytes',
      { kind: 'message', type: 'binary', ...previewOf(Buffer.from(`\0\xff${KEY}\0`, 'latin1'), 1000) }
    ],
    ['a key at the end of a preview', message(`${'x '.repeat(30)}${KEY} and more`.padEnd(500), 64)],
    [
      'a key cut in two behind many letters',
      message(`${'ü'.repeat(300)}${'x'.repeat(280)}${KEY}`.slice(0, 620), 1024)
    ],
    [
      'a key cut in two behind a secret',
      message(`sig=${'a'.repeat(200)}&${'x '.repeat(40)}`.padEnd(300, 'z') + KEY + 'more'.repeat(30), 64)
    ],
    ['the address of a rendezvous, escaped', { target: '/$hc/x?sb%2Dhc%2drendezvous%3DabcdEFGH1234' }],
    ['a key in JSON of .NET', message(JSON.stringify({ key: SLASHED }).replaceAll('+', '\\u002B'), 1000)],
    ['a key in JSON of PHP', message(JSON.stringify({ key: SLASHED }).replaceAll('/', '\\/'), 1000)],
    [
      'bytes at the end of a preview',
      { kind: 'message', ...previewOf(Buffer.from(`${'x'.repeat(30)} ${KEY}`), 40) }
    ]
  ])('of %s', (_name, record) => {
    const text = JSON.stringify(shown({ kind: 'sender', ...record }));
    const decoded = text.replace(/"preview":"([^"]*)"/, (_all, preview) => Buffer.from(preview, 'base64'));
    for (const each of [text, decoded]) expect(each).not.toMatch(/q7Yl|EFGH1234|hunter2/);
  });

  test('leaves the rest as it is', () => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    expect(shown({ kind: 'message', type: 'binary', ...previewOf(bytes, 64) })).toEqual({
      seq: 1,
      time: expect.any(Number),
      kind: 'message',
      type: 'binary',
      size: 4,
      preview: bytes.toString('base64'),
      cut: false
    });
    const text = '<script>alert("ü")</script>\u2028';
    expect(shown(message(text)).preview).toBe(text);
    expect(shown(message('y'.repeat(100)))).toMatchObject({ preview: 'y'.repeat(64), cut: true, size: 100 });
    // Half a letter is none.
    expect(shown(message(`${'y'.repeat(63)}😀`))).toMatchObject({ preview: 'y'.repeat(63), cut: true });
    expect(Object.isFrozen(shown({ kind: 'x', headers: [['a', 'b']] }).headers[0])).toBe(true);
  });
});
