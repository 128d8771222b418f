'use strict';

// What docs/senders.md shows runs as it stands: in a shell, in Python, in a Chromium. What is not installed is skipped.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');

const { startStandIn } = require('./helpers/azure-stand-in.js');
const { launchChromium, missing } = require('./helpers/chromium.js');
const { blocksOf } = require('./helpers/markdown.js');
const { RelayedServer } = require('..');
const { RelayEmulator } = require('../emulator.js');

const root = path.join(__dirname, '..');
const document = fs.readFileSync(path.join(root, 'docs', 'senders.md'), 'utf8');
const certificate = path.join(__dirname, 'fixtures', 'loopback-cert.pem');
const CA = fs.readFileSync(certificate, 'utf8');
const KEY = fs.readFileSync(path.join(__dirname, 'fixtures', 'loopback-key.pem'), 'utf8');

/** One that has the package, of those that there are. */
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0
);
const has = (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;

// Its shell is not that of Windows.
const described = process.platform === 'win32' ? describe.skip : describe;

described('docs/senders.md', () => {
  let relay;
  let server;
  let folder;
  let env;
  /** Addresses and headers as the listener gets them. */
  const heard = [];

  beforeAll(async () => {
    relay = await RelayEmulator.start({ tls: { cert: CA, key: KEY } });
    server = new RelayedServer(
      { server: relay.listenUri(), keyName: relay.keyName, key: relay.key, tls: { ca: CA } },
      (socket, request) => {
        heard.push(request);
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
      }
    );
    server.on('request', async (request, response) => {
      heard.push(request);
      let body = '';
      for await (const chunk of request) body += chunk;
      response.end(`${request.method} ${request.url}: ${body}`);
    });
    await once(server, 'listening');

    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-senders-'));
    const modules = path.join(folder, 'node_modules');
    fs.mkdirSync(path.join(modules, '.bin'), { recursive: true });
    fs.symlinkSync(root, path.join(modules, 'hyco-ws-rs'), 'junction');
    fs.symlinkSync(path.join(root, 'bin', 'hyco-ws-rs.js'), path.join(modules, '.bin', 'hyco-ws-rs'));
    fs.symlinkSync(path.join(root, 'node_modules', '.bin', 'wscat'), path.join(modules, '.bin', 'wscat'));
    const { SB_HC_CONNECTION_STRING: _, SB_HC_TOKEN: __, SB_HC_SECURE: ___, ...rest } = process.env;
    env = {
      ...rest,
      SB_HC_NAMESPACE: relay.address,
      SB_HC_PATH: 'hyco',
      SB_HC_KEYRULE: relay.keyName,
      SB_HC_KEY: relay.key,
      SEND_URI: relay.sendUri('hyco', { token: true }),
      // Whom curl, Python and Node trust.
      CURL_CA_BUNDLE: certificate,
      SSL_CERT_FILE: certificate,
      NODE_EXTRA_CA_CERTS: certificate,
      NO_PROXY: '*',
      npm_config_offline: 'true'
    };
  });
  afterAll(async () => {
    await server?.close({ timeout: 0 });
    await relay?.close({ force: true });
    if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    heard.length = 0;
  });

  /** Runs a program until it ends or has printed `text`. */
  async function run(command, args, text) {
    // A group of its own, so that what the shell has started ends with it.
    const child = spawn(command, args, { cwd: folder, env, detached: true });
    const ended = once(child, 'close');
    let output = '';
    let seen = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (data) => {
        output += data;
        if (seen || text === undefined || !output.includes(text)) return;
        seen = true;
        process.kill(-child.pid, 'SIGKILL');
      });
    }
    const [code] = await ended;
    return { code, output };
  }

  /** What the listener gets has no token in it. */
  function expectNoToken() {
    for (const { url, rawHeaders } of heard) {
      expect(`${url} ${rawHeaders}`).not.toMatch(/SharedAccessSignature|sb-hc-token/i);
    }
  }

  describe.each([
    ['sh', 'bash', ['bash', 'curl'].find((name) => !has(name)), '-c'],
    ['python', python, python === undefined ? 'websockets of Python' : undefined, '-c']
  ])('%s', (language, command, lacking, flag) => {
    const blocks = blocksOf(document, language);
    if (lacking !== undefined) {
      test.skip(`${lacking} is not installed: apt-get install curl python3-websockets`, () => {});
      return;
    }
    test.each(blocks)('line $line', async ({ code, prints, skip }) => {
      expect(skip).toBe(undefined);
      const set = language === 'sh' ? 'set -e -o pipefail\n' : '';
      const { code: exit, output } = await run(command, [flag, set + code], prints);
      if (prints === undefined) {
        expect([exit, output]).toEqual([0, expect.stringContaining('SharedAccessSignature')]);
      } else expect(output).toContain(prints);
      expect(heard).toHaveLength(prints === undefined ? 0 : 1);
      expectNoToken();
    });
  });

  test('a preflight without a token gets 401, and one with it in the address gets through', async () => {
    const ask = async (uri) => {
      const request = https.request(uri, {
        method: 'OPTIONS',
        ca: CA,
        headers: { Origin: 'https://a.test' }
      });
      request.end();
      const [response] = await once(request, 'response');
      response.resume();
      return response.statusCode;
    };
    const uri = relay.httpUri('hyco');
    expect([await ask(uri), heard]).toEqual([401, []]);
    expect(await ask(`${uri}?sb-hc-token=${encodeURIComponent(relay.createToken('hyco'))}`)).toBe(200);
    expectNoToken();
  });

  describe('a browser', () => {
    if (missing) {
      test.skip(missing, () => {});
      return;
    }
    const [backend, page] = blocksOf(document);
    let standIn;
    let listener;
    let child;
    let browser;

    afterEach(async () => {
      await browser?.close();
      child?.kill('SIGKILL');
      await listener?.close({ timeout: 0 });
      await standIn?.close();
    });

    test('asks the backend for an address and talks to it', async () => {
      standIn = await startStandIn();
      const { proxy, relay: azure } = standIn;
      const uri = `wss://${standIn.env.SB_HC_NAMESPACE}/$hc/hyco`;
      listener = new RelayedServer(
        { server: uri, keyName: 'rule', key: azure.key, proxy: proxy.url, tls: { ca: standIn.ca } },
        (socket, request) => {
          heard.push(request);
          socket.on('message', (data) => socket.send(`${data}, says ${request.headers.origin}`));
        }
      );
      await once(listener, 'listening');
      child = spawn(process.execPath, ['-e', backend.code], {
        cwd: folder,
        env: { ...process.env, ...standIn.env, PORT: '0' }
      });
      const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
      const { origin } = new URL(/http:\S+/.exec(line)[0]);

      browser = await launchChromium();
      const context = await browser.newContext({
        ignoreHTTPSErrors: true,
        proxy: { server: proxy.url, bypass: '127.0.0.1' }
      });
      const tab = await context.newPage();
      await tab.goto(`${origin}/`);
      const printed = tab.waitForEvent('console', (message) => message.text().includes('hello'));
      await tab.addScriptTag({ type: 'module', content: page.code });
      expect((await printed).text()).toBe(`hello from a page, says ${origin}`);
      expectNoToken();
    });
  });
});
