'use strict';

/** permessage-deflate (RFC 7692): what is offered, what may be agreed to, and messages in all shapes. */

const { Blob } = require('node:buffer');

const { binary, close, deflate, frame, more, ping, text } = require('../helpers/frames');

const RSV1 = { rsv: 4 };
const bytes = (length) => Buffer.alloc(length, 'abcdefghij');
const noise = (length) => {
  // The same on every run.
  const all = Buffer.alloc(length);
  for (let i = 0, state = 1; i < length; i++) {
    all[i] = (state = (state * 1103515245 + 12345) & 0x7fffffff) >> 16;
  }
  return all;
};

/** Offers, and answers to each of them. */
const OFFERS = {
  true: true,
  'an empty object': {},
  false: false,
  serverNoContextTakeover: { serverNoContextTakeover: true },
  clientNoContextTakeover: { clientNoContextTakeover: true },
  'no clientNoContextTakeover': { clientNoContextTakeover: false },
  'no serverNoContextTakeover': { serverNoContextTakeover: false },
  'serverMaxWindowBits of 10': { serverMaxWindowBits: 10 },
  'clientMaxWindowBits of 10': { clientMaxWindowBits: 10 },
  'clientMaxWindowBits of true': { clientMaxWindowBits: true },
  'clientMaxWindowBits of false': { clientMaxWindowBits: false },
  'clientMaxWindowBits of zero': { clientMaxWindowBits: 0 },
  'clientMaxWindowBits of null': { clientMaxWindowBits: null },
  'serverMaxWindowBits of false': { serverMaxWindowBits: false },
  'serverMaxWindowBits of true': { serverMaxWindowBits: true },
  all: {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 11
  }
};

const ANSWERS = [
  'permessage-deflate',
  'permessage-deflate; server_no_context_takeover',
  'permessage-deflate; client_no_context_takeover',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  'permessage-deflate; server_max_window_bits=10',
  'permessage-deflate; server_max_window_bits=15',
  'permessage-deflate; server_max_window_bits=9',
  'permessage-deflate; client_max_window_bits=10',
  'permessage-deflate; client_max_window_bits=15',
  'permessage-deflate; server_max_window_bits="10"; client_max_window_bits="11"'
];

const WRONG_ANSWERS = [
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; server_max_window_bits=7',
  'permessage-deflate; server_max_window_bits=8',
  'permessage-deflate; server_max_window_bits=16',
  'permessage-deflate; server_max_window_bits=010',
  'permessage-deflate; server_max_window_bits=+10',
  'permessage-deflate; server_max_window_bits=1e1',
  'permessage-deflate; server_max_window_bits=10.0',
  'permessage-deflate; server_max_window_bits=x',
  'permessage-deflate; server_max_window_bits=""',
  'permessage-deflate; client_max_window_bits=7',
  'permessage-deflate; client_max_window_bits=8',
  'permessage-deflate; client_max_window_bits=16',
  'permessage-deflate; server_no_context_takeover=1',
  'permessage-deflate; server_no_context_takeover=""',
  'permessage-deflate; client_no_context_takeover=true',
  'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
  'permessage-deflate; server_max_window_bits=10; server_max_window_bits=11',
  'permessage-deflate; unknown',
  'permessage-deflate; unknown=1',
  'permessage-deflate; SERVER_NO_CONTEXT_TAKEOVER',
  'permessage-deflate;',
  'permessage-deflate; ',
  'permessage-deflate;;server_no_context_takeover',
  'permessage-deflate,',
  ',permessage-deflate',
  'permessage-deflate; server_max_window_bits = 10',
  'permessage-deflate; server_max_window_bits=10 ; client_no_context_takeover',
  '  permessage-deflate ;  client_no_context_takeover  ',
  'permessage-deflate; server_max_window_bits="1\\0"',
  'permessage-deflate; server_max_window_bits="10',
  'permessage-deflate; server_max_window_bits=1"0"',
  '"permessage-deflate"',
  'permessage deflate',
  'permessage-deflate; a b',
  'permessage-deflate; \u00e9',
  'permessage-deflate; __proto__',
  'permessage-deflate; constructor=1',
  'x-webkit-deflate-frame'
];

const scenarios = {};

async function negotiate(stage, offer, answer) {
  stage.create(stage.peer.url(), { perMessageDeflate: offer });
  const connection = await stage.peer.connection();
  await connection.accept({ headers: answer === undefined ? [] : [`Sec-WebSocket-Extensions: ${answer}`] });
  await Promise.race([stage.until('open'), stage.until('close')]);
  stage.look(stage.sockets[0]);
  connection.end();
  await stage.finish();
}

