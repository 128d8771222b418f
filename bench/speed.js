'use strict';

// Draws docs/speed.svg from bench/results/latest.md, and writes the figures of it into the README. `npm run bench` does
// so after a whole run; by hand: node bench/speed.js

const fs = require('node:fs');
const path = require('node:path');

const { speed } = require('./lib/speed.js');

const root = path.join(__dirname, '..');
const PICTURE = path.join(root, 'docs', 'speed.svg');
const README = path.join(root, 'README.md');
const BLOCK = /(<!-- speed: written by bench\/speed\.js -->\n)[^]*?(\n<!-- end of speed -->)/;

/** @return {{file: string, text: string}[]} What belongs there by the results; nothing where they are not whole */
function drawn() {
  const made = speed(fs.readFileSync(path.join(__dirname, 'results', 'latest.md'), 'utf8'));
  if (made === undefined) return [];
  const readme = fs.readFileSync(README, 'utf8');
  return [
    { file: PICTURE, text: made.svg },
    { file: README, text: readme.replace(BLOCK, (_, head, tail) => `${head}\n${made.text}\n${tail}`) }
  ];
}

module.exports = { drawn };

if (require.main === module) {
  const files = drawn();
  for (const { file, text } of files) fs.writeFileSync(file, text);
  console.log(
    files.length === 0 ? 'rows are missing in results/latest.md' : files.map(({ file }) => file).join('\n')
  );
}
