'use strict';

const path = require('node:path');

/**
 * Under Bun, which answers `require('ws')` with a ws of its own that lacks parts: a file of the package itself, which is
 * installed all the same.
 *
 * @param {string} name
 */
function requirePackageFile(name) {
  return require(path.join(path.dirname(require.resolve('ws/package.json')), 'lib', name));
}

module.exports = { requirePackageFile };
