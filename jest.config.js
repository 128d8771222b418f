'use strict';

module.exports = {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/__test__/**/*.test.js'],
  transform: {},
  // The build's own package.json files would clash with ours.
  modulePathIgnorePatterns: ['<rootDir>/target/', '<rootDir>/npm/', '<rootDir>/.cache/']
};
