'use strict';

/** The constructor, the request that it makes, and what becomes of the attempt. */

const http = require('node:http');
const net = require('node:net');
const { once } = require('node:events');

/** Arguments that throw, and some that nearly do; none of them reaches a server. */
const ARGUMENTS = {
  'no address': [],
  'an address that is null-like': ['null'],
  'not a URL': ['foo'],
  'an empty address': [''],
  'a number for an address': [1],
  'an object for an address': [{}],
  'another protocol': ['bad-scheme://127.0.0.1'],
  'a file URL': ['file:///tmp'],
  'a mailto URL': [new URL('mailto:a@b')],
  'a fragment': ['ws://127.0.0.1/#fragment'],
  'a fragment in an http URL': ['http://127.0.0.1/#fragment'],
  'an empty fragment is none': ['ws://127.0.0.1:1/#'],
  'a ws+unix URL without a path': ['ws+unix:'],
  'a ws+unix URL with a fragment': ['ws+unix:/tmp/nobody.sock#x'],
  'a port out of range': ['ws://127.0.0.1:70000/'],
  'protocol version 14': ['ws://127.0.0.1', { protocolVersion: 14 }],
  'protocol version as text': ['ws://127.0.0.1', { protocolVersion: '13' }],
  'protocol version before the URL': ['foo', { protocolVersion: 1 }],
  'a null subprotocol': ['ws://127.0.0.1', null],
  'an empty subprotocol': ['ws://127.0.0.1', ''],
  'an empty subprotocol in an array': ['ws://127.0.0.1', ['']],
  'a subprotocol that is no token': ['ws://127.0.0.1', 'a b'],
  'two subprotocols in one string': ['ws://127.0.0.1', 'a,b'],
  'a non-ASCII subprotocol': ['ws://127.0.0.1', 'é'],
  'the same subprotocol twice': ['ws://127.0.0.1', ['a', 'b', 'a']],
  'a subprotocol that is a number': ['ws://127.0.0.1', 1],
  'a subprotocol that is true': ['ws://127.0.0.1', true],
  'null among the subprotocols': ['ws://127.0.0.1', ['a', null]],
  'the protocols option': ['ws://127.0.0.1', undefined, { protocols: ['a', 'a'] }],
  'the protocols option as the second argument': ['ws://127.0.0.1', { protocols: 'a b' }],
  'a header name that is none': ['ws://127.0.0.1', { headers: { 'a b': '1' } }],
  'a header name that is empty': ['ws://127.0.0.1', { headers: { '': '1' } }],
  'a header value with a line break': ['ws://127.0.0.1', { headers: { a: '1\r\nb: 2' } }],
  'a header value out of Latin-1': ['ws://127.0.0.1', { headers: { a: '\u0100' } }],
  'an undefined header value': ['ws://127.0.0.1', { headers: { a: undefined } }],
  'an origin with a line break': ['ws://127.0.0.1', { origin: 'a\r\nb' }],
  'serverMaxWindowBits too small': ['ws://127.0.0.1', { perMessageDeflate: { serverMaxWindowBits: 7 } }]
};

/** Options whose request is compared. */
const REQUESTS = {
  'no options': [],
  'options as the third argument': [undefined, { headers: { a: '1' } }],
  'null options': [undefined, null],
  'one subprotocol': ['a'],
  'several subprotocols': [['a', 'b', 'c']],
  'no subprotocols in an array': [[]],
  'the protocols option': [{ protocols: ['a', 'b'] }],
  'a protocols option of one': [{ protocols: 'a' }],
  'the argument wins over the protocols option': [['a'], { protocols: ['b'] }],
  headers: [
    { headers: { 'X-One': '1', 'x-two': ['2', '3'], 'x-number': 4, 'x-flag': false, 'x-empty': '' } }
  ],
  'headers in Latin-1': [{ headers: { a: '\u00e9\u00ff' } }],
  'cookies in an array': [{ headers: { cookie: ['a=1', 'b=2'] } }],
  'a Host header': [{ headers: { Host: 'elsewhere:1' } }],
  'a host header in small letters': [{ headers: { host: 'elsewhere' } }],
  'handshake headers cannot be overridden': [
    {
      headers: {
        'Sec-WebSocket-Version': 1,
        'Sec-WebSocket-Key': 'mine',
        'Sec-WebSocket-Extensions': 'mine',
        Connection: 'mine',
        Upgrade: 'mine'
      }
    }
  ],
  'nor in other letters': [{ headers: { upgrade: 'mine', connection: 'mine', 'sec-websocket-version': 1 } }],
  'an extension header of the user': [
    { perMessageDeflate: false, headers: { 'Sec-WebSocket-Extensions': 'mine' } }
  ],
  'a subprotocol header of the user': [{ headers: { 'Sec-WebSocket-Protocol': 'mine' } }],
  'an origin': [{ origin: 'https://example.com' }],
  'an origin in version 8': [{ origin: 'https://example.com', protocolVersion: 8 }],
  'an origin beside an Origin header': [{ origin: 'https://a', headers: { Origin: 'https://b' } }],
  'an empty origin': [{ origin: '' }],
  auth: [{ auth: 'user:pass' }],
  'auth out of ASCII': [{ auth: 'us\u00e9r:p\u00e4ss' }],
  'auth and an Authorization header': [{ auth: 'user:pass', headers: { Authorization: 'mine' } }],
  'auth and an Authorization header, redirects followed': [
    { auth: 'user:pass', headers: { Authorization: 'mine' }, followRedirects: true }
  ],
  'headers in capitals, redirects followed': [{ headers: { 'X-One': '1' }, followRedirects: true }],
  'no permessage-deflate': [{ perMessageDeflate: false }],
  'ignored options': [
    {
      method: 'POST',
      path: '/x',
      port: 1,
      host: 'x',
      hostname: 'x',
      protocol: 'x:',
      timeout: 1,
      socketPath: '/x'
    }
  ],
  'a default port of its own': [{ defaultPort: 8080 }]
};

