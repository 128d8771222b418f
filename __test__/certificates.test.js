'use strict';

/** Whom to trust: every server is met by ws's engine, that is by OpenSSL, and by ours, and the verdicts are compared. */

const { once } = require('node:events');
const https = require('node:https');

const { WebSocket, WebSocketServer, RelayedWebSocket } = require('..');
const { extensions, makeCertificate, makeKey } = require('./helpers/certificates');

const NAME = 'relay.test';
const SAN = extensions.subjectAltName({ dns: NAME });
const CA = extensions.basicConstraints(true);
const NO_CA = extensions.basicConstraints(false);
const UNKNOWN = extensions.raw('1.2.3.4', [5, 0], true);
const GARBAGE = [1, 2, 3, 4];

const root = (more = [CA], options = {}) =>
  makeCertificate({ subject: 'Root', extensions: more, ...options });
const middle = (issuer, more = [CA], options = {}) =>
  makeCertificate({ subject: 'Middle', issuer, extensions: more, ...options });
const leaf = (issuer, more = [SAN], options = {}) =>
  makeCertificate({ subject: NAME, issuer, extensions: more, ...options });
const alone = (more = [SAN], options = {}) => leaf(undefined, more, options);

/** What the server presents below `top`, which alone is trusted. */
const directly = (top, more) => ({ ca: [top], chain: [leaf(top, more)] });
const given = (certificate) => ({ ca: [certificate], chain: [certificate] });
const by = (top, more, ...options) => {
  const between = middle(top, more, ...options);
  return { ca: [top], chain: [leaf(between), between] };
};
const named = (san) => directly(root(), san === undefined ? [] : [san]);
const alternative = (content) => extensions.raw('2.5.29.17', content);

const renewed = () => {
  const pair = makeKey();
  const old = root([CA], { pair, from: -10, to: -1 });
  return { ca: [old, root([CA], { pair })], chain: [leaf(old)] };
};

