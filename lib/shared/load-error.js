'use strict';

/** Why the addon does not load, and what to do about it. */

const { existsSync } = require('node:fs');
const path = require('node:path');

const { explained, withCode } = require('./errors');
const { napi } = require('../../package.json');

/** A bundle that is an ES module has none. */
const ROOT = typeof __dirname === 'string' ? path.join(__dirname, '..', '..') : undefined;
/** From Rust's names to those of Node.js, and of the packages. */
const NAMES = { x86_64: 'x64', aarch64: 'arm64', windows: 'win32' };
const LIBRARIES = { glibc: 'gnu', musl: 'musl' };
/** Joined with other files this one is not where it was. */
const BUNDLED = ROOT === undefined || !existsSync(path.join(__dirname, 'load-error.js'));
const ELSEWHERE = /^Cannot find |^Unsupported |^Failed to load native/;

/**
 * Tells a musl system (Alpine) from a glibc one; only Linux has the question.
 *
 * @return {string} `'glibc'`, `'musl'` or an empty string
 */
function libc() {
  if (process.platform !== 'linux') return '';
  // Without this, a report may look up the names of open connections.
  if (process.report) process.report.excludeNetwork = true;
  const report = process.report?.getReport();
  const { header } = typeof report === 'string' ? JSON.parse(report) : (report ?? {});
  return header?.glibcVersionRuntime ? 'glibc' : 'musl';
}

/** The packages with an addon, by what is behind `hyco-ws-rs-` in their names: `linux-x64-gnu`. */
function publishedNames() {
  return napi.targets.map((target) => {
    const [cpu, , system, abi] = target.split('-');
    return [NAMES[system] ?? system, NAMES[cpu], abi].filter(Boolean).join('-');
  });
}

/** The texts of an error and of its causes; the loader keeps nothing else of what it met. */
function textsOf(error) {
  const texts = [];
  for (let next = error; typeof next?.message === 'string' && texts.length < 100; next = next.cause) {
    texts.push(next.message);
  }
  return texts;
}

/** One of the chain, for the rest names systems and packages that do not matter here, and a fault of npm's. */
function tellingOf(texts, cause) {
  const text = texts.find((text) => !ELSEWHERE.test(text)) ?? texts.find((text) => text.includes('.node'));
  return text === undefined ? cause : new Error(text);
}

/** @return {string} What to do, case by case */
function remedyOf(texts, { platform, arch, library, root, permission, override, bundled }) {
  if (texts.some((text) => text.includes('loading addons is disabled'))) {
    return permission
      ? 'Node.js was started with --permission, which blocks addons: add --allow-addons.'
      : 'Node.js was started with --no-addons, maybe by NODE_OPTIONS: leave it out.';
  }
  if (override) return `NAPI_RS_NATIVE_LIBRARY_PATH is ${override}: it has to name an addon for this system.`;
  // The loader looks in several places, and most have nothing; what is there and fails is worth knowing.
  const failure = texts.find((text) => !ELSEWHERE.test(text));
  if (failure !== undefined) {
    return `One is there, but: ${failure}. Install it, or build it, on the system that runs it.`;
  }
  if (bundled) return 'In a bundle, the .node file has to lie beside it (hyco-ws-rs/docs/bundling.md).';
  if (root !== undefined && existsSync(path.join(root, 'Cargo.toml'))) {
    return `This is a clone, and its addon has not been built: "npm run build" in ${root} does it (needs stable Rust).`;
  }
  const abi = platform === 'win32' ? 'msvc' : LIBRARIES[library];
  const name = [platform, arch, abi].filter(Boolean).join('-');
  return publishedNames().includes(name)
    ? `The package hyco-ws-rs-${name} is missing: install without --omit=optional, on the system that runs it; or ` +
        'install the tarball that "npm run tarball" makes in a clone on such a system.'
    : `No addon is made for ${name}: build one there with "npm run build:release" in a clone (needs stable Rust), ` +
        'and name its file in NAPI_RS_NATIVE_LIBRARY_PATH.';
}

/**
 * @param {unknown} cause What the generated loader threw
 * @param {object} [elsewhere] Tests are on another system
 * @return {Error} The same for people, with `code` `ERR_HYCO_NATIVE`
 */
function loadError(cause, elsewhere) {
  const { platform, arch, version, permission, env } = process;
  const here = {
    platform,
    arch,
    library: libc(),
    root: ROOT,
    permission: permission !== undefined,
    override: env.NAPI_RS_NATIVE_LIBRARY_PATH,
    bundled: BUNDLED,
    ...elsewhere
  };
  const system = [here.platform, here.arch, here.library].filter(Boolean).join(' ');
  const texts = textsOf(cause);
  const text = `hyco-ws-rs has no native addon that loads on ${system} (Node.js ${version}). ${remedyOf(texts, here)}`;
  return withCode(
    new Error(explained(text, 'ERR_HYCO_NATIVE'), { cause: tellingOf(texts, cause) }),
    'ERR_HYCO_NATIVE'
  );
}

module.exports = { loadError };
