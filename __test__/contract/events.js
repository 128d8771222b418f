'use strict';

/** Listeners of both kinds, the socket as an EventEmitter, and exceptions that listeners throw. */

const WebSocket = require('ws');

const { binary, close, frame, ping, text } = require('../helpers/frames');

const scenarios = {};

/** What a DOM event shows. */
function event(stage, name, one) {
  const { type, target, data, code, reason, wasClean, error, message } = one;
  const seen = { type, data, code, reason, wasClean, error, message, class: one.constructor.name };
  stage.note(name, seen, target === stage.sockets[0], target.readyState);
}

const listener = (stage, name) => (one) => event(stage, name, one);

/** Opens, and plays messages, an error and the end. */
async function everything(stage, connection) {
  await connection.accept({ frames: [text('text'), binary('bytes'), ping('ping')] });
  await stage.until('ping');
  connection.send(frame(3));
  await stage.finish();
}

async function attach(stage, act, options) {
  const socket = stage.create(stage.peer.url(), options);
  const connection = await stage.peer.connection();
  await act(socket, connection);
  await everything(stage, connection);
  return socket;
}

const TYPES = ['open', 'message', 'error', 'close'];
const DATA_TYPES = ['nodebuffer', 'arraybuffer', 'fragments', 'blob'];

