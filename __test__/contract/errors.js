'use strict';

/** Frames that break the protocol: the error, the status that the peer gets, and what follows. */

const { binary, close, frame, more, Opcode, ping, pong, text } = require('../helpers/frames');

const bytes = (length) => Buffer.alloc(length, 'abc');
const mask = Buffer.from([1, 2, 3, 4]);

/** Invalid UTF-8 of all kinds, in pieces. */
const TEXTS = {
  'a byte that never occurs': [[0xff]],
  'a continuation byte alone': [[0x80]],
  'a sequence that ends early': [[0xe2, 0x82]],
  'a sequence that goes on wrongly': [[0xe2, 0x28, 0xa1]],
  'an overlong slash': [[0xc0, 0xaf]],
  'an overlong of three bytes': [[0xe0, 0x80, 0xaf]],
  'an overlong of four bytes': [[0xf0, 0x80, 0x80, 0xaf]],
  'a surrogate': [[0xed, 0xa0, 0x80]],
  'beyond U+10FFFF': [[0xf4, 0x90, 0x80, 0x80]],
  'five bytes': [[0xf8, 0x88, 0x80, 0x80, 0x80]],
  'behind good text': [[...Buffer.from('h\u00e9llo '.repeat(50)), 0xff]],
  'a letter split between fragments is good': [[0xe2], [0x82], [0xac]],
  'a letter of four bytes split': [
    [0xf0, 0x9f],
    [0x98, 0x80]
  ],
  'bad in the first fragment': [[0xff], [0x41]],
  'bad in the last fragment': [[0x41], [0x42], [0xff]],
  'ends within a letter': [[0x41], [0xe2], [0x82]],
  'a letter that another begins in': [[0xe2], [0x41]],
  'empty fragments around a letter': [[], [0xe2], [], [0x82, 0xac], []],
  'U+FFFF and U+10FFFF are good': [[0xef, 0xbf, 0xbf, 0xf4, 0x8f, 0xbf, 0xbf]],
  'a byte order mark is good': [[0xef, 0xbb, 0xbf, 0x41]],
  'NUL is good': [[0x00, 0x41, 0x00]]
};

const fragments = (pieces) =>
  Buffer.concat(
    pieces.map((piece, index) => {
      const fin = index === pieces.length - 1;
      return index === 0 ? text(piece, { fin }) : more(piece, { fin });
    })
  );

/** What the peer sends; second, options of the socket. */
const WRONG = {
  'a masked text': [text('x', { mask })],
  'a masked ping': [ping('x', { mask })],
  'a masked empty frame': [text('', { mask })],
  'a fragmented ping': [ping('x', { fin: false })],
  'a fragmented pong': [pong('x', { fin: false })],
  'a fragmented close': [close(1000, '', { fin: false })],
  'a ping of 126 bytes': [ping(bytes(126))],
  'a ping of 70000 bytes': [ping(bytes(70000))],
  'a pong with a wide length': [pong('x', { field: 126 })],
  'a ping with the widest length': [ping('x', { field: 127 })],
  'a continuation of nothing': [more('x')],
  'a continuation of nothing that goes on': [more('x', { fin: false })],
  'a continuation behind a whole message': [Buffer.concat([text('x'), more('y')])],
  'a text within a message': [Buffer.concat([text('x', { fin: false }), text('y')])],
  'a binary within a message': [Buffer.concat([text('x', { fin: false }), binary('y', { fin: false })])],
  'RSV1 on a text': [text('x', { rsv: 4 })],
  RSV2: [text('x', { rsv: 2 })],
  RSV3: [binary('x', { rsv: 1 })],
  'all RSV bits': [text('x', { rsv: 7 })],
  'RSV1 on a ping': [ping('x', { rsv: 4 })],
  'RSV1 on a close': [close(1000, '', { rsv: 4 })],
  'RSV1 on a continuation': [Buffer.concat([text('x', { fin: false }), more('y', { rsv: 4 })])],
  'RSV2 goes before the opcode': [frame(3, 'x', { rsv: 2 })],
  'the opcode goes before the mask': [frame(3, 'x', { mask })],
  'FIN goes before the mask': [ping('x', { fin: false, mask })],
  'RSV1 goes before FIN': [ping('x', { fin: false, rsv: 4 })],
  'a length beyond 2^53': [binary('', { length: 2n ** 53n })],
  'a length of 2^53 - 1': [binary('', { length: 2n ** 53n - 1n })],
  'a length with the highest bit': [binary('', { length: 2n ** 63n })],
  'a length beyond 2^53 without a limit': [binary('', { length: 2n ** 53n }), { maxPayload: 0 }],
  'a message at the limit': [binary(bytes(10)), { maxPayload: 10 }],
  'a message over the limit': [binary(bytes(11)), { maxPayload: 10 }],
  'a length over the limit, no payload yet': [binary('', { length: 11 }), { maxPayload: 10 }],
  'a long length over the limit': [binary('', { length: 70000 }), { maxPayload: 10 }],
  'fragments at the limit': [fragments([[65], [66], [67]]), { maxPayload: 3 }],
  'fragments over the limit': [fragments([[65], [66], [67]]), { maxPayload: 2 }],
  'control frames do not count': [
    Buffer.concat([text('abc', { fin: false }), ping(bytes(100)), more('')]),
    { maxPayload: 3 }
  ],
  'the limit of ten megabytes and more': [binary('', { length: 100 * 1024 * 1024 + 1 })],
  'a limit that is negative': [binary(bytes(1000)), { maxPayload: -1 }],
  'a limit beyond 31 bits': [binary(bytes(1000)), { maxPayload: 2 ** 31 }],
  'a limit beyond 32 bits': [binary(bytes(1000)), { maxPayload: 2 ** 32 + 5 }],
  'a limit that is a fraction': [binary(bytes(3)), { maxPayload: 2.9 }],
  'a limit that is no number': [binary(bytes(3)), { maxPayload: 'x' }],
  'a limit that is undefined': [binary(bytes(3)), { maxPayload: undefined }],
  'fragments at their number': [fragments([[65], [66], [67]]), { maxFragments: 3 }],
  'too many fragments': [fragments([[65], [66], [67]]), { maxFragments: 2 }],
  'too many empty fragments': [fragments([[], [], []]), { maxFragments: 2 }],
  'any number of fragments': [fragments(Array.from({ length: 100 }, () => [65])), { maxFragments: 0 }],
  'the usual limit of fragments': [fragments(Array.from({ length: 16 * 1024 + 1 }, () => [65]))]
};

