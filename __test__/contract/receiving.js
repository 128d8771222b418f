'use strict';

/** What comes in: messages in all shapes and pieces, pings, pauses. */

const { binary, close, frame, more, ping, pong, text } = require('../helpers/frames');

const bytes = (length) => Buffer.alloc(length, 'abc');

const TYPES = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'];
const LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 200_000];

const scenarios = {};

/** The peer ends in order. */
async function leave(stage, connection) {
  connection.send(close(1000));
  await stage.finish();
}

for (const type of TYPES) {
  for (const length of LENGTHS) {
    scenarios[`${type}: ${length} bytes`] = async (stage) => {
      const { socket, connection } = await stage.open();
      socket.binaryType = type;
      connection.send(binary(bytes(length)), text(bytes(length)));
      await stage.until('message', 2);
      await leave(stage, connection);
    };
  }
  scenarios[`${type}: fragments`] = async (stage) => {
    const { socket, connection } = await stage.open();
    socket.binaryType = type;
    connection.send(
      binary('one', { fin: false }),
      more('', { fin: false }),
      ping('between'),
      more('two', { fin: false }),
      more('three'),
      binary('', { fin: false }),
      more('', { fin: false }),
      more(''),
      text('te', { fin: false }),
      more('xt'),
      binary(bytes(40_000), { fin: false }),
      more(bytes(300), { fin: false }),
      more(bytes(40_000))
    );
    await stage.until('message', 4);
    await leave(stage, connection);
  };
}