for (const [name, offer] of Object.entries(OFFERS)) {
  scenarios[`${name}: no answer`] = (stage) => negotiate(stage, offer);
  for (const answer of ANSWERS) scenarios[`${name}: ${answer}`] = (stage) => negotiate(stage, offer, answer);
}
for (const answer of WRONG_ANSWERS) {
  scenarios[`answer: ${answer}`] = (stage) => negotiate(stage, true, answer);
}

/** Opens with an agreement. */
function agree(stage, { options, answer = 'permessage-deflate', takeover = true, frames } = {}) {
  const headers = [`Sec-WebSocket-Extensions: ${answer}`];
  return stage.open({ perMessageDeflate: true, ...options }, { headers, takeover, frames });
}

async function leave(stage, connection) {
  connection.send(close(1000));
  await stage.finish();
}

/** The peer sends, and the client takes it or complains. */
async function receive(stage, settings, ...parts) {
  const { connection } = await agree(stage, settings);
  connection.send(...parts, close(1000));
  await connection.over();
  await stage.finish();
}

const PAYLOADS = {
  nothing: '',
  'a letter': 'a',
  'a text out of ASCII': 'h\u00e9llo \u20ac',
  'a kilobyte': bytes(1024),
  'a hundred kilobytes': bytes(100_000),
  noise: noise(10_000),
  'a lot of noise': noise(200_000)
};

for (const [name, payload] of Object.entries(PAYLOADS)) {
  scenarios[`received: ${name}`] = (stage) =>
    receive(stage, {}, binary(deflate(payload), RSV1), binary(payload), binary(deflate(payload), RSV1));
  scenarios[`sent: ${name}`] = async (stage) => {
    const { socket, connection } = await agree(stage);
    for (let i = 0; i < 3; i++) stage.call(socket, 'send', payload, stage.callback(`${i}`));
    await stage.callbacks.until('callback 2');
    await connection.frames(3);
    stage.note('amount', socket.bufferedAmount);
    await leave(stage, connection);
  };
  scenarios[`sent without a context: ${name}`] = async (stage) => {
    const answer = 'permessage-deflate; client_no_context_takeover';
    const { socket, connection } = await agree(stage, { answer, takeover: false });
    for (let i = 0; i < 3; i++) stage.call(socket, 'send', payload, stage.callback(`${i}`));
    await stage.callbacks.until('callback 2');
    await connection.frames(3);
    await leave(stage, connection);
  };
}

for (const windowBits of [9, 10, 15]) {
  scenarios[`a window of ${windowBits} bits`] = async (stage) => {
    const answer = `permessage-deflate; server_max_window_bits=${windowBits}; client_max_window_bits=${windowBits}`;
    const { socket, connection } = await agree(stage, { answer });
    const window = 2 ** windowBits;
    const first = noise(20_000);
    connection.send(binary(deflate(first, { windowBits }), RSV1));
    connection.send(
      binary(deflate(first.subarray(-300), { windowBits, dictionary: first.subarray(-window) }), RSV1)
    );
    socket.send(first);
    socket.send(first.subarray(-300));
    await stage.until('message', 2);
    await connection.frames(2);
    await leave(stage, connection);
  };
}

for (const threshold of [0, 1, 10, 1024]) {
  for (const client of [true, false]) {
    scenarios[`a threshold of ${threshold}, ${client ? 'with no' : 'with a'} context`] = async (stage) => {
      const answer = client ? 'permessage-deflate; client_no_context_takeover' : 'permessage-deflate';
      const options = { perMessageDeflate: { threshold } };
      const { socket, connection } = await agree(stage, { options, answer, takeover: !client });
      for (const length of [0, 1, 9, 10, 1023, 1024]) socket.send(bytes(length));
      socket.send(bytes(1), { fin: false });
      socket.send(bytes(1024));
      socket.send('\u20ac'.repeat(4));
      await connection.frames(9);
      await leave(stage, connection);
    };
  }
}