for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) WRONG[`opcode ${opcode}`] = [frame(opcode, 'x')];

const scenarios = {};

/** The peer sends, then takes the close frame and ends. */
async function receive(stage, options, ...parts) {
  const { connection } = await stage.open(options);
  connection.send(...parts);
  await connection.frames(1);
  await stage.finish();
}

for (const [name, [wrong, options]] of Object.entries(WRONG)) {
  scenarios[name] = (stage) =>
    receive(stage, options, text('before'.slice(0, 1)), wrong, close(1000, 'behind'));
}

for (const [name, pieces] of Object.entries(TEXTS)) {
  for (const skipUTF8Validation of [false, true]) {
    scenarios[`UTF-8${skipUTF8Validation ? ', not checked' : ''}: ${name}`] = (stage) =>
      receive(stage, { skipUTF8Validation }, fragments(pieces), close(1000));
  }
}

Object.assign(scenarios, {
  'an invalid reason, not checked': (stage) =>
    receive(stage, { skipUTF8Validation: true }, close(1000, Buffer.from([0xff]))),
  'an error is the last that is read': (stage) =>
    receive(stage, {}, text('one'), frame(3), text('two'), ping('three'), close(1000)),
  'two errors': (stage) => receive(stage, {}, frame(3), frame(4)),
  'an error behind a close frame': (stage) => receive(stage, {}, close(1000), frame(4)),
  'an error while closing': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.close(1000);
    await connection.frames(1);
    connection.send(frame(3));
    await stage.finish();
  },
  'an error while paused': async (stage) => {
    const { socket, connection } = await stage.open();
    stage.call(socket, 'pause');
    connection.send(text('one'), frame(3));
    socket.send('x');
    await connection.frames(1);
    stage.look(socket);
    stage.call(socket, 'resume');
    await stage.finish();
  },
  'an error with one message a turn': (stage) =>
    receive(stage, { allowSynchronousEvents: false }, text('one'), text('two'), frame(3)),
  'an error, then RST': async (stage) => {
    const { connection } = await stage.open();
    connection.send(frame(3));
    await connection.frames(1);
    connection.reset();
    await stage.until('close');
  },
  'an error, then the peer answers with a close frame': async (stage) => {
    const { connection } = await stage.open();
    connection.send(frame(3));
    await connection.frames(1);
    connection.send(close(1002));
    await stage.finish();
  },
  'close() and terminate() in error': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.on('error', () => {
      stage.call(socket, 'close', 4000);
      stage.call(socket, 'send', 'x', stage.callback('send'));
      stage.call(socket, 'terminate');
    });
    connection.send(frame(3));
    await stage.finish();
    // Whether the close frame was on its way before the end is chance.
    connection.log.length = 0;
  },
  'an error while a message goes out': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.send(bytes(500_000), stage.callback('large'));
    connection.send(frame(3));
    await connection.frames(2);
    await stage.finish();
    await stage.callbacks.until('callback large');
  },
  'a wrong frame byte by byte': async (stage) => {
    const { connection } = await stage.open();
    connection.socket.setNoDelay(true);
    for (const byte of frame(Opcode.PING, bytes(126))) {
      connection.send([byte]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stage.finish();
  }
});

module.exports = scenarios;
