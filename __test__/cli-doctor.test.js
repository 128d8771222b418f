'use strict';

// `doctor` in processes of its own, against the emulator.

const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

const { RelayEmulator } = require('../emulator.js');
const { RelayedServer, connectRelayed } = require('../index.js');
const { startStandIn } = require('./helpers/azure-stand-in.js');
const { Commands, json, seen } = require('./helpers/commands.js');

const commands = new Commands();

/** A SAS token for another path. */
function sas() {
  return `SharedAccessSignature sr=http%3A%2F%2F127.0.0.1%2Fother&sig=SIGNATURE&se=${2 ** 33}&skn=r`;
}

/** What Entra ID gives, without its signature. */
function jwt(claims) {
  const all = { aud: 'https://relay.azure.net/', exp: 2 ** 33, ...claims };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(all)}.c2ln`;
}

describe('doctor', () => {
  const results = (child) =>
    Object.fromEntries(json(child)[0].checks.map(({ name, result }) => [name, result]));

  const codes = (child) =>
    Object.fromEntries(
      json(child)[0]
        .checks.filter(({ code }) => code !== undefined)
        .map(({ name, code }) => [name, code])
    );
  const way = { name: 'ok', proxy: 'skipped', port: 'ok', clock: 'ok', token: 'ok' };
  const whole = { listen: 'ok', gateway: 'ok', message: 'ok', http: 'ok' };

  /** What it says, and its exit code. */
  async function examine(args, variables) {
    const child = commands.run(['doctor', '--json', ...args], { ...commands.env, ...variables });
    return { code: await child.ended, results: results(child), codes: codes(child), text: child.text };
  }

  /** A listener in this process. */
  async function serve(options) {
    const { keyName, key } = commands.relay;
    const server = new RelayedServer({ server: commands.relay.listenUri(), keyName, key, ...options });
    commands.closers.push(() => server.close());
    await once(server, 'listening');
    return server;
  }

  test('goes the whole way where no listener is connected, and says so', async () => {
    const child = commands.run(['doctor']);
    expect(await child.ended).toBe(0);
    expect(child.text).toContain('no listener is connected');
    expect(child.text).toContain(`${commands.relay.address} joined a sender with us`);
    expect(child.text).toMatch(/^ok message /m);
    expect(child.text).toMatch(/^ok http /m);
    expect(child.text).toMatch(/see what is marked with !!\.\n$/);
    expect(child.text).not.toContain('\u001b');
    const { code, results: found } = await examine([]);
    expect([code, found]).toEqual([0, { ...way, sender: 'warning', ...whole }]);
    expect(commands.relay.stats().listeners).toBe(0);
  });

  test('leaves a listener that is connected alone', async () => {
    const listener = await commands.listening(['--json']);
    const child = commands.run(['doctor']);
    expect(await child.ended).toBe(0);
    expect(child.text).toContain('a listener has accepted a connection');
    expect(child.text).toMatch(/^-- listen {2}left out/m);
    expect(child.text).toMatch(/All is well\.\n$/);
    await seen(listener, listener.stdout, '"close"');
    expect(json(listener).map(({ event }) => event)).toEqual(['listening', 'connection', 'close']);
    expect(json(listener)[2]).toMatchObject({ code: 1000, bytesReceived: 0 });
  });

  test('listens beside others if asked to, and meets its own', async () => {
    const others = await Promise.all([serve(), serve(), serve()]);
    const reached = jest.fn();
    for (const other of others) other.on('connection', reached).on('request', reached);
    expect(await examine(['--listen'])).toMatchObject({ code: 0, results: { ...way, ...whole } });
    expect(reached).not.toHaveBeenCalled();
  });

  describe('where the relay chooses among listeners by itself', () => {
    let strays;
    let address;

    // A second relay, with a listener of somebody else, to which some senders are led.
    beforeEach(async () => {
      strays = 0;
      const { keyName, key } = commands.relay;
      const other = await RelayEmulator.start({ sharedAccessPolicies: [{ keyName, key }] });
      const server = new RelayedServer({ server: other.listenUri(), keyName, key });
      await once(server, 'listening');
      commands.closers.push(() => server.close());
      commands.closers.push(() => other.close({ force: true }));
      const port = await commands.tcpServer((client) => {
        client.once('data', (data) => {
          const head = data.toString('latin1');
          const isStray = /sb-hc-action=connect/.test(head) && strays-- > 0;
          const relay = net.connect(isStray ? other.port : commands.relay.port, '127.0.0.1');
          relay.on('error', () => client.destroy());
          // By this header the relay would choose ours.
          relay.write(isStray ? head.replace('Microsoft-Relay-AllowedListeners', 'X-Nothing') : data);
          client.pipe(relay).pipe(client);
        });
      });
      address = `127.0.0.1:${port}`;
    });

    test('it tries again', async () => {
      strays = 1;
      const found = await examine(['--listen'], { SB_HC_NAMESPACE: address });
      expect(found).toMatchObject({ code: 0, results: { ...way, ...whole } });
      expect(strays).toBeLessThan(1);
    });

    test('or does not know ours yet, it tries again', async () => {
      commands.relay.faults.refuse({
        status: 404,
        reason: 'There are no listeners connected for the endpoint.',
        action: 'connect'
      });
      const found = await examine(['--listen']);
      expect(found).toMatchObject({ code: 0, results: { ...way, ...whole } });
    });

    test('it gives up after some', async () => {
      strays = Infinity;
      const found = await examine(['--listen'], { SB_HC_NAMESPACE: address });
      expect(found).toMatchObject({
        code: 1,
        results: { listen: 'ok', gateway: 'failed' },
        codes: { gateway: 'OTHER_LISTENERS' }
      });
      expect(found.results.message).toBeUndefined();
    });
  });

  test('turns senders of others away, and says so', async () => {
    const { relay } = commands;
    // Keeps its listener there for a while.
    relay.faults.delay(1_000, { action: 'request' });
    const met = once(relay, 'rendezvous');
    const running = examine([]);
    await met;
    const { keyName, key } = relay;
    await expect(connectRelayed(relay.sendUri(), { keyName, key })).rejects.toMatchObject({
      statusCode: 503
    });
    const { code, results: found, text } = await running;
    expect([code, found]).toEqual([0, { ...way, sender: 'warning', ...whole, others: 'skipped' }]);
    expect(text).toContain('1 of other senders');
  });

  test('goes through a proxy and TLS', async () => {
    const standIn = await startStandIn();
    commands.closers.push(standIn.close);
    const child = commands.run(['doctor', '--json', '--listen'], standIn.env);
    expect([await child.ended, child.text]).toEqual([0, expect.anything()]);
    expect(results(child)).toEqual({ proxy: 'ok', tls: 'ok', clock: 'ok', token: 'ok', ...whole });

    const { NODE_EXTRA_CA_CERTS: _, ...distrusting } = standIn.env;
    const other = commands.run(['doctor', '--json'], distrusting);
    expect(await other.ended).toBe(1);
    expect(results(other)).toMatchObject({ proxy: 'ok', tls: 'failed' });
    expect(other.text).toContain('NODE_EXTRA_CA_CERTS');
  });

  test.each([
    ['Send', { sender: 'warning', listen: 'skipped' }],
    ['Listen', { sender: 'skipped', listen: 'ok', gateway: 'skipped' }],
    ['Manage', { sender: 'warning', ...whole }]
  ])('copes with a rule that has the right %s alone', async (right, expected) => {
    await commands.start({ sharedAccessPolicies: [{ keyName: 'rule', rights: [right] }] });
    expect(await examine([])).toMatchObject({ code: 0, results: { ...way, ...expected } });
    const { code, results: found } = await examine(['--listen']);
    const { sender: _, ...rest } = expected;
    if (right === 'Send') expect([code, found]).toEqual([1, { ...way, listen: 'failed' }]);
    else expect([code, found]).toEqual([0, { ...way, ...rest }]);
  });

  test('a rule that may neither send nor listen is of no use', async () => {
    commands.relay.faults.refuse({
      status: 403,
      reason: "Unauthorized access. 'Send' claim(s) are required to perform this operation.",
      times: Infinity
    });
    expect(await examine([])).toMatchObject({
      code: 1,
      results: { sender: 'skipped', listen: 'failed' },
      codes: { listen: 'ERR_HYCO_FORBIDDEN' }
    });
  });

  test('copes with hybrid connections that need no token of senders', async () => {
    const hybridConnections = [{ path: 'hyco', requiresClientAuthorization: false }];
    const nobody = { SB_HC_KEYRULE: '', SB_HC_KEY: '' };
    await commands.start({ hybridConnections });
    const without = { ...way, token: 'skipped' };
    const empty = await examine([], nobody);
    expect([empty.code, empty.results]).toEqual([0, { ...without, sender: 'warning', listen: 'skipped' }]);
    const asked = await examine(['--listen'], nobody);
    expect([asked.code, asked.codes]).toEqual([1, { listen: 'TOKEN_MISSING' }]);
    await serve();
    const found = await examine([], nobody);
    expect([found.code, found.results]).toEqual([0, { ...without, sender: 'ok', listen: 'skipped' }]);

    // A rule that may not send does not matter there.
    await commands.start({
      hybridConnections,
      sharedAccessPolicies: [{ keyName: 'rule', rights: ['Listen'] }]
    });
    expect(await examine([])).toMatchObject({ code: 0, results: { ...way, sender: 'warning', ...whole } });
  });

  test('knows a listener that turns senders away, and one that does not accept', async () => {
    const server = await serve({ verifyClient: (_, answer) => answer(false, 401, 'Not you') });
    const refused = await examine([]);
    expect(refused).toMatchObject({ code: 0, results: { sender: 'warning', listen: 'skipped' } });
    expect(refused.text).toContain('turned us away with 401 Not you');
    await server.close();

    await commands.start({ acceptTimeout: 300 });
    await serve();
    commands.relay.faults.holdAccepts(true);
    const silent = await examine([]);
    expect(silent).toMatchObject({
      code: 1,
      results: { sender: 'failed' },
      codes: { sender: 'NOT_ACCEPTED' }
    });
    expect(silent.text).toContain('cannot reach the gateways');
  });

  test('finds a gateway that cannot be reached, and names it', async () => {
    const port = await commands.tcpServer(() => {});
    await commands.closers.pop()();
    await commands.start({ publicHost: `127.0.0.1:${port}` });
    const found = await examine([]);
    expect(found).toMatchObject({
      code: 1,
      results: { listen: 'ok', gateway: 'failed' },
      codes: { gateway: 'ECONNREFUSED' }
    });
    expect(found.text).toContain(`at 127.0.0.1:${port}: `);
    expect(found.text).toContain('open port 443 outbound to *.servicebus.windows.net');
  });

  test('finds too many listeners, and TLS where there is none', async () => {
    await commands.start({ maxListeners: 1 });
    await serve();
    expect(await examine(['--listen'])).toMatchObject({ code: 1, codes: { listen: 'TOO_MANY_LISTENERS' } });
    const found = await examine([], { SB_HC_SECURE: '' });
    expect(found).toMatchObject({ code: 1, results: { tls: 'failed' }, codes: { tls: 'NO_TLS' } });
    expect(found.text.match(/--insecure/g)).toHaveLength(1);
    expect(found.text).toContain('TLS: wrong version number');
    expect(found.text).not.toContain('ssl3');
    // It would fail in the same way.
    expect(found.results.sender).toBeUndefined();
  });

  test.each([
    ['a wrong key', { SB_HC_KEY: 'wrong' }, { sender: 'TOKEN_WRONG_KEY' }, 'Compare rule and key'],
    ['no token', { SB_HC_KEYRULE: '', SB_HC_KEY: '' }, { sender: 'TOKEN_MISSING' }, 'Give credentials'],
    [
      'a wrong path',
      { SB_HC_PATH: 'nowhere' },
      { sender: 'ERR_HYCO_NOT_FOUND' },
      'no such hybrid connection'
    ],
    ['a name that is none', { SB_HC_NAMESPACE: 'nowhere.invalid', SB_HC_SECURE: '' }, {}, 'ENOTFOUND'],
    ['a token for another path', { SB_HC_TOKEN: sas() }, { token: 'TOKEN_WRONG_AUDIENCE' }, 'not for'],
    [
      'one of Entra ID for others',
      { SB_HC_TOKEN: jwt({ aud: 'https://vault.azure.net' }) },
      { token: 'TOKEN_WRONG_AUDIENCE' },
      'relay.azure.net'
    ],
    ['one of Entra ID that expired', { SB_HC_TOKEN: jwt({ exp: 1 }) }, { token: 'TOKEN_EXPIRED' }, 'expired'],
    [
      'one of Entra ID at an emulator',
      { SB_HC_TOKEN: jwt({}) },
      { sender: 'TOKEN_OF_ENTRA_ID' },
      'SAS rules'
    ],
    [
      'text that is no token',
      { SB_HC_TOKEN: 'hunter2' },
      { token: 'TOKEN_MALFORMED' },
      'neither a SAS token'
    ],
    ['a word too many', { SB_HC_TOKEN: `Bearer ${jwt({})}` }, { token: 'TOKEN_MALFORMED' }, 'Bearer'],
    [
      'a token without a rule',
      { SB_HC_TOKEN: sas().replace(/&skn.*/, '') },
      { token: 'TOKEN_MALFORMED' },
      'no skn'
    ],
    [
      'a token cut in two',
      { SB_HC_TOKEN: sas().replace(/&sig.*/, '') },
      { token: 'TOKEN_MALFORMED' },
      'no sig'
    ],
    [
      'a token with a field twice',
      { SB_HC_TOKEN: `${sas()}&se=1` },
      { token: 'TOKEN_MALFORMED' },
      'se more than once'
    ],
    [
      'an expiry that is none',
      { SB_HC_TOKEN: sas().replace(/se=\d+/, 'se=soon') },
      { token: 'TOKEN_MALFORMED' },
      'expiry'
    ]
  ])('finds %s', async (_, variables, expected, text) => {
    const found = await examine([], variables);
    expect([found.code, found.text]).toEqual([1, expect.stringContaining(text)]);
    expect(found.codes).toMatchObject(expected);
    for (const secret of [commands.relay.key, 'hunter2', 'SIGNATURE', 'eyJ']) {
      expect(found.text).not.toContain(secret);
    }
  });

  test('finds an expired token', async () => {
    const token = commands.relay.createToken('hyco', { expirationSeconds: -10 });
    const found = await examine([], { SB_HC_TOKEN: token });
    expect(found).toMatchObject({ code: 1, codes: { token: 'TOKEN_EXPIRED' } });
    expect(found.text).toMatch(/expired 1\d s ago/);
    expect(found.results.sender).toBeUndefined();
  });

  test('finds a proxy that wants credentials', async () => {
    const port = await commands.tcpServer((socket) =>
      socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'))
    );
    const proxy = `http://user:hunter2@127.0.0.1:${port}`;
    const child = commands.run(['doctor', '--json'], { ...commands.env, HTTP_PROXY: proxy });
    expect(await child.ended).toBe(1);
    expect(results(child)).toMatchObject({ proxy: 'failed' });
    expect(child.text).toContain('wants credentials');
    expect(child.text).not.toContain('hunter2');
  });

  test('finds a clock that is wrong, and a port that is closed', async () => {
    const server = http.createServer((_, response) => {
      response.setHeader('Date', new Date(Date.now() - 600_000).toUTCString());
      response.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const variables = { ...commands.env, SB_HC_NAMESPACE: `127.0.0.1:${server.address().port}` };
    const child = commands.run(['doctor', '--json'], variables);
    expect(await child.ended).toBe(1);
    expect(results(child)).toMatchObject({ port: 'ok', clock: 'failed' });
    expect(child.text).toMatch(/60\d s ahead/);
    server.close();
    server.closeAllConnections();
    const other = commands.run(['doctor', '--json'], variables);
    expect(await other.ended).toBe(1);
    expect(results(other)).toMatchObject({ port: 'failed' });
    expect(other.text).toContain('ECONNREFUSED');
  });
});
