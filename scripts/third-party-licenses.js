'use strict';

// Writes THIRD_PARTY_LICENSES.md: what is linked into the addon, and ws. `--check` fails if the file is out of date.

const { execFileSync } = require('node:child_process');
const { existsSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const target = path.join(root, 'THIRD_PARTY_LICENSES.md');
const { napi } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Of crates that offer a choice, the licence that we take. */
const PREFERRED = ['MIT', 'Apache-2.0', 'Zlib', 'ISC', 'BSD-3-Clause', 'Unicode-3.0'];

/** @return {object[]} The crates that end up in an addon, for any of our targets: no build and no test dependencies */
function linkedCrates() {
  const crates = new Map();
  for (const triple of napi.targets) {
    const args = ['metadata', '--format-version', '1', '--locked', '--filter-platform', triple];
    const text = execFileSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
    const { packages, resolve } = JSON.parse(text);
    const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
    const byId = new Map(packages.map((crate) => [crate.id, crate]));
    const seen = new Set([resolve.root]);
    for (const id of seen) {
      for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
        // Procedural macros run in the compiler.
        const isMacro = byId.get(pkg).targets.some(({ kind }) => kind.includes('proc-macro'));
        if (!isMacro && kinds.some(({ kind }) => kind === null)) seen.add(pkg);
      }
    }
    seen.delete(resolve.root);
    for (const id of seen) crates.set(id, byId.get(id));
  }
  return [...crates.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The licence files in a folder, all of them where there is no choice, else those of the licence that we take. */
function licenceTexts(folder, expression) {
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|copying|unlicense|notice)/i.test(name));
  const choices = expression.split(/\s+OR\s+|\s*\/\s*/).map((name) => name.replace(/[()]/g, ''));
  const taken = PREFERRED.find((name) => choices.includes(name));
  const marked = files.filter(
    (name) => taken !== undefined && name.toUpperCase().includes(taken.split('-')[0].toUpperCase())
  );
  const wanted = expression.includes(' AND ') || marked.length === 0 ? files : marked;
  return wanted
    .map((name) => path.join(folder, name))
    .filter((file) => path.extname(file) !== '.html')
    .map((file) => {
      try {
        return readFileSync(file, 'utf8')
          .replace(/\r/g, '')
          .replace(/[ \t]+$/gm, '')
          .trim();
      } catch {
        return '';
      }
    })
    .filter(Boolean);
}

function generate() {
  const entries = linkedCrates().map(({ name, version, license, repository, manifest_path: manifest }) => ({
    name,
    version,
    license: license ?? 'see its text',
    home: repository,
    texts: existsSync(manifest) ? licenceTexts(path.dirname(manifest), license ?? '') : []
  }));
  const ws = path.dirname(require.resolve('ws/package.json'));
  const { license } = require('ws/package.json');
  entries.push({
    name: 'ws',
    version: '8',
    license,
    home: 'https://github.com/websockets/ws',
    texts: licenceTexts(ws, license)
  });

  const users = new Map();
  for (const { name, version, texts } of entries) {
    for (const text of texts) users.set(text, [...(users.get(text) ?? []), `${name} ${version}`]);
  }
  const rows = entries.map(
    ({ name, version, license: terms, home }) => `| ${name} | ${version} | ${terms} | ${home ?? ''} |`
  );
  const texts = [...users].map(
    ([text, names]) => `## ${names.join(', ')}\n\n\`\`\`text\n${text.replaceAll('```', "'''")}\n\`\`\``
  );
  return `# Third-party licences

What is linked into the native addon on one platform or another, and ws, which is installed beside it.
Written by \`node scripts/third-party-licenses.js\`.

| package | version | licence | home |
| --- | --- | --- | --- |
${rows.join('\n')}

${texts.join('\n\n')}
`;
}

function main() {
  const text = generate();
  if (!process.argv.includes('--check')) {
    writeFileSync(target, text);
  } else if (!existsSync(target) || readFileSync(target, 'utf8') !== text) {
    console.error('THIRD_PARTY_LICENSES.md is out of date: run "node scripts/third-party-licenses.js"');
    process.exitCode = 1;
  }
}

module.exports = { linkedCrates };

if (require.main === module) main();