Object.assign(scenarios, {
  'received with a context': (stage) => {
    const first = Buffer.from('hello hello hello');
    return receive(
      stage,
      {},
      text(deflate(first), RSV1),
      text('between'),
      text(deflate(first, { dictionary: first }), RSV1),
      text(deflate(first, { dictionary: Buffer.concat([first, first]) }), RSV1)
    );
  },
  'received without a context': (stage) =>
    receive(
      stage,
      { answer: 'permessage-deflate; server_no_context_takeover' },
      text(deflate('hello'), RSV1),
      text(deflate('hello'), RSV1)
    ),
  'a context that was given up is gone': (stage) => {
    const first = noise(200);
    return receive(
      stage,
      { answer: 'permessage-deflate; server_no_context_takeover' },
      binary(deflate(first), RSV1),
      binary(deflate(first, { dictionary: first }), RSV1)
    );
  },
  'received in fragments': (stage) => {
    const all = deflate(bytes(1000));
    return receive(
      stage,
      {},
      binary(all.subarray(0, 5), { ...RSV1, fin: false }),
      ping('between'),
      more(all.subarray(5, 5), { fin: false }),
      more(all.subarray(5))
    );
  },
  'received in fragments as such': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.binaryType = 'fragments';
    const all = deflate('hello hello hello hello');
    connection.send(binary(all.subarray(0, 5), { ...RSV1, fin: false }), more(all.subarray(5)));
    connection.send(binary(deflate('x'), RSV1), binary(deflate(''), RSV1));
    await stage.until('message', 3);
    await leave(stage, connection);
  },
  'received as other types': async (stage) => {
    const { socket, connection } = await agree(stage);
    for (const type of ['arraybuffer', 'blob', 'nodebuffer']) {
      socket.binaryType = type;
      connection.send(binary(deflate('hello'), RSV1));
      await stage.until('message', ['arraybuffer', 'blob', 'nodebuffer'].indexOf(type) + 1);
    }
    await leave(stage, connection);
  },
  'received with a final block': (stage) => {
    const { deflateRawSync } = require('node:zlib');
    return receive(
      stage,
      {},
      text(Buffer.concat([deflateRawSync('one'), Buffer.alloc(1)]), RSV1),
      text(deflate('two'), RSV1)
    );
  },
  'received with an empty stored block': (stage) => receive(stage, {}, text(Buffer.from([0x00]), RSV1)),
  'received with several blocks': (stage) =>
    receive(
      stage,
      {},
      text(Buffer.concat([deflate('one'), Buffer.from([0, 0, 0xff, 0xff]), deflate('two')]), RSV1)
    ),
  'together with the 101': async (stage) => {
    const { connection } = await agree(stage, { frames: [text(deflate('early'), RSV1)] });
    await stage.until('message');
    await leave(stage, connection);
  },
  garbage: (stage) => receive(stage, {}, text(Buffer.from([0xff, 0xff, 0xff]), RSV1), text('behind')),
  'garbage in the second message': (stage) =>
    receive(stage, {}, text(deflate('good'), RSV1), text(Buffer.from([6]), RSV1)),
  'a distance that is too far back': (stage) =>
    receive(stage, {}, text(Buffer.from([0x4b, 0x04, 0x29]), RSV1)),
  'a message that ends within a block': (stage) =>
    receive(stage, {}, text(deflate(noise(100)).subarray(0, 50), RSV1)),
  'an empty compressed payload': (stage) => receive(stage, {}, text('', RSV1)),
  'invalid UTF-8': (stage) => receive(stage, {}, text(deflate(Buffer.from([0xff])), RSV1)),
  'RSV1 on a continuation': (stage) =>
    receive(stage, {}, text(deflate('x'), { ...RSV1, fin: false }), more('y', RSV1)),
  'RSV1 on a ping': (stage) => receive(stage, {}, ping('x', RSV1)),
  RSV2: (stage) => receive(stage, {}, text('x', { rsv: 2 })),
  'an inflated message at the limit': (stage) =>
    receive(stage, { options: { maxPayload: 100 } }, binary(deflate(bytes(100)), RSV1)),
  'an inflated message over the limit': (stage) =>
    receive(stage, { options: { maxPayload: 100 } }, binary(deflate(bytes(101)), RSV1)),
  'an inflated message far over the limit': (stage) =>
    receive(stage, { options: { maxPayload: 100 } }, binary(deflate(bytes(10_000_000)), RSV1)),
  'inflated fragments over the limit': (stage) => {
    const all = deflate(bytes(101));
    return receive(
      stage,
      { options: { maxPayload: 100 } },
      binary(all.subarray(0, 3), { ...RSV1, fin: false }),
      more(all.subarray(3))
    );
  },
  'a compressed length over the limit': (stage) =>
    receive(stage, { options: { maxPayload: 10 } }, binary(deflate(noise(100)), RSV1)),
  'a limit in every message anew': (stage) =>
    receive(
      stage,
      { options: { maxPayload: 100 } },
      binary(deflate(bytes(90)), RSV1),
      binary(deflate(bytes(90)), RSV1)
    ),
  'no limit': (stage) =>
    receive(stage, { options: { maxPayload: 0 } }, binary(deflate(bytes(10_000_000)), RSV1)),

  'sent in fragments': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send('one ', { fin: false }, stage.callback('one'));
    socket.ping('between');
    socket.send('two ', { fin: false });
    socket.send(bytes(2000), { fin: true }, stage.callback('three'));
    socket.send('next', stage.callback('next'));
    await stage.callbacks.until('callback next');
    await connection.frames(5);
    await leave(stage, connection);
  },
  'sent uncompressed': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send('plain', { compress: false }, stage.callback('plain'));
    socket.send('small', stage.callback('small'));
    socket.send('plain', { compress: false }, stage.callback('plain'));
    socket.send('one', { compress: false, fin: false });
    socket.send('two', { compress: true }, stage.callback('two'));
    socket.send('three', { compress: undefined }, stage.callback('three'));
    await stage.callbacks.until('callback three');
    await connection.frames(6);
    await leave(stage, connection);
  },
  'the order of compressed, plain and control frames': async (stage) => {
    const { socket, connection } = await agree(stage);
    for (let i = 0; i < 5; i++) {
      socket.send(`message ${i}`, stage.callback(`message ${i}`));
      socket.ping(`ping ${i}`, true, stage.callback(`ping ${i}`));
      socket.send(`plain ${i}`, { compress: false }, stage.callback(`plain ${i}`));
    }
    await stage.callbacks.until('callback plain 4');
    await connection.frames(15);
    await leave(stage, connection);
  },
  'a buffer is reused at once': async (stage) => {
    const { socket, connection } = await agree(stage);
    const buffer = bytes(2000);
    socket.send(buffer, stage.callback('sent'));
    stage.note('untouched', buffer.equals(bytes(2000)));
    await stage.callbacks.until('callback sent');
    await connection.frames(1);
    await leave(stage, connection);
  },
  'a blob': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send(new Blob(['blob blob blob']), stage.callback('blob'));
    socket.send('behind', stage.callback('behind'));
    await stage.callbacks.until('callback behind');
    await connection.frames(2);
    await leave(stage, connection);
  },
  unmasked: async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send('x', { mask: false }, stage.callback('sent'));
    await stage.callbacks.until('callback sent');
    await connection.frames(1);
    await leave(stage, connection);
  },
  'bufferedAmount while compressing': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send('foo');
    stage.note('amount', socket.bufferedAmount);
    socket.send('four', stage.callback('four'));
    stage.note('amount', socket.bufferedAmount);
    await stage.callbacks.until('callback four');
    stage.note('amount', socket.bufferedAmount);
    await connection.frames(2);
    await leave(stage, connection);
  },
  'close() behind what is compressed': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.send(bytes(200_000), stage.callback('sent'));
    stage.call(socket, 'close', 1000);
    await connection.frames(2);
    await leave(stage, connection);
  },
  'terminate() while compressing': async (stage) => {
    const { socket, connection } = await agree(stage);
    for (let i = 0; i < 4; i++) socket.send(bytes(100_000), stage.callback(`${i}`));
    stage.note('amount', socket.bufferedAmount);
    stage.call(socket, 'terminate');
    await stage.finish();
    await stage.callbacks.until('callback 3');
    stage.note('amount', socket.bufferedAmount);
    connection.log.length = 0;
  },
  'terminate() in a message': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.once('message', () => stage.call(socket, 'terminate'));
    connection.send(text(deflate('one'), RSV1));
    await stage.finish();
  },
  'an unexpected opcode behind compressed messages': (stage) =>
    receive(stage, {}, text(deflate('one'), RSV1), text(deflate('two'), RSV1), frame(3)),
  'FIN behind compressed messages': async (stage) => {
    const { connection } = await agree(stage);
    connection.send(text(deflate('one'), RSV1), text(deflate('two'), RSV1), text('three'));
    connection.end();
    await stage.finish();
  },
  'pause() with compressed messages': async (stage) => {
    const { socket, connection } = await agree(stage);
    socket.pause();
    connection.send(text(deflate('one'), RSV1), close(1000));
    socket.send('x');
    await connection.frames(1);
    stage.note('resume');
    socket.resume();
    await stage.finish();
  },
  'one message a turn': (stage) =>
    receive(
      stage,
      { options: { allowSynchronousEvents: false } },
      text(deflate('one'), RSV1),
      text('two'),
      text(deflate('three'), RSV1)
    )
});

module.exports = scenarios;
