'use strict';

/** What goes out: messages, fragments, pings and pongs, and what is told about them. */

const { Buffer: NodeBuffer, Blob, File } = require('node:buffer');

const bytes = (length) => NodeBuffer.alloc(length, 'abc');
const shared = () => {
  const memory = new SharedArrayBuffer(3);
  new Uint8Array(memory).set([1, 2, 3]);
  return memory;
};

/** A view whose memory somebody else has got meanwhile. */
const detached = (view) => {
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
};
/** A view of memory that has been shrunk until nothing of it was left. */
const beyond = (View) => {
  const memory = new ArrayBuffer(16, { maxByteLength: 16 });
  const view = new View(memory, 8, 1);
  memory.resize(4);
  return view;
};
const growing = () => {
  const memory = new ArrayBuffer(2, { maxByteLength: 16 });
  const view = new Uint8Array(memory);
  memory.resize(4);
  return view.fill(7);
};

/** Each is sent once by each of send(), ping() and pong(). */
const VALUES = {
  undefined: () => undefined,
  null: () => null,
  false: () => false,
  true: () => true,
  zero: () => 0,
  'minus zero': () => -0,
  'a number': () => 12.5,
  NaN: () => NaN,
  infinity: () => Infinity,
  'a bigint': () => 5n,
  'a bigint of zero': () => 0n,
  'a symbol': () => Symbol('x'),
  'a function': () => function named() {},
  'an object': () => ({}),
  'an object with a primitive': () => ({ valueOf: () => 'text' }),
  'an object like Buffer.toJSON()': () => ({ type: 'Buffer', data: [1, 2, 3] }),
  'an object with toPrimitive': () => ({ [Symbol.toPrimitive]: () => 'primitive' }),
  'an array-like': () => ({ length: 2, 0: 65, 1: 66 }),
  'a String object': () => new String('object'),
  'a date': () => new Date(0),
  'an array': () => [65, 66, 300, '67', null],
  'an empty array': () => [],
  'an array of strings': () => ['a', 'b'],
  'an empty text': () => '',
  'a text': () => 'text',
  'a text out of ASCII': () => 'h\u00e9llo \u4e16 \u{1f600}',
  'a text with lone surrogates': () => 'a\ud800b\udc00c',
  'a text of 125 bytes': () => 'x'.repeat(125),
  'a text of 126 bytes': () => 'x'.repeat(126),
  'a text whose bytes are more than its letters': () => '\u00e9'.repeat(63),
  'an empty buffer': () => NodeBuffer.alloc(0),
  'a buffer': () => NodeBuffer.from([0, 1, 254, 255]),
  'a Uint8Array': () => new Uint8Array([1, 2, 3]),
  'a Uint8ClampedArray': () => new Uint8ClampedArray([1, 2, 300]),
  'a part of a Uint8Array': () => new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 4),
  'a Uint16Array': () => new Uint16Array([1, 2, 3]),
  'a part of a Float64Array': () => new Float64Array([1, 2, 3]).subarray(1, 2),
  'a BigInt64Array': () => new BigInt64Array([1n, -1n]),
  'a DataView': () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
  'an ArrayBuffer': () => new Uint8Array([1, 2, 3]).buffer,
  'an empty ArrayBuffer': () => new ArrayBuffer(0),
  'a SharedArrayBuffer': shared,
  'a view of a SharedArrayBuffer': () => new Uint8Array(shared(), 1),
  'a detached Buffer': () => detached(NodeBuffer.from(new ArrayBuffer(9))),
  'a detached Uint8Array': () => detached(new Uint8Array(9)),
  'a detached Uint16Array': () => detached(new Uint16Array(9)),
  'a detached DataView': () => detached(new DataView(new ArrayBuffer(9))),
  'a detached ArrayBuffer': () => detached(new Uint8Array(9)).buffer,
  'a Uint8Array out of bounds': () => beyond(Uint8Array),
  'a DataView out of bounds': () => beyond(DataView),
  'a view that has grown': growing,
  'a blob': () => new Blob(['blob', NodeBuffer.from([1, 2])]),
  'an empty blob': () => new Blob([]),
  'a blob of 126 bytes': () => new Blob(['x'.repeat(126)]),
  'a file': () => new File(['file'], 'name')
};

const LENGTHS = [0, 1, 125, 126, 127, 16 * 1024, 16 * 1024 + 1, 65535, 65536, 100_000, 1_000_000];

