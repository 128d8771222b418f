'use strict';

/**
 * The JavaScript in a Markdown file. A comment right above a block says how it is to be run:
 *
 * - nothing: by itself, and it has to end by itself
 * - `<!-- example: prints "text" -->`: it runs until it has printed that
 * - `<!-- example: with server, with socket -->`: those are there already; see `docs.test.js`
 * - `<!-- not run: reason -->`
 *
 * @param {string} markdown
 * @return {{line: number, code: string, prints?: string, given: string[], skip?: string}[]}
 */
function blocksOf(markdown) {
  const blocks = [];
  const pattern = /(?:^[ ]*<!-- (example|not run): ([^\n]*?) -->\n+)?^([ ]*)```js\n([^]*?)^\3```$/gm;
  for (const { index, 0: text, 1: kind, 2: words = '', 4: code } of markdown.matchAll(pattern)) {
    const start = index + text.indexOf('```js');
    blocks.push({
      line: markdown.slice(0, start).split('\n').length,
      code,
      prints: kind === 'example' ? /prints "([^"]*)"/.exec(words)?.[1] : undefined,
      given: kind === 'example' ? [...words.matchAll(/with (\w+)/g)].map((found) => found[1]) : [],
      skip: kind === 'not run' ? words : undefined
    });
  }
  return blocks;
}

module.exports = { blocksOf };
