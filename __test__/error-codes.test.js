'use strict';

// docs/errors.md explains every code, and messages lead there.

const fs = require('node:fs');
const path = require('node:path');

const { RelayError } = require('..');
const { explained, frameError, fromAddon, fromReport, lostByFault } = require('../lib/shared/errors.js');

const root = path.join(__dirname, '..');
const guide = fs.readFileSync(path.join(root, 'docs', 'errors.md'), 'utf8');
const headings = [...guide.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
const codes = headings.filter((heading) => /^[A-Z][A-Z0-9_]+$/.test(heading));

/** The sources of the addon and of what is around it, without tests. */
const sources = ['src', 'lib'].flatMap((folder) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => /\.(js|rs)$/.test(name) && !/tests?(\.rs|[\\/])/.test(name))
    .map((name) => ({
      name,
      text: fs.readFileSync(path.join(root, folder, name), 'utf8').replace(/#\[cfg\(test\)\][^]*$/, '')
    }))
);
/** Those of Node that are set here. */
const NODE =
  'ERR_INVALID_ARG_TYPE ERR_INVALID_ARG_VALUE ERR_INVALID_CHAR ERR_SSL_UNSUPPORTED_PROTOCOL ERR_STREAM_DESTROYED ABORT_ERR';
/** Variables of the environment. */
const VARIABLES = ['HYCO_WS_RS_TUNING', 'HYCO_WS_RS_SLICE'];

const used = new Set(
  sources.flatMap(({ text }) =>
    [...text.matchAll(/['"`]((?:ERR_HYCO_|WS_ERR_|HYCO_WS_RS_|HYCO_WS_DEP)[A-Z0-9_]+)['"`]/g)].map(
      ([, code]) => code
    )
  )
);

test('every code that can be met has a section, and every section is about such a code', () => {
  const expected = [...used, ...NODE.split(' ')].filter((code) => !VARIABLES.includes(code));
  expect(expected.length).toBeGreaterThan(40);
  expect([...codes].sort()).toEqual(expected.sort());
});

test('every code that is set on an error is one of these', () => {
  // The command line has some that no program meets: what its doctor finds.
  const met = sources.filter(({ name }) => !/^cli[\\/]/.test(name));
  const set = met.flatMap(({ text }) => [
    ...text.matchAll(/(?:withCode\([^]*?, |\bcode: )'([A-Z][A-Z0-9_]+)'/g)
  ]);
  expect(set.length).toBeGreaterThan(10);
  // Those of the system are Node's.
  const others = set.filter(([, code]) => /_/.test(code) && !codes.includes(code));
  expect(others.map(([text]) => text)).toEqual([]);
});

test.each(codes)('the section of %s says something', (code) => {
  const text = guide.slice(guide.indexOf(`### ${code}\n`) + code.length + 5).split('\n#')[0];
  expect(text.trim().length).toBeGreaterThan(30);
});

/** As GitHub makes them of headings. */
const anchors = new Set(headings.map((heading) => heading.toLowerCase().replaceAll(' ', '-')));

describe('messages', () => {
  const places = [...used].filter((code) => code.startsWith('ERR_HYCO_'));
  test.each(places)('of %s end with its section, which is in the package', (code) => {
    const { message } = new RelayError('It failed', { code });
    const [, text, file, anchor] = /^(.*) \(see hyco-ws-rs\/([\w/.]+)#(\w+)\)$/.exec(message);
    expect(text).toBe('It failed');
    expect(fs.existsSync(path.join(root, file))).toBe(true);
    expect(require('../package.json').files).toContain(file.split('/')[0]);
    expect(anchors).toContain(anchor);
    expect(anchor).toBe(code.toLowerCase());
  });

  test('name one place, through however many hands they go', () => {
    const once = fromReport({ code: 'ERR_HYCO_TOKEN', message: 'no vault' });
    const twice = fromReport({ code: 'ERR_HYCO_UNAUTHORIZED', message: once.message });
    expect(twice.message).toBe('no vault (see hyco-ws-rs/docs/errors.md#err_hyco_unauthorized)');
    expect(explained(once.message, 'ERR_HYCO_TOKEN')).toBe(once.message);
  });

  test('are shown at the head of the stack, too', () => {
    const error = lostByFault('call');
    expect(error.stack.split('\n')[0]).toBe(`RelayError: ${error.message}`);
    expect(error.message).toMatch(/#err_hyco_internal\)$/);
  });

  test("of frames and of the network are ws's and Node's own", () => {
    const frame = { message: 'Invalid WebSocket frame: x', range: true, code: 'WS_ERR_INVALID_OPCODE' };
    expect(frameError(frame).message).toBe(frame.message);
    const message = 'connect ECONNREFUSED 127.0.0.1:1';
    const system = { code: 'ECONNREFUSED' };
    expect(fromReport({ code: 'ERR_HYCO_NETWORK', message, system }).message).toBe(message);
    const wrong = fromAddon({ message: JSON.stringify({ code: 'ERR_INVALID_ARG_VALUE', message: 'no' }) });
    expect(wrong.message).toBe('no');
  });

  test('of a limit that a peer ran into lead there, for that one is ours', () => {
    expect(frameError({ message: 'too much', range: false, code: 'ERR_HYCO_LIMIT' }).message).toBe(
      'too much (see hyco-ws-rs/docs/errors.md#err_hyco_limit)'
    );
  });

  test('that are no text are shown as text', () => {
    expect(new RelayError(undefined).message).toMatch(/^undefined \(see /);
    expect(new RelayError('').message).toMatch(/^ \(see .*#err_hyco_refused\)$/);
  });
});
