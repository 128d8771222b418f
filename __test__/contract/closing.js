'use strict';

/** How connections end: close frames in all directions, FIN and RST at every stage, terminate(). */

const { Blob } = require('node:buffer');

const { close, frame, Opcode, ping, text } = require('../helpers/frames');

/** Codes that a close frame may carry, and those that it may not. */
const CODES = [
  -1,
  0,
  1,
  999,
  1000,
  1001,
  1002,
  1003,
  1004,
  1005,
  1006,
  1007,
  1008,
  1009,
  1010,
  1011,
  1012,
  1013,
  1014,
  1015,
  1016,
  1100,
  2000,
  2999,
  3000,
  3999,
  4000,
  4999,
  5000,
  65535,
  65536,
  1000.5,
  NaN,
  '1000',
  null,
  true,
  {}
];

const REASONS = {
  undefined,
  null: null,
  'an empty text': '',
  'a text': 'reason',
  'a text out of ASCII': '\u20ac\u{1f600}',
  'a text with a lone surrogate': 'a\ud800',
  'a text of 123 bytes': 'x'.repeat(123),
  'a text of 124 bytes': 'x'.repeat(124),
  'a text of 42 letters and 126 bytes': '\u20ac'.repeat(42),
  'a buffer': Buffer.from('reason'),
  'a buffer that is no UTF-8': Buffer.from([0xff, 0xfe]),
  'an empty buffer': Buffer.alloc(0),
  'a buffer of 124 bytes': Buffer.alloc(124),
  'a Uint8Array': new Uint8Array([65, 66]),
  'a Uint16Array': new Uint16Array([65, 66]),
  'a DataView': new DataView(new ArrayBuffer(3)),
  'an ArrayBuffer': new ArrayBuffer(3),
  'a number': 5,
  'an object': {},
  'an object with a length': { length: 3 },
  'an array': [65, 66],
  'an empty array': [],
  true: true,
  'a symbol': Symbol('x')
};

const scenarios = {};

/** Answers our close frame as a good server does. */
async function answer(stage, connection, reply, frames = 1) {
  await connection.frames(frames);
  connection.send(reply ?? close(1000));
  await stage.finish();
}

for (const code of CODES) {
  scenarios[`close(${typeof code === 'string' ? `'${code}'` : String(code)})`] = async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', code);
    stage.look(socket);
    if (socket.readyState === 1) stage.call(socket, 'close');
    await answer(stage, connection, close(4001, 'theirs'));
    stage.look(socket);
  };
  if (typeof code !== 'number' || !(code >= 0 && code < 65536)) continue;
  scenarios[`the peer closes with ${code}`] = async (stage) => {
    const { connection } = await stage.open();
    connection.send(close(Math.floor(code), 'theirs'));
    await stage.finish();
  };
}

for (const [name, reason] of Object.entries(REASONS)) {
  scenarios[`a reason: ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', undefined, reason);
    await answer(stage, connection);
  };
  scenarios[`a code and a reason: ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', 1000, reason);
    if (socket.readyState === 1) stage.call(socket, 'close', 1001, 'second');
    await answer(stage, connection);
  };
}

const THEIRS = {
  'an empty close frame': close(),
  'a code': close(1001),
  'a code and a reason': close(4000, 'because'),
  'a reason out of ASCII': close(1000, '\u20ac'),
  'a reason of 123 bytes': close(1000, 'x'.repeat(123)),
  'a close frame of one byte': frame(Opcode.CLOSE, 'x'),
  'a reason that is no UTF-8': close(1000, Buffer.from([0xff])),
  'a reason that ends within a letter': close(1000, Buffer.from([0xe2, 0x82])),
  'a close frame of 126 bytes': frame(Opcode.CLOSE, Buffer.alloc(126)),
  'two close frames': Buffer.concat([close(1000), close(1001)]),
  'a message behind the close frame': Buffer.concat([close(1000), text('late'), ping('late')]),
  'nonsense behind the close frame': Buffer.concat([close(1000), frame(3, 'x')])
};

