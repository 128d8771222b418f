'use strict';

// azbridge's rules and configuration files, as text.

const fc = require('fast-check');

const { readBridgeFile, readSetting } = require('../lib/cli/bridge-file.js');
const { readHttpRule, readLocalRule, readRemoteRule } = require('../lib/cli/bridge-rules.js');

const INVALID = { code: 'ERR_INVALID_ARG_VALUE' };

describe('-L', () => {
  test.each([
    ['2222:hyco', 'hyco', [{ name: '2222', port: 2222 }]],
    ['2222/ssh:hyco', 'hyco', [{ name: 'ssh', port: 2222 }]],
    ['127.0.0.1:2222/ssh:hyco', 'hyco', [{ name: 'ssh', host: '127.0.0.1', port: 2222 }]],
    ['[::1]:22:a/b', 'a/b', [{ name: '22', host: '::1', port: 22 }]],
    ['*:80:r', 'r', [{ name: '80', host: '*', port: 80 }]],
    [
      '127.0.0.8:1/sql1;127.0.0.9:1/sql2:db',
      'db',
      [
        { name: 'sql1', host: '127.0.0.8', port: 1 },
        { name: 'sql2', host: '127.0.0.9', port: 1 }
      ]
    ],
    ['/tmp/a.sock:r', 'r', [{ name: '/tmp/a.sock', path: '/tmp/a.sock' }]],
    ['/tmp/a.sock/sql:r', 'r', [{ name: 'sql', path: '/tmp/a.sock' }]],
    ['/var/a.d/.s.PGSQL.5432:r', 'r', [{ name: '/var/a.d/.s.PGSQL.5432', path: '/var/a.d/.s.PGSQL.5432' }]],
    ['sock/sql:r', 'r', [{ name: 'sql', path: 'sock' }]]
  ])('%s', (text, relay, bindings) => {
    expect(readLocalRule(text)).toEqual({ relay, bindings });
  });

  test.each([
    '',
    'x',
    ':',
    '2222',
    '2222:',
    ':hyco',
    '1;:r',
    'a:b:c:r',
    '70000:r',
    '1:2:3:r',
    `1/${'x'.repeat(256)}:r`
  ])('%s is none', (text) => {
    expect(() => readLocalRule(text)).toThrow(expect.objectContaining(INVALID));
  });
});

describe('-T and -R', () => {
  test.each([
    ['hyco:22', 'hyco', [{ name: '22', host: 'localhost', port: 22 }]],
    ['hyco:ssh/22', 'hyco', [{ name: 'ssh', host: 'localhost', port: 22 }]],
    ['hyco:10.0.0.1:22', 'hyco', [{ name: '22', host: '10.0.0.1', port: 22 }]],
    ['hyco:ssh/[::1]:22', 'hyco', [{ name: 'ssh', host: '::1', port: 22 }]],
    [
      'db:sql1/sql1.test:1433;sql2/sql2.test:1433',
      'db',
      [
        { name: 'sql1', host: 'sql1.test', port: 1433 },
        { name: 'sql2', host: 'sql2.test', port: 1433 }
      ]
    ],
    ['r:/run/a.sock', 'r', [{ name: '/run/a.sock', path: '/run/a.sock' }]],
    ['r:app//run/a.sock', 'r', [{ name: 'app', path: '/run/a.sock' }]]
  ])('-T %s', (text, relay, bindings) => {
    expect(readRemoteRule(text)).toEqual({ relay, bindings });
  });

  test('-R has the name behind the host', () => {
    const bindings = [{ name: 'ssh', host: '10.0.0.1', port: 22 }];
    expect(readRemoteRule('hyco:10.0.0.1:ssh/22', '-R')).toEqual({ relay: 'hyco', bindings });
    expect(() => readRemoteRule('hyco:10.0.0.1:ssh/22', '-T')).toThrow(expect.objectContaining(INVALID));
  });

  test.each(['', 'x', 'r:', ':22', 'r:0', 'r:70000', 'r:a:b:22', 'r:22;'])('%s is none', (text) => {
    expect(() => readRemoteRule(text)).toThrow(expect.objectContaining(INVALID));
  });
});

