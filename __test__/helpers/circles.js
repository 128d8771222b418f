'use strict';

const path = require('node:path');

/** The files that scripts require, also from within functions: `Map` of file to the set of files of `sources`. */
function readScripts(sources) {
  return new Map(
    Object.entries(sources).map(([file, source]) => {
      const code = source.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
      const names = [...code.matchAll(/(?:\brequire\(|\bfrom\s|\bimport\()\s*['"](\.[^'"]*)['"]/g)];
      const used = names.flatMap(([, name]) => {
        const target = path.posix.join(path.posix.dirname(file), name);
        return [target, `${target}.js`, `${target}/index.js`].find((candidate) => candidate in sources) ?? [];
      });
      return [file, new Set(used.filter((target) => target !== file))];
    })
  );
}

/** The circles of a graph: each a sorted list of what can be reached from everything else in it (Tarjan). */
function circlesOf(arrows) {
  const found = [];
  const order = new Map();
  const low = new Map();
  const stack = [];
  const visit = (node) => {
    order.set(node, order.size);
    low.set(node, order.get(node));
    stack.push(node);
    for (const next of arrows.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) !== order.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of arrows.keys()) if (!order.has(node)) visit(node);
  return found.sort();
}

module.exports = { readScripts, circlesOf };
