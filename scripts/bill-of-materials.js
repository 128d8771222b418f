'use strict';

// `node scripts/bill-of-materials.js`: writes a CycloneDX bill of materials to stdout, of what is linked into the addon on
// one platform or another, and of the packages that npm installs with this one. Both have their hashes from the lock files.
// (`npm sbom` leaves ws out here: it is a dependency of development tools, too.)

const { readFileSync } = require('node:fs');
const path = require('node:path');

const { linkedCrates } = require('./third-party-licenses.js');

const root = path.join(__dirname, '..');
const read = (name) => readFileSync(path.join(root, name), 'utf8');

function component(kind, { name, version, license, hash }) {
  const purl = `pkg:${kind}/${name.replace('@', '%40')}@${version}`;
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    // The old spelling of a choice.
    ...(license && { licenses: [{ expression: license.replaceAll('/', ' OR ') }] }),
    ...(hash && { hashes: [hash] })
  };
}

/** The crates, each with the checksum of Cargo.lock. */
function crates() {
  const checksums = new Map(
    [
      ...read('Cargo.lock').matchAll(/^name = "(.*)"\nversion = "(.*)"\n(?:source.*\nchecksum = "(\w+)")?/gm)
    ].map(([, name, version, content]) => [`${name} ${version}`, content])
  );
  return linkedCrates().map(({ name, version, license }) => {
    const content = checksums.get(`${name} ${version}`);
    return component('cargo', { name, version, license, hash: content && { alg: 'SHA-256', content } });
  });
}

/** The packages of npm that this one depends on, and those that they do. */
function packages() {
  const { packages: locked } = JSON.parse(read('package-lock.json'));
  const names = new Set(Object.keys(locked[''].dependencies));
  for (const name of names) {
    const { dependencies = {} } = locked[`node_modules/${name}`];
    for (const other of Object.keys(dependencies)) names.add(other);
  }
  return [...names].sort().map((name) => {
    const { version, license, integrity } = locked[`node_modules/${name}`];
    const content = Buffer.from(/^sha512-(.*)$/.exec(integrity)[1], 'base64').toString('hex');
    return component('npm', { name, version, license, hash: { alg: 'SHA-512', content } });
  });
}

function bill() {
  const { name, version, license } = JSON.parse(read('package.json'));
  const own = component('npm', { name, version, license });
  const components = [...packages(), ...crates()];
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { timestamp: new Date().toISOString(), component: own },
    components,
    dependencies: [{ ref: own['bom-ref'], dependsOn: components.map((part) => part['bom-ref']) }]
  };
}

console.log(JSON.stringify(bill(), null, 2));
