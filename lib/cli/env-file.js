'use strict';

/** A file of variables that both `node --env-file` and a shell (`. ./.env`) can read. */

const { readFileSync, rmSync, writeFileSync } = require('node:fs');

const { invalidValue } = require('../shared/errors.js');

const MARK = '# Written by "npx hyco-ws-rs emulator --write-env"';

/**
 * Fails where the file is somebody else's: programs keep what they live on in files of this kind.
 *
 * @param {string} file
 */
function checkEnvFile(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (text.trim() === '' || text.startsWith(MARK)) return;
  throw invalidValue(`--write-env: ${file} was not written by this command, and stays; name another file`);
}

/** @param {string} file @return {boolean} Whether it is there, and written by this command */
function isOurs(file) {
  try {
    return readFileSync(file, 'utf8').startsWith(MARK);
  } catch {
    return false;
  }
}

/**
 * Only what this command has written.
 *
 * @param {string} file
 * @param {string} [written] And only if it is this: another emulator may have taken the file meanwhile
 */
function removeEnvFile(file, written) {
  if (!isOurs(file)) return;
  if (written === undefined || readFileSync(file, 'utf8') === written) rmSync(file);
}

/**
 * @param {string} file
 * @param {Object<string, string>} variables
 * @return {string} What it has now
 */
function writeEnvFile(file, variables) {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quote(name, value)}`);
  const head = `${MARK}: for development, good for nothing else.`;
  const text = [head, ...lines, ''].join('\n');
  writeFileSync(file, text, { mode: 0o600 });
  return text;
}

/** Node.js knows no escapes but `\n` in double quotes, and a shell none in single ones. */
function quote(name, value) {
  if (/^[\w./:=+@%-]+$/.test(value)) return value;
  if (!/['\r\n]/.test(value)) return `'${value}'`;
  if (!/["$`\\\r\n]/.test(value)) return `"${value}"`;
  throw invalidValue(`--write-env: ${name} has quotes or line breaks that cannot be written for everybody`);
}

module.exports = { checkEnvFile, isOurs, removeEnvFile, writeEnvFile };
