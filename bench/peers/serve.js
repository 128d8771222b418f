'use strict';

/**
 * What every peer does with a socket. A binary message is echoed. A text message is a command, until one of them makes
 * texts part of the load; the table of commands is in `loadgen/src/peer/mod.rs`.
 */

/**
 * @param {import('ws')} socket
 * @param {boolean} [ws1] Whether the second argument of `message` is an object, as in ws 1
 */
function serve(socket, ws1) {
  const isBinary = ws1 ? (flags) => flags.binary : (binary) => binary;
  socket.on('error', (error) => process.stderr.write(`socket: ${error.message}\n`));
  socket.on('message', echo);

  function echo(data, kind) {
    if (ws1 ? kind.binary : kind) socket.send(data);
    else command(data.toString());
  }

  function echoAll(data, kind) {
    if (ws1) socket.send(data, { binary: kind.binary });
    else socket.send(data, { binary: kind });
  }

  function command(text) {
    const [name, size, burst] = text.split(' ');
    socket.removeListener('message', echo);
    switch (name) {
      case 'echo-all':
        socket.on('message', echoAll);
        return socket.send('ok');
      case 'receive':
        receive();
        return socket.send('ok');
      case 'send':
        send(Number(size), Number(burst));
        return socket.send('ok');
      default:
        throw new Error(`unknown command ${text}`);
    }
  }

  function receive() {
    let count = 0;
    socket.on('message', (data, kind) => {
      if (isBinary(kind)) {
        count++;
      } else {
        socket.send(`${count}`);
        count = 0;
      }
    });
  }

  /** Sends bursts without end; the next follows when the last message of one is written, and other IO has had a turn. */
  function send(size, burst) {
    const payload = Buffer.alloc(size, 7);
    let count = 0;
    let stopped = false;
    socket.on('message', () => {
      stopped = true;
    });
    const flood = (error) => {
      if (error) return;
      if (stopped) {
        socket.send(`sent ${count}`);
        return;
      }
      for (let i = 1; i < burst; i++) socket.send(payload);
      count += burst;
      socket.send(payload, (failed) => setImmediate(flood, failed));
    };
    setImmediate(flood);
  }
}

module.exports = { serve };