const OPTIONS = {
  undefined,
  none: {},
  binary: { binary: true },
  'not binary': { binary: false },
  'binary undefined': { binary: undefined },
  unmasked: { mask: false },
  masked: { mask: true },
  'mask undefined': { mask: undefined },
  'compressed, where nobody agreed': { compress: true },
  'fin undefined': { fin: undefined },
  everything: { binary: false, mask: true, compress: false, fin: true },
  null: null
};

const scenarios = {};

/** Ends a connection from our side. */
async function leave(stage, socket, connection, frames) {
  socket.close(1000, 'done');
  await connection.frames(frames);
  connection.end();
  await stage.finish();
}

for (const [name, make] of Object.entries(VALUES)) {
  scenarios[`a value: ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    for (const method of ['send', 'ping', 'pong']) stage.call(socket, method, make(), stage.callback(method));
    stage.call(socket, 'send', 'behind', stage.callback('behind'));
    await stage.callbacks.until('callback behind');
    connection.end();
    await stage.finish();
    for (const method of ['send', 'ping', 'pong']) stage.call(socket, method, make(), stage.callback(method));
    stage.look(socket);
  };
}

for (const length of LENGTHS) {
  scenarios[`a message of ${length} bytes`] = async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'send', bytes(length), stage.callback('binary'));
    stage.call(socket, 'send', bytes(length).toString(), stage.callback('text'));
    stage.call(socket, 'send', '\u20ac'.repeat(length / 4), stage.callback('three bytes a letter'));
    await stage.callbacks.until('callback three bytes a letter');
    stage.look(socket);
    await leave(stage, socket, connection, 4);
  };
}

for (const [name, options] of Object.entries(OPTIONS)) {
  scenarios[`options: ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'send', 'text', options, stage.callback('text'));
    stage.call(socket, 'send', bytes(3), options, stage.callback('bytes'));
    stage.call(socket, 'send', bytes(3), options);
    await stage.callbacks.until('callback bytes');
    await leave(stage, socket, connection, 4);
  };
}

