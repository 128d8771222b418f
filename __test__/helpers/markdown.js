'use strict';

/**
 * The JavaScript and the TypeScript, or what is in another language, in a Markdown file. A comment right above a block
 * says how it is to be run:
 *
 * - nothing: by itself, and it has to end by itself
 * - `<!-- example: prints "text" -->`: it runs until it has printed that
 * - `<!-- example: answers "GET /path" with "text" -->`: it runs until a sender has got that, in its status or its body
 * - `<!-- example: with server, with socket -->`: those are there already; see `docs.test.js`
 * - `<!-- example: under jest -->`, or `vitest`: it is a file of tests for that
 * - `<!-- example: saved as relay.js -->`: blocks after it may require it
 * - `<!-- not run: reason -->`
 *
 * @param {string} markdown
 * @param {...string} languages `'js', 'ts'` if left out
 * @return {{line: number, language: string, code: string, runner?: string, saved?: string, prints?: string, answers?: {method: string, path: string, text: string},
 *     given: string[], skip?: string}[]}
 */
function blocksOf(markdown, ...languages) {
  const blocks = [];
  const names = languages.length > 0 ? languages.join('|') : 'js|ts';
  const pattern = new RegExp(
    `(?:^[ ]*<!-- (example|not run): ([^\\n]*?) -->\\n+)?^([ ]*)\`\`\`(${names})\\n([^]*?)^\\3\`\`\`$`,
    'gm'
  );
  for (const { index, 0: text, 1: kind, 2: words = '', 4: language, 5: code } of markdown.matchAll(pattern)) {
    const answers = /answers "(\w+) (\S+)" with "([^"]*)"/.exec(words)?.slice(1);
    const start = index + text.indexOf('```');
    const said = (pattern) => (kind === 'example' ? pattern.exec(words)?.[1] : undefined);
    blocks.push({
      line: markdown.slice(0, start).split('\n').length,
      language,
      code,
      runner: said(/under (\w+)/),
      saved: said(/saved as ([\w./-]+\w)/),
      prints: said(/prints "([^"]*)"/),
      answers: answers && { method: answers[0], path: answers[1], text: answers[2] },
      given: kind === 'example' ? [...words.matchAll(/with (\w+)/g)].map((found) => found[1]) : [],
      skip: kind === 'not run' ? words : undefined
    });
  }
  return blocks;
}

module.exports = { blocksOf };