for (const [name, bytes] of Object.entries(THEIRS)) {
  scenarios[`the peer sends ${name}`] = async (stage) => {
    const { connection } = await stage.open();
    connection.send(bytes);
    await stage.finish();
  };
  scenarios[`the peer answers with ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000, 'mine');
    await answer(stage, connection, bytes);
  };
  scenarios[`the peer sends ${name}, and FIN`] = async (stage) => {
    const { connection } = await stage.open();
    connection.send(bytes);
    connection.end();
    await stage.finish();
  };
}

Object.assign(scenarios, {
  'both close at the same time': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.send(close(4000, 'theirs'));
    socket.close(4001, 'mine');
    await stage.finish();
  },
  'close() twice': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', 1000);
    stage.call(socket, 'close', 1001);
    stage.call(socket, 'close', 'nonsense');
    await answer(stage, connection);
    stage.call(socket, 'close', 1000);
    stage.call(socket, 'close', 'nonsense');
    stage.call(socket, 'terminate');
  },
  'close() in open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    socket.on('open', () => stage.call(socket, 'close', 1000, 'x'));
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early')] });
    await answer(stage, connection);
  },
  'terminate() in open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    socket.on('open', () => stage.call(socket, 'terminate'));
    const connection = await stage.peer.connection();
    await connection.accept();
    await stage.finish();
  },
  'close() behind messages': async (stage) => {
    const { socket, connection } = await stage.open();
    for (let i = 0; i < 100; i++) socket.send(`message ${i}`);
    socket.send(Buffer.alloc(300_000), stage.callback('large'));
    socket.close(1000);
    await answer(stage, connection, undefined, 102);
  },
  'messages until the peer closes': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await connection.frames(1);
    connection.send(text('one'), ping('two'), text('three'), close(1000, 'done'));
    await stage.finish();
  },
  'close() in close': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.on('close', () => {
      for (const method of ['close', 'terminate', 'pause', 'resume']) stage.call(socket, method);
      stage.look(socket);
    });
    connection.send(close(1000));
    await stage.finish();
  },
  'the state when the peer closes': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.on('message', () => stage.look(socket));
    connection.send(text('x'), close(1000));
    await connection.over();
    stage.look(socket);
    connection.end();
    await stage.finish();
  },

  'FIN without a close frame': async (stage) => {
    const { connection } = await stage.open();
    connection.end();
    await stage.finish();
  },
  'FIN behind messages': async (stage) => {
    const { connection } = await stage.open();
    connection.send(text('one'), text('two'));
    connection.end();
    await stage.finish();
  },
  'FIN in the middle of a frame': async (stage) => {
    const { connection } = await stage.open();
    connection.send(text('one'), text('two').subarray(0, 3));
    connection.end();
    await stage.finish();
  },
  'FIN in the middle of a message': async (stage) => {
    const { connection } = await stage.open();
    connection.send(text('one', { fin: false }));
    connection.end();
    await stage.finish();
  },
  'FIN while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await connection.frames(1);
    connection.end();
    await stage.finish();
  },
  'FIN under back-pressure': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.socket.pause();
    for (let i = 0; i < 8; i++) socket.send(Buffer.alloc(1024 * 1024), stage.callback(`${i}`));
    connection.end();
    await stage.until('sent', 0);
    connection.socket.resume();
    await stage.finish();
    await stage.callbacks.until('callback 7');
  },
  'sending after FIN': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.on('message', () => stage.note('state', socket.readyState));
    connection.send(text('x'));
    connection.end();
    await stage.finish();
    stage.call(socket, 'send', 'x', stage.callback('send'));
    await stage.callbacks.until('callback send');
  },
  RST: async (stage) => {
    const { connection } = await stage.open();
    connection.reset();
    await stage.until('close');
  },
  'RST while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await connection.frames(1);
    connection.reset();
    await stage.until('close');
  },
  'RST in answer to a close frame from both': async (stage) => {
    const { connection } = await stage.open();
    connection.send(close(1001, 'x'));
    await connection.frames(1);
    await connection.over();
    connection.reset();
    await stage.until('close');
  },
  'the peer closes and keeps the connection': async (stage) => {
    const { connection } = await stage.open({ closeTimeout: 30 });
    connection.send(close(1001, 'x'));
    await connection.over();
    await stage.until('close');
  },
  'the peer does not answer a close frame': async (stage) => {
    const { socket, connection } = await stage.open({ closeTimeout: 30 });
    socket.close(1000);
    await connection.frames(1);
    await stage.until('close');
    await connection.over();
  },
  'the peer does not answer a protocol error': async (stage) => {
    const { connection } = await stage.open({ closeTimeout: 30 });
    connection.send(frame(3));
    await stage.until('close');
    await connection.over();
  },
  'a closeTimeout of zero': async (stage) => {
    const { socket, connection } = await stage.open({ closeTimeout: 0 });
    socket.close(1000);
    await connection.frames(1);
    await stage.until('close');
    await connection.over();
  },

  'terminate()': async (stage) => {
    const { socket } = await stage.open();
    stage.call(socket, 'terminate');
    stage.look(socket);
    await stage.finish();
    stage.call(socket, 'terminate');
  },
  'terminate() while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', 1000);
    await connection.frames(1);
    stage.call(socket, 'terminate');
    await stage.finish();
  },
  'terminate() in message, in close, in error': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const event of ['message', 'error', 'close']) {
      socket.on(event, () => stage.call(socket, 'terminate'));
    }
    connection.send(text('x'), frame(3));
    await stage.finish();
  },
  'terminate() and close() in one': async (stage) => {
    const { socket } = await stage.open();
    stage.call(socket, 'terminate');
    stage.call(socket, 'close', 1000);
    stage.call(socket, 'send', 'x', stage.callback('send'));
    stage.call(socket, 'pause');
    stage.call(socket, 'resume');
    await stage.finish();
  },
  'close() and terminate() in one': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', 1000);
    stage.call(socket, 'terminate');
    await stage.finish();
    // Whether the frame was on its way before the end is chance.
    connection.log.length = 0;
  },
  'terminate() after the peer has closed': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.send(close(4000, 'bye'));
    await connection.over();
    stage.call(socket, 'terminate');
    await stage.finish();
  },
  'a listener of finish of the socket': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await answer(stage, connection);
    stage.note('socket', socket._socket === null);
  },
  'close() while a blob is being read, and the peer closes': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send(new Blob(['x']));
    connection.send(close(4000, 'theirs'));
    await stage.finish();
  },
  'Symbol.asyncIterator and the like are not there': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.note(typeof socket[Symbol.asyncIterator], typeof socket[Symbol.dispose]);
    connection.end();
    await stage.finish();
  }
});

module.exports = scenarios;
