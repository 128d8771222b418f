'use strict';

/** ws's createWebSocketStream() over both sockets. */

const { pipeline, finished } = require('node:stream');

const { createWebSocketStream } = require('ws');

const { binary, close, frame, text } = require('../helpers/frames');

const EVENTS = ['ready', 'readable-side', 'end', 'finish', 'close', 'error'];

/** Makes the stream of a socket and writes down what it says. */
function streamOf(stage, socket, options) {
  const stream = createWebSocketStream(socket, options);
  for (const event of EVENTS) stream.on(event, (...args) => stage.note(`stream ${event}`, ...args));
  return stream;
}

function reading(stage, stream) {
  stream.on('data', (chunk) => stage.note('stream data', chunk));
  return stream;
}

async function open(stage, options, acceptance) {
  const { socket, connection } = await stage.open(undefined, acceptance);
  const stream = streamOf(stage, socket, options);
  return { socket, connection, stream };
}

/** Both the socket and the stream come to their ends. */
async function leave(stage, stream) {
  await stage.finish();
  if (stream !== undefined) {
    await stage.until('stream end');
    // Half-open is the default of these streams.
    stream.end();
  }
  await stage.until('stream close');
}

const scenarios = {
  'reading messages': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    connection.send(text('one'), binary('two'), text(''), close(1000));
    await leave(stage, stream);
  },
  'reading text as an object': async (stage) => {
    const { connection, stream } = await open(stage, { readableObjectMode: true });
    reading(stage, stream);
    connection.send(text('one'), binary('two'), text(''), close(1000));
    await leave(stage, stream);
  },
  'reading with an encoding': async (stage) => {
    const { connection, stream } = await open(stage, { encoding: 'utf8' });
    reading(stage, stream);
    connection.send(text('one \u20ac'), binary('two'), close(1000));
    await leave(stage, stream);
  },
  writing: async (stage) => {
    const { connection, stream } = await open(stage);
    stream.write('one', stage.callback('one'));
    stream.write(Buffer.from('two'), stage.callback('two'));
    stream.write(new Uint8Array([1, 2]), stage.callback('three'));
    await stage.callbacks.until('callback three');
    await connection.frames(3);
    stream.end('four', stage.callback('end'));
    await connection.frames(5);
    connection.send(close(1000));
    reading(stage, stream);
    await leave(stage);
  },
  'writing strings as they are': async (stage) => {
    const { connection, stream } = await open(stage, { decodeStrings: false });
    stream.write('text');
    stream.end('end');
    reading(stage, stream);
    await connection.frames(3);
    connection.send(close(1000));
    await leave(stage);
  },
  'writing before open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    const stream = reading(stage, streamOf(stage, socket));
    stream.write('early', stage.callback('early'));
    stream.end('end');
    const connection = await stage.peer.connection();
    await connection.accept();
    await connection.frames(3);
    connection.send(text('answer'), close(1000));
    await leave(stage);
  },
  'end() before open, with a failure': async (stage) => {
    const socket = stage.create(stage.peer.url());
    const stream = reading(stage, streamOf(stage, socket));
    stream.end();
    const connection = await stage.peer.connection();
    await connection.request();
    connection.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    await leave(stage);
  },
  'a failure to connect': async (stage) => {
    const socket = stage.create(stage.peer.url());
    streamOf(stage, socket);
    const connection = await stage.peer.connection();
    await connection.request();
    connection.end();
    await leave(stage);
  },
  'destroy() before open': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    const stream = streamOf(stage, socket);
    stream.destroy();
    await stage.until('close');
    await stage.until('stream close');
  },
  'destroy()': async (stage) => {
    const { stream } = await open(stage);
    stream.destroy();
    await leave(stage);
  },
  'destroy(error)': async (stage) => {
    const { stream } = await open(stage);
    stream.destroy(new Error('mine'));
    await leave(stage);
  },
  'destroy() while the other side sends': async (stage) => {
    const { connection, stream } = await open(stage);
    stream.once('data', () => stream.destroy());
    connection.send(text('one'), text('two'), text('three'));
    await leave(stage);
  },
  'end() and what still comes': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    stream.end();
    await connection.frames(1);
    connection.send(text('late'), close(1000));
    await leave(stage);
  },
  'the peer closes': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    connection.send(close(4000, 'bye'));
    await leave(stage, stream);
  },
  'the peer closes with allowHalfOpen': async (stage) => {
    const { connection, stream } = await open(stage, { allowHalfOpen: true });
    reading(stage, stream);
    connection.send(text('one'), close(4000, 'bye'));
    await stage.finish();
    await stage.until('stream end');
    stage.note('writable', stream.writable);
    stream.write('late', stage.callback('late'));
    await stage.until('stream close');
  },
  'FIN of the peer': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    connection.send(text('one'));
    connection.end();
    await leave(stage, stream);
  },
  'RST of the peer': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    connection.reset();
    await stage.until('close');
    // Without FIN its end() would wait for good.
    stream.destroy();
    await stage.until('stream close');
  },
  'a protocol error': async (stage) => {
    const { connection, stream } = await open(stage);
    reading(stage, stream);
    connection.send(text('one'), frame(3));
    await leave(stage);
  },
  'terminate() of the socket': async (stage) => {
    const { socket, stream } = await open(stage);
    reading(stage, stream);
    socket.terminate();
    await stage.finish();
    stream.destroy();
    await stage.until('stream close');
  },
  'close() of the socket': async (stage) => {
    const { socket, connection, stream } = await open(stage);
    reading(stage, stream);
    socket.close(1000);
    await connection.frames(1);
    connection.send(close(1000));
    await leave(stage, stream);
  },
  'a write after the socket has been closed': async (stage) => {
    const { socket, connection, stream } = await open(stage);
    reading(stage, stream);
    socket.close(1000);
    stream.write('late', stage.callback('late'));
    await leave(stage);
    // The failed write terminates the socket; whether the close frame was on its way by then is chance.
    connection.log.length = 0;
  },
  'back-pressure of a reader': async (stage) => {
    const { socket, connection, stream } = await open(stage, { readableHighWaterMark: 10 });
    connection.send(binary('x'.repeat(20)));
    await stage.until('message');
    stage.note('paused', socket.isPaused);
    connection.send(binary('second'), close(1000));
    stage.note('read', stream.read());
    await stage.until('message', 2);
    reading(stage, stream);
    await leave(stage, stream);
    stage.note('paused', socket.isPaused);
  },
  'back-pressure of a writer': async (stage) => {
    const { connection, stream } = await open(stage, { writableHighWaterMark: 10 });
    reading(stage, stream);
    connection.socket.pause();
    let more = true;
    for (let i = 0; i < 16; i++) more = stream.write(Buffer.alloc(1024 * 1024), stage.callback(`${i}`));
    // Whether the kernel had room for the first of them is its own affair.
    stage.note('more', more);
    stream.on('drain', () => stage.note('drain'));
    connection.socket.resume();
    await stage.until('drain');
    connection.send(close(1000));
    await connection.frames(17);
    await leave(stage, stream);
  },
  'nobody reads': async (stage) => {
    const { connection, stream } = await open(stage);
    connection.send(text('one'), close(1000));
    await stage.until('close', 0);
    await connection.frames(1);
    stage.note('length', stream.readableLength);
    reading(stage, stream);
    await leave(stage, stream);
  },
  'a pipeline that echoes': async (stage) => {
    const { connection, stream } = await open(stage);
    pipeline(stream, stream, (error) => stage.note('pipeline', error));
    connection.send(binary('one'), binary('two'));
    await connection.frames(2);
    connection.send(close(1000));
    await leave(stage);
    await stage.until('pipeline');
  },
  'async iteration': async (stage) => {
    const { connection, stream } = await open(stage);
    connection.send(text('one'), text('two'), close(1000));
    const iterate = (async () => {
      for await (const chunk of stream) stage.note('chunk', chunk);
      stage.note('done');
    })();
    await stage.finish();
    await iterate;
  },
  'leaving an async iteration': async (stage) => {
    const { connection, stream } = await open(stage);
    connection.send(text('one'), text('two'));
    const iterate = (async () => {
      for await (const chunk of stream) {
        stage.note('chunk', chunk);
        break;
      }
    })();
    await stage.finish();
    await iterate;
  },
  'finished()': async (stage) => {
    const { connection, stream } = await open(stage);
    finished(stream, (error) => stage.note('finished', error));
    reading(stage, stream);
    stream.end('x');
    await connection.frames(2);
    connection.send(close(1000));
    await leave(stage);
    await stage.until('finished');
  },
  'over compressed messages': async (stage) => {
    const { connection, stream } = await open(
      stage,
      {},
      { headers: ['Sec-WebSocket-Extensions: permessage-deflate'] }
    );
    reading(stage, stream);
    stream.write('one', stage.callback('one'));
    stream.end('two');
    await connection.frames(3);
    connection.send(text('three'), close(1000));
    await leave(stage);
  },
  'no data event before open': async (stage) => {
    const socket = stage.create(stage.peer.url());
    const stream = reading(stage, streamOf(stage, socket));
    const connection = await stage.peer.connection();
    await connection.accept({ frames: [text('early'), close(1000)] });
    await leave(stage, stream);
  }
};

module.exports = scenarios;
