'use strict';

// `npm run tarball`: the package as npm is to get it, and in it the addons that have been built here, as hyco-ws-rs.tgz:
// one file that `npm install` takes. Argument: the folder to put it into.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { root, shell } = require('./ensure-installed.js');

function pack(file) {
  const npm = (args, cwd) => JSON.parse(execFileSync('npm', args, { cwd, encoding: 'utf8', shell }))[0];
  const addons = fs.readdirSync(root).filter((name) => /^hyco-ws-rs\..*\.node$/.test(name));
  if (addons.length === 0) throw new Error('no addon has been built: "npm run build:release" does it');
  const { files } = npm(['pack', '--json', '--dry-run', '--ignore-scripts'], root);
  const staged = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-tarball-'));
  try {
    for (const name of [...files.map((file) => file.path), ...addons]) {
      fs.cpSync(path.join(root, name), path.join(staged, name));
    }
    const meta = JSON.parse(fs.readFileSync(path.join(staged, 'package.json'), 'utf8'));
    meta.files.push('*.node');
    fs.writeFileSync(path.join(staged, 'package.json'), `${JSON.stringify(meta, null, 2)}\n`);
    const { filename } = npm(['pack', '--json', '--ignore-scripts'], staged);
    // Without the version, so that what installs it stays right.
    fs.copyFileSync(path.join(staged, filename), file);
  } finally {
    fs.rmSync(staged, { recursive: true, force: true });
  }
}

const file = path.resolve(process.argv[2] ?? root, 'hyco-ws-rs.tgz');
pack(file);
console.log(file);