const URLS = {
  'a path and a query': '/a/b?c=d&e=%20f',
  'no path': '',
  'a path to be encoded': '/\u00e9 "<>`{}',
  'a query only': '?a=b'
};

const USERS = {
  'user and password': 'user:pass@',
  user: 'user@',
  password: ':pass@',
  encoded: 'us%40er:p%3Ass%E9@'
};

const scenarios = {};

for (const [name, args] of Object.entries(ARGUMENTS)) {
  scenarios[`constructor: ${name}`] = async (stage) => {
    const socket = stage.create(...args);
    if (socket === undefined) return;
    socket.terminate();
    await stage.until('close');
  };
}

/** Opens, and closes again at once. */
async function visit(stage, ...args) {
  stage.create(...args);
  const connection = await stage.peer.connection();
  await connection.request();
  const protocol = /^sec-websocket-protocol: ([^,\r]*)/im.exec(connection.head)?.[1];
  await connection.accept({ headers: protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : [] });
  await Promise.race([stage.until('open'), stage.until('close')]);
  stage.look(stage.sockets[0]);
  connection.end();
  await stage.finish();
}

for (const [name, args] of Object.entries(REQUESTS)) {
  scenarios[`request: ${name}`] = (stage) => visit(stage, stage.peer.url(), ...args);
}
for (const [name, path] of Object.entries(URLS)) {
  scenarios[`request: ${name}`] = (stage) => visit(stage, stage.peer.url(path));
}
for (const [name, user] of Object.entries(USERS)) {
  scenarios[`userinfo: ${name}`] = (stage) => visit(stage, `ws://${user}127.0.0.1:${stage.peer.port}/`);
  scenarios[`userinfo beats auth: ${name}`] = (stage) =>
    visit(stage, `ws://${user}127.0.0.1:${stage.peer.port}/`, { auth: 'x:y' });
  scenarios[`userinfo and a header, redirects followed: ${name}`] = (stage) =>
    visit(stage, `ws://${user}127.0.0.1:${stage.peer.port}/`, {
      headers: { authorization: 'z' },
      followRedirects: true
    });
}

