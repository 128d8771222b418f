'use strict';

/** Says at the end of a run which tests were skipped because something is not installed. jest tells only how many. */
class SkippedReporter {
  onRunComplete(_contexts, { testResults: files }) {
    const titles = files
      .flatMap(({ testResults }) => testResults)
      .filter(({ status, title }) => status === 'pending' && title.includes('not installed'))
      .map(({ title }) => title);
    if (titles.length > 0) console.log(`\nSkipped:\n  ${[...new Set(titles)].join('\n  ')}`);
  }
}

module.exports = SkippedReporter;