describe('-H', () => {
  test.each([
    ['web:http/3000', 'http://localhost:3000/'],
    ['web:https/443', 'https://localhost/'],
    ['web:http/app.test:8080', 'http://app.test:8080/'],
    ['web:http/app.test/base/path:8080', 'http://app.test:8080/base/path'],
    ['web:https/app.test', 'https://app.test/'],
    ['web:https/app.test/base', 'https://app.test/base'],
    ['web:http/[::1]:8080', 'http://[::1]:8080/']
  ])('%s', (text, url) => {
    expect(readHttpRule(text)).toEqual({ relay: 'web', url });
  });

  test.each(['', 'web', 'web:3000', 'web:ftp/x', 'web:http/', 'web:http/a;http/b', 'web:http/host:99999'])(
    '%s is none',
    (text) => {
      expect(() => readHttpRule(text)).toThrow(expect.objectContaining(INVALID));
    }
  );
});

test.each([
  ['-L', () => readLocalRule('5000U:r')],
  ['-T', () => readRemoteRule('r:5000U')],
  ['a file', () => readBridgeFile('{"LocalForward":[{"RelayName":"r","BindPort":-5000}]}', 'f')]
])('UDP is named as what is not supported, in %s', (_name, read) => {
  expect(read).toThrow(/^UDP \(-?5000U?\) is not supported/);
});

test('no text makes them fail in another way', () => {
  const piece = fc.constantFrom(
    ':',
    '/',
    ';',
    '[',
    ']',
    '1',
    '22',
    'U',
    'a',
    '.sock',
    'http',
    'https',
    '*',
    ' ',
    '\0',
    'ü'
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join('');
      for (const read of [readLocalRule, readRemoteRule, readHttpRule]) {
        try {
          expect(read(text).relay).not.toBe('');
        } catch (error) {
          expect(error).toMatchObject(INVALID);
        }
      }
    })
  );
});

