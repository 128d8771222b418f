'use strict';

module.exports = {
  maxConcurrency: 2,
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  transform: {},
  // A test of its own project, run by reliability/process.test.js.
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/__test__/fixtures/'],
  // The build's own package.json files would clash with ours.
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/', '<rootDir>/.cache/']
};
