'use strict';

// The documents as a reader has them: links lead somewhere, in the package too, and tables can be read.

const fs = require('node:fs');
const path = require('node:path');

const { packedFiles } = require('./helpers/packed.js');

const root = path.join(__dirname, '..');
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8');
const isDocument = (name) => name.endsWith('.md');

const packed = packedFiles();
const documents = [
  ...new Set([
    ...packed,
    ...['.', 'docs', 'bench', 'examples', 'fuzz'].flatMap((folder) =>
      fs.readdirSync(path.join(root, folder)).map((name) => path.posix.join(folder, name))
    )
  ])
].filter(isDocument);

/** Characters of a line of a table: two lines on a wide screen. */
const LONGEST_ROW = 240;

/** Without what stands in blocks of code. */
const prose = (text) => text.replace(/^( *)```[^]*?^\1```$/gm, '');

/** The anchors of a document, as GitHub makes them. */
function anchorsOf(name) {
  const seen = new Map();
  return new Set(
    [...prose(read(name)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => {
      const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
      const anchor = text.replace(/[^\p{L}\p{N}_\- ]/gu, '').replaceAll(' ', '-');
      const count = seen.get(anchor) ?? 0;
      seen.set(anchor, count + 1);
      return count === 0 ? anchor : `${anchor}-${count}`;
    })
  );
}

/** The links of a document to files: the file as the root has it, and the anchor. */
function linksOf(name) {
  return [
    ...prose(read(name)).matchAll(
      /\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]*))?\)|<img[^>]* src="(?!https?:)([^"]+)"/g
    )
  ].map(([text, file, anchor, image]) => ({
    text,
    file: path.posix.normalize(
      file || image ? path.posix.join(path.posix.dirname(name), file || image) : name
    ),
    anchor
  }));
}

test('there is something to look at', () => {
  expect(documents.length).toBeGreaterThan(15);
  expect(linksOf('docs/api.md').length).toBeGreaterThan(30);
  expect(anchorsOf('docs/api.md')).toContain('numbers-of-a-server');
});

test.each(documents)('the links of %s lead somewhere', (name) => {
  for (const { text, file, anchor } of linksOf(name)) {
    expect([text, fs.existsSync(path.join(root, file))]).toEqual([text, true]);
    if (anchor !== undefined && isDocument(file)) {
      expect([text, anchorsOf(file).has(anchor)]).toEqual([text, true]);
    }
  }
});

test.each(packed.filter(isDocument))('the links of %s lead to what is in the package', (name) => {
  const missing = linksOf(name).filter(
    ({ file }) => !packed.some((other) => other === file || other.startsWith(`${file.replace(/\/$/, '')}/`))
  );
  // Anything else has to be a whole URL.
  expect(missing.map(({ text }) => text)).toEqual([]);
});

test.each(documents)('the tables of %s can be read', (name) => {
  const long = read(name)
    .split('\n')
    .map((line, at) => ({ line: at + 1, length: line.length, isRow: line.trimStart().startsWith('|') }))
    .filter(({ length, isRow }) => isRow && length > LONGEST_ROW);
  expect(long).toEqual([]);
});
