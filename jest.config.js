'use strict';

const { availableParallelism } = require('node:os');

module.exports = {
  // Most suites wait more than they compute; jest's default leaves one of two cores idle.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  maxConcurrency: 2,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  transform: {},
  // A test of its own project, run by reliability/process.test.js.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/__test__/fixtures/'],
  // The build's own package.json files would clash with ours.
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/', '<rootDir>/.cache/']
};
