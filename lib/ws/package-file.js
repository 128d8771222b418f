'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

/**
 * Under Bun, which answers `require('ws')` with a ws of its own that lacks parts: a file of the package itself, which is
 * installed all the same. Where a program was compiled to one file, the package may lie beside that.
 *
 * @param {string} name
 */
function requirePackageFile(name) {
  // Not the `require` of this file, in which bundlers look for what to take along: nobody but Bun comes here.
  const load = createRequire(__filename);
  const paths = [__dirname, path.dirname(process.execPath)];
  return load(path.join(path.dirname(load.resolve('ws/package.json', { paths })), 'lib', name));
}

module.exports = { requirePackageFile };
