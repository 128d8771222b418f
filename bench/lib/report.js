'use strict';

const { median, ratio } = require('./stats.js');

/** Three digits that mean something, thousands separated. */
function format(value) {
  if (value === undefined || !Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.995 ? 2 : 3;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** How the subject's figure stands to the row's limits, or its ratio to the row's goals. */
function verdict(own, row, scheme) {
  const limits = row.limits?.[scheme];
  const goals = limits ?? row.goals?.[scheme];
  const value = limits === undefined ? own?.ratio : own?.median;
  if (goals === undefined || value === undefined) return '';
  const [floor, goal] = goals;
  const reaches = (mark) => (row.higher ? value >= mark : value <= mark);
  return reaches(goal) ? 'goal' : reaches(floor) ? 'floor' : 'BELOW';
}

/**
 * One line for each metric and scheme of what was measured.
 *
 * @param {Array<{workload: object, scheme: string, reference: string, peers: Object<string, object[]>}>} results
 * @param {string} subject
 */
function lines(results, subject) {
  return results.flatMap(({ workload, scheme, reference, peers }) =>
    workload.rows.map((row) => {
      const values = (name) => peers[name]?.map((round) => round[row.metric]);
      const cells = {};
      for (const name of Object.keys(peers)) {
        const ratioTo = values(row.reference ?? reference);
        cells[name] = { median: median(values(name)), ratio: ratio(values(name), ratioTo) };
      }
      return { ...row, name: workload.name, scheme, cells, verdict: verdict(cells[subject], row, scheme) };
    })
  );
}

/** Floor and goal, as ratios or as they are. */
function marks({ limits, goals, scheme }) {
  if (limits?.[scheme] !== undefined) return limits[scheme].join(' / ');
  return goals?.[scheme]?.map((mark) => `${mark}x`).join(' / ') ?? '';
}

function markdown(results, machine, settings, subject) {
  const table = lines(results, subject);
  const names = settings.peers.filter((name) => table.some(({ cells }) => cells[name] !== undefined));
  const head = ['workload', '', 'unit', ...names, 'floor / goal', ''];
  const cell = (found) => {
    if (found?.median === undefined) return '';
    const own = found.ratio === undefined ? '' : ` (${format(found.ratio)}x)`;
    return `${format(found.median)}${own}`;
  };
  const rows = table.map((line) => [
    line.label,
    line.scheme && `${line.scheme}://`,
    `${line.unit} ${line.higher ? '↑' : '↓'}`,
    ...names.map((name) => cell(line.cells[name])),
    marks(line),
    line.verdict
  ]);
  const machineLines = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  return [
    `# Benchmark of ${machine.date.slice(0, 10)}`,
    '',
    `Medians of ${settings.rounds} rounds of ${settings.seconds} s, peers interleaved;`,
    `in brackets the median ratio to \`${settings.reference}\` (helpers: to \`hyco-ws\`, HTTP: to \`hyco-https\`) within a round.`,
    settings.direct ? 'Direct mode: the peers dial the load generator themselves, without a listener.' : '',
    settings.awake ? 'The cores were kept awake by loops of the lowest scheduling class.' : '',
    '↑ more is better, ↓ less is better. What the figures mean is in [../README.md](../README.md).',
    '',
    ...machineLines,
    '',
    ...[head, head.map(() => '---'), ...rows].map((columns) => `| ${columns.join(' | ')} |`),
    ''
  ].join('\n');
}

module.exports = { format, lines, markdown };