Object.assign(scenarios, {
  'a callback for options': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'send', 'x', stage.callback('send'));
    stage.call(socket, 'ping', stage.callback('ping'));
    stage.call(socket, 'ping', 'x', stage.callback('ping'));
    stage.call(socket, 'pong', stage.callback('pong'));
    stage.call(socket, 'pong', 'x', false, stage.callback('pong'));
    stage.call(socket, 'send', 'last', stage.callback('last'));
    await stage.callbacks.until('callback last');
    await leave(stage, socket, connection, 7);
  },
  'callbacks come later, and in order': async (stage) => {
    const { socket, connection } = await stage.open();
    for (let i = 0; i < 5; i++) {
      socket.send(`${i}`, stage.callback(`send ${i}`));
      socket.ping(`${i}`, true, stage.callback(`ping ${i}`));
    }
    stage.callbacks.note('all sent');
    await stage.callbacks.until('callback ping 4');
    await leave(stage, socket, connection, 11);
  },
  'sending in a callback': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send('1', () => {
      stage.callbacks.note('callback 1');
      socket.send('3', stage.callback('3'));
    });
    socket.send('2', stage.callback('2'));
    await stage.callbacks.until('callback 3');
    await leave(stage, socket, connection, 4);
  },
  'a buffer is reused at once': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const length of [10, 1000, 40_000]) {
      const buffer = bytes(length);
      socket.send(buffer);
      stage.note('untouched', buffer.equals(bytes(length)));
      buffer.fill(0);
    }
    await leave(stage, socket, connection, 4);
  },
  'many messages in one tick': async (stage) => {
    const { socket, connection } = await stage.open();
    for (let i = 0; i < 3000; i++) socket.send(`message ${i}`);
    socket.send('last', stage.callback('last'));
    await stage.callbacks.until('callback last');
    await leave(stage, socket, connection, 3002);
  },

  'a message in fragments': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send('one', { fin: false }, stage.callback('one'));
    socket.send('two', { fin: false }, stage.callback('two'));
    socket.ping('between');
    socket.send('three', { fin: true }, stage.callback('three'));
    socket.send('next', stage.callback('next'));
    await stage.callbacks.until('callback next');
    await leave(stage, socket, connection, 6);
  },
  'the first fragment decides on text and binary': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send(bytes(1), { fin: false });
    socket.send('text', { fin: false, binary: false });
    socket.send('', { fin: false });
    socket.send(bytes(1));
    socket.send('text', { fin: false });
    socket.send(bytes(1), { binary: true });
    await leave(stage, socket, connection, 7);
  },
  'a message that ends in a close frame': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send('one', { fin: false });
    await leave(stage, socket, connection, 2);
  },
  generateMask: async (stage) => {
    const masks = [];
    const generateMask = (mask) => {
      masks.push([mask.length, Buffer.isBuffer(mask)]);
      mask.set([1, 2, 3, 4]);
    };
    const socket = stage.create(stage.peer.url(), { generateMask });
    const connection = await stage.peer.connection();
    connection.keepsKeys = true;
    await connection.accept();
    await stage.until('open');
    socket.send('text', stage.callback('text'));
    socket.send(bytes(200));
    socket.send('unmasked', { mask: false });
    socket.send('');
    socket.ping('x');
    await connection.frames(5);
    await leave(stage, socket, connection, 6);
    stage.note('masks', masks);
  },
  'a generateMask that throws': async (stage) => {
    let wrong = false;
    const generateMask = (mask) => {
      if (wrong) throw new Error('no mask');
      mask.fill(7);
    };
    const socket = stage.create(stage.peer.url(), { generateMask });
    const connection = await stage.peer.connection();
    await connection.accept();
    await stage.until('open');
    stage.call(socket, 'send', 'before', stage.callback('before'));
    wrong = true;
    for (const method of ['send', 'ping', 'pong']) stage.call(socket, method, 'bad', stage.callback('bad'));
    stage.call(socket, 'close', 1000);
    stage.look(socket);
    wrong = false;
    stage.call(socket, 'send', 'behind', stage.callback('behind'));
    await stage.callbacks.until('callback behind');
    await leave(stage, socket, connection, 3);
  },
  'a generateMask of zeros': async (stage) => {
    const socket = stage.create(stage.peer.url(), { generateMask: (mask) => mask.fill(0) });
    const connection = await stage.peer.connection();
    connection.keepsKeys = true;
    await connection.accept();
    await stage.until('open');
    socket.send('text');
    socket.send(bytes(70_000));
    await leave(stage, socket, connection, 3);
  },
  'pings and pongs without masks': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const mask of [true, false, undefined, null, 0]) {
      stage.call(socket, 'ping', 'x', mask);
      stage.call(socket, 'pong', 'x', mask);
    }
    await leave(stage, socket, connection, 11);
  },

  'a blob holds back what is sent after it': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send('before', stage.callback('before'));
    // Who writes it is free to do so a little later.
    await stage.callbacks.until('callback before');
    socket.send(new Blob(['blob']), stage.callback('blob'));
    stage.note('amount', socket.bufferedAmount);
    socket.send('text', stage.callback('text'));
    const buffer = bytes(4);
    socket.send(buffer, stage.callback('bytes'));
    buffer.fill(0);
    socket.ping('ping', true, stage.callback('ping'));
    socket.send(new Blob(['another']), { fin: false }, stage.callback('another'));
    socket.send('end', stage.callback('end'));
    stage.note('amount', socket.bufferedAmount);
    await stage.callbacks.until('callback end');
    stage.note('amount', socket.bufferedAmount);
    await leave(stage, socket, connection, 8);
  },
  'close() waits for a blob': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send(new Blob(['blob']), stage.callback('blob'));
    socket.send('behind', stage.callback('behind'));
    await leave(stage, socket, connection, 3);
    await stage.callbacks.until('callback behind');
  },
  'terminate() while a blob is read': async (stage) => {
    const { socket } = await stage.open();
    socket.send(new Blob(['blob']), stage.callback('blob'));
    socket.send('behind', stage.callback('behind'));
    socket.ping('x', true, stage.callback('ping'));
    stage.call(socket, 'terminate');
    await stage.finish();
    await stage.callbacks.until('callback ping');
    stage.look(socket);
  },
  'a blob that cannot be read': async (stage) => {
    const { socket, connection } = await stage.open();
    const blob = new Blob(['blob']);
    blob.arrayBuffer = () => Promise.reject(new Error('unreadable'));
    socket.send(blob, stage.callback('blob'));
    socket.send('behind', stage.callback('behind'));
    await stage.until('error');
    stage.look(socket);
    stage.call(socket, 'send', 'later', stage.callback('later'));
    await stage.callbacks.until('callback later');
    await connection.over();
    await stage.finish();
  },
  'close() while a blob turns out to be unreadable': async (stage) => {
    const { socket } = await stage.open();
    const blob = new Blob(['blob']);
    blob.arrayBuffer = () => Promise.reject(new Error('unreadable'));
    socket.send(blob, stage.callback('blob'));
    stage.call(socket, 'close', 1000);
    await stage.finish();
    await stage.callbacks.until('callback blob');
  },
  'a blob with text options': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send(new Blob(['text']), { binary: false });
    socket.send(new Blob(['unmasked']), { mask: false });
    await leave(stage, socket, connection, 3);
  },

  'bufferedAmount under back-pressure': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.socket.pause();
    const megabyte = bytes(1024 * 1024);
    for (let i = 0; i < 16; i++) socket.send(megabyte, stage.callback(`${i}`));
    stage.note('amount', socket.bufferedAmount > 0);
    const before = await standstill(socket);
    socket.send('x'.repeat(100), stage.callback('small'));
    stage.note('grew by', socket.bufferedAmount - before);
    socket.ping('x'.repeat(10));
    stage.note('grew by', socket.bufferedAmount - before);
    socket.send(bytes(200));
    stage.note('grew by', socket.bufferedAmount - before);
    stage.note(
      'nothing said of',
      stage.callbacks.log.some(([name]) => name === 'callback small')
    );
    connection.socket.resume();
    await stage.callbacks.until('callback small');
    await leave(stage, socket, connection, 20);
    stage.note('amount', socket.bufferedAmount);
  },
  'terminate() under back-pressure': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.socket.pause();
    for (let i = 0; i < 16; i++) socket.send(bytes(1024 * 1024), i < 14 ? undefined : stage.callback(`${i}`));
    stage.note('amount', socket.bufferedAmount > 0);
    stage.call(socket, 'terminate');
    connection.socket.resume();
    await stage.finish();
    await stage.callbacks.until('callback 15');
    stage.note('amount', socket.bufferedAmount > 0);
    connection.log.length = 0;
  },
  'RST under back-pressure': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.socket.pause();
    for (let i = 0; i < 16; i++) socket.send(bytes(1024 * 1024), i < 14 ? undefined : stage.callback(`${i}`));
    connection.reset();
    await stage.until('close');
    await stage.callbacks.until('callback 15');
    stage.note('amount', socket.bufferedAmount > 0);
    for (const [, error] of stage.callbacks.log) stage.note('failed', error instanceof Object);
    stage.callbacks.log.length = 0;
  },
  'bufferedAmount after the end': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.end();
    await stage.finish();
    stage.note('amount', socket.bufferedAmount);
    for (const data of ['abc', '\u20ac', bytes(10), new Blob(['four']), [1, 2], undefined, '', 5]) {
      stage.call(socket, 'send', data, stage.callback('send'));
      stage.note('amount', socket.bufferedAmount);
    }
    stage.call(socket, 'ping', 'abc');
    stage.call(socket, 'pong', 'x'.repeat(200));
    stage.call(socket, 'send', {});
    stage.call(socket, 'send', true);
    stage.note('amount', socket.bufferedAmount);
    await stage.callbacks.until('callback send', 8);
  },
  'sending while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'close', 1000);
    for (const method of ['send', 'ping', 'pong']) {
      stage.call(socket, method, 'text', stage.callback(method));
      stage.call(socket, method, 'text');
      stage.call(socket, method, 12, stage.callback(method));
      stage.call(socket, method, {});
      stage.call(socket, method, 'x'.repeat(126), stage.callback(method));
    }
    stage.look(socket);
    await connection.frames(1);
    connection.end();
    await stage.finish();
    stage.look(socket);
  },
  'no callback, no error': async (stage) => {
    const { socket, connection } = await stage.open();
    connection.reset();
    await stage.until('close');
    stage.call(socket, 'send', 'x');
    stage.call(socket, 'send', 'x', {});
    stage.call(socket, 'send', 'x', {}, null);
  }
});

/** The amount at which the kernel takes no more: its buffers grow for a while. */
async function standstill(socket) {
  for (let last = -1, same = 0; ;) {
    same = socket.bufferedAmount === last ? same + 1 : 0;
    if (same === 10) return last;
    last = socket.bufferedAmount;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

module.exports = scenarios;
