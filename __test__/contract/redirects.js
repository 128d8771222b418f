'use strict';

/** Redirects of the opening handshake. */

const HEADERS = { Authorization: 'secret', Cookie: 'a=b', Host: 'a.host', 'X-Other': '1' };

/** Answers a connection with a redirect. */
async function redirect(peer, location, status = '302 Found') {
  const connection = await peer.connection();
  await connection.request();
  connection.send(`HTTP/1.1 ${status}\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
  return connection;
}

/** Lets a connection succeed and ends it. */
async function succeed(stage, peer) {
  const connection = await peer.connection();
  await connection.accept();
  await stage.until('open');
  stage.look(stage.sockets[0]);
  connection.end();
}

async function follow(stage, { events = [], options, to, location, from }) {
  const target = to ?? stage.peer;
  stage.createWatched(events, from ?? stage.peer.url('/first/path'), { followRedirects: true, ...options });
  await redirect(stage.peer, location ?? target.url('/second'));
  await succeed(stage, target);
  await stage.finish();
}

const scenarios = {
  'a path': (stage) => follow(stage, { location: '/second?a=b' }),
  'a relative path': (stage) => follow(stage, { location: 'second' }),
  'only a query': (stage) => follow(stage, { location: '?a=b' }),
  'a whole address': (stage) => follow(stage, {}),
  'an http address': (stage) => follow(stage, { location: stage.peer.url('/second', 'http') }),
  'userinfo in the target': (stage) =>
    follow(stage, { location: `ws://user:pass@127.0.0.1:${stage.peer.port}/` }),
  'with a listener': (stage) => follow(stage, { events: ['redirect'] }),
  'with a subprotocol': async (stage) => {
    stage.create(stage.peer.url(), ['a'], { followRedirects: true });
    await redirect(stage.peer, '/second');
    const connection = await stage.peer.connection();
    await connection.accept({ headers: ['Sec-WebSocket-Protocol: a'] });
    await stage.until('open');
    connection.end();
    await stage.finish();
  },
  'two redirects': async (stage) => {
    stage.createWatched(['redirect'], stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, '/second');
    await redirect(stage.peer, '/third', '307 Temporary Redirect');
    await succeed(stage, stage.peer);
    await stage.finish();
  },
  'too many redirects': async (stage) => {
    stage.createWatched(['redirect'], stage.peer.url(), { followRedirects: true, maxRedirects: 1 });
    await redirect(stage.peer, '/second');
    await redirect(stage.peer, '/third');
    await stage.finish();
  },
  'no redirects allowed': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true, maxRedirects: 0 });
    await redirect(stage.peer, '/second');
    await stage.finish();
  },
  'a redirect without a target': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n');
    await stage.finish();
  },
  'a target with status 200': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, '/second', '200 OK');
    await stage.finish();
  },
  'several targets': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, '/second\r\nLocation: /third');
    await succeed(stage, stage.peer);
    await stage.finish();
  },
  'a refusal after a redirect': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, '/second');
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    await stage.finish();
  },
  'unexpected-response after a redirect': async (stage) => {
    const socket = stage.create(stage.peer.url(), { followRedirects: true });
    socket.on('unexpected-response', (request, response) => {
      stage.note('unexpected-response', request, response);
      socket.close();
    });
    await redirect(stage.peer, '/second');
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    await stage.finish();
  },
  'to a closed port': async (stage) => {
    const gone = await stage.another();
    await gone.close();
    gone.close = async () => {};
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, gone.url());
    await stage.finish();
  },
  'FIN after a redirect': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, '/second');
    const connection = await stage.peer.connection();
    await connection.request();
    connection.end();
    await stage.finish();
  },
  'to a socket path': async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, 'ws+unix:/tmp/hyco-ws-rs-nobody.sock');
    await stage.finish();
  }
};

const BAD_TARGETS = {
  'no URL': 'http://',
  'another protocol': 'bad-scheme://127.0.0.1',
  'a fragment': '/second#fragment',
  'a socket path that is empty': 'ws+unix:'
};

for (const [name, location] of Object.entries(BAD_TARGETS)) {
  scenarios[`a target that is not one: ${name}`] = async (stage) => {
    stage.create(stage.peer.url(), { followRedirects: true });
    await redirect(stage.peer, location);
    await stage.finish();
  };
}

