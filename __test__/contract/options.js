'use strict';

/** Options that are empty, and numbers that are text: ws spreads its options, and so `undefined` is a value to it. */

const { binary, close, ping, text } = require('../helpers/frames');

const TIMES = {
  undefined,
  null: null,
  'a number as text': '500',
  'no number': 'x',
  negative: -1
};

const scenarios = {};

for (const [name, closeTimeout] of Object.entries(TIMES)) {
  scenarios[`closeTimeout is ${name}, and the peer closes`] = async (stage) => {
    const { connection } = await stage.open({ closeTimeout });
    connection.send(close(1000));
    await connection.frames(1);
    connection.end();
    await stage.finish();
  };
}

for (const [name, value] of Object.entries({ undefined, null: null })) {
  const open = async (stage, option, acceptance) => {
    const { connection } = await stage.open({ [option]: value }, acceptance);
    connection.send(ping('x'), text('hello'), close(1000));
    await stage.finish();
  };
  for (const option of [
    'autoPong',
    'auth',
    'defaultPort',
    'followRedirects',
    'generateMask',
    'headers',
    'maxFragments',
    'maxPayload',
    'maxPendingAutoPongs',
    'origin',
    'perMessageDeflate',
    'skipUTF8Validation'
  ]) {
    scenarios[`${option} is ${name}`] = (stage) => open(stage, option);
  }
  for (const option of ['protocolVersion', 'handshakeTimeout', 'protocols']) {
    scenarios[`${option} is ${name}`] = async (stage) => {
      stage.ignoresPeers = true;
      try {
        const socket = new stage.Subject('ws://127.0.0.1', { [option]: value });
        socket.on('error', () => {}).terminate();
        stage.note('constructed');
      } catch (error) {
        stage.note('threw', error.name);
      }
    };
  }
}

for (const [name, generateMask] of Object.entries({ false: false, 0: 0, 'an empty text': '' })) {
  scenarios[`generateMask is ${name}`] = async (stage) => {
    const { socket, connection } = await stage.open({ generateMask });
    socket.send('x');
    await connection.frames(1);
    connection.send(close(1000));
    await stage.finish();
  };
}

Object.assign(scenarios, {
  'a signal that is aborted already': async (stage) => {
    stage.ignoresPeers = true;
    stage.create(stage.peer.url(), { signal: AbortSignal.abort() });
    await stage.until('close');
  },
  'a signal that is aborted while connecting': async (stage) => {
    stage.ignoresPeers = true;
    const abort = new AbortController();
    stage.create(stage.peer.url(), { signal: abort.signal });
    await stage.peer.connection();
    abort.abort();
    await stage.until('close');
  },
  'maxPayload as text': async (stage) => {
    const { connection } = await stage.open({ maxPayload: '3' });
    connection.send(binary(Buffer.alloc(3)), binary(Buffer.alloc(4)));
    await connection.frames(1);
    await stage.finish();
  },
  'maxPayload that is no number is no limit': async (stage) => {
    const { connection } = await stage.open({ maxPayload: 'x' });
    connection.send(binary(Buffer.alloc(400)), close(1000));
    await stage.finish();
  },
  'skipUTF8Validation that counts as true': async (stage) => {
    const { connection } = await stage.open({ skipUTF8Validation: 1 });
    connection.send(text(Buffer.from([0xff])), close(1000));
    await stage.finish();
  },
  'a level of compression beside values that are false': async (stage) => {
    const perMessageDeflate = { serverNoContextTakeover: 'x', clientNoContextTakeover: null, threshold: 0 };
    const { connection } = await stage.open({ perMessageDeflate });
    connection.send(close(1000));
    await stage.finish();
  }
});

module.exports = scenarios;
