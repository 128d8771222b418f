'use strict';

// The inspector's page in a Chromium: a relay, a listener and senders at work.

const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');

const { connectRelayed } = require('..');
const { launchChromium, missing } = require('./helpers/chromium.js');
const { inspectedRelay, openPage, tab } = require('./helpers/inspected.js');

const TABS = ['Overview', 'Timeline', 'Connections', 'HTTP', 'Faults'];
const axe = require.resolve('axe-core/axe.min.js');

/** Where the pictures of the documentation go; otherwise they are only made. */
const { HYCO_WS_RS_PICTURES } = process.env;

if (missing) {
  test.skip(missing, () => {});
} else {
  let browser;
  let world;
  let opened;
  let sockets;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    sockets = [];
    world = await inspectedRelay();
  });
  afterEach(async () => {
    for (const socket of sockets) socket.terminate();
    await opened?.context.close();
    opened = undefined;
    await world.close();
  });

  async function open(options) {
    opened = await openPage(browser, world.relay.inspectorUrl, options);
    return opened.page;
  }

  async function connect(target = 'hyco') {
    const { relay } = world;
    const socket = await connectRelayed(relay.sendUri(target), relay.createToken('hyco'));
    sockets.push(socket);
    return socket;
  }

  function request(target, { token = world.relay.createToken('hyco'), ...options } = {}) {
    return fetch(`${world.relay.httpUri('')}${target}`, {
      ...options,
      headers: { ...(token && { ServiceBusAuthorization: token }), ...options.headers }
    });
  }

  /** Reads something until it is as it should be, for the page draws when it gets to it. */
  async function eventually(read, check) {
    for (let tries = 0; ; tries++) {
      const value = await read();
      try {
        return check(value);
      } catch (error) {
        if (tries === 100) throw error;
        await opened.page.waitForTimeout(50);
      }
    }
  }

  /** What is to be seen of a list. */
  const rows = (page, list) => page.getByRole('listbox', { name: list }).getByRole('option');

  test('shows who is there, while it happens', async () => {
    const page = await open();
    const listeners = page.getByRole('table', { name: 'Listeners' });
    await listeners.getByRole('row', { name: /^hyco .*127\.0\.0\.1/ }).waitFor();
    await listeners.getByRole('row', { name: /^orders none/ }).waitFor();
    await page.getByText('No connection is open').waitFor();

    const socket = await connect();
    socket.send('hello');
    await once(socket, 'message');
    await page
      .getByRole('table', { name: 'Open connections' })
      .getByRole('row', { name: /^hyco .* 2 / })
      .waitFor();

    await tab(page, 'Timeline');
    await rows(page, 'Timeline').filter({ hasText: 'Listener up' }).waitFor();
    socket.close(4002, 'enough');
    await rows(page, 'Timeline').filter({ hasText: 'sender 4002, listener 4002' }).waitFor();
    expect(opened.seen.problems).toEqual([]);
  });

  test('says in words what is wrong with a token, and how to mend it', async () => {
    const page = await open();
    const { relay } = world;
    await request('hyco', { token: relay.createToken('hyco', { expirationSeconds: -60 }) });
    await request('hyco', { token: relay.createToken('hyco').replace(/sig=[^&]*/, 'sig=AAAA') });
    await request('hyco', { token: '' });
    await tab(page, 'Timeline');
    await page.locator('#timeline').getByLabel('Kind').selectOption('refused');
    await rows(page, 'Timeline').nth(2).waitFor();
    await eventually(
      () => rows(page, 'Timeline').count(),
      (count) => expect(count).toBe(3)
    );
    const details = page.locator('#timeline').getByRole('region', { name: 'Details' });
    for (const [row, title] of [
      [2, 'Token: expired'],
      [1, 'Token: wrong key'],
      [0, 'Token: none']
    ]) {
      await rows(page, 'Timeline').nth(row).click();
      await details.getByRole('heading', { name: title }).waitFor();
      await details.getByText('How to mend it:').waitFor();
    }
  });

  test('filters by path, kind and text', async () => {
    const page = await open();
    await (await connect('hyco/lounge')).close();
    await connect('hyco/kitchen');
    await connectRelayed(world.relay.sendUri('orders'), world.relay.createToken('orders')).catch(() => {});
    await tab(page, 'Timeline');
    const timeline = page.locator('#timeline');
    const shown = rows(page, 'Timeline');
    await shown.filter({ hasText: 'Refused' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('kitch');
    await eventually(
      () => shown.allInnerTexts(),
      (texts) => expect(texts).toEqual([expect.stringContaining('/hyco/kitchen')])
    );
    await timeline.getByLabel('Text').fill('nothing has this');
    await page.getByText('Nothing matches').waitFor();
    await timeline.getByLabel('Text').fill('');
    await timeline.getByLabel('Hybrid connection').selectOption('orders');
    await eventually(
      () => shown.allInnerTexts(),
      (texts) => expect(texts.filter((text) => !text.includes('orders'))).toEqual([])
    );
    await timeline.getByLabel('Kind').selectOption('failed');
    await eventually(
      () => shown.count(),
      (count) => expect(count).toBe(1)
    );
  });

  test('shows the messages of a connection, JSON as a tree, and the close codes of both ends', async () => {
    const page = await open();
    const socket = await connect('hyco/room?name=ada');
    socket.send('{"order":{"id":7,"items":["a","b"]},"__proto__":{"x":1}}');
    await once(socket, 'message');
    socket.send(Buffer.from([0, 1, 254, 255]));
    await once(socket, 'message');
    await tab(page, 'Connections');
    await rows(page, 'Connections').filter({ hasText: '/hyco/room?name=ada' }).click();
    const messages = rows(page, 'Messages');
    await messages.nth(3).waitFor();
    await expect(messages.allInnerTexts()).resolves.toEqual([
      expect.stringMatching(/listener[^]*text[^]*"order"/),
      expect.stringMatching(/sender[^]*text/),
      expect.stringMatching(/listener[^]*binary[^]*00 01 fe ff/),
      expect.stringMatching(/sender[^]*binary/)
    ]);
    await messages.nth(0).click();
    const tree = page.locator('#connections .tree');
    await expect(tree.innerText()).resolves.toMatch(/order[^]*id 7[^]*0 "a"[^]*__proto__[^]*x 1/);
    await messages.nth(2).click();
    await page.locator('#connections .hex', { hasText: '00 01 fe ff' }).waitFor();
    // By the keyboard.
    await page.getByRole('listbox', { name: 'Messages' }).press('Home');
    await tree.waitFor();
    socket.close(4001, 'good bye');
    const details = page.locator('#connections').getByRole('region', { name: 'Details' });
    await details.getByText('good bye').first().waitFor();
    await expect(details.innerText()).resolves.toMatch(/closed[^]*listener code\s+4001[^]*|4001/i);
    expect(opened.seen.problems).toEqual([]);
  });

  test('replays a request, changed, and the listener answers', async () => {
    const page = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await request('hyco/orders?first=1', {
      method: 'POST',
      body: '{"qty":1}',
      headers: { 'content-type': 'application/json', cookie: 'session=mine' }
    });
    await tab(page, 'HTTP');
    const requests = rows(page, 'Requests');
    await requests.filter({ hasText: 'POST' }).click();
    const details = page.locator('#http').getByRole('region', { name: 'Details' });
    await details.getByRole('table').filter({ hasText: 'First byte' }).waitFor();

    await details.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied.').waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toContain('--data-raw \'{"qty":1}\'');
    expect(copied).toContain('ServiceBusAuthorization: $(npx hyco-ws-rs token)');
    expect(copied).not.toContain('mine');

    await details.getByRole('button', { name: 'Replay' }).click();
    const dialog = page.getByRole('dialog', { name: 'Replay a request' });
    await expect(dialog.getByLabel('Headers').inputValue()).resolves.not.toMatch(/cookie|authorization/i);
    await dialog.getByLabel('Target').fill('/hyco/orders/missing?again=1');
    await dialog.getByLabel('Body').fill('{"qty":2}');
    const heard = once(world.server, 'request');
    await dialog.getByRole('button', { name: 'Send' }).click();
    const [req] = await heard;
    expect(req.url).toBe('/hyco/orders/missing?again=1');
    await page.getByText('Answered with 404').waitFor();
    await requests.filter({ hasText: '404' }).click();
    await details.getByText('/hyco/orders/missing').first().waitFor();
    await details.locator('.tree', { hasText: 'method' }).waitFor();

    // What cannot be sent is told.
    await details.getByRole('button', { name: 'Replay' }).click();
    await dialog.getByLabel('Target').fill('no slash');
    await dialog.getByRole('button', { name: 'Send' }).click();
    await dialog.getByRole('alert').filter({ hasText: 'must begin with a slash' }).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  test('presses a fault, and shows the reconnect', async () => {
    const page = await open();
    await tab(page, 'Faults');
    const listens = once(world.server, 'listening');
    await page.getByRole('form', { name: 'dropControl' }).getByLabel('path').selectOption('hyco');
    await page.getByRole('button', { name: 'Press dropControl' }).click();
    await page.getByRole('list', { name: 'What was pressed' }).getByText('dropControl: 1 struck').waitFor();
    await listens;
    await tab(page, 'Timeline');
    const shown = rows(page, 'Timeline');
    await shown.filter({ hasText: 'Listener up' }).nth(1).waitFor();
    const kinds = (await shown.allInnerTexts()).map((text) => text.split('\n')[1].trim());
    expect(kinds.sort()).toEqual(['Fault', 'Listener gone', 'Listener up', 'Listener up']);
  });

  test('presses each fault that there is', async () => {
    const page = await open();
    await tab(page, 'Faults');
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(world.relay.faults));
    const buttons = page.getByRole('button', { name: /^Press / });
    const labels = await buttons.evaluateAll((all) =>
      all.map((one) => one.getAttribute('aria-label').slice(6))
    );
    expect(labels.sort()).toEqual(names.filter((name) => name !== 'constructor').sort());
    for (const name of labels.filter((one) => one !== 'clear').concat('clear')) {
      await page.getByRole('button', { name: `Press ${name}`, exact: true }).click();
      await page
        .getByRole('list', { name: 'What was pressed' })
        .getByText(new RegExp(`${name}: (done|\\d+ struck)$`))
        .waitFor();
    }
  });

  test('can be used with the keyboard alone', async () => {
    const page = await open();
    await connect();
    await page.getByRole('tab', { name: 'Overview' }).focus();
    await page.keyboard.press('ArrowRight');
    await expect(page.evaluate(() => document.activeElement.textContent)).resolves.toBe('Timeline');
    await rows(page, 'Timeline').filter({ hasText: 'Accepted' }).waitFor();
    for (const step of ['Tab', 'Tab', 'Tab', 'Tab']) await page.keyboard.press(step);
    await expect(page.evaluate(() => document.activeElement.getAttribute('role'))).resolves.toBe('listbox');
    await page.keyboard.press('ArrowDown');
    const list = page.getByRole('listbox', { name: 'Timeline' });
    const active = await list.getAttribute('aria-activedescendant');
    await expect(page.locator(`#${active}`).getAttribute('aria-selected')).resolves.toBe('true');
    await page.keyboard.press('End');
    await page.getByRole('heading', { name: 'Listener up' }).waitFor();
    await page.getByRole('tab', { name: 'Timeline' }).focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    await expect(page.evaluate(() => document.activeElement.textContent)).resolves.toBe('Faults');
  });

  test('asks nobody else, and no secret of the run is in it', async () => {
    const page = await open();
    const { relay } = world;
    const key = relay.key;
    const token = relay.createToken('hyco', { expirationSeconds: 1234 });
    const socket = await connectRelayed(
      `${relay.sendUri('hyco/x?keep=1')}&sb-hc-token=${encodeURIComponent(token)}`
    );
    sockets.push(socket);
    for (const text of [`my key is ${key}`, `{"token":"${token}"}`, key]) {
      socket.send(text);
      await once(socket, 'message');
    }
    socket.send(Buffer.from(key));
    await once(socket, 'message');
    await request('hyco/y', {
      method: 'POST',
      body: `body ${key}`,
      token,
      headers: { Authorization: 'Bearer the-word-of-the-bearer', Cookie: 'a=the-word-of-the-cookie' }
    });
    await request(`hyco/z?sb-hc-token=${encodeURIComponent(token)}`, { token: '' });
    await request('hyco', { token: token.slice(0, -9) });
    socket.close(4000, `bye ${key}`.slice(0, 100));
    await once(socket, 'close');
    let text = '';
    for (const name of TABS) {
      await tab(page, name);
      const list = page.locator('section:not([hidden]) .pane [role=option]:visible');
      for (let at = 0; at < Math.min(await list.count(), 12); at++) {
        await list.nth(at).click();
        await page.locator('section:not([hidden]) details').evaluateAll((all) => {
          for (const one of all) one.open = true;
        });
        const messages = page.locator('section:not([hidden]) .detail [role=option]:visible');
        for (let one = 0; one < (await messages.count()); one++) {
          await messages.nth(one).click();
          text += await page.content();
        }
        text += await page.content();
      }
    }
    const { origin } = new URL(relay.inspectorUrl);
    expect(opened.seen.requests.length).toBeGreaterThan(10);
    expect(opened.seen.requests.filter((url) => !url.startsWith(`${origin}/`))).toEqual([]);

    const recorded = [];
    const abort = new AbortController();
    const newest = relay.records({ signal: abort.signal });
    for await (const record of newest) {
      recorded.push(JSON.stringify(record));
      if (record.kind === 'closed') break;
    }
    const signature = /sig=([^&]*)/.exec(token)[1];
    const everything = { text, traffic: opened.seen.traffic.join('\n'), recorded: recorded.join('\n') };
    expect(everything.traffic).toContain('my key is ***');
    const secrets = [
      key,
      Buffer.from(key).toString('base64'),
      encodeURIComponent(key),
      signature,
      'the-word-of-the',
      'a-cookie-that-nobody'
    ];
    for (const [place, all] of Object.entries(everything)) {
      for (const secret of secrets) {
        expect([place, all.includes(secret), secret]).toEqual([place, false, secret]);
      }
    }
    expect(opened.seen.problems).toEqual([]);
  });

  test('gives nothing to a page of another origin, nor under another name', async () => {
    const url = world.relay.inspectorUrl;
    const foreign = http.createServer((req, res) =>
      res.setHeader('content-type', 'text/html').end('<p>foreign</p>')
    );
    await new Promise((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${foreign.address().port}/`);
    // Although it knows the address.
    const got = await page.evaluate(async (address) => {
      const secret = new URL(address).pathname.split('/')[1];
      const tell = (promise) =>
        promise.then(
          (response) => `${response.type} ${response.status}`,
          () => 'nothing'
        );
      const load = (name, attributes) =>
        new Promise((resolve) => {
          const element = Object.assign(document.createElement(name), attributes);
          element.onload = () => resolve('loaded');
          element.onerror = () => resolve('nothing');
          document.body.append(element);
        });
      const headers = { 'x-inspector-secret': secret };
      return {
        read: await tell(fetch(address)),
        blind: await tell(fetch(address, { mode: 'no-cors' })),
        events: await new Promise((resolve) => {
          const source = new EventSource(`${address}events`);
          source.onopen = () => resolve('open');
          source.onerror = () => resolve('nothing');
        }),
        fault: await tell(fetch(`${address}faults/clear`, { method: 'POST', headers, body: '{"args":[]}' })),
        simple: await tell(
          fetch(`${address}faults/dropControl`, { method: 'POST', mode: 'no-cors', body: '{"args":[]}' })
        ),
        script: await load('script', { src: `${address}app.mjs`, type: 'module' }),
        plain: await load('script', { src: `${address}dom.mjs` }),
        picture: await load('img', { src: `${address}icon.svg` })
      };
    }, url);
    expect(got).toEqual({
      read: 'nothing',
      blind: 'nothing',
      events: 'nothing',
      fault: 'nothing',
      simple: expect.stringMatching(/nothing|opaque 0/),
      script: 'nothing',
      plain: 'nothing',
      picture: 'nothing'
    });
    expect(world.server.state).toBe('online');
    const frame = await page.evaluate(async (address) => {
      const element = Object.assign(document.createElement('iframe'), { src: address });
      await new Promise((resolve) => {
        element.onload = resolve;
        document.body.append(element);
      });
      return element.contentDocument === null;
    }, url);
    expect(frame).toBe(true);
    const [, inner] = page.frames();
    expect(await inner.content()).not.toContain('Inspector');

    // Every name below localhost is this machine's, for a browser.
    const visit = async (address) => {
      const answered = page.waitForResponse(address);
      // To a browser an answer without anything in it is an error.
      await page.goto(address).catch(() => {});
      return (await answered).status();
    };
    expect(await visit(url.replace('127.0.0.1', 'rebound.localhost'))).toBe(403);
    expect(await visit(new URL('/', url).href)).toBe(404);
    await context.close();
    await new Promise((resolve) => foreign.close(resolve));
  });

  test('goes on after the relay has closed, and says so', async () => {
    const page = await open();
    await world.close();
    await page.getByText(/Connecting again|Disconnected/).waitFor();
    await tab(page, 'Timeline');
    await rows(page, 'Timeline').filter({ hasText: 'Listener up' }).waitFor();
    world.close = async () => {};
  });

  describe.each(['light', 'dark'])('in %s', (colorScheme) => {
    test('axe finds nothing, on any tab, and pictures are made', async () => {
      const page = await open({ colorScheme, deviceScaleFactor: 1 });
      const places = ['hyco/room?name=ada', 'hyco/room?name=grace', 'hyco/lobby'];
      const all = await Promise.all(places.map((place) => connect(place)));
      let count = 0;
      const timer = setInterval(() => {
        const text = JSON.stringify({
          at: ++count,
          user: 'ada',
          order: { id: 7, items: ['tea', 'biscuits'] }
        });
        for (const socket of all.slice(0, 1 + (count % 3))) socket.send(text);
      }, 30);
      await request('hyco/orders/7');
      for (const method of ['POST', 'PUT']) {
        const headers = { 'content-type': 'application/json' };
        await request('hyco/report?year=2026', { method, body: '{"item":"tea","qty":3}', headers });
      }
      await request('hyco/missing');
      await request('hyco', { token: world.relay.createToken('hyco', { expirationSeconds: -90 }) });
      await request('hyco', { token: world.relay.createToken('hyco').replace(/sig=[^&]*/, 'sig=AAAA') });
      world.relay.faults.recycle();
      await once(world.server, 'listening');
      // For the charts to have something to draw.
      const seconds = HYCO_WS_RS_PICTURES === undefined ? 2 : 20;
      await page.waitForTimeout(1000 * seconds);
      const folder = HYCO_WS_RS_PICTURES ?? fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-pictures-'));
      const violations = [];
      for (const name of TABS) {
        await tab(page, name);
        if (name === 'Timeline') await rows(page, 'Timeline').filter({ hasText: 'Refused' }).first().click();
        if (name === 'HTTP') await rows(page, 'Requests').filter({ hasText: 'POST' }).click();
        if (name === 'Connections') {
          await rows(page, 'Connections').filter({ hasText: 'grace' }).click();
          await rows(page, 'Messages').last().click();
        }
        if (name === 'Faults') await page.getByRole('button', { name: 'Press delay' }).click();
        await check(`${name}, with details`);
        const file = path.join(folder, `inspector-${name.toLowerCase()}-${colorScheme}.png`);
        await page.screenshot({ path: file });
        expect(fs.statSync(file).size).toBeLessThan(200_000);
        if (name !== 'HTTP') continue;
        await page.getByRole('button', { name: 'Replay' }).click();
        await check('Replay');
        await page.keyboard.press('Escape');
      }
      clearInterval(timer);
      await page.getByRole('button', { name: 'Clear', exact: true }).click();
      for (const name of TABS) {
        await tab(page, name);
        await check(`${name}, empty`);
      }
      expect(violations).toEqual([]);
      if (HYCO_WS_RS_PICTURES === undefined) fs.rmSync(folder, { recursive: true });

      async function check(name) {
        // Into the page's world, past its policy, as a developer's tools go.
        if (!(await page.evaluate(() => 'axe' in window))) {
          const session = await page.context().newCDPSession(page);
          await session.send('Runtime.evaluate', { expression: fs.readFileSync(axe, 'utf8') });
        }
        const found = await page.evaluate(() => window.axe.run(document));
        for (const { id, nodes } of found.violations) {
          violations.push([name, id, nodes.map(({ html }) => html.slice(0, 120))]);
        }
      }
    });
  });
}
