'use strict';

const js = require('@eslint/js');
const globals = require('globals');

module.exports = [
  { ignores: ['native.js', 'target/', 'npm/', '.cache/', 'coverage/', 'bench/loadgen/target/'] },
  js.configs.recommended,
  {
    files: ['**/*.js'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'commonjs', globals: globals.node }
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { ecmaVersion: 2023, sourceType: 'module', globals: globals.node }
  },
  {
    files: ['examples/browser/page.js'],
    languageOptions: { sourceType: 'script', globals: globals.browser }
  },
  {
    files: ['lib/inspector/page/**'],
    languageOptions: { globals: globals.browser }
  },
  {
    files: ['__test__/**'],
    languageOptions: { globals: globals.jest }
  },
  {
    // What it has a page evaluate is here, too.
    files: ['__test__/inspector-*.test.js'],
    languageOptions: { globals: globals.browser }
  },
  {
    rules: {
      curly: ['error', 'multi-line'],
      eqeqeq: ['error', 'always'],
      'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' }],
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      strict: ['error', 'global']
    }
  },
  { files: ['**/*.mjs'], rules: { strict: 'off' } }
];
