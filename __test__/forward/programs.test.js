'use strict';

// Programs that know nothing of a relay, through both ends of it: OpenSSH, Redis and curl.

const { execFile, spawn } = require('node:child_process');
const { createHash, randomBytes } = require('node:crypto');
const { once } = require('node:events');
const {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync
} = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const { tmpdir, userInfo } = require('node:os');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');
const { promisify } = require('node:util');

const { forward, forwardLocal } = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { freePort } = require('../helpers/free-port.js');

const run = promisify(execFile);
const bin = path.join(__dirname, '..', '..', 'bin', 'hyco-ws-rs.js');
const MIB = 1024 * 1024;

/** Where a program is; a test that needs one that is not there is skipped, and says so. */
function find(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}

function testWith(programs, name, fn, timeout) {
  const missing = programs.filter((program) => find(program) === undefined);
  if (missing.length === 0) test(name, fn, timeout);
  else test.skip(`${name} (not run: ${missing.join(', ')} not installed)`, fn);
}

let relay;
let folder;
const closers = [];

beforeEach(async () => {
  relay = await RelayEmulator.start({
    hybridConnections: [{ path: 'hyco', requiresClientAuthorization: false }]
  });
  folder = mkdtempSync(path.join(tmpdir(), 'hyco-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await relay.close({ force: true });
  rmSync(folder, { recursive: true });
});

const inFolder = (name) => path.join(folder, name);
const creds = () => ({ keyName: relay.keyName, key: relay.key });

/** Starts a server and waits until it takes connections. */
async function start(program, args, port) {
  const child = spawn(find(program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  child.text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (child.text += data));
  const ended = once(child, 'close');
  closers.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${program} has ended: ${child.text}`);
    const socket = net.connect(port, '127.0.0.1');
    const isUp = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false)
    ]).catch(() => false);
    socket.destroy();
    if (isUp) return child;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function open(target, options) {
  const tunnel = await forward(target, { server: relay.listenUri(), ...creds(), ...options });
  closers.push(() => tunnel.close({ timeout: 0 }));
  return tunnel;
}

/** Both ends, to a port or a socket of this machine: gives the port of the other end. */
async function through(target, options) {
  await open(target, options);
  const local = await forwardLocal(0, { address: relay.sendUri(), ...creds(), ...options });
  closers.push(() => local.close());
  return local.address().port;
}

const hashOf = async (stream) => {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
};

/** So many bytes of a pattern that does not repeat soon, on disk. */
async function writeLarge(file, bytes) {
  const piece = randomBytes(MIB + 13);
  function* pieces() {
    for (let left = bytes; left > 0; left -= piece.length) {
      yield piece.subarray(0, Math.min(left, piece.length));
    }
  }
  await pipeline(pieces, createWriteStream(file));
  return hashOf(createReadStream(file));
}

describe('ssh', () => {
  let port;
  let options;

  async function startSshd() {
    // Where the packages of some systems leave that to the service's start.
    if (process.getuid() === 0) mkdirSync('/run/sshd', { recursive: true });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', inFolder('host')]);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', inFolder('user')]);
    port = await freePort();
    writeFileSync(
      inFolder('sshd_config'),
      [
        `Port ${port}`,
        'ListenAddress 127.0.0.1',
        `HostKey ${inFolder('host')}`,
        `AuthorizedKeysFile ${inFolder('user.pub')}`,
        `PidFile ${inFolder('pid')}`,
        'StrictModes no',
        'PasswordAuthentication no',
        'UsePAM no',
        ''
      ].join('\n')
    );
    await start('sshd', ['-D', '-e', '-f', inFolder('sshd_config')], port);
    options = [
      ...['-F', 'none', '-i', inFolder('user'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${inFolder('known')}`]
    ];
  }

  const host = `${userInfo().username}@127.0.0.1`;

  testWith(
    ['sshd', 'ssh', 'ssh-keygen'],
    'a command, and a file both ways',
    async () => {
      await startSshd();
      const local = await through(`127.0.0.1:${port}`);
      const args = [...options, '-p', String(local), host];
      expect((await run('ssh', [...args, 'echo hello; exit 0'])).stdout).toBe('hello\n');
      await expect(run('ssh', [...args, 'exit 3'])).rejects.toMatchObject({ code: 3 });
      const sum = await writeLarge(inFolder('file'), 20 * MIB);
      // What ends is the input alone, and the answer comes then.
      const child = spawn('ssh', [...args, 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
      const got = hashOf(child.stdout);
      await pipeline(createReadStream(inFolder('file')), child.stdin);
      expect(await got).toBe(sum);
    },
    60_000
  );

  testWith(
    ['sshd', 'ssh', 'ssh-keygen'],
    'with the sender as its ProxyCommand',
    async () => {
      await startSshd();
      await open(`127.0.0.1:${port}`, { raw: true });
      const env = {
        ...process.env,
        SB_HC_NAMESPACE: relay.address,
        SB_HC_PATH: 'hyco',
        SB_HC_SECURE: 'false'
      };
      const command = `ProxyCommand=${process.execPath} ${bin} connect --raw`;
      const { stdout } = await run('ssh', [...options, '-o', command, host, 'echo hello'], { env });
      expect(stdout).toBe('hello\n');
    },
    60_000
  );
});

describe.each([
  ['a port', (port) => `127.0.0.1:${port}`],
  ['a unix socket', (_port, socket) => `unix:${socket}`]
])('redis at %s', (_name, target) => {
  testWith(
    ['redis-server', 'redis-cli'],
    'large values, and many clients at once',
    async () => {
      const port = await freePort();
      const socket = inFolder('redis.sock');
      const args = [
        '--port',
        port,
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        '--dir',
        folder,
        '--unixsocket',
        socket
      ];
      await start('redis-server', args.map(String), port);
      const local = String(await through(target(port, socket)));
      const ask = (...words) =>
        run('redis-cli', ['-h', '127.0.0.1', '-p', local, ...words]).then(({ stdout }) => stdout.trim());
      expect(await ask('ping')).toBe('PONG');
      const value = randomBytes(2 * MIB).toString('base64');
      const child = spawn('redis-cli', ['-h', '127.0.0.1', '-p', local, '-x', 'set', 'key'], {
        stdio: ['pipe', 'pipe', 'inherit']
      });
      child.stdin.end(value);
      expect(String(await once(child.stdout, 'data'))).toBe('OK\n');
      const { stdout } = await run('redis-cli', ['-h', '127.0.0.1', '-p', local, 'get', 'key'], {
        maxBuffer: 16 * MIB
      });
      expect(stdout.trim() === value).toBe(true);
      // Many at once.
      const counts = await Promise.all(Array.from({ length: 20 }, () => ask('incr', 'count')));
      expect(counts.map(Number).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1)
      );
    },
    60_000
  );
});

