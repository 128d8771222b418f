/** Small charts of the last minute. */

import { h, say, svg } from './dom.mjs';

const WIDTH = 240;
const HEIGHT = 56;
const LEAST = 20;

/** A chart with its number; `draw(values)` takes a value for each second, the newest last, or `undefined` for none. */
export function chart(title, format) {
  const area = svg('path', { class: 'area' });
  const stroke = svg('path', { class: 'stroke', 'vector-effect': 'non-scaling-stroke' });
  const now = h('strong');
  const most = h('span.muted');
  const node = h(
    'figure.card',
    h('figcaption', h('span', title), most),
    now,
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': true },
      svg('line', { x1: 0, y1: HEIGHT - 0.5, x2: WIDTH, y2: HEIGHT - 0.5, class: 'base' }),
      area,
      stroke
    )
  );
  const draw = (values) => {
    const known = values.filter((value) => value !== undefined);
    const top = Math.max(...known, 0);
    const last = values.findLast((value) => value !== undefined);
    say(now, last === undefined ? '–' : format(last));
    say(most, known.length === 0 ? '' : `peak ${format(top)}`);
    const span = Math.max(values.length, LEAST) - 1;
    const points = values
      .map((value, at) => [(1 - (values.length - 1 - at) / span) * WIDTH, value])
      .filter(([, value]) => value !== undefined)
      .map(
        ([x, value]) =>
          `${x.toFixed(1)} ${(HEIGHT - 1 - (top === 0 ? 0 : (value / top) * (HEIGHT - 6))).toFixed(1)}`
      );
    const path = points.length > 1 ? `M${points.join('L')}` : '';
    stroke.setAttribute('d', path);
    area.setAttribute('d', path && `${path}V${HEIGHT}H${points[0].split(' ')[0]}Z`);
  };
  draw([]);
  return { node, draw };
}