/** Both engines think the same of them. */
const CASES = {
  'a chain': () => directly(root()),
  'a chain with an intermediate': () => by(root()),
  'another root of the same name': () => ({ ca: [root()], chain: [leaf(root())] }),
  nobody: () => ({ ca: [root()], chain: [alone()] }),

  'an anchor without basicConstraints': () => directly(root([])),
  'an anchor with CA:FALSE': () => directly(root([NO_CA])),
  'an intermediate below CA:FALSE': () => by(root([NO_CA])),
  "a pinned server's key issues for another name": () => directly(alone([SAN, NO_CA])),
  'an anchor with keyCertSign': () => directly(root([CA, extensions.keyUsage('keyCertSign', 'cRLSign')])),
  'an anchor without keyCertSign': () => directly(root([CA, extensions.keyUsage('digitalSignature')])),
  'an anchor with keyCertSign alone': () => directly(root([extensions.keyUsage('keyCertSign')])),
  'an anchor for servers': () =>
    directly(root([CA, extensions.extendedKeyUsage('serverAuth', 'clientAuth')])),
  'an anchor for clients': () => directly(root([CA, extensions.extendedKeyUsage('clientAuth')])),
  'an anchor for mail': () => directly(root([CA, extensions.extendedKeyUsage('emailProtection')])),
  'an anchor for anything': () => directly(root([CA, extensions.extendedKeyUsage('any')])),
  'an anchor that has expired': () => directly(root([CA], { from: -10, to: -1 })),
  'an anchor of tomorrow': () => directly(root([CA], { from: 1 })),
  'an anchor that was renewed': renewed,
  'pathlen 0 and nothing between': () => directly(root([extensions.basicConstraints(true, 0)])),
  'pathlen 0 and an intermediate': () => by(root([extensions.basicConstraints(true, 0)])),
  'pathlen 1 and an intermediate': () => by(root([extensions.basicConstraints(true, 1)])),
  'pathlen 0 of an intermediate and another': () => {
    const top = root();
    const upper = middle(top, [extensions.basicConstraints(true, 0)]);
    const lower = makeCertificate({ subject: 'Lower', issuer: upper, extensions: [CA] });
    return { ca: [top], chain: [leaf(lower), lower, upper] };
  },
  'pathlen 0 and a renewed intermediate of the same name': () => {
    const top = root([extensions.basicConstraints(true, 0)]);
    const own = makeCertificate({ subject: 'Root', issuer: top, extensions: [CA] });
    return { ca: [top], chain: [leaf(own), own] };
  },
  'an anchor with policyConstraints': () => directly(root([CA, extensions.policyConstraints()])),
  'an anchor with an unknown critical extension': () => directly(root([CA, UNKNOWN])),
  'a version 1 root': () => directly(root([], { version: 1 })),
  'a version 1 root and an intermediate': () => by(root([], { version: 1 })),
  'a version 1 certificate that is no root, as an anchor': () => directly(middle(root(), [], { version: 1 })),

  'an intermediate with CA:FALSE': () => by(root(), [NO_CA]),
  'an intermediate without extensions': () => by(root(), []),
  'a version 1 intermediate': () => by(root(), [], { version: 1 }),
  'an intermediate without keyCertSign': () => by(root(), [CA, extensions.keyUsage('digitalSignature')]),
  'an intermediate for clients': () => by(root(), [CA, extensions.extendedKeyUsage('clientAuth')]),
  'an intermediate that has expired': () => by(root(), [CA], { from: -10, to: -1 }),
  'an intermediate with an unknown critical extension': () => by(root(), [CA, UNKNOWN]),

  'a server certificate for clients': () =>
    directly(root(), [SAN, extensions.extendedKeyUsage('clientAuth')]),
  'a server certificate for anything': () => directly(root(), [SAN, extensions.extendedKeyUsage('any')]),
  'a server certificate with keyCertSign alone': () =>
    directly(root(), [SAN, extensions.keyUsage('keyCertSign')]),
  'a server certificate for key agreement': () =>
    directly(root(), [SAN, extensions.keyUsage('keyAgreement')]),
  'a server certificate with an unknown critical extension': () => directly(root(), [SAN, UNKNOWN]),

  'a given certificate': () => given(alone()),
  'a given certificate with CA:FALSE': () => given(alone([SAN, NO_CA])),
  'a given certificate with CA:TRUE': () => given(alone([SAN, CA])),
  'a given certificate for clients': () => given(alone([SAN, extensions.extendedKeyUsage('clientAuth')])),
  'a given certificate for anything': () => given(alone([SAN, extensions.extendedKeyUsage('any')])),
  'a given certificate for servers': () => given(alone([SAN, extensions.extendedKeyUsage('serverAuth')])),
  'a given certificate with keyCertSign alone': () => given(alone([SAN, extensions.keyUsage('keyCertSign')])),
  'a given root with keyCertSign alone': () => given(alone([SAN, CA, extensions.keyUsage('keyCertSign')])),
  'a given certificate for signatures': () => given(alone([SAN, extensions.keyUsage('digitalSignature')])),
  'a given certificate that has expired': () => given(alone([SAN], { from: -10, to: -1 })),
  'a given certificate of tomorrow': () => given(alone([SAN], { from: 1 })),
  'a given certificate of another name': () =>
    given(alone([extensions.subjectAltName({ dns: 'else.test' })])),
  'a given certificate with an unknown critical extension': () => given(alone([SAN, UNKNOWN])),
  'a given certificate of version 1': () => given(alone([], { version: 1 })),
  'another certificate of the name of a given one': () => ({ ca: [alone()], chain: [alone()] }),

  'a common name': () => named(),
  'a common name beside an address': () => named(extensions.subjectAltName({ ip: [10, 0, 0, 1] })),
  'a common name beside a mailbox': () => named(extensions.subjectAltName({ mail: 'a@b' })),
  'a common name beside another name': () => named(extensions.subjectAltName({ dns: 'else.test' })),
  'names that are garbage': () => named(alternative(GARBAGE)),
  'names that are cut off': () => named(alternative([0x30, 5, 0x82, 9, 0x61, 0x62, 0x63])),
  'names that are nothing': () => named(alternative([])),
  'a name of an unknown kind': () => named(extensions.subjectAltName({ raw: [0x8f, 1, 0x61] })),
  'the right name beside one of an unknown kind': () =>
    named(extensions.subjectAltName({ dns: NAME }, { raw: [0x8f, 1, 0x61] })),
  'a name that is no text': () => named(extensions.subjectAltName({ raw: [0x82, 2, 0xff, 0xfe] })),
  'a mailbox that is no text': () => named(extensions.subjectAltName({ raw: [0x81, 2, 0xff, 0xfe] })),
  'an address of five bytes': () => named(extensions.subjectAltName({ ip: [1, 2, 3, 4, 5] })),
  'an empty name': () => named(extensions.subjectAltName({ dns: '' })),
  'a name that is too wild': () => named(extensions.subjectAltName({ dns: '*.test' })),
  'names twice': () => directly(root(), [SAN, extensions.subjectAltName({ dns: 'else.test' })]),
  'names in a given certificate that are garbage': () => given(alone([alternative(GARBAGE)])),
  'name constraints that are kept': () => directly(root([CA, extensions.nameConstraints('test')])),
  'name constraints that are not kept': () => directly(root([CA, extensions.nameConstraints('else')])),

  ...Object.fromEntries(
    Object.entries({ keyUsage: 15, basicConstraints: 19, extKeyUsage: 37 }).flatMap(([name, last]) => {
      const garbage = extensions.raw(`2.5.29.${last}`, GARBAGE);
      return [
        [`${name} that cannot be read`, () => directly(root(), [SAN, garbage])],
        [
          `${name} of an anchor that cannot be read`,
          () => directly(root(last === 19 ? [garbage] : [CA, garbage]))
        ],
        [`${name} of a given certificate that cannot be read`, () => given(alone([SAN, garbage]))]
      ];
    })
  ),

  'the label of old': () => directly(root([CA], { label: 'X509 CERTIFICATE' }))
};