Object.assign(scenarios, {
  'a URL object': (stage) => visit(stage, new URL(stage.peer.url('/path'))),
  'a URL object is not changed': async (stage) => {
    const url = new URL(stage.peer.url('/', 'http'));
    await visit(stage, url);
    stage.note('url', url.href);
  },
  'an http address': (stage) => visit(stage, stage.peer.url('/path', 'http')),
  'something that becomes a URL': (stage) => visit(stage, { toString: () => stage.peer.url('/string') }),
  'the options object is not changed': async (stage) => {
    const options = Object.freeze({ headers: Object.freeze({ A: '1' }), auth: 'a:b', followRedirects: true });
    await visit(stage, stage.peer.url(), options);
    stage.note('options', options);
  },

  'close() while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    stage.call(socket, 'close');
    await stage.until('close');
  },
  'close() with nonsense while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    stage.call(socket, 'close', 'x', {});
    await stage.until('close');
  },
  'close() once the request is out': async (stage) => {
    const socket = stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    stage.call(socket, 'close', 1000, 'x');
    await stage.finish();
  },
  'terminate() while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    stage.call(socket, 'terminate');
    await stage.until('close');
  },
  'terminate() once the request is out': async (stage) => {
    const socket = stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    stage.call(socket, 'terminate');
    await stage.finish();
  },
  'close() in the error of a close() while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    socket.on('error', () => stage.call(socket, 'close'));
    socket.on('close', () => stage.call(socket, 'terminate'));
    stage.call(socket, 'close');
    await stage.until('close');
  },
  'everything throws or does nothing while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    for (const method of ['send', 'ping', 'pong']) {
      stage.call(socket, method, 'x');
      stage.call(socket, method, 'x', stage.callback(method));
    }
    stage.call(socket, 'pause');
    stage.call(socket, 'resume');
    stage.look(socket);
    stage.call(socket, 'terminate');
    stage.call(socket, 'send', 'xyz', stage.callback('send'));
    stage.call(socket, 'ping', 'xyz', stage.callback('ping'));
    await stage.until('close');
    stage.look(socket);
    stage.call(socket, 'send', 'x', stage.callback('closed'));
    stage.call(socket, 'pong', Buffer.alloc(3), true, stage.callback('closed'));
    stage.call(socket, 'close', 1);
    stage.call(socket, 'terminate');
    stage.call(socket, 'pause');
    stage.call(socket, 'resume');
    await stage.callbacks.until('callback closed', 2);
    stage.look(socket);
  },

  'nobody listens': async (stage) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    stage.peers.push({ port, connections: [], close: async () => {} });
    server.close();
    await once(server, 'close');
    stage.create(`ws://127.0.0.1:${port}`);
    await stage.until('close');
  },
  'a name that does not exist': async (stage) => {
    stage.create('ws://nowhere.invalid');
    await stage.until('close');
  },
  'FIN instead of an answer': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    connection.end();
    await stage.finish();
  },
  'RST instead of an answer': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    connection.reset();
    await stage.until('close');
  },
  'FIN in the middle of the head': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 101 Switching Protocols\r\nUpgr');
    connection.end();
    await stage.finish();
  },
  'no answer within handshakeTimeout': async (stage) => {
    stage.create(stage.peer.url(), { handshakeTimeout: 50 });
    await stage.finish();
  },
  'no answer within handshakeTimeout after redirects': async (stage) => {
    stage.create(stage.peer.url(), { handshakeTimeout: 50, followRedirects: true });
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n');
    await stage.finish();
  },
  'a handshakeTimeout of zero is none': async (stage) =>
    visit(stage, stage.peer.url(), { handshakeTimeout: 0 }),
  'a null address makes nothing happen': async (stage) => {
    const socket = new stage.Subject(null, undefined, {});
    stage.look(socket);
  },

  'upgrade comes before open': async (stage) => {
    stage.createWatched(['upgrade'], stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.accept({ headers: ['X-Twice: 1', 'x-twice: 2', 'Set-Cookie: a', 'Set-Cookie: b'] });
    await stage.until('open');
    connection.end();
    await stage.finish();
  },
  'upgrade comes before the checks': async (stage) => {
    stage.createWatched(['upgrade'], stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
    await stage.finish();
  },
  'close() in upgrade': async (stage) => {
    const socket = stage.createWatched(['upgrade'], stage.peer.url());
    socket.on('upgrade', () => stage.call(socket, 'close', 1000));
    const connection = await stage.peer.connection();
    await connection.accept();
    await stage.finish();
  },
  'terminate() in upgrade': async (stage) => {
    const socket = stage.createWatched(['upgrade'], stage.peer.url());
    socket.on('upgrade', () => stage.call(socket, 'terminate'));
    const connection = await stage.peer.connection();
    await connection.accept();
    await stage.finish();
  },

  'an agent': async (stage) => {
    const agent = new http.Agent();
    await visit(stage, stage.peer.url(), { agent });
    agent.destroy();
  },
  'a lookup function': async (stage) => {
    const lookup = (host, options, callback) => {
      stage.note('lookup', host);
      if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
      else callback(null, '127.0.0.1', 4);
    };
    await visit(stage, `ws://some.where:${stage.peer.port}`, { lookup });
  },
  'a lookup that fails': async (stage) => {
    const lookup = (host, options, callback) => callback(Object.assign(new Error('no'), { code: 'ENO' }));
    stage.create('ws://some.where', { lookup });
    await stage.until('close');
  },
  'a createConnection function': async (stage) => {
    const createConnection = (options) => {
      stage.note('createConnection', options.host, options.path);
      return net.connect(stage.peer.port, '127.0.0.1');
    };
    await visit(stage, 'ws://some.where/path', { createConnection });
  },
  'a finishRequest function': async (stage) => {
    const finishRequest = (request, socket) => {
      stage.note('finishRequest', socket.readyState);
      request.setHeader('X-Late', '1');
      request.end();
    };
    await visit(stage, stage.peer.url(), { finishRequest });
  },
  'a socket path': async (stage) => {
    stage.create('ws+unix:/tmp/hyco-ws-rs-nobody.sock:/path');
    await stage.until('close');
  }
});

module.exports = scenarios;