Object.assign(scenarios, {
  'binaryType switched within one packet': async (stage) => {
    const { socket, connection } = await stage.open();
    let next = 0;
    socket.on('message', () => (socket.binaryType = TYPES[++next % TYPES.length]));
    connection.send(...[1, 2, 3, 4, 5, 6, 7, 8].map((length) => binary(bytes(length))));
    await stage.until('message', 8);
    await leave(stage, connection);
  },
  'binaryType switched in the middle of a message': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.on('ping', (data) => (socket.binaryType = data.toString()));
    for (const type of TYPES) {
      connection.send(binary('one', { fin: false }), ping(type), more('two'), binary('three'));
    }
    await stage.until('message', 8);
    await leave(stage, connection);
  },
  'binaryTypes that are none': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const type of ['foo', '', undefined, null, 1, 'NodeBuffer', 'arraybuffer', 'foo']) {
      socket.binaryType = type;
      stage.note('type', socket.binaryType);
    }
    connection.send(binary('x'));
    await stage.until('message');
    await leave(stage, connection);
  },
  'binaryType before open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    socket.binaryType = 'arraybuffer';
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [binary('x')] });
    await stage.until('message');
    await leave(stage, connection);
  },
  'a message does not change under its owner': async (stage) => {
    const { socket, connection } = await stage.open();
    const kept = [];
    socket.on('message', (data) => kept.push(data));
    for (let i = 0; i < 300; i++) connection.send(binary(Buffer.alloc(1000, i)));
    await stage.until('message', 300);
    stage.note(
      'kept',
      kept.every((data, index) => data.equals(Buffer.alloc(1000, index)))
    );
    kept[0].fill(1);
    stage.note('kept', kept[1].equals(Buffer.alloc(1000, 1)));
    await leave(stage, connection);
  },
  'an arraybuffer is of its own': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.binaryType = 'arraybuffer';
    socket.on('message', (data) => stage.note('length', data.byteLength));
    connection.send(binary('abc'), binary('defg'), binary(''));
    await stage.until('message', 3);
    await leave(stage, connection);
  },

  'frames together with the 101': async (stage) => {
    const socket = stage.create(stage.peer.url());
    socket.on('open', () => {
      socket.on('message', (data) => stage.note('late listener', data));
      socket.send('from open');
    });
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early'), binary('bird'), ping('ping')] });
    await stage.until('ping');
    await connection.frames(2);
    await leave(stage, connection);
  },
  'a close frame together with the 101': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early'), close(4000, 'bye')] });
    await stage.finish();
  },
  'a wrong frame together with the 101': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early'), frame(3)] });
    await stage.finish();
  },
  'FIN together with the 101': async (stage) => {
    stage.create(stage.peer.url());
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early')] });
    connection.end();
    await stage.finish();
  },
  'frames byte by byte': async (stage) => {
    const { connection } = await stage.open();
    connection.socket.setNoDelay(true);
    const all = [
      text('h\u00e9'),
      binary(bytes(130)),
      ping('p'),
      text('a', { fin: false }),
      more('b'),
      close(1000, 'bye')
    ];
    for (const byte of Buffer.concat(all)) {
      connection.send([byte]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stage.finish();
  },
  'a large message among small ones': async (stage) => {
    const { connection } = await stage.open();
    for (let i = 0; i < 3; i++) connection.send(text('small'), binary(bytes(500_000)), text('small'));
    await stage.until('message', 9);
    await leave(stage, connection);
  },
  'many small messages': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.removeAllListeners('message');
    let count = 0;
    let right = true;
    const done = new Promise((resolve) => {
      socket.on('message', (data) => {
        right = right && data.toString() === `message ${count}`;
        if (++count === 5000) resolve();
      });
    });
    const all = [];
    for (let i = 0; i < 5000; i++) all.push(text(`message ${i}`));
    connection.send(...all);
    await done;
    stage.note('right', right);
    await leave(stage, connection);
  },
  'lengths in wider fields than needed': async (stage) => {
    const { connection } = await stage.open();
    connection.send(text('abc', { field: 126 }), text('abc', { field: 127 }));
    await stage.until('message', 2);
    await leave(stage, connection);
  },

  'pings are answered': async (stage) => {
    const { connection } = await stage.open();
    connection.send(ping(''), ping('x'), ping(bytes(125)), pong('unasked'), pong(''));
    await stage.until('pong', 2);
    await connection.frames(3);
    await leave(stage, connection);
  },
  'pings are not answered with autoPong off': async (stage) => {
    const { connection } = await stage.open({ autoPong: false });
    connection.send(ping('x'), pong('y'));
    await stage.until('pong');
    await leave(stage, connection);
  },
  'pings are not answered while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await connection.frames(1);
    connection.send(ping('x'), text('y'), pong('z'));
    await stage.until('pong');
    await leave(stage, connection);
  },
  'a pong for our ping': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.ping('x');
    socket.ping();
    await connection.frames(2);
    connection.send(pong('x'), pong(''));
    await stage.until('pong', 2);
    await leave(stage, connection);
  },
  'too many pongs are pending': async (stage) => {
    const { socket, connection } = await stage.open({ maxPendingAutoPongs: 3 });
    stage.ignoresPeers = true;
    socket.on('ping', () => stage.note('state', socket.readyState));
    connection.send(ping('1'), ping('2'), ping('3'), ping('4'), ping('5'));
    await stage.finish();
  },
  'any number of pongs may be pending': async (stage) => {
    const { connection } = await stage.open({ maxPendingAutoPongs: 0 });
    connection.send(...Array.from({ length: 200 }, () => ping('x')));
    await stage.until('ping', 200);
    await connection.frames(200);
    await leave(stage, connection);
  },
  'sixty pongs may be pending': async (stage) => {
    const { connection } = await stage.open();
    connection.send(...Array.from({ length: 60 }, () => ping('x')));
    await stage.until('ping', 60);
    await connection.frames(60);
    await leave(stage, connection);
  },

  'a pause holds messages back': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    stage.look(socket);
    connection.send(text('one'), ping('two'), pong('three'));
    socket.send('four');
    await connection.frames(1);
    stage.note('resume');
    stage.call(socket, 'resume');
    stage.look(socket);
    await stage.until('pong');
    await leave(stage, connection);
  },
  'a pause holds the close frame back': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    connection.send(text('one'), close(4000, 'bye'));
    socket.send('two');
    await connection.frames(1);
    stage.look(socket);
    stage.call(socket, 'resume');
    await stage.finish();
  },
  'a pause holds FIN back': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    connection.send(text('one'));
    connection.end();
    socket.send('two');
    await connection.frames(1);
    stage.look(socket);
    stage.call(socket, 'resume');
    await stage.finish();
  },
  'pauses and resumes in a row': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const method of ['pause', 'pause', 'resume', 'pause', 'resume', 'resume']) {
      stage.call(socket, method);
    }
    connection.send(text('one'));
    await stage.until('message');
    await leave(stage, connection);
  },
  'a pause in open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    socket.on('open', () => stage.call(socket, 'pause'));
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early')] });
    await stage.until('open');
    socket.send('x');
    await connection.frames(1);
    stage.note('resume');
    stage.call(socket, 'resume');
    await stage.until('message');
    await leave(stage, connection);
  },
  'pause and resume at once in a message': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.once('message', () => {
      socket.pause();
      socket.resume();
    });
    connection.send(text('one'), text('two'), text('three'));
    await stage.until('message', 3);
    await leave(stage, connection);
  },
  'a pause in the middle of a packet': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.once('message', () => {
      socket.pause();
      setImmediate(() => {
        stage.note('resume');
        socket.resume();
      });
    });
    connection.send(text('one'), text('two'), ping('three'));
    await stage.until('ping');
    await leave(stage, connection);
  },
  'close() while paused': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    connection.send(text('one'));
    stage.call(socket, 'close', 1000);
    await connection.frames(1);
    connection.send(close(1000));
    stage.look(socket);
    stage.call(socket, 'resume');
    await stage.finish();
    stage.look(socket);
  },
  'terminate() while paused': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    stage.call(socket, 'terminate');
    await connection.over();
    await stage.finish();
    stage.look(socket);
    stage.call(socket, 'resume');
    stage.look(socket);
  },

  'one message a turn': async (stage) => {
    const { socket, connection } = await stage.open({ allowSynchronousEvents: false });
    socket.on('message', (data) => {
      Promise.resolve().then(() => stage.note('microtask', data));
      process.nextTick(() => stage.note('tick', data));
    });
    connection.send(
      text('one'),
      text('two'),
      ping('three'),
      binary('four'),
      pong('five'),
      close(1000, 'six')
    );
    await stage.finish();
  },
  'messages in one turn': async (stage) => {
    const { socket, connection } = await stage.open({ allowSynchronousEvents: true });
    socket.on('message', (data) => Promise.resolve().then(() => stage.callbacks.note('microtask', data)));
    connection.send(text('one'), text('two'), ping('three'), binary('four'));
    await stage.until('message', 3);
    await leave(stage, connection);
  },
  'one message a turn, with a pause': async (stage) => {
    const { socket, connection } = await stage.open({ allowSynchronousEvents: false });
    socket.once('message', () => {
      socket.pause();
      setImmediate(() => {
        stage.note('resume');
        socket.resume();
      });
    });
    connection.send(text('one'));
    await stage.until('resume');
    connection.send(text('two'), text('three'));
    await stage.until('message', 3);
    await leave(stage, connection);
  },
  'one message a turn, then FIN': async (stage) => {
    const { socket, connection } = await stage.open({ allowSynchronousEvents: false });
    // When FIN is seen, and with it the state, is chance.
    socket.removeAllListeners('message');
    socket.on('message', (data) => stage.note('message', data));
    connection.send(text('one'), text('two'), text('three'));
    connection.end();
    await stage.finish();
  },
  'terminate() in a message': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.once('message', () => stage.call(socket, 'terminate'));
    connection.send(text('one'), text('two'), ping('three'), close(1000));
    await stage.finish();
  },
  'close() in a message': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.once('message', () => stage.call(socket, 'close', 1001));
    connection.send(text('one'), text('two'), ping('three'), close(1002));
    await stage.finish();
  }
});

module.exports = scenarios;
