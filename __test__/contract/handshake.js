'use strict';

/** Answers of the server: what is an upgrade, and what comes of all the others. */

const GOOD = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: <accept>'];

/** Header lines of an answer, after `HTTP/1.1 101 Switching Protocols`; second, the arguments of the constructor. */
const ANSWERS = {
  'no Upgrade header': [['Connection: Upgrade', 'Sec-WebSocket-Accept: <accept>']],
  'an Upgrade to something else': [['Upgrade: h2c', 'Connection: Upgrade', 'Sec-WebSocket-Accept: <accept>']],
  'an Upgrade in capitals': [['UPGRADE: WebSocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: <accept>']],
  'two Upgrade headers': [['Upgrade: websocket', ...GOOD]],
  'no Connection header': [['Upgrade: websocket', 'Sec-WebSocket-Accept: <accept>']],
  'a Connection header of several words': [
    ['Upgrade: websocket', 'Connection: keep-alive, Upgrade', 'Sec-WebSocket-Accept: <accept>']
  ],
  'a Connection that closes': [['Upgrade: websocket', 'Connection: close', 'Sec-WebSocket-Accept: <accept>']],
  'no Sec-WebSocket-Accept': [['Upgrade: websocket', 'Connection: Upgrade']],
  'a wrong Sec-WebSocket-Accept': [
    ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Accept: wrong']
  ],
  'two Sec-WebSocket-Accept': [[...GOOD, 'Sec-WebSocket-Accept: <accept>']],
  'a subprotocol that nobody asked for': [[...GOOD, 'Sec-WebSocket-Protocol: a']],
  'an empty subprotocol that nobody asked for': [[...GOOD, 'Sec-WebSocket-Protocol:']],
  'another subprotocol': [
    [...GOOD, 'Sec-WebSocket-Protocol: c'],
    ['a', 'b']
  ],
  'a subprotocol in other letters': [[...GOOD, 'Sec-WebSocket-Protocol: A'], ['a']],
  'an empty subprotocol': [[...GOOD, 'Sec-WebSocket-Protocol:'], ['a']],
  'two subprotocols': [
    [...GOOD, 'Sec-WebSocket-Protocol: a', 'Sec-WebSocket-Protocol: b'],
    ['a', 'b']
  ],
  'no subprotocol': [GOOD, ['a']],
  'the second subprotocol': [
    [...GOOD, 'Sec-WebSocket-Protocol: b'],
    ['a', 'b']
  ],
  'a subprotocol among spaces': [
    [...GOOD, 'Sec-WebSocket-Protocol:   b  \t'],
    ['a', 'b']
  ],
  'an extension that nobody asked for': [
    [...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate'],
    { perMessageDeflate: false }
  ],
  'an empty extension header that nobody asked for': [
    [...GOOD, 'Sec-WebSocket-Extensions:'],
    { perMessageDeflate: false }
  ],
  'an empty extension header': [[...GOOD, 'Sec-WebSocket-Extensions:']],
  'another extension': [[...GOOD, 'Sec-WebSocket-Extensions: foo']],
  'another extension too': [[...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate, foo']],
  'another extension in a header of its own': [
    [...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate', 'Sec-WebSocket-Extensions: foo']
  ],
  'permessage-deflate twice': [[...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate']],
  'permessage-deflate in capitals': [[...GOOD, 'Sec-WebSocket-Extensions: Permessage-Deflate']],
  'extensions that do not parse': [[...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate; =']],
  'a subprotocol fault goes before one of extensions': [
    [...GOOD, 'Sec-WebSocket-Protocol: c', 'Sec-WebSocket-Extensions: foo'],
    ['a']
  ],
  'a Sec-WebSocket-Version': [[...GOOD, 'Sec-WebSocket-Version: 8']],
  'a Content-Length': [[...GOOD, 'Content-Length: 5']],
  'a chunked 101': [[...GOOD, 'Transfer-Encoding: chunked']]
};

/** Complete answers; `true` where the server ends the connection with it. */
const OTHERS = {
  '200 with a body': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
  '200 with no body': ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  '200 chunked': [
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n'
  ],
  '200 until the end': ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello', true],
  '200 without anything, until the end': ['HTTP/1.1 200 OK\r\n\r\n', true],
  '200 in HTTP/1.0': ['HTTP/1.0 200 OK\r\n\r\nhello', true],
  204: ['HTTP/1.1 204 No Content\r\n\r\n'],
  304: ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  '401 with an odd reason': [
    'HTTP/1.1 401 Es geht nicht, weil\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n'
  ],
  '401 without a reason': ['HTTP/1.1 401\r\nContent-Length: 0\r\n\r\n'],
  '404 with repeated headers': [
    'HTTP/1.1 404 Not Found\r\nA: 1\r\na: 2\r\nSet-Cookie: x\r\nSet-Cookie: y\r\nContent-Type: z\r\nContent-Type: w\r\n' +
      'Content-Length: 0\r\n\r\n'
  ],
  '400 in Latin-1': ['HTTP/1.1 400 Bad\r\nA: \u00e9\r\nContent-Length: 0\r\n\r\n'],
  '500 with a body that breaks off': ['HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nhello', true],
  '500 with chunks that break off': ['HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel', true],
  '302 that is not followed': ['HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'],
  '100 first': ['HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'],
  '103 first': [
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'
  ],
  'lines that end with LF alone': ['HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n'],
  'no HTTP at all': ['hello there\r\n\r\n', true],
  'a header line without a colon': ['HTTP/1.1 200 OK\r\nnonsense\r\n\r\n', true],
  'a head that is too long': [`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(100000)}\r\n\r\n`, true]
};

const scenarios = {};

function connect(stage, args, events = []) {
  const list = Array.isArray(args) || args === undefined ? [args] : [undefined, args];
  return stage.createWatched(events, stage.peer.url(), ...list);
}

for (const [name, [lines, args]] of Object.entries(ANSWERS)) {
  scenarios[`101: ${name}`] = async (stage) => {
    connect(stage, args);
    const connection = await stage.peer.connection();
    await connection.request();
    const head = ['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n');
    connection.opened = true;
    connection.send(head.replaceAll('<accept>', connection.acceptance));
    await Promise.race([stage.until('open'), stage.until('close')]);
    stage.look(stage.sockets[0]);
    connection.end();
    await stage.finish();
  };
}

for (const [name, [answer, ends]] of Object.entries(OTHERS)) {
  const reply = async (stage) => {
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send(Buffer.from(answer, 'latin1'));
    if (ends) connection.end();
    return connection;
  };
  scenarios[`no upgrade: ${name}`] = async (stage) => {
    connect(stage);
    await reply(stage);
    await stage.finish();
  };
  scenarios[`no upgrade, with a listener: ${name}`] = async (stage) => {
    const socket = connect(stage, undefined);
    socket.on('unexpected-response', (request, response) => {
      stage.note('unexpected-response', request, response, socket.readyState);
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        stage.note('end', Buffer.concat(chunks), response.complete, response.trailers);
        socket.close();
      });
      response.on('aborted', () => stage.note('aborted'));
      response.on('error', (error) => {
        stage.note('response error', error, Buffer.concat(chunks));
        socket.close();
      });
    });
    await reply(stage);
    await stage.finish();
  };
}

async function unexpected(stage, act) {
  const socket = connect(stage);
  socket.on('unexpected-response', (request, response) => {
    stage.note('unexpected-response', socket.readyState);
    act(socket, request, response);
  });
  const connection = await stage.peer.connection();
  await connection.request();
  connection.send('HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\n');
  return connection;
}

Object.assign(scenarios, {
  'unexpected-response: request.destroy()': async (stage) => {
    await unexpected(stage, (socket, request, response) => {
      response.on('close', () => stage.note('response close'));
      response.on('error', (error) => stage.note('response error', error));
      request.destroy();
    });
    await stage.peer.connections[0].over();
    await stage.until('response close');
    stage.look(stage.sockets[0]);
  },
  'unexpected-response: request.abort()': async (stage) => {
    await unexpected(stage, (socket, request) => request.abort());
    await stage.peer.connections[0].over();
  },
  'unexpected-response: response.destroy()': async (stage) => {
    await unexpected(stage, (socket, request, response) => {
      response.on('close', () => stage.note('response close'));
      response.destroy();
    });
    await stage.peer.connections[0].over();
    await stage.until('response close');
  },
  'unexpected-response: close()': async (stage) => {
    await unexpected(stage, (socket) => stage.call(socket, 'close'));
    await stage.finish();
  },
  'unexpected-response: terminate()': async (stage) => {
    await unexpected(stage, (socket) => stage.call(socket, 'terminate'));
    await stage.finish();
  },
  'unexpected-response: close() later': async (stage) => {
    await unexpected(stage, () => {});
    await stage.until('unexpected-response');
    stage.call(stage.sockets[0], 'close');
    await stage.finish();
  },
  'unexpected-response: the look of the request': async (stage) => {
    await unexpected(stage, (socket, request) => {
      stage.note(request.method, request.path, request.protocol, request.host, request.constructor.name);
      stage.note(request.getHeader('upgrade'), request.hasHeader('Host'), request.getHeader('x'));
      stage.call(socket, 'close');
    });
    await stage.finish();
  },
  'a head in many pieces': async (stage) => {
    connect(stage);
    const connection = await stage.peer.connection();
    await connection.request();
    connection.opened = true;
    const head = `HTTP/1.1 101 Switching Protocols\r\n${GOOD.join('\r\n')}\r\n\r\n`;
    connection.socket.setNoDelay(true);
    for (const letter of head.replace('<accept>', connection.acceptance)) {
      connection.send(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stage.until('open');
    connection.end();
    await stage.finish();
  }
});

module.exports = scenarios;