Object.assign(scenarios, {
  'addEventListener()': (stage) =>
    attach(stage, (socket) => {
      for (const type of TYPES) socket.addEventListener(type, listener(stage, `listener ${type}`));
    }),
  'addEventListener() with an object': (stage) =>
    attach(stage, (socket) => {
      const object = {
        name: 'object',
        handleEvent(one) {
          stage.note('this', this.name);
          event(stage, 'handleEvent', one);
        }
      };
      for (const type of TYPES) socket.addEventListener(type, object);
    }),
  'addEventListener() once': (stage) =>
    attach(stage, (socket) => {
      for (const type of TYPES) {
        socket.addEventListener(type, listener(stage, `once ${type}`), { once: true });
      }
    }),
  'addEventListener() of the same twice': (stage) =>
    attach(stage, (socket) => {
      const same = listener(stage, 'same');
      for (let i = 0; i < 3; i++) socket.addEventListener('message', same);
      socket.addEventListener('message', same, { once: true });
      stage.note('count', socket.listenerCount('message'));
    }),
  'addEventListener() of other types': (stage) =>
    attach(stage, (socket) => {
      for (const type of ['ping', 'pong', 'upgrade', 'foo']) {
        socket.addEventListener(type, listener(stage, type));
      }
      stage.note('types', socket.eventNames().sort());
    }),
  'removeEventListener()': (stage) =>
    attach(stage, (socket) => {
      const one = listener(stage, 'one');
      const two = { handleEvent: listener(stage, 'two') };
      for (const type of TYPES) {
        socket.addEventListener(type, one);
        socket.addEventListener(type, two);
        socket.removeEventListener(type, one);
        if (type !== 'message') socket.removeEventListener(type, two);
        const plain = () => stage.note('plain', type);
        socket.on(type, plain);
        socket.removeEventListener(type, plain);
        stage.note('count', socket.listenerCount(type));
      }
    }),
  'the on… properties': (stage) =>
    attach(stage, (socket) => {
      for (const type of TYPES) {
        const name = `on${type}`;
        stage.note(name, socket[name]);
        socket[name] = listener(stage, name);
        stage.note(name, typeof socket[name]);
      }
    }),
  'the on… properties, set again': (stage) =>
    attach(stage, (socket) => {
      for (const type of TYPES) {
        const name = `on${type}`;
        socket[name] = listener(stage, 'first');
        socket.addEventListener(type, listener(stage, 'between'));
        socket[name] = listener(stage, 'second');
      }
    }),
  'the on… properties, cleared': (stage) =>
    attach(stage, (socket) => {
      for (const value of [null, undefined, 0, 'x', {}]) {
        socket.onmessage = listener(stage, 'message');
        socket.onmessage = value;
        stage.note('cleared', socket.onmessage, socket.listenerCount('message'));
      }
    }),
  'an on… property is not removed by removeEventListener()': (stage) =>
    attach(stage, (socket) => {
      const one = listener(stage, 'one');
      socket.onmessage = one;
      socket.removeEventListener('message', one);
      socket.addEventListener('message', one);
      stage.note('count', socket.listenerCount('message'));
    }),
  'the order of listeners of all kinds': (stage) =>
    attach(stage, (socket) => {
      socket.on('message', () => stage.note('on'));
      socket.onmessage = () => stage.note('onmessage');
      socket.addEventListener('message', () => stage.note('addEventListener'));
      socket.prependListener('message', () => stage.note('prepended'));
      socket.once('message', () => stage.note('once'));
      socket.onmessage = () => stage.note('onmessage again');
    }),
  'this in listeners': (stage) =>
    attach(stage, (socket) => {
      for (const type of [...TYPES, 'ping']) {
        socket.on(type, function () {
          stage.note(type, this === socket);
        });
      }
      for (const type of TYPES) {
        socket[`on${type}`] = function () {
          stage.note(`on${type}`, this === socket);
        };
      }
      socket.addEventListener('message', function () {
        stage.note('listener', this === socket);
      });
    }),
  'a listener that is removed while it is told': (stage) =>
    attach(stage, (socket) => {
      const second = () => stage.note('second');
      socket.on('message', () => socket.off('message', second));
      socket.on('message', second);
    }),
  'an EventEmitter as any': (stage) =>
    attach(stage, (socket) => {
      stage.note(socket instanceof WebSocket, socket.eventNames().sort(), socket.listenerCount('message'));
      stage.note(socket.getMaxListeners(), socket.rawListeners('open').length);
      stage.note(
        'own event',
        socket.emit('own', 1),
        socket.on('own', (value) => stage.note('own', value)) === socket
      );
      stage.note('own event', socket.emit('own', 2));
    }),
  'readyState and its constants': async (stage) => {
    const { socket, connection } = await stage.open();
    for (const name of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']) {
      stage.note(name, socket[name], stage.Subject[name]);
      try {
        socket[name] = 7;
      } catch (error) {
        stage.note('threw', error.name);
      }
    }
    for (const name of ['readyState', 'url', 'protocol', 'extensions', 'bufferedAmount', 'isPaused']) {
      try {
        socket[name] = 'changed';
        stage.note(name, 'written');
      } catch (error) {
        stage.note(name, 'threw', error.name);
      }
    }
    connection.end();
    await stage.finish();
  },
  'the properties for..in shows': async (stage) => {
    const { socket, connection } = await stage.open();
    const names = [];
    for (const name in socket) if (!name.startsWith('_')) names.push(name);
    stage.note('names', names.sort());
    connection.end();
    await stage.finish();
  },
  'methods that were taken off the socket': async (stage) => {
    const { socket, connection } = await stage.open();
    const { send, close: end } = socket;
    send.call(socket, 'x');
    end.call(socket, 1000);
    await connection.frames(2);
    connection.end();
    await stage.finish();
  },
  'wasClean after a closing handshake': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.onclose = listener(stage, 'onclose');
    socket.close(1000, 'mine');
    await connection.frames(1);
    connection.send(close(4000, 'theirs'));
    await stage.finish();
  },
  'wasClean where the peer begins': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.onclose = listener(stage, 'onclose');
    connection.send(close());
    await stage.finish();
  },
  'wasClean after FIN': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.onclose = listener(stage, 'onclose');
    connection.end();
    await stage.finish();
  },
  'wasClean where only we closed': async (stage) => {
    const { socket, connection } = await stage.open();
    socket.onclose = listener(stage, 'onclose');
    socket.close(1000);
    await connection.frames(1);
    connection.end();
    await stage.finish();
  },
  'wasClean after terminate()': async (stage) => {
    const { socket } = await stage.open();
    socket.onclose = listener(stage, 'onclose');
    socket.terminate();
    await stage.finish();
  },
  'wasClean of a failed attempt': async (stage) => {
    stage.ignoresPeers = true;
    const socket = stage.create(stage.peer.url());
    socket.onclose = listener(stage, 'onclose');
    socket.onerror = listener(stage, 'onerror');
    socket.close();
    await stage.until('onclose');
  },
  'a subclass': async (stage) => {
    const { Subject } = stage;
    stage.Subject = class Mine extends Subject {
      get mine() {
        return 'mine';
      }
      send(data, ...rest) {
        super.send(`<${data}>`, ...rest);
      }
    };
    const { socket, connection } = await stage.open();
    stage.note('mine', socket.mine, socket instanceof Subject);
    socket.send('x', stage.callback('send'));
    await stage.callbacks.until('callback send');
    connection.end();
    await stage.finish();
  }
});

