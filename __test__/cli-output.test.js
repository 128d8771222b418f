'use strict';

// What the commands show on a terminal and do not show elsewhere.

const { note, paint, plain, waiting } = require('../lib/cli/output');

function stream(isTTY) {
  return {
    isTTY,
    text: '',
    write(text) {
      this.text += text;
    }
  };
}

const noColor = process.env.NO_COLOR;
beforeEach(() => delete process.env.NO_COLOR);
afterAll(() => {
  if (noColor !== undefined) process.env.NO_COLOR = noColor;
});

test('colours are for terminals, unless NO_COLOR is set', () => {
  expect(paint('red', 'no', stream(true))).toBe('\u001b[31mno\u001b[39m');
  expect(paint('red', 'no', stream(false))).toBe('no');
  process.env.NO_COLOR = '1';
  expect(paint('red', 'no', stream(true))).toBe('no');
});

test('errors and remarks are shown without what is secret in them', () => {
  const error = Object.assign(new Error('at wss://u:SECRET@h'), { code: 'E', reason: 'sig=SECRET' });
  expect(plain(error)).toEqual({ code: 'E', message: 'at wss://***@h', reason: 'sig=***' });
  const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  note('closed: sb-hc-token=SECRET');
  expect(write.mock.calls.flat().join('')).toContain('closed: sb-hc-token=***');
  write.mockRestore();
});

describe('waiting', () => {
  /** Work that ends when it is told to. */
  function work() {
    const task = {};
    task.done = new Promise((resolve, reject) => Object.assign(task, { resolve, reject }));
    return task;
  }
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  test('is told on a terminal once it lasts, and wiped away', async () => {
    const terminal = stream(true);
    const task = work();
    const result = waiting('port', task.done, { stream: terminal });
    jest.advanceTimersByTime(499);
    expect(terminal.text).toBe('');
    jest.advanceTimersByTime(1);
    expect(terminal.text).toContain('port …');
    task.resolve(7);
    expect(await result).toBe(7);
    expect(terminal.text.endsWith('\r\u001b[K')).toBe(true);
  });

  test('is not told where it is short, or fails at once', async () => {
    const terminal = stream(true);
    await expect(waiting('port', Promise.reject(new Error('no')), { stream: terminal })).rejects.toThrow(
      'no'
    );
    jest.advanceTimersByTime(10_000);
    expect(terminal.text).toBe('');
  });

  test('is not told where nobody watches', async () => {
    const file = stream(false);
    const task = work();
    const result = waiting('port', task.done, { stream: file });
    jest.advanceTimersByTime(10_000);
    task.resolve();
    await result;
    expect(file.text).toBe('');
  });
});
