'use strict';

const { inspect } = require('node:util');

const { RelayError } = require('..');
const { fromReport } = require('../lib/shared/errors.js');

test('a refusal of the relay', () => {
  const error = fromReport({
    code: 'ERR_HYCO_UNAUTHORIZED',
    message: 'Unexpected server response: 401',
    transient: false,
    statusCode: 401,
    reason: 'Expired. TrackingId:1',
    trackingId: '1'
  });
  expect(error).toBeInstanceOf(RelayError);
  expect(error).toBeInstanceOf(Error);
  expect({ ...error }).toEqual({
    code: 'ERR_HYCO_UNAUTHORIZED',
    statusCode: 401,
    reason: 'Expired. TrackingId:1',
    trackingId: '1',
    transient: false
  });
  expect(error.name).toBe('RelayError');
  expect(inspect(error)).toMatch(/^RelayError: Unexpected server response: 401/);
  expect('cause' in error).toBe(false);
});

test('the causes become a chain of errors', () => {
  const error = fromReport({ code: 'ERR_HYCO_PROTOCOL', message: 'a', causes: ['b', 'c'] });
  expect(error.cause).toBeInstanceOf(Error);
  expect([error.message, error.cause.message, error.cause.cause.message]).toEqual([
    'a (see hyco-ws-rs/docs/errors.md#err_hyco_protocol)',
    'b',
    'c'
  ]);
  expect(error.cause.cause.cause).toBeUndefined();
});

test('a failure of the network looks as Node makes it', () => {
  const system = { code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: '127.0.0.1', port: 1 };
  const message = 'connect ECONNREFUSED 127.0.0.1:1';
  const error = fromReport({ code: 'ERR_HYCO_NETWORK', message, transient: true, system });
  expect(error).toBeInstanceOf(Error);
  expect(error).not.toBeInstanceOf(RelayError);
  expect({ ...error }).toEqual(system);
  expect(error.relayCode).toBe('ERR_HYCO_NETWORK');
  expect(error.transient).toBe(true);
});

test('elsewhere the failure of the system is the cause', () => {
  const system = { code: 'ECONNRESET', syscall: 'read' };
  const error = fromReport({ code: 'ERR_HYCO_PROXY', message: 'the proxy', system, causes: ['x'] });
  expect(error).toBeInstanceOf(RelayError);
  expect(error.code).toBe('ERR_HYCO_PROXY');
  expect(error.cause).toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
});

test('two copies of the package agree on instanceof', () => {
  jest.isolateModules(() => {
    const { RelayError: Other } = require('../lib/shared/errors.js');
    expect(Other).not.toBe(RelayError);
    expect(new Other('x')).toBeInstanceOf(RelayError);
    expect(new RelayError('x')).toBeInstanceOf(Other);
  });
  class Special extends RelayError {}
  expect(new Special('x')).toBeInstanceOf(RelayError);
  expect(new RelayError('x')).not.toBeInstanceOf(Special);
  expect(new Error('x')).not.toBeInstanceOf(RelayError);
  expect(null instanceof RelayError).toBe(false);
});
