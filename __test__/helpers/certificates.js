'use strict';

/**
 * Certificates of every kind, right and wrong, made when they are needed: no tool has to be installed, and nothing
 * expires. DER by hand, for no tool makes all of what a server can present.
 */

const { generateKeyPairSync, randomBytes, sign } = require('node:crypto');

const tlv = (tag, ...parts) => {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 256) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 255]), content]);
};
const sequence = (...parts) => tlv(0x30, ...parts);
const integer = (bytes) => tlv(2, Buffer.from(bytes));
const octets = (bytes) => tlv(4, Buffer.from(bytes));
const bits = (bytes, unused = 0) => tlv(3, Buffer.from([unused]), Buffer.from(bytes));
const yes = Buffer.from([1, 1, 0xff]);

function oid(text) {
  const [first, second, ...rest] = text.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 127];
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 127) | 128);
    bytes.push(...groups);
  }
  return tlv(6, Buffer.from(bytes));
}

function time(date) {
  const text = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text));
}

const name = (common) => sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, Buffer.from(common)))));

const extension = (id, value, critical = false) =>
  sequence(oid(id), ...(critical ? [yes] : []), octets(value));

const USAGES = { digitalSignature: 0, keyEncipherment: 2, keyAgreement: 4, keyCertSign: 5, cRLSign: 6 };
const PURPOSES = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  emailProtection: '1.3.6.1.5.5.7.3.4'
};
const GENERAL_NAMES = {
  dns: (text) => tlv(0x82, Buffer.from(text)),
  ip: (bytes) => tlv(0x87, Buffer.from(bytes)),
  mail: (text) => tlv(0x81, Buffer.from(text)),
  raw: (bytes) => Buffer.from(bytes)
};

/** Extensions, each as `makeCertificate()` takes it. */
const extensions = {
  basicConstraints: (ca, pathlen) =>
    extension(
      '2.5.29.19',
      sequence(...(ca ? [yes] : []), ...(pathlen === undefined ? [] : [integer([pathlen])])),
      true
    ),
  keyUsage(...usages) {
    let byte = 0;
    for (const usage of usages) byte |= 0x80 >> USAGES[usage];
    const unused = byte === 0 ? 0 : 31 - Math.clz32(byte & -byte);
    return extension('2.5.29.15', bits([byte], unused), true);
  },
  extendedKeyUsage: (...purposes) =>
    extension('2.5.29.37', sequence(...purposes.map((purpose) => oid(PURPOSES[purpose])))),
  /** `subjectAltName({ dns: 'a' }, { ip: [127, 0, 0, 1] })` */
  subjectAltName: (...names) =>
    extension(
      '2.5.29.17',
      sequence(...names.flatMap((one) => Object.entries(one).map(([kind, of]) => GENERAL_NAMES[kind](of))))
    ),
  /** Permits only names below `domain`. */
  nameConstraints: (domain) =>
    extension('2.5.29.30', sequence(tlv(0xa0, sequence(tlv(0x82, Buffer.from(domain))))), true),
  policyConstraints: () => extension('2.5.29.36', sequence(tlv(0x81, Buffer.from([5]))), true),
  raw: extension
};

const SIGNATURES = {
  ec: sequence(oid('1.2.840.10045.4.3.2')),
  rsa: sequence(oid('1.2.840.113549.1.1.11'), tlv(5))
};

const DAY = 24 * 3600_000;

/**
 * Makes a key pair.
 *
 * @param {string} [curve] Or `rsa:<bits>`
 */
function makeKey(curve = 'P-256') {
  return curve.startsWith('rsa:')
    ? generateKeyPairSync('rsa', { modulusLength: Number(curve.slice(4)) })
    : generateKeyPairSync('ec', { namedCurve: curve });
}

/**
 * Makes a certificate.
 *
 * @param {object} options
 * @param {string} options.subject Its common name
 * @param {object} [options.issuer] What this function returned for the issuer; self-signed without
 * @param {Buffer[]} [options.extensions]
 * @param {number} [options.version=3] Version 1 has no extensions
 * @param {number} [options.from=-1] Days from now
 * @param {number} [options.to=30] Days from now
 * @param {object} [options.pair] The key pair; a new one without
 * @param {string} [options.label='CERTIFICATE'] Of the PEM block
 * @return {{subject: string, pair: object, der: Buffer, pem: string, key: string}}
 */
function makeCertificate({
  subject,
  issuer,
  extensions: given = [],
  version = 3,
  from = -1,
  to = 30,
  ...rest
}) {
  const pair = rest.pair ?? makeKey();
  const signer = issuer?.pair ?? pair;
  const algorithm = SIGNATURES[signer.privateKey.asymmetricKeyType];
  const signed = sequence(
    ...(version === 1 ? [] : [tlv(0xa0, integer([version - 1]))]),
    integer([1, ...randomBytes(8)]),
    algorithm,
    name(issuer?.subject ?? subject),
    sequence(time(new Date(Date.now() + from * DAY)), time(new Date(Date.now() + to * DAY))),
    name(subject),
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    ...(given.length > 0 ? [tlv(0xa3, sequence(...given))] : [])
  );
  const der = sequence(signed, algorithm, bits(sign('sha256', signed, signer.privateKey)));
  const label = rest.label ?? 'CERTIFICATE';
  const body = der.toString('base64').replace(/.{64}(?=.)/g, '$&\n');
  const pem = `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
  return { subject, pair, der, pem, key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

module.exports = { extensions, makeCertificate, makeKey };
