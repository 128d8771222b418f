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

const ours = ['index.d.ts', 'emulator.d.ts', 'https.d.ts'];
const { SyntaxKind } = ts;

/** What a hover says of a node: the text of its comment, and the names of the tags in it. */
function hoverOf(node) {
  const comments = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const text = comments.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? '').join('');
  return { text, tags: ts.getJSDocTags(node).map(({ tagName }) => tagName.text) };
}

const isMember = (node) =>
  ts.isPropertySignature(node) ||
  ts.isPropertyDeclaration(node) ||
  ts.isMethodSignature(node) ||
  ts.isMethodDeclaration(node);

/** Whether it is what a program passes to one of our functions, by its name or because it stands at the parameter itself. */
function isOption({ parent }) {
  if (ts.isInterfaceDeclaration(parent)) return /Options$|^On[A-Z]/.test(parent.name.text);
  return ts.isTypeLiteralNode(parent) && isOfParameter(parent);
}

function isOfParameter({ parent }) {
  return ts.isParameter(parent) || (ts.isIntersectionTypeNode(parent) && ts.isParameter(parent.parent));
}

/** Name: declarations, of all members in a file; the overloads of one together. */
function membersOf(file) {
  const members = new Map();
  (function visit(node, place) {
    let inner = place;
    if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) inner = node.name.text;
    const concerns = ts.isTypeLiteralNode(node.parent ?? node) ? isOfParameter(node.parent) : true;
    if (isMember(node) && concerns && !isPrivate(node)) {
      inner = `${place}.${node.name.getText()}`;
      members.set(inner, [...(members.get(inner) ?? []), node]);
    }
    node.forEachChild((child) => visit(child, inner));
  })(program.getSourceFile(path.join(root, file)), file);
  return [...members];
}

const isPrivate = (node) => node.modifiers?.some(({ kind }) => kind === SyntaxKind.PrivateKeyword) ?? false;

test.each([...exportsOf('index.d.mts')].filter(([name]) => !['WebSocket', 'default'].includes(name)))(
  'imported as an ES module, %s says what it is, with an example',
  (_name, symbol) => {
    // An editor shows what the name itself says, or else what it stands for in the end.
    const meant = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const shown = [symbol, meant].map(({ declarations }) => declarations.map(hoverOf));
    const hovers = shown.find((all) => all.some(({ text }) => text !== '')) ?? [];
    expect(hovers.flatMap(({ tags }) => tags)).toContain('example');
  }
);

describe.each(ours)('%s', (file) => {
  const members = membersOf(file);

  test.each([...exportsOf(file)])('%s says what it is, with an example', (name, symbol) => {
    const hovers = symbol.declarations.map(hoverOf);
    expect(hovers.map(({ text }) => text).join('')).toMatch(/\w/);
    expect(hovers.flatMap(({ tags }) => tags)).toContain('example');
  });

  test('every member says what it is', () => {
    const silent = members.filter(([, nodes]) => !nodes.some((node) => /\w/.test(hoverOf(node).text)));
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  test('every option that may be left out says its default', () => {
    const options = members.map(([name, [node]]) => [name, node]).filter(([, node]) => isOption(node));
    expect(options.length).toBeGreaterThan(0);
    const silent = options.filter(
      ([, node]) => node.questionToken !== undefined && !hoverOf(node).tags.includes('default')
    );
    expect(silent.map(([name]) => name)).toEqual([]);
  });
});

test('every method of the emulator has an example', () => {
  const silent = membersOf('emulator.d.ts')
    .filter(([name]) => /^(RelayEmulator|RelayEmulatorFaults)\.[^.]+$/.test(name))
    .filter(([, nodes]) => ts.isMethodSignature(nodes[0]) || ts.isMethodDeclaration(nodes[0]))
    .filter(([, nodes]) => !nodes.some((node) => hoverOf(node).tags.includes('example')));
  expect(silent.map(([name]) => name)).toEqual([]);
});
