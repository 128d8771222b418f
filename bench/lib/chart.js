'use strict';

const { format, lines } = require('./report.js');

const COLOURS = ['#8d99ae', '#a8b3c5', '#5c677d', '#d9480f', '#7f5539', '#ced4da'];
const WIDTH = 900;
const LABEL = 330;
const BAR = 12;
const GAP = 16;

function escape(text) {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** How many times better than the reference a line's ratio is. */
function gain(line, name) {
  const ratio = line.cells[name]?.ratio;
  if (ratio === undefined) return undefined;
  return line.higher ? ratio : 1 / ratio;
}

/**
 * Bars on a logarithmic axis: how many times better than the reference, whichever way better is.
 *
 * @return {string} SVG
 */
function chart(results, settings, subject) {
  const table = lines(results, subject).filter((line) => gain(line, subject) !== undefined);
  const names = settings.peers.filter((name) => table.some((line) => gain(line, name) !== undefined));
  const gains = table.flatMap((line) => names.map((name) => gain(line, name))).filter(Number.isFinite);
  const low = Math.floor(Math.log2(Math.min(0.5, ...gains)));
  const high = Math.ceil(Math.log2(Math.max(2, ...gains)));
  const x = (value) => LABEL + ((Math.log2(value) - low) / (high - low)) * (WIDTH - LABEL - 60);
  const parts = [];
  const text = (at, y, content, attributes = '') =>
    parts.push(`<text x="${at}" y="${y}" ${attributes}>${escape(content)}</text>`);

  let y = 34;
  let legend = LABEL;
  for (const name of names) {
    const fill = COLOURS[settings.peers.indexOf(name) % COLOURS.length];
    parts.push(`<rect x="${legend}" y="${y - 10}" width="10" height="10" fill="${fill}"/>`);
    text(legend + 14, y - 1, name);
    legend += 26 + name.length * 6.4;
  }
  const top = y + 10;
  y = top + 22;
  for (const line of table) {
    const shown = names.filter((name) => gain(line, name) !== undefined);
    const label = line.scheme === '' ? line.label : `${line.label} (${line.scheme})`;
    text(LABEL - 8, y + (shown.length * BAR) / 2 + 4, label, 'text-anchor="end"');
    for (const name of shown) {
      const value = gain(line, name);
      const [from, to] = [x(1), x(value)].sort((a, b) => a - b);
      const fill = COLOURS[settings.peers.indexOf(name) % COLOURS.length];
      const width = Math.max(1, to - from).toFixed(1);
      parts.push(
        `<rect x="${from.toFixed(1)}" y="${y}" width="${width}" height="${BAR - 2}" fill="${fill}"/>`
      );
      text((x(Math.max(1, value)) + 4).toFixed(1), y + BAR - 3, `${format(value)}x`, 'class="value"');
      y += BAR;
    }
    y += GAP;
  }
  for (let power = low; power <= high; power++) {
    const at = x(2 ** power).toFixed(1);
    const colour = power === 0 ? '#212529' : '#e9ecef';
    parts.unshift(`<line x1="${at}" x2="${at}" y1="${top + 8}" y2="${y}" stroke="${colour}"/>`);
    text(at, top + 4, `${format(2 ** power)}x`, 'text-anchor="middle" class="value"');
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y + 10}" viewBox="0 0 ${WIDTH} ${y + 10}">`,
    '<style>text{font:11px system-ui,sans-serif;fill:#212529}.value{font-size:9px;fill:#495057}</style>',
    `<rect width="${WIDTH}" height="${y + 10}" fill="#fff"/>`,
    `<text x="12" y="16" font-weight="bold">Times better than ${settings.reference}, logarithmic</text>`,
    ...parts,
    '</svg>',
    ''
  ].join('\n');
}

module.exports = { chart, escape };
