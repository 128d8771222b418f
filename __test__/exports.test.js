'use strict';

const { execFileSync } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

const hycoWs = require('hyco-ws');
const ws = require('ws');

const X = require('..');

const root = path.join(__dirname, '..');
const OURS = [
  'RelayError',
  'RelayedServer',
  'RelayedWebSocket',
  'appendRelayToken',
  'connectRelayed',
  'createRelayBaseUri',
  'createRelayHttpsUri',
  'createRelayListenUri',
  'createRelaySendUri',
  'createRelayToken',
  'createRelayedListener',
  'createRelayedServer',
  'parseConnectionString',
  'relayedConnect'
];

/** A server and a client of it; `use` is given both ends. */
async function withPair(Server, makeClient, use) {
  const server = new Server({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const client = makeClient(`ws://127.0.0.1:${server.address().port}`);
  const [[accepted]] = await Promise.all([connected, once(client, 'open')]);
  try {
    return await use(client, accepted);
  } finally {
    const closed = Promise.all([once(client, 'close'), once(accepted, 'close')]);
    client.close();
    await closed;
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('what require gives', () => {
  test('has everything that the installed ws has, with the same attributes', () => {
    for (const name of Object.keys(ws)) {
      expect(Object.keys(X)).toContain(name);
      const { value: _theirs, ...attributes } = Object.getOwnPropertyDescriptor(ws, name);
      expect(Object.getOwnPropertyDescriptor(X, name)).toMatchObject(attributes);
      if (!['WebSocket', 'WebSocketServer', 'Server'].includes(name)) expect(X[name]).toBe(ws[name]);
    }
    expect(X.WebSocket).toBe(X);
    expect(X.Server).toBe(X.WebSocketServer);
    expect(X.Server.name).toBe('WebSocketServer');
    expect(X.name).toBe('WebSocket');
    expect(X).toHaveLength(3);
    expect([X.CONNECTING, X.OPEN, X.CLOSING, X.CLOSED]).toEqual([0, 1, 2, 3]);
    expect([X.prototype.CONNECTING, X.prototype.CLOSED]).toEqual([0, 3]);
    expect(X).not.toHaveProperty('default');
  });

  test('has everything that hyco-ws has, but for what only ws 1.x had', () => {
    const gone = Object.keys(hycoWs).filter((name) => !(name in X));
    expect(gone.filter((name) => !['buildHostHeader', 'super_'].includes(name))).toEqual([]);
    for (const name of OURS) expect(typeof X[name]).toBe('function');
    expect(X.createRelayedListener).toBe(X.createRelayedServer);
  });

  test('leaves the export of ws alone', () => {
    const names = execFileSync(
      process.execPath,
      ['-p', `JSON.stringify(Reflect.ownKeys(require('ws')).map(String))`],
      {
        cwd: root,
        encoding: 'utf8'
      }
    );
    const script = `require('.'); JSON.stringify(Reflect.ownKeys(require('ws')).map(String))`;
    expect(execFileSync(process.execPath, ['-p', script], { cwd: root, encoding: 'utf8' })).toBe(names);
    for (const name of OURS) expect(ws).not.toHaveProperty(name);
    expect(ws.WebSocket).toBe(ws);
    expect(ws.prototype.constructor).toBe(ws);
    expect(X.prototype).not.toBe(ws.prototype);
  });
});

describe('as a WebSocket client and server', () => {
  test('sockets at both ends are instances', async () => {
    await withPair(
      X.Server,
      (address) => new X(address),
      async (client, accepted) => {
        for (const socket of [client, accepted]) {
          expect(socket).toBeInstanceOf(X);
          expect(socket).toBeInstanceOf(ws);
          expect(socket.constructor).toBe(X);
          expect(Object.getPrototypeOf(socket)).toBe(X.prototype);
        }
        accepted.on('message', (data, isBinary) => accepted.send(data, { binary: isBinary }));
        client.send('hello');
        const [data, isBinary] = await once(client, 'message');
        expect([data.toString(), isBinary]).toEqual(['hello', false]);
      }
    );
  });

  test('works with a stream over it', async () => {
    await withPair(
      X.WebSocketServer,
      (address) => new X(address),
      async (client, accepted) => {
        const stream = X.createWebSocketStream(client, { encoding: 'utf8' });
        accepted.send('through a stream');
        expect(await once(stream, 'data')).toEqual(['through a stream']);
      }
    );
  });

  test('can be extended', async () => {
    class Mine extends X {
      hello() {
        return 'hello';
      }
    }
    await withPair(
      class extends X.Server {
        constructor(options) {
          super({ WebSocket: Mine, ...options });
        }
      },
      (address) => new Mine(address, ['a'], { maxPayload: 10 }),
      async (client, accepted) => {
        for (const socket of [client, accepted]) {
          expect(socket).toBeInstanceOf(Mine);
          expect(socket).toBeInstanceOf(X);
          expect(socket.hello()).toBe('hello');
        }
        expect(client.protocol).toBe('a');
      }
    );
    expect(Mine.OPEN).toBe(1);
    expect(Object.create(X.prototype)).not.toBeInstanceOf(Mine);
  });

  test('a socket of ws itself is an instance, as it was with hyco-ws', async () => {
    await withPair(
      ws.Server,
      (address) => new ws(address),
      async (client, accepted) => {
        expect(client).toBeInstanceOf(X);
        expect(accepted).toBeInstanceOf(X);
        expect(client.constructor).toBe(ws);
      }
    );
    for (const value of [null, undefined, 1, 'x', {}, () => {}]) expect(value instanceof X).toBe(false);
  });

  test('constructs without new', async () => {
    await withPair(
      X.Server,
      (address) => X(address),
      async (client) => expect(client.constructor).toBe(X)
    );
  });

  test('complains as ws does', () => {
    const complaint = (Class) => {
      try {
        new Class('not a url');
      } catch (error) {
        return [error.name, error.message];
      }
    };
    expect(complaint(X)).toEqual(complaint(ws));
    expect(() => new X.Server()).toThrow(TypeError);
  });
});

describe('the functions of ws 1.x', () => {
  test('work, and say once that they are deprecated', () => {
    const script = `
      const X = require('.');
      const server = X.createServer({ port: 0, host: '127.0.0.1' }, (socket) => socket.send('hi'));
      server.on('listening', () => {
        const address = 'ws://127.0.0.1:' + server.address().port;
        let left = 2;
        for (const connect of [X.connect, X.createConnection]) {
          const client = connect(address, function () { console.log('open', this === client, client instanceof X); });
          client.on('message', (data) => { console.log(String(data)); client.close(); });
          client.on('close', () => { if (--left === 0) server.close(); });
        }
      });
      process.on('warning', (warning) => console.log(warning.name, warning.code));`;
    const output = execFileSync(process.execPath, ['--no-warnings', '-e', script], {
      cwd: root,
      encoding: 'utf8'
    });
    const lines = output.trim().split('\n').sort();
    expect(lines).toEqual([
      'DeprecationWarning HYCO_WS_DEP0001',
      'DeprecationWarning HYCO_WS_DEP0002',
      'hi',
      'hi',
      'open true true',
      'open true true'
    ]);
  });
});
