'use strict';

// Where a program has a rule on the hosts that the relay may send it to, nothing is dialled without its word.

const { once } = require('node:events');

const {
  cleanUp,
  echo,
  roundTrip,
  scripted,
  startRelay,
  startServer,
  tls,
  told
} = require('../helpers/reliability.js');

afterEach(cleanUp);

/** Sends a control message; resolves when it has been reported as one that cannot be used. */
async function unusable(relay, message) {
  const report = told('control:malformed');
  relay.faults.sendControl(JSON.stringify(message));
  await report;
}

describe('a host is dialled only if rendezvousHosts says true: ', () => {
  const boom = () => {
    throw new TypeError('boom');
  };

  /** A server with a rule, its relay, and a strange host that counts the connections it gets. */
  async function ruled(rule, options) {
    const relay = await startRelay();
    const asked = [];
    const rendezvousHosts = (host) => {
      asked.push(host);
      // The relay itself, for the round trip at the end.
      return host === '127.0.0.1' || rule(host);
    };
    const server = echo(await startServer(relay, { rendezvousHosts, ...options }));
    const stranger = { connections: 0 };
    stranger.port = await scripted((socket) => {
      stranger.connections++;
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    const address = `ws://localhost:${stranger.port}/$hc/hyco?sb-hc-action=accept`;
    return { relay, server, asked, stranger, address };
  }

  const refusals = [
    ['false', () => false],
    ['a promise of false', async () => false],
    ['a promise of something truthy', async () => 1],
    ['an exception', boom],
    ['a promise that is rejected', async () => boom()]
  ];

  test.each(refusals)('not for an accept after %s', async (_, rule) => {
    const { relay, server, asked, stranger, address } = await ruled(rule);
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'x' } }));
    const [error, request] = await failed;
    expect(error).toMatchObject({ name: 'RelayError', code: 'ERR_HYCO_PROTOCOL' });
    expect(error.message).toMatch(/not allowed: localhost/);
    expect(request.relay.host).toBe(`localhost:${stranger.port}`);
    expect(await roundTrip(relay)).toBe('hello');
    expect(asked).toEqual(['localhost', '127.0.0.1']);
    expect(stranger.connections).toBe(0);
    expect(server.stats()).toMatchObject({ accepted: 1, failed: 1, malformed: 0, pendingAccepts: 0 });
  });

  test.each(refusals)('not for a rejection after %s', async (_, rule) => {
    const verifyClient = ({ req }) => req.relay.host.startsWith('127.');
    const { relay, asked, stranger, address } = await ruled(rule, { verifyClient });
    const failed = told('accept:failed');
    relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'x' } }));
    expect((await failed).error).toMatchObject({ code: 'ERR_HYCO_PROTOCOL' });
    expect(await roundTrip(relay)).toBe('hello');
    expect(asked).toEqual(['localhost', '127.0.0.1']);
    expect(stranger.connections).toBe(0);
  });

  test.each(refusals)('not for the address of a short request after %s', async (_, rule) => {
    const { relay, asked, stranger, address } = await ruled(rule);
    const failed = told('request:failed');
    relay.faults.sendControl(JSON.stringify({ request: { address, id: 'x' } }));
    expect((await failed).error).toMatchObject({ code: 'ERR_HYCO_PROTOCOL' });
    expect(await roundTrip(relay)).toBe('hello');
    expect(asked).toEqual(['localhost', '127.0.0.1']);
    expect(stranger.connections).toBe(0);
  });

  test('all three after a promise of true', async () => {
    const verifyClient = ({ req }) => req.url !== '/no';
    const { relay, server, stranger, address } = await ruled(async () => true, { verifyClient });
    for (const message of [
      { accept: { address, id: 'x' } },
      { accept: { address: address.replace('/hyco', '/no'), id: 'x' } },
      { request: { address, id: 'x' } }
    ]) {
      const failed = Promise.race([
        told('accept:failed'),
        told('request:failed'),
        once(server, 'rendezvousError')
      ]);
      relay.faults.sendControl(JSON.stringify(message));
      await failed;
    }
    expect(stranger.connections).toBe(3);
  });

  test('a rule that never answers holds nothing up longer than acceptTimeout', async () => {
    const verifyClient = ({ req }) => req.url !== '/no';
    const never = () => new Promise(() => {});
    const { relay, server, stranger, address } = await ruled(never, { verifyClient, acceptTimeout: 300 });
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'x' } }));
    expect((await failed)[0]).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
    const rejected = told('accept:failed');
    relay.faults.sendControl(
      JSON.stringify({ accept: { address: address.replace('/hyco', '/no'), id: 'x' } })
    );
    expect((await rejected).error).toMatchObject({ code: 'ERR_HYCO_TIMEOUT' });
    expect(await roundTrip(relay)).toBe('hello');
    expect(stranger.connections).toBe(0);
    expect(server.stats()).toMatchObject({ pendingAccepts: 0 });
  });

  test.each([true, false])('a rule that says %s while the server closes', async (verdict) => {
    let decide;
    const word = new Promise((resolve) => (decide = resolve));
    const { relay, server, asked, stranger, address } = await ruled(() => word);
    const failed = once(server, 'rendezvousError');
    relay.faults.sendControl(JSON.stringify({ accept: { address, id: 'x' } }));
    while (asked.length === 0) await new Promise(setImmediate);
    const closed = server.close();
    decide(verdict);
    expect((await failed)[0]).toMatchObject({ code: verdict ? 'ERR_HYCO_FORBIDDEN' : 'ERR_HYCO_PROTOCOL' });
    await closed;
    expect(stranger.connections).toBe(Number(verdict));
  });

  test('never for ws: from wss:, which the rule is not even asked about', async () => {
    const relay = await startRelay({ tls });
    const rendezvousHosts = jest.fn(() => true);
    const server = echo(await startServer(relay, { rendezvousHosts }));
    const address = `ws://${relay.address}/$hc/hyco?sb-hc-action=accept`;
    await unusable(relay, { accept: { address } });
    await unusable(relay, { request: { address, id: 'x' } });
    expect(rendezvousHosts).not.toHaveBeenCalled();
    expect(await roundTrip(relay)).toBe('hello');
    expect(rendezvousHosts.mock.calls).toEqual([['127.0.0.1']]);
    expect(server.stats()).toMatchObject({ malformed: 2, failed: 0 });
  });
});
