'use strict';

/** The picture of the speed for the README, and the figures that belong to it, out of a table of results. */

const { escape } = require('./chart.js');

/** Bars of the picture: a row of the table, over TLS as with Azure. */
const BARS = [
  { row: 'echo 32 B, 50 sockets', scheme: 'wss', label: 'Small messages, 50 sockets', unit: 'messages/s' },
  { row: 'receive 1 KiB', scheme: 'wss', label: 'Messages of 1 KiB, received', unit: 'messages/s' },
  { row: 'echo 1 MiB', scheme: 'wss', label: 'Messages of 1 MiB, there and back', unit: 'messages/s' },
  {
    row: 'accept + echo + close, 32 at once',
    scheme: 'wss',
    label: 'New connections, 32 at once',
    unit: 'connections/s'
  },
  {
    row: 'memory of an idle connection at 5,000',
    scheme: 'wss',
    label: 'Memory of an idle connection',
    unit: 'KiB'
  },
  {
    row: 'GET of 1 KiB on the control channel, 50 in flight',
    scheme: '',
    label: 'HTTP requests, 50 at once, no TLS',
    unit: 'requests/s',
    peer: 'hyco-https'
  }
];
/** What is no faster, and is said beside the picture. */
const ROUND_TRIP = { row: 'ping-pong back to back: p50', scheme: 'wss' };
const SUBJECT = 'hyco-ws-rs';
const REFERENCE = 'ws8-bufferutil';
const WIDTH = 900;
const LABEL = 340;
const STEP = 46;
const TOP = 66;

/** The lines of the table in results/*.md, as records of cells by their heads. */
function readRows(markdown) {
  const lines = markdown.split('\n').filter((line) => line.startsWith('|'));
  const [heads, , ...rows] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  );
  return rows.map((cells) => Object.fromEntries(heads.map((head, at) => [head || `${at}`, cells[at]])));
}

/** What two peers have in one row: figures as they are written, and how many times better the first is. */
function compare(rows, { row, scheme, peer = REFERENCE }) {
  const found = rows.find((cells) => cells.workload === row && cells['1'] === (scheme && `${scheme}://`));
  const [own, other] = [SUBJECT, peer].map((name) => /^([\d.,]+) \(([\d.,]+)x\)$/.exec(found?.[name] ?? ''));
  if (own === null || other === null) return undefined;
  const ratio = Number(own[2].replaceAll(',', ''));
  return { own: own[1], other: other[1], times: found.unit.endsWith('↑') ? ratio : 1 / ratio };
}

const times = (value) => `${value.toFixed(1)} ×`;

/**
 * @param {string} markdown A table of results
 * @return {{svg: string, text: string}|undefined} `undefined` where a row is missing, as after a part of the workloads
 */
function speed(markdown) {
  const rows = readRows(markdown);
  const bars = BARS.map((bar) => ({ ...bar, ...compare(rows, bar) }));
  const trip = compare(rows, ROUND_TRIP);
  if (trip === undefined || bars.some((bar) => bar.own === undefined)) return undefined;
  const about = Object.fromEntries([...markdown.matchAll(/^- (\w+): (.*)$/gm)].map((line) => line.slice(1)));
  return { svg: picture(bars), text: figures(bars, trip, about) };
}

function picture(bars) {
  const most = Math.max(1, ...bars.map((bar) => bar.times));
  const x = (value) => LABEL + (value / most) * (WIDTH - LABEL - 90);
  const height = TOP + bars.length * STEP + 16;
  const rows = bars.flatMap((bar, at) => {
    const y = TOP + at * STEP;
    const beside = bar.peer ?? 'ws 8';
    return [
      `<text x="${LABEL - 14}" y="${y + 16}" text-anchor="end">${escape(bar.label)}</text>`,
      `<text x="${LABEL - 14}" y="${y + 33}" text-anchor="end" class="small">${escape(
        `${bar.own} ${bar.unit}, ${beside} ${bar.other}`
      )}</text>`,
      `<rect x="${LABEL}" y="${y + 4}" width="${(x(bar.times) - LABEL).toFixed(1)}" height="30" rx="2" fill="#d9480f"/>`,
      `<text x="${(x(bar.times) + 10).toFixed(1)}" y="${y + 25}" class="times">${times(bar.times)}</text>`
    ];
  });
  const one = x(1).toFixed(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="How many times better than ws 8: ${escape(
      bars.map((bar) => `${bar.label} ${times(bar.times)}`).join(', ')
    )}">`,
    '<style>text{font:16px system-ui,sans-serif;fill:#212529}.title{font-weight:bold;font-size:18px}.small{font-size:13px;fill:#495057}.times{font-weight:bold;font-size:18px}</style>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    '<text x="16" y="30" class="title">Times better than ws 8 with bufferutil, over TLS</text>',
    ...rows,
    // As fast as the others: where a bar would end that is no better.
    `<line x1="${one}" x2="${one}" y1="${TOP - 8}" y2="${height - 12}" stroke="#212529" stroke-dasharray="4 3"/>`,
    `<text x="${one}" y="${TOP - 12}" text-anchor="middle" class="small">1 ×</text>`,
    '</svg>',
    ''
  ].join('\n');
}

function figures(bars, trip, { date, cpu, cores, node }) {
  const rows = bars.map(({ label, own, other, unit, peer, times: value }) => {
    const beside = peer === undefined ? other : `${other} (${peer})`;
    return `| ${label} | ${own} ${unit} | ${beside} | ${times(value)} |`;
  });
  return [
    '| over TLS | here | ws 8 with bufferutil | better |',
    '| --- | --: | --: | --: |',
    ...rows,
    '',
    `Of ${date.slice(0, 10)}, on ${cores} cores (${cpu}) with Node.js ${node.slice(1)}. One message at a time, back and ` +
      `forth, takes ${trip.own} µs, and ${trip.other} µs with ws: there is nothing to gain there.`
  ].join('\n');
}

module.exports = { readRows, speed };