/** The differences that docs/websocket.md lists. */
const WE_TRUST = {
  'an intermediate in "ca" without its root': () => {
    const between = middle(root());
    return directly(between);
  },
  'a given certificate that somebody else issued': () => given(leaf(root())),
  'a given certificate of version 1 that somebody else issued': () => given(leaf(root(), [], { version: 1 }))
};
const NODE_TRUSTS = {
  'a version 1 certificate that is not given': () => {
    const top = root();
    return { ca: [top], chain: [leaf(top, [], { version: 1 })] };
  },
  "a CA certificate as a server's": () => directly(root(), [SAN, CA]),
  'a common name below name constraints': () => directly(root([CA, extensions.nameConstraints('test')]), []),
  'critical policyConstraints of an intermediate': () => by(root(), [CA, extensions.policyConstraints()]),
  'more behind the names': () => named(alternative([0x30, 12, 0x82, 10, ...Buffer.from(NAME), 0, 0])),
  'a P-521 root': () => directly(root([CA], { pair: makeKey('P-521') })),
  'a P-521 key': () => {
    const top = root();
    return { ca: [top], chain: [leaf(top, [SAN], { pair: makeKey('P-521') })] };
  },
  // From Node.js 24 on OpenSSL refuses it, too.
  ...(Number(process.versions.node.split('.')[0]) < 24 && {
    'an RSA key of 1024 bits': () => {
      const top = root();
      return { ca: [top], chain: [leaf(top, [SAN], { pair: makeKey('rsa:1024') })] };
    }
  })
};

/** Whether `Socket` connects to a server with that chain while it trusts `ca`. */
async function verdict(Socket, { ca, chain }, options) {
  const server = https.createServer({
    cert: chain.map(({ pem }) => pem.replaceAll('X509 ', '')).join(''),
    key: chain[0].key
  });
  new WebSocketServer({ server });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const socket = new Socket(`wss://127.0.0.1:${server.address().port}`, {
      ca: ca.map(({ pem }) => pem),
      servername: NAME,
      ...options
    });
    const opened = await new Promise((resolve) => {
      socket.on('open', () => resolve('connected'));
      socket.on('error', () => resolve('refused'));
    });
    socket.terminate();
    return opened;
  } catch {
    // Nothing that could be trusted.
    return 'refused';
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function verdicts(scene) {
  return { node: await verdict(WebSocket, scene), ours: await verdict(RelayedWebSocket, scene) };
}

test.each(Object.keys(CASES))('%s', async (name) => {
  const { node, ours } = await verdicts(CASES[name]());
  expect(ours).toBe(node);
});

test.each(Object.keys(WE_TRUST))('difference: %s', async (name) => {
  expect(await verdicts(WE_TRUST[name]())).toEqual({ node: 'refused', ours: 'connected' });
});

test.each(Object.keys(NODE_TRUSTS))('difference: %s', async (name) => {
  const scene = NODE_TRUSTS[name]();
  expect(await verdicts(scene)).toEqual({ node: 'connected', ours: 'refused' });
  // The way out.
  expect(await verdict(RelayedWebSocket, scene, { agent: new https.Agent() })).toBe('connected');
});

test('a common name beside an empty list is refused, as the OpenSSL of newer Node.js does', async () => {
  expect(await verdict(RelayedWebSocket, named(extensions.subjectAltName()))).toBe('refused');
});

test('the table has both verdicts', async () => {
  const counts = { connected: 0, refused: 0 };
  for (const make of Object.values(CASES)) counts[await verdict(RelayedWebSocket, make())]++;
  expect(counts.connected).toBeGreaterThan(15);
  expect(counts.refused).toBeGreaterThan(30);
});
