'use strict';

/** The package as npm lays it out for whoever installs it, without installing it. */

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..', '..');

/** @return {string[]} What `npm pack` takes, with slashes */
function packedFiles() {
  const [{ files }] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      shell: process.platform === 'win32',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 200_000
    })
  );
  return files.map((file) => file.path);
}

/**
 * Lays the package out below a folder: its files, the addon in the package of its platform, and links to others.
 *
 * @param {string} folder
 * @param {string[]} [others] Packages that stand beside it
 * @return {string} Where the package is
 */
function layOut(folder, others = []) {
  const modules = path.join(folder, 'node_modules');
  const home = path.join(modules, 'hyco-ws-rs');
  for (const file of packedFiles()) {
    fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true });
    fs.copyFileSync(path.join(root, file), path.join(home, file));
  }
  const { version } = require('../../package.json');
  for (const addon of fs.readdirSync(root).filter((name) => /^hyco-ws-rs\..*\.node$/.test(name))) {
    const name = `hyco-ws-rs-${addon.split('.')[1]}`;
    fs.mkdirSync(path.join(modules, name));
    fs.copyFileSync(path.join(root, addon), path.join(modules, name, addon));
    fs.writeFileSync(
      path.join(modules, name, 'package.json'),
      JSON.stringify({ name, version, main: addon })
    );
  }
  for (const name of ['ws', ...others]) {
    fs.mkdirSync(path.dirname(path.join(modules, name)), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
  return home;
}

module.exports = { layOut, packedFiles };