// What is sent on to another place, and what is kept back from it.
for (const events of [[], ['redirect']]) {
  const how = events.length > 0 ? 'with a listener' : 'without a listener';
  scenarios[`headers to the same host, ${how}`] = (stage) =>
    follow(stage, { events, options: { headers: HEADERS } });
  scenarios[`headers to another host, ${how}`] = async (stage) =>
    follow(stage, { events, options: { headers: HEADERS }, to: await stage.another() });
  scenarios[`auth to the same host, ${how}`] = (stage) => follow(stage, { events, options: { auth: 'a:b' } });
  scenarios[`auth to another host, ${how}`] = async (stage) =>
    follow(stage, { events, options: { auth: 'a:b' }, to: await stage.another() });
  scenarios[`userinfo to the same host, ${how}`] = (stage) =>
    follow(stage, { events, from: `ws://user:pass@127.0.0.1:${stage.peer.port}/` });
  scenarios[`userinfo to another host, ${how}`] = async (stage) =>
    follow(stage, {
      events,
      from: `ws://user:pass@127.0.0.1:${stage.peer.port}/`,
      to: await stage.another()
    });
  scenarios[`there and back, ${how}`] = async (stage) => {
    const other = await stage.another();
    stage.createWatched(events, stage.peer.url(), { followRedirects: true, headers: HEADERS, auth: 'a:b' });
    await redirect(stage.peer, other.url('/second'));
    await redirect(other, stage.peer.url('/third'));
    await succeed(stage, stage.peer);
    await stage.finish();
  };
  scenarios[`an origin goes along, ${how}`] = async (stage) =>
    follow(stage, { events, options: { origin: 'https://a.b' }, to: await stage.another() });
}

const ACTS = {
  'close()': (stage, socket) => stage.call(socket, 'close'),
  'terminate()': (stage, socket) => stage.call(socket, 'terminate'),
  'request.destroy()': (stage, socket, request) => void request.destroy(),
  'request.destroy(error)': (stage, socket, request) => void request.destroy(new Error('mine')),
  'request.abort() once it has a socket': (stage, socket, request) => {
    request.on('socket', () => request.abort());
  },
  // This one does nothing to the socket, which it leaves connecting.
  'request.abort() and close()': (stage, socket, request) => {
    request.on('abort', () => stage.call(socket, 'close'));
    request.abort();
  }
};

for (const [name, act] of Object.entries(ACTS)) {
  scenarios[`in the listener: ${name}`] = async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url(), { followRedirects: true });
    socket.on('redirect', (url, request) => {
      stage.note('redirect', url);
      act(stage, socket, request);
    });
    await redirect(stage.peer, '/second');
    await stage.until('close');
  };
}

scenarios['in the listener: setHeader() and removeHeader()'] = async (stage) => {
  const socket = stage.create(stage.peer.url(), { followRedirects: true, headers: HEADERS });
  socket.on('redirect', (url, request) => {
    stage.note('headers', request.getHeader('AUTHORIZATION'), request.hasHeader('cookie'));
    request.removeHeader('authorization');
    request.removeHeader('Cookie');
    request.setHeader('X-Other', '2');
    request.setHeader('X-New', ['3', '4']);
    stage.note('redirect', url, request);
  });
  await redirect(stage.peer, '/second');
  await succeed(stage, stage.peer);
  await stage.finish();
};

scenarios['in the listener: headers that Node refuses'] = async (stage) => {
  const socket = stage.create(stage.peer.url(), { followRedirects: true });
  let late;
  const refusals = (request) => {
    for (const [method, ...args] of [
      ['setHeader', 'X-A', 'a\r\nEvil: yes'],
      ['setHeader', 'X-A', ['a', 'b\nEvil: yes']],
      ['setHeader', 'X-A', undefined],
      ['setHeader', 'X A', 'a'],
      ['setHeader', 'X-A\r\n', 'a'],
      ['setHeader', '', 'a'],
      ['setHeader', undefined, 'a'],
      ['setHeader', 'X-B', 7],
      ['setHeader', 'X-B', ''],
      ['setHeader', 'Host', ['a', 'b']],
      ['appendHeader', 'X-B', 'b\0'],
      ['appendHeader', 'X-B', 'c'],
      ['removeHeader'],
      ['removeHeader', 'X-None'],
      ['getHeader', 5],
      ['hasHeader'],
      ['setHeader', 'Cookie', ['a=1', 'b=2']],
      ['removeHeader', 'Sec-WebSocket-Extensions']
    ]) {
      try {
        const result = request[method](...args);
        stage.note(method, args.length, result === request ? 'this' : result);
      } catch (error) {
        stage.note(method, args.length, error.name, error.code, error.message);
      }
    }
  };
  socket.on('redirect', (url, request) => {
    late = request;
    refusals(request);
  });
  await redirect(stage.peer, '/second');
  const connection = await stage.peer.connection();
  await connection.accept();
  await stage.until('open');
  refusals(late);
  connection.end();
  await stage.finish();
};

module.exports = scenarios;
