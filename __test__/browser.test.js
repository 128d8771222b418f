'use strict';

// examples/browser in a Chromium: a page whose backend hands out addresses, and a listener behind the relay.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');

const { launchChromium, missing } = require('./helpers/chromium.js');
const { RelayEmulator } = require('../emulator.js');

const folder = path.join(__dirname, '..', 'examples', 'browser');

if (missing) {
  test.skip(missing, () => {});
} else {
  const children = [];
  let relay;
  let browser;
  let page;
  let address;
  /** How often the page has asked for an address. */
  let asked;

  async function start(name, text) {
    const env = {
      ...process.env,
      PORT: '0',
      SB_HC_NAMESPACE: relay.address,
      SB_HC_PATH: 'hyco',
      SB_HC_KEYRULE: relay.keyName,
      SB_HC_KEY: relay.key,
      SB_HC_SECURE: 'false'
    };
    const child = spawn(process.execPath, [path.join(folder, name)], { env });
    children.push(child);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (data) => (output += data));
    child.stderr.setEncoding('utf8').on('data', (data) => (output += data));
    while (!output.includes(text)) {
      if (child.exitCode !== null) throw new Error(output);
      await Promise.race([once(child.stdout, 'data'), once(child, 'close')]);
    }
    return output;
  }

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    relay = await RelayEmulator.start();
    [, address] = /open (\S+)/.exec(await start('backend.js', 'open'));
    asked = 0;
    page = await browser.newPage();
    page.on('request', (request) => (asked += request.url().endsWith('/send-uri') ? 1 : 0));
  });
  afterEach(async () => {
    await page?.close();
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await relay.close({ force: true });
  });

  const status = (text) => page.getByRole('status').filter({ hasText: text }).waitFor();
  const say = async (text) => {
    await page.getByLabel('Message').fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('listitem').filter({ hasText: text.toUpperCase() }).waitFor();
  };

  test('a page talks through the relay, and connects again with another address', async () => {
    await start('listener.js', 'listening');
    await page.goto(address);
    await status('connected');
    await say('hello');
    await say('grüße');

    relay.faults.cutRendezvous();
    await status('closed (1006)');
    await status('connected');
    await say('again');
    expect(asked).toBeGreaterThan(1);
  });

  test('comes before its listener, and waits for it', async () => {
    await page.goto(address);
    await status('closed (1006)');
    await start('listener.js', 'listening');
    await status('connected');
    await say('hello');
  });

  test('gets an address that is good for a minute and for one hybrid connection, and no key', async () => {
    const answer = page.waitForResponse(`${address}send-uri`);
    const began = Math.floor(Date.now() / 1000);
    await page.goto(address);
    const { uri } = await (await answer).json();
    const token = new URLSearchParams(new URL(uri).searchParams.get('sb-hc-token').split(' ')[1]);
    expect(token.get('sr')).toBe(`http://${relay.address}/hyco`);
    expect(Number(token.get('se'))).toBeGreaterThanOrEqual(began + 60);
    expect(Number(token.get('se'))).toBeLessThanOrEqual(Date.now() / 1000 + 60);
    expect((await answer).headers()['cache-control']).toBe('no-store');
    for (const text of [uri, decodeURIComponent(uri), await page.content()]) {
      expect(text).not.toContain(relay.key);
    }
  });

  test('a page of somebody else gets none', async () => {
    const elsewhere = http.createServer((_request, response) => response.end('elsewhere'));
    elsewhere.listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
    // The same machine by another name is another site.
    await page.goto(`http://localhost:${elsewhere.address().port}/`);
    const answer = page.waitForResponse(`${address}send-uri`);
    await page.evaluate((to) => fetch(`${to}send-uri`, { method: 'POST', mode: 'no-cors' }), address);
    expect((await answer).status()).toBe(403);
    expect((await fetch(`${address}send-uri`, { method: 'POST' })).status).toBe(403);
    elsewhere.close();
    elsewhere.closeAllConnections();
  });
}