for (const type of DATA_TYPES) {
  scenarios[`MessageEvent.data as ${type}`] = async (stage) => {
    const { socket, connection } = await stage.open();
    socket.binaryType = type;
    socket.onmessage = listener(stage, 'onmessage');
    connection.send(text('t\u00e9xt'), binary('bytes'), binary(''), text(''));
    await stage.until('onmessage', 4);
    connection.end();
    await stage.finish();
  };
}

/*
 * Exceptions. These run in a process of their own, with the function's text: they may use nothing from around them.
 */
const EXCEPTIONS = {
  'an error that nobody listens for': {
    play(Subject) {
      process.on('uncaughtException', (error, origin) => console.log('uncaught', error.message, origin));
      const socket = new Subject('ws://127.0.0.1:1');
      socket.on('close', (code) => console.log('close', code));
    }
  },
  'an exception in open': {
    play(Subject, url) {
      process.on('uncaughtException', (error, origin) => {
        console.log('uncaught', error.message, origin);
        setImmediate(() => socket.terminate());
      });
      const socket = new Subject(url);
      socket.on('open', () => {
        throw new Error('mine');
      });
      socket.on('close', (code) => console.log('close', code, socket.readyState));
    }
  },
  'an exception in message': {
    frames: [text('one')],
    play(Subject, url) {
      process.on('uncaughtException', (error, origin) => {
        console.log('uncaught', error.message, origin, socket.readyState);
        socket.terminate();
      });
      const socket = new Subject(url);
      socket.on('message', (data) => {
        throw new Error(`mine ${data}`);
      });
      socket.on('close', (code) => console.log('close', code, socket.readyState));
    }
  },
  'an exception in close': {
    frames: [close(1000)],
    ends: true,
    play(Subject, url) {
      process.on('uncaughtException', (error, origin) => console.log('uncaught', error.message, origin));
      const socket = new Subject(url);
      socket.on('close', (code) => {
        throw new Error(`mine ${code}`);
      });
    }
  },
  'an exception in a callback': {
    ends: true,
    play(Subject, url) {
      process.on('uncaughtException', (error, origin) => console.log('uncaught', error.message, origin));
      const socket = new Subject(url);
      socket.on('open', () => {
        for (const name of ['one', 'two', 'three']) {
          socket.send(name, () => {
            console.log('callback', name);
            if (name === 'one') throw new Error(name);
            if (name === 'three') socket.terminate();
          });
        }
      });
      socket.on('close', (code) => console.log('close', code));
    }
  },
  'an exception ends the process': {
    frames: [text('one')],
    play(Subject, url) {
      const socket = new Subject(url);
      socket.on('message', () => {
        console.log('message');
        throw new Error('mine');
      });
    }
  },
  'an open socket keeps the process, a closed one does not': {
    frames: [close(1000)],
    ends: true,
    play(Subject, url) {
      const socket = new Subject(url);
      socket.on('close', (code) => console.log('close', code));
      process.on('exit', (code) => console.log('exit', code));
    }
  },
  'process.exit() with an open socket': {
    play(Subject, url) {
      const socket = new Subject(url);
      socket.on('open', () => process.exit(3));
      socket.on('close', () => console.log('close'));
    }
  }
};

for (const [name, { frames, ends, play }] of Object.entries(EXCEPTIONS)) {
  scenarios[name] = async (stage) => {
    const child = stage.child(play);
    if (play.length > 1) {
      const connection = await stage.peer.connection();
      await connection.accept({ frames });
      await connection.over();
      if (ends) connection.end();
      connection.log.length = 0;
    }
    await child;
  };
}

module.exports = scenarios;
