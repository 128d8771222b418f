'use strict';

// The declarations as an editor reads them: every name is there for ES modules, too, and a hover tells enough.

const path = require('node:path');

const ts = require('typescript');

const WebSocket = require('..');

const root = path.join(__dirname, '..');
const files = ['index.d.ts', 'index.d.mts', 'emulator.d.ts', 'https.d.ts'].map((name) =>
  path.join(root, name)
);
const program = ts.createProgram(files, {
  module: ts.ModuleKind.Node16,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  target: ts.ScriptTarget.ES2022,
  types: ['node']
});
const checker = program.getTypeChecker();

/** Name: symbol of what a file exports; of a namespace under `export =`, what is in it. */
function exportsOf(file) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(path.join(root, file)));
  const names = new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]));
  names.delete('prototype');
  return names;
}

test('ES modules have every name of the types, and of what is there when a program runs', () => {
  const names = [...exportsOf('index.d.mts').keys()].filter((name) => name !== 'default');
  const expected = new Set([...exportsOf('index.d.ts').keys(), ...Object.keys(WebSocket)]);
  expect(names.sort()).toEqual([...expected].sort());
});
