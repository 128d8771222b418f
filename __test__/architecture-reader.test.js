'use strict';

const { circlesOf, readScripts } = require('./helpers/circles');
const { readCrate } = require('./helpers/rust-modules');

const arrowsOf = (sources) =>
  Object.fromEntries(
    [...readCrate(sources).arrows].map(([file, used]) => [file.slice(4), [...used].map((to) => to.slice(4))])
  );

test('a circle of a crate is found, however its files name each other', () => {
  const sources = {
    'src/lib.rs': '#![deny(unsafe_code)]\npub mod a;\nmod b;\npub(crate) mod c;',
    'src/a.rs': 'mod deep;\npub use deep::Deep;\nuse crate::{b::{self, Other}, c};\nfn f() { c::d::run() }',
    'src/a/deep.rs': 'pub struct Deep(u8);\nimpl Deep { fn g(&self) -> super::super::b::Other { loop {} } }',
    'src/b.rs': 'pub enum Other { One }\nfn h(x: Other) { let _: crate::a::Deep; }',
    'src/c/mod.rs': 'pub mod d;',
    'src/c/d.rs': 'pub fn run() {}'
  };
  expect(arrowsOf(sources)).toEqual({
    'lib.rs': [],
    'a.rs': ['b.rs', 'c/d.rs'],
    'a/deep.rs': ['b.rs'],
    'b.rs': ['a/deep.rs'],
    'c/mod.rs': [],
    'c/d.rs': []
  });
  expect(circlesOf(readCrate(sources).arrows)).toEqual([['src/a/deep.rs', 'src/b.rs']]);
});

test('a name that is passed on belongs to the file that defines it, also by a star or under another name', () => {
  const sources = {
    'src/lib.rs': 'mod a; mod b; mod c;',
    'src/a.rs': 'mod inner;\npub use self::inner::*;\npub use inner::Thing as Renamed;',
    'src/a/inner.rs': 'pub struct Thing;\npub const LIMIT: usize = 1;',
    'src/b.rs': 'use crate::a::Renamed;',
    'src/c.rs': 'use crate::a;\nconst X: usize = a::LIMIT;'
  };
  const arrows = arrowsOf(sources);
  expect([arrows['a.rs'], arrows['b.rs'], arrows['c.rs']]).toEqual([[], ['a/inner.rs'], ['a/inner.rs']]);
});

test('what a file passes on and uses itself is an arrow', () => {
  const sources = {
    'src/lib.rs': 'mod a;',
    'src/a.rs': 'mod b;\npub use b::Thing;\nfn f(_: Thing) {}',
    'src/a/b.rs': 'pub struct Thing;'
  };
  expect(arrowsOf(sources)['a.rs']).toEqual(['a/b.rs']);
});

test('tests, comments and texts are no part of the crate', () => {
  const sources = {
    'src/lib.rs': 'mod a; mod b;\n#[cfg(test)]\nmod fuzz;',
    'src/a.rs': `
      //! [crate::b::Thing]
      #[cfg(test)]
      use crate::b::Thing;
      fn f<'a>(x: &'a str) -> char { let _ = r#"crate::b::Thing"#; let _ = "crate::b::Thing"; '{' }
      #[cfg(all(test, unix))]
      impl A { fn g() { crate::b::h(); } }
      #[cfg(test)]
      mod tests { use crate::b::*; struct A; }
      struct A;`,
    'src/b.rs': 'pub struct Thing;\npub fn h() {}\n#[cfg(not(test))]\nfn i() { crate::a::f(""); }',
    'src/fuzz.rs': 'use crate::b::Thing;'
  };
  expect(arrowsOf(sources)).toEqual({ 'lib.rs': [], 'a.rs': [], 'b.rs': ['a.rs'] });
  expect(readCrate(sources).types.map(({ name }) => name)).toEqual(['A', 'Thing']);
});

test('types are found wherever they stand, and those that a trait asks for are none', () => {
  const source = `
    pub type Alias<T> = Vec<T>;
    mod inner { pub(super) struct Inner; }
    fn f() { enum Local { A } }
    trait Shape { type Side; }
    impl Iterator for Inner { type Item = u8; fn next(&mut self) -> Option<u8> { struct Deep; None } }
    union Both { a: u8, b: i8 }
    fn union(r#type: u8) {}`;
  const names = readCrate({ 'src/lib.rs': source }).types.map(({ name }) => name);
  expect(names).toEqual(['Alias', 'Inner', 'Local', 'Shape', 'Deep', 'Both']);
});

test('a circle of scripts is found, also one that a function closes', () => {
  const scripts = readScripts({
    'lib/a.js': "const b = require('./deep');\n// require('./c')",
    'lib/deep/index.js': "module.exports = () => require('../c.js');",
    'lib/c.js': "const { a } = require('./a');\n/* import('./deep') */",
    'lib/d.js': "require('node:fs'); require('./a');"
  });
  expect([...scripts.get('lib/d.js')]).toEqual(['lib/a.js']);
  expect(circlesOf(scripts)).toEqual([['lib/a.js', 'lib/c.js', 'lib/deep/index.js']]);
});
