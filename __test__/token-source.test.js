'use strict';

const { inspect } = require('node:util');

jest.mock('../lib/shared/helpers', () => ({
  createRelayToken: (uri, keyName, key, lifetime) =>
    `SharedAccessSignature ${uri}|${keyName}|${key}|${lifetime}`
}));

const { RelayError } = require('../lib/shared/errors');
const { SCOPE, TokenSource } = require('../lib/shared/token-source');

const uri = 'wss://ns.test/$hc/hyco';
const failureOf = (settings, timeout) =>
  new TokenSource({ uri, ...settings }, timeout).get().then(
    () => undefined,
    (error) => error
  );

test('a string is always the token, until it is replaced', async () => {
  const source = new TokenSource({ uri, token: 'one' });
  expect(source.immediate()).toBe('one');
  source.update('two');
  await expect(source.get()).resolves.toBe('two');
});

test('a function may answer at once or with a promise', async () => {
  await expect(new TokenSource({ uri, token: () => 'sync' }).get()).resolves.toBe('sync');
  await expect(new TokenSource({ uri, token: async () => 'async' }).get()).resolves.toBe('async');
  expect(new TokenSource({ uri, token: () => 'x' }).immediate()).toBeUndefined();
});

test('what throws at once has failed as what rejects, and is asked again', async () => {
  const answers = [
    () => {
      throw new Error('no vault');
    },
    () => 'later'
  ];
  const getToken = () => ({ token: answers.shift()() });
  for (const settings of [{ token: () => answers.shift()() }, { credential: { getToken } }]) {
    const source = new TokenSource({ uri, ...settings });
    const asked = source.get();
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_HYCO_TOKEN',
      message: expect.stringMatching(/^The token provider failed: no vault \(see /),
      cause: { message: 'no vault' }
    });
    await expect(source.get()).resolves.toBe('later');
    answers.push(
      () => {
        throw new Error('no vault');
      },
      () => 'later'
    );
  }
  // What is thrown need not be an error.
  const thrower = () => {
    throw null;
  };
  expect(await failureOf({ token: thrower })).toMatchObject({
    code: 'ERR_HYCO_TOKEN',
    message: expect.stringContaining('unknown error')
  });
});

test('an update does not switch a provider off', async () => {
  const source = new TokenSource({ uri, token: () => 'provided' });
  source.update('pushed');
  await expect(source.get()).resolves.toBe('provided');
});

test('a key makes tokens for the URI; listeners are given the rule', async () => {
  const rule = { keyName: 'rule', key: ['first', 'second'], tokenLifetime: 60 };
  const source = new TokenSource({ uri, ...rule });
  expect(source.immediate()).toBe(`SharedAccessSignature ${uri}|rule|first|60`);
  await expect(source.get()).resolves.toContain('|first|');
  expect(source.rule).toEqual({ keyName: 'rule', keys: ['first', 'second'], lifetime: 60 });
  expect(new TokenSource({ uri, keyName: 'rule', key: 'k' }).rule).toMatchObject({
    keys: ['k'],
    lifetime: 3600
  });
  // What comes first counts.
  expect(new TokenSource({ uri, ...rule, token: 'given' }).rule).toBeUndefined();
  expect(new TokenSource({ uri, ...rule, credential: {} }).rule).toBeUndefined();
});

test('a credential is asked for the scope of Azure Relay', async () => {
  const getToken = jest.fn(async () => ({ token: 'jwt', expiresOnTimestamp: 1 }));
  await expect(new TokenSource({ uri, credential: { getToken } }).get()).resolves.toBe('jwt');
  expect(getToken).toHaveBeenCalledWith(SCOPE, { abortSignal: expect.any(AbortSignal) });
});

test('asks that come together share one answer', async () => {
  let calls = 0;
  let answer;
  const token = () => {
    calls++;
    return new Promise((resolve) => (answer = resolve));
  };
  const source = new TokenSource({ uri, token });
  const asks = [source.get(), source.get(), source.get()];
  answer('shared');
  await expect(Promise.all(asks)).resolves.toEqual(['shared', 'shared', 'shared']);
  const next = source.get();
  answer('again');
  await expect(next).resolves.toBe('again');
  expect(calls).toBe(2);
});

test.each([
  ['null', async () => null, /null/],
  ['a number', () => 7, /type number/],
  ['an empty string', () => '', /empty/],
  ['a header injection', () => 'a\r\nX: y', /characters/],
  ['a throw', () => { throw new Error('no luck'); }, /no luck/], // prettier-ignore
  ['a rejection', () => Promise.reject(new Error('no luck')), /no luck/]
])('%s is a failure with a code', async (_, token, message) => {
  const error = await failureOf({ token });
  expect(error).toBeInstanceOf(RelayError);
  expect(error).toMatchObject({
    code: 'ERR_HYCO_TOKEN',
    transient: true,
    message: expect.stringMatching(message)
  });
});

test("a credential that returns null is a failure, as in the Azure SDK's contract", async () => {
  expect(await failureOf({ credential: { getToken: async () => null } })).toMatchObject({
    code: 'ERR_HYCO_TOKEN'
  });
});

test('a provider that never answers has failed after its limit, and is told to stop', async () => {
  let signal;
  const credential = {
    getToken(_, options) {
      signal = options.abortSignal;
      return new Promise(() => {});
    }
  };
  // The limit's timer does not keep the process alive, so the test has to.
  const alive = setInterval(() => {}, 1000);
  const error = await failureOf({ credential }, 5);
  clearInterval(alive);
  expect(error).toMatchObject({ code: 'ERR_HYCO_TOKEN', message: expect.stringContaining('5 ms') });
  expect(signal.aborted).toBe(true);
});

test('an ask that is given up ends at once', async () => {
  const abort = new AbortController();
  const asked = new TokenSource({ uri, token: () => new Promise(() => {}) }).get({ signal: abort.signal });
  abort.abort();
  await expect(asked).rejects.toMatchObject({ name: 'RelayError', code: 'ERR_HYCO_ABORTED' });
});

test('no error shows a token or a key', async () => {
  const leaky = () => {
    throw new Error('refused SharedAccessSignature sr=x&sig=SECRET&se=1 and SECRET-KEY');
  };
  const error = await failureOf({ token: leaky, keyName: 'rule', key: 'SECRET-KEY' });
  expect(inspect(error)).not.toContain('SECRET');
  const harmless = await failureOf({ token: () => Promise.reject(new Error('timed out')) });
  expect(harmless.cause.message).toBe('timed out');
});