describe('curl', () => {
  async function startWeb() {
    const server = http.createServer((req, res) => {
      if (req.method === 'PUT') hashOf(req).then((sum) => res.end(sum));
      else createReadStream(inFolder('file')).pipe(res);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return server.address().port;
  }

  testWith(
    ['curl'],
    '200 MB up and down, through an HTTP target',
    async () => {
      const tunnel = await open(await startWeb());
      const sum = await writeLarge(inFolder('file'), 200_000_000);
      const { stdout } = await run('curl', ['-sS', '-f', '-T', inFolder('file'), `${tunnel.url}/file`]);
      expect(stdout).toBe(sum);
      await run('curl', ['-sS', '-f', '-o', inFolder('copy'), `${tunnel.url}/file`]);
      expect(await hashOf(createReadStream(inFolder('copy')))).toBe(sum);
    },
    120_000
  );

  testWith(
    ['curl'],
    '200 MB up and down, as bytes',
    async () => {
      const local = await through(`127.0.0.1:${await startWeb()}`);
      const sum = await writeLarge(inFolder('file'), 200_000_000);
      const url = `http://127.0.0.1:${local}/file`;
      expect((await run('curl', ['-sS', '-f', '-T', inFolder('file'), url])).stdout).toBe(sum);
      await run('curl', ['-sS', '-f', '-o', inFolder('copy'), url]);
      expect(await hashOf(createReadStream(inFolder('copy')))).toBe(sum);
    },
    120_000
  );
});
