'use strict';

/** `--credential default`: Entra ID in place of keys. `@azure/identity` is the user's to install, and its choice of ways. */

const { invalidValue } = require('../shared/errors.js');

const PACKAGE = '@azure/identity';

/**
 * @param {string} name What the option says
 * @return {{getToken: function}} A credential of `@azure/identity`
 * @throws {TypeError} for another name, and where the package is not installed
 */
function readCredential(name) {
  if (name !== 'default') throw invalidValue('--credential takes default, for DefaultAzureCredential');
  const { DefaultAzureCredential } = require(findPackage());
  return new DefaultAzureCredential();
}

/** Where the user works, or beside this package: that may be a global installation. */
function findPackage() {
  try {
    return require.resolve(PACKAGE, { paths: [process.cwd(), __dirname] });
  } catch (error) {
    const text = `--credential needs ${PACKAGE}, which is not installed here: npm install ${PACKAGE}`;
    throw invalidValue(text, error);
  }
}

module.exports = { readCredential };