describe('a file', () => {
  const YAML = `
# RDP, and a database
AzureRelayConnectionString: Endpoint=sb://ns.test/;SharedAccessKeyName=a;SharedAccessKey=SECRET
GatewayPorts : no
ExitOnForwardFailure: yes
KeepAliveInterval: 10
LocalForward:
  - BindAddress: 127.0.10.1
    HostName: abcxyz.intra-de.example.com
    BindPort: 3389
    RelayName: rdp
  - RelayName: many
    Bindings:
      - BindPort: 5671
        PortName: amqps
      - BindLocalSocket: /tmp/a.sock
    NoAuthentication: true
RemoteForward:
  - RelayName: rdp
    HostPort: 3389
  - RelayName: many
    ConnectionString: Endpoint=sb://other.test/
    Bindings:
      - Host: broker.test
        HostPort: 5671
        PortName: amqps
      - LocalSocket: /run/b.sock
  - RelayName: web
    Http: true
    Host: app.test
    HostPort: 8443
    PortName: https
    Path: base
    Insecure: true
`;
  const READ = {
    settings: {
      AzureRelayConnectionString: 'Endpoint=sb://ns.test/;SharedAccessKeyName=a;SharedAccessKey=SECRET',
      GatewayPorts: false,
      ExitOnForwardFailure: true,
      KeepAliveInterval: 10
    },
    locals: [
      { relay: 'rdp', bindings: [{ name: '3389', host: '127.0.10.1', port: 3389 }] },
      {
        relay: 'many',
        anonymous: true,
        bindings: [
          { name: 'amqps', port: 5671 },
          { name: '/tmp/a.sock', path: '/tmp/a.sock' }
        ]
      }
    ],
    remotes: [
      { relay: 'rdp', bindings: [{ name: '3389', host: 'localhost', port: 3389 }] },
      {
        relay: 'many',
        connectionString: 'Endpoint=sb://other.test/',
        bindings: [
          { name: 'amqps', host: 'broker.test', port: 5671 },
          { name: '/run/b.sock', path: '/run/b.sock' }
        ]
      },
      { relay: 'web', insecure: true, url: 'https://app.test:8443/base' }
    ]
  };

  test('in YAML, by either library', () => {
    expect(readBridgeFile(YAML, 'f')).toEqual(READ);
    const { load } = require('js-yaml');
    const onlyYaml = (name) => {
      if (name !== 'yaml') throw Object.assign(new Error('away'), { code: 'MODULE_NOT_FOUND' });
      return { parse: load };
    };
    expect(readBridgeFile(YAML, 'f', onlyYaml)).toEqual(READ);
  });

  const none = () => {
    throw Object.assign(new Error('away'), { code: 'MODULE_NOT_FOUND' });
  };

  test('in JSON, for which no library is needed', () => {
    const { load } = require('js-yaml');
    expect(readBridgeFile(`\ufeff${JSON.stringify(load(YAML))}`, 'f.json', none)).toEqual(READ);
    expect(() => readBridgeFile(YAML, 'f', none)).toThrow(/npm install js-yaml/);
  });

  test.each(['', '{}', 'null', '# nothing'])('that says nothing (%j) has nothing in it', (text) => {
    expect(readBridgeFile(text, 'f')).toEqual({ settings: {}, locals: [], remotes: [] });
  });

  test.each([
    ['{"Nonsense": 1}', 'Nonsense'],
    ['{"GatewayPorts": "SECRET"}', 'GatewayPorts'],
    ['{"KeepAliveInterval": "SECRET"}', 'KeepAliveInterval'],
    ['{"LogLevel": "SECRET"}', 'LogLevel'],
    ['{"LocalForward": "SECRET"}', 'LocalForward'],
    ['{"LocalForward": [null]}', 'LocalForward'],
    ['{"LocalForward": [{}]}', 'RelayName'],
    ['{"LocalForward": [{"RelayName": "r"}]}', 'BindPort'],
    ['{"LocalForward": [{"RelayName": "r", "BindPort": 70000}]}', 'BindPort'],
    ['{"LocalForward": [{"RelayName": "r", "Bindings": []}]}', 'Bindings'],
    ['{"LocalForward": [{"RelayName": "r", "Bindings": [{"Host": "x"}]}]}', 'Host'],
    ['{"RemoteForward": [{"RelayName": "r"}]}', 'HostPort'],
    ['{"RemoteForward": [{"RelayName": "r", "Http": true, "PortName": "ftp", "HostPort": 1}]}', 'PortName'],
    ['[1]', 'f'],
    ['{"AzureRelaySharedAccessKey": "SECRET', 'f'],
    ['AzureRelaySharedAccessKey: [SECRET', 'f'],
    ['a: b: SECRET', 'f']
  ])('%s is refused, and no value is told', (text, name) => {
    expect(() => readBridgeFile(text, 'f')).toThrow(expect.objectContaining(INVALID));
    expect(() => readBridgeFile(text, 'f')).toThrow(new RegExp(name));
    expect(() => readBridgeFile(text, 'f')).not.toThrow(/SECRET/);
    expect(() => readBridgeFile(text, 'f.json')).not.toThrow(/SECRET/);
  });

  test('has its settings given one by one, too', () => {
    expect(readSetting('GatewayPorts:yes')).toEqual({ GatewayPorts: true });
    expect(readSetting('ConnectTimeout = 5')).toEqual({ ConnectTimeout: 5 });
    for (const text of ['', 'x', 'Nonsense:1', 'LocalForward:1']) {
      expect(() => readSetting(text)).toThrow(expect.objectContaining(INVALID));
    }
  });
});
