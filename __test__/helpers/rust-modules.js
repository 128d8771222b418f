'use strict';

/**
 * Reads the sources of a crate as far as it takes to see which file uses what of which other file. Not a compiler: it
 * knows modules, `use`, paths and the names of items, and leaves out what is compiled for tests only.
 */

const TOKEN =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|b?r(#*)"[\s\S]*?"\1|b?"(?:[^"\\]|\\[\s\S])*"|b?'(?:[^'\\]|\\(?:u\{[^}]*\}|x..|.))'|'\w+|[A-Za-z_]\w*|\d\w*(?:\.\d\w*)?|::|[^\s]/g;
const WORD = /^[A-Za-z_]\w*$/;
const TYPES = new Set(['struct', 'enum', 'trait', 'union', 'type']);
const ITEMS = new Set([...TYPES, 'fn', 'mod', 'use', 'impl', 'const', 'static', 'macro_rules', 'extern']);
const PREFIXES = new Set(['pub', 'async', 'unsafe', 'default']);

function tokensOf(source) {
  const tokens = [];
  for (const [token] of source.matchAll(TOKEN)) {
    if (token.startsWith('//') || token.startsWith('/*') || /^b?r?#*["']/.test(token)) continue;
    tokens.push(token);
  }
  return tokens;
}

/** The index behind the bracket that closes the one at `at`. */
function behindBracket(tokens, at) {
  let depth = 0;
  for (let i = at; i < tokens.length; i++) {
    if ('([{'.includes(tokens[i])) depth++;
    else if (')]}'.includes(tokens[i]) && --depth === 0) return i + 1;
  }
  return tokens.length;
}

/** The index behind `pub(in x) async` and the like. */
function behindPrefixes(tokens, at) {
  while (PREFIXES.has(tokens[at])) at = tokens[at + 1] === '(' ? behindBracket(tokens, at + 1) : at + 1;
  return at;
}

/** The index behind the item, field or statement at `at`. */
function behindItem(tokens, at) {
  while (tokens[at] === '#') at = behindBracket(tokens, at + 1);
  at = behindPrefixes(tokens, at);
  const isItem = ITEMS.has(tokens[at]);
  const ends = isItem ? [';'] : [';', ','];
  const toSemicolon = ['use', 'const', 'static'].includes(tokens[at]) && tokens[at + 1] !== 'fn';
  for (let i = at; i < tokens.length;) {
    if (ends.includes(tokens[i])) return i + 1;
    if (tokens[i] === '}') return i;
    if (tokens[i] === '{' && !toSemicolon) return behindBracket(tokens, i);
    i = '([{'.includes(tokens[i]) ? behindBracket(tokens, i) : i + 1;
  }
  return tokens.length;
}

/** Leaves out what is there for tests only. */
function withoutTests(tokens) {
  const kept = [];
  for (let i = 0; i < tokens.length;) {
    if (tokens[i] !== '#') {
      kept.push(tokens[i++]);
      continue;
    }
    const end = behindBracket(tokens, i + 1);
    const attribute = tokens.slice(i, end).join(' ');
    i =
      /^# \[ cfg \(.*\btest\b/.test(attribute) && !/not \( test/.test(attribute)
        ? behindItem(tokens, end)
        : end;
  }
  return kept;
}

/** The paths of a `use` tree that begins at `at`, each with the name that it gets here. */
function readUse(tokens, at, prefix = []) {
  const leaves = [];
  let path = [...prefix];
  let i = at;
  for (; i < tokens.length; i++) {
    const token = tokens[i];
    if (token === '{') {
      const inner = [];
      i++;
      while (tokens[i] !== '}') {
        const part = readUse(tokens, i, path);
        inner.push(...part.leaves);
        i = part.end + (tokens[part.end] === ',' ? 1 : 0);
      }
      return { leaves: [...leaves, ...inner], end: i + 1 };
    }
    if (token === 'as') {
      leaves.push({ path, name: tokens[i + 1] });
      return { leaves, end: i + 2 };
    }
    if ([',', ';', '}'].includes(token)) break;
    if (token !== '::') path = [...path, token];
  }
  if (path.at(-1) === 'self' && path.length > 1) path = path.slice(0, -1);
  if (path.length > 0) leaves.push({ path, name: path.at(-1) });
  return { leaves, end: i };
}

class RustModule {
  constructor(file, parent, name) {
    Object.assign(this, { file, parent, name });
    this.children = new Map();
    this.imports = new Map();
    this.globs = [];
    this.items = new Set();
    this.uses = [];
    this.paths = [];
    this.words = new Set();
  }

  get root() {
    return this.parent === undefined ? this : this.parent.root;
  }
}

/** Where `mod name;` of a file is kept. */
function fileOf(file, name, sources) {
  const folder = /\/(?:lib|mod)\.rs$/.test(file) ? file.replace(/[^/]*$/, '') : file.replace(/\.rs$/, '/');
  return [`${folder}${name}.rs`, `${folder}${name}/mod.rs`].find((candidate) => candidate in sources);
}

function readModule(module, tokens, crate) {
  const blocks = [];
  let first;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (first === undefined && !'{};'.includes(token)) {
      i = behindPrefixes(tokens, i);
      first = tokens[i];
    }
    if (tokens[i] === 'use' && first === 'use') {
      const { leaves, end } = readUse(tokens, i + 1);
      const isPublic = tokens[i - 1] === 'pub' || tokens[i - 1] === ')';
      for (const leaf of leaves) {
        module.uses.push({ ...leaf, isPublic });
        if (leaf.path.at(-1) === '*') module.globs.push(leaf.path.slice(0, -1));
        else if (leaf.name !== '_') module.imports.set(leaf.name, leaf.path);
      }
      i = end - 1;
      continue;
    }
    if (tokens[i] === 'mod' && first === 'mod' && WORD.test(tokens[i + 1])) {
      const name = tokens[i + 1];
      if (tokens[i + 2] === '{') {
        const child = new RustModule(module.file, module, name);
        module.children.set(name, child);
        const end = behindBracket(tokens, i + 2);
        readModule(child, tokens.slice(i + 3, end - 1), crate);
        i = end - 1;
      } else {
        const file = fileOf(module.file, name, crate.sources);
        if (file !== undefined) module.children.set(name, readFile(file, module, name, crate));
        i += 2;
      }
      first = undefined;
      continue;
    }
    readToken(module, tokens, i, blocks, crate, first);
    if ('{};'.includes(tokens[i])) {
      if (tokens[i] === '{') blocks.push(first);
      if (tokens[i] === '}') blocks.pop();
      first = undefined;
    }
  }
}

function readToken(module, tokens, i, blocks, crate, first) {
  const [before, token, next] = [tokens[i - 1], tokens[i], tokens[i + 1]];
  if (!WORD.test(token)) return;
  module.words.add(token);
  const inItem = blocks.at(-1) === 'impl' || blocks.at(-1) === 'trait';
  if (ITEMS.has(token) && WORD.test(next ?? '') && !(token === 'type' && inItem)) {
    const isType = TYPES.has(token) && (token !== 'union' || /^[{<]$/.test(tokens[i + 2] ?? ''));
    if (isType) crate.types.push({ name: next, file: module.file });
    if (!inItem) module.items.add(next);
  }
  if (token === 'macro_rules') module.items.add(tokens[i + 2]);
  if (next !== '::' || before === '::' || before === '.' || first === 'use') return;
  const path = [token];
  for (let at = i + 1; tokens[at] === '::' && WORD.test(tokens[at + 1] ?? ''); at += 2) {
    path.push(tokens[at + 1]);
  }
  module.paths.push(path);
}

function readFile(file, parent, name, crate) {
  const module = new RustModule(file, parent, name);
  crate.modules.push(module);
  readModule(module, withoutTests(tokensOf(crate.sources[file])), crate);
  return module;
}

/** What a path leads to: `{ module }`, `{ file }` for an item of it, or nothing if it leads out of the crate. */
function locate(module, path, depth = 0) {
  if (depth > 30) return undefined;
  let at = module;
  let i = 0;
  if (path[0] === 'crate') [at, i] = [module.root, 1];
  else if (path[0] === 'self') i = 1;
  else if (path[0] === 'super') {
    for (; path[i] === 'super'; i++) at = at?.parent;
  } else if (!module.children.has(path[0]) && !module.imports.has(path[0])) return undefined;
  for (; at !== undefined && i < path.length; i++) {
    const target = step(at, path[i], depth);
    if (target?.module === undefined) return target;
    at = target.module;
  }
  return at && { module: at };
}

/** What the next name of a path leads to; a name that nothing declares is taken for an item of the module itself. */
function step(at, name, depth) {
  if (at.children.has(name)) return { module: at.children.get(name) };
  if (at.items.has(name)) return { file: at.file };
  if (at.imports.has(name)) {
    const path = at.imports.get(name);
    // `use name::{self}` stands for another crate.
    return path[0] === name ? undefined : locate(at, path, depth + 1);
  }
  for (const glob of at.globs) {
    const target = locate(at, glob, depth + 1)?.module;
    if (
      target !== undefined &&
      (target.items.has(name) || target.children.has(name) || target.imports.has(name))
    ) {
      return step(target, name, depth + 1);
    }
  }
  return { file: at.file };
}

/**
 * @param {Record<string, string>} sources the crate's files, `src/lib.rs` among them
 * @returns the arrows (`Map` of file to the set of files that it uses; a module that only declares or passes on another
 *   does not use it), the files that belong to the crate without its tests, and the types that they define
 */
function readCrate(sources) {
  const crate = { sources, modules: [], types: [] };
  readFile('src/lib.rs', undefined, 'crate', crate);
  const arrows = new Map(crate.modules.map(({ file }) => [file, new Set()]));
  const visit = (module) => {
    const add = (file) => file !== undefined && file !== module.file && arrows.get(module.file).add(file);
    for (const { path, name, isPublic } of module.uses) {
      if (path.at(-1) === '*') {
        if (!isPublic) add(locate(module, path.slice(0, -1))?.module?.file);
      } else if (!isPublic || module.words.has(name)) {
        add(locate(module, path)?.file);
      }
    }
    for (const path of module.paths) add(locate(module, path)?.file);
    for (const child of module.children.values()) if (child.file === module.file) visit(child);
  };
  crate.modules.forEach(visit);
  return { arrows, files: crate.modules.map(({ file }) => file), types: crate.types };
}

module.exports = { readCrate };
