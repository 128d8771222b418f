'use strict';

/**
 * The JavaScript, or what is in another language, in a Markdown file. A comment right above a block says how it is to be run:
 *
 * - nothing: by itself, and it has to end by itself
 * - `<!-- example: prints "text" -->`: it runs until it has printed that
 * - `<!-- example: answers "GET /path" with "text" -->`: it runs until a sender has got that, in its status or its body
 * - `<!-- example: with server, with socket -->`: those are there already; see `docs.test.js`
 * - `<!-- not run: reason -->`
 *
 * @param {string} markdown
 * @param {string} [language='js']
 * @return {{line: number, code: string, prints?: string, answers?: {method: string, path: string, text: string},
 *     given: string[], skip?: string}[]}
 */
function blocksOf(markdown, language = 'js') {
  const blocks = [];
  const pattern = new RegExp(
    `(?:^[ ]*<!-- (example|not run): ([^\\n]*?) -->\\n+)?^([ ]*)\`\`\`${language}\\n([^]*?)^\\3\`\`\`$`,
    'gm'
  );
  for (const { index, 0: text, 1: kind, 2: words = '', 4: code } of markdown.matchAll(pattern)) {
    const answers = /answers "(\w+) (\S+)" with "([^"]*)"/.exec(words)?.slice(1);
    const start = index + text.indexOf('```');
    blocks.push({
      line: markdown.slice(0, start).split('\n').length,
      code,
      prints: kind === 'example' ? /prints "([^"]*)"/.exec(words)?.[1] : undefined,
      answers: answers && { method: answers[0], path: answers[1], text: answers[2] },
      given: kind === 'example' ? [...words.matchAll(/with (\w+)/g)].map((found) => found[1]) : [],
      skip: kind === 'not run' ? words : undefined
    });
  }
  return blocks;
}

module.exports = { blocksOf };
