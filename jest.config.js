'use strict';

const { availableParallelism } = require('node:os');

module.exports = {
  // Most suites wait more than they compute; jest's default leaves one of two cores idle.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  maxConcurrency: 2,
  testEnvironment: 'node',
  // Only a hang may meet it: a busy machine with two files at work is several times slower than a quiet one.
  testTimeout: 240_000,
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  transform: {},
  reporters: ['default', '<rootDir>/__test__/helpers/skipped-reporter.js'],
  // A test of its own project, run by reliability/process.test.js.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/__test__/fixtures/'],
  // The build's own package.json files would clash with ours.
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/', '<rootDir>/.cache/']
};
