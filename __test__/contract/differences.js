'use strict';

const NO_SOCKET_PATH = {
  reason: 'A redirect to a socket path would need another engine in the middle of an attempt: it is refused',
  adapt({ events }) {
    const [, error] = events.find(([name]) => name === 'error');
    const seen = {
      class: 'SyntaxError',
      name: 'SyntaxError',
      code: undefined,
      errno: undefined,
      syscall: undefined
    };
    Object.assign(error, seen, {
      address: undefined,
      message: 'A redirect to a "ws+unix:" URL is not supported'
    });
  }
};

const EMPTY =
  '`undefined` and `null` stand for the default; ws spreads its options, so that they take its place';

const CONSTRUCTED = {
  reason: EMPTY,
  adapt(theirs) {
    theirs.events = [['constructed']];
  }
};

const PONG = {
  reason: EMPTY,
  adapt({ received }) {
    received[0].unshift({ ...received[0][0], opcode: 10, payload: 'x' });
  }
};

const OFFER = {
  reason: EMPTY,
  adapt({ heads }) {
    const header = 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits';
    heads[0].splice(heads[0].indexOf('Sec-WebSocket-Key: <key>'), 0, header);
  }
};

const ABORTED = {
  reason: "The class of Node's AbortError is Node's own",
  adapt({ events }) {
    events.find(([name]) => name === 'error')[1].class = 'Error';
  }
};

/**
 * Where our sockets are not as ws's, on purpose: the scenario, the reason, and what makes ws's log equal to ours.
 *
 * `chance` marks those that depend on which of two threads of ws's is faster: they do not show on every run.
 *
 * @type {Object<string, {reason: string, chance?: boolean, adapt: function(object): void}>}
 */
const DIFFERENCES = {
  'options: autoPong is undefined': PONG,
  'options: autoPong is null': PONG,
  'options: perMessageDeflate is undefined': OFFER,
  'options: perMessageDeflate is null': OFFER,
  'options: protocolVersion is undefined': CONSTRUCTED,
  'options: protocolVersion is null': CONSTRUCTED,
  'options: handshakeTimeout is null': CONSTRUCTED,
  'options: protocols is null': CONSTRUCTED,
  'options: a signal that is aborted while connecting': ABORTED,
  'options: a signal that is aborted already': {
    reason: `${ABORTED.reason}; a socket that is given up is CLOSING from then on, as after close()`,
    adapt(theirs) {
      ABORTED.adapt(theirs);
      theirs.events[0][1].readyState = 2;
    }
  },
  'redirects: to a socket path': NO_SOCKET_PATH,
  'redirects: a target that is not one: a socket path that is empty': NO_SOCKET_PATH,
  'data: a blob holds back what is sent after it': {
    reason: 'We send what a buffer held when send() was called, ws what it holds when the blob has been read',
    adapt({ received }) {
      for (const frame of received[0]) if (frame.payload === '\0\0\0\0') frame.payload = 'abca';
    }
  },
  'data: terminate() under back-pressure': {
    reason:
      'Newer Node.js tells of writes that the kernel had in hand that they were cancelled; ours are all the same',
    chance: true,
    adapt({ callbacks }) {
      const message = 'Cannot call write after a stream was destroyed';
      const seen = { code: 'ERR_STREAM_DESTROYED', errno: undefined, message, syscall: undefined };
      for (const [, error] of callbacks) if (error.code === 'ECANCELED') Object.assign(error, seen);
    }
  },
  'receiving: a pause in the middle of a packet': {
    reason: 'pause() holds everything from the next event on; ws goes on with what the same read has brought',
    adapt({ events }) {
      const at = events.findIndex(([name]) => name === 'resume');
      const first = events.findIndex(([name]) => name === 'message');
      events.splice(first + 1, 0, ...events.splice(at, 1));
    }
  },
  'events: an exception in message': {
    reason: 'A listener that throws costs us nothing; the parser of ws is stuck then, and never says close',
    adapt({ events }) {
      events[0][1].splice(-1, 0, 'close 1006 3');
    }
  },
  'deflate: FIN behind compressed messages': {
    reason:
      'What came before FIN is inflated by the time FIN is seen, so that it still finds the socket OPEN',
    chance: true,
    adapt({ events }) {
      for (const line of events) if (line[0] === 'message') line[3] = 'state 1';
    }
  }
};

module.exports = { DIFFERENCES };
