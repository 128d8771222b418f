'use strict';

// What senders and listeners say to hurt whoever looks at it, and floods, in a Chromium.

const { setTimeout: sleep } = require('node:timers/promises');

const { launchChromium, missing } = require('./helpers/chromium.js');
const { inspectByHand, openPage, tab } = require('./helpers/inspected.js');

const SCRIPT = `<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>`;
const URLS = `javascript:window.hurt=1" onmouseover="window.hurt=1`;
/** Turns what comes behind it around, and hides. */
const BIDI = 'user\u202E\u2066gpj.exe\u2069\u200b\u0007\u001b]0;hurt\u0007';
const TEXTS = [
  SCRIPT,
  URLS,
  BIDI,
  '__proto__',
  'constructor',
  '\u2028\ndata: {"kind":"lost"}\n\n',
  'x'.repeat(100_000)
];

if (missing) {
  test.skip(missing, () => {});
} else {
  let browser;
  let hand;
  let opened;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    hand = await inspectByHand();
    opened = await openPage(browser, hand.inspector.url, {
      permissions: ['clipboard-read', 'clipboard-write']
    });
  });
  afterEach(async () => {
    await opened.context.close();
    await hand.inspector.close();
  });

  /** Pushes a text wherever somebody else's can be. */
  function pushEverywhere(text, id) {
    const { ring } = hand;
    const headers = [
      [text, text],
      ['X-Note', text]
    ];
    const token = { result: text, part: text, expected: text, found: text, remedy: text, rule: text };
    const common = { path: text, id };
    ring.push({ ...common, kind: 'sender', remoteAddress: text, target: text, headers, token });
    ring.push({ ...common, kind: 'accepted', duration: 1, listener: text });
    const previews = [
      text,
      JSON.stringify({ [text]: text, list: [text] }),
      `{"${'a'.repeat(9)}":${'['.repeat(300)}${']'.repeat(300)}}`
    ];
    for (const preview of previews) {
      ring.push({
        ...common,
        kind: 'message',
        direction: 'toListener',
        type: 'text',
        size: 1,
        preview,
        cut: false
      });
    }
    ring.push({
      ...common,
      kind: 'message',
      direction: 'toSender',
      type: 'binary',
      size: 1,
      preview: '\xff<b>',
      raw: true,
      cut: false
    });
    ring.push({
      ...common,
      kind: 'closed',
      senderCode: 4000,
      senderReason: text,
      listenerCode: 4000,
      listenerReason: text,
      cause: text
    });
    ring.push({
      ...common,
      id: `${id}-refused`,
      kind: 'refused',
      role: text,
      target: text,
      status: 401,
      reason: text,
      headers,
      token
    });
    ring.push({ ...common, kind: 'fault', fault: text, details: { [text]: text }, struck: 1 });
    ring.push({ ...common, kind: text });
    const request = { ...common, id: `${id}-http` };
    const body = { size: 9, preview: text, text: true, cut: false };
    ring.push({ ...request, kind: 'request', method: text, target: text, headers, remoteAddress: text });
    ring.push({ ...request, kind: 'response', status: 200, reason: text, headers, by: text });
    ring.push({
      ...request,
      kind: 'requestDone',
      status: 200,
      requestBody: body,
      responseBody: { ...body, encoding: id % 2 ? text : undefined },
      timing: { queued: 1, accepted: null, firstByte: 5, end: 9 }
    });
    ring.push({ ...request, id: `${id}-failed`, kind: 'requestFailed', status: null, reason: text });
    Object.assign(hand.overview, {
      hybridConnections: [{ path: text, listeners: 1 }],
      listeners: [{ path: text, id: text, remoteAddress: text, since: 1, tokenExpires: 1 }],
      state: text,
      address: text
    });
  }

  test('nothing that is said does anything', async () => {
    const { page, seen } = opened;
    // A word that every script of theirs would leave.
    const hurt = () =>
      page.evaluate(() => ['hurt' in window, 'hurt' in {}, Object.keys(Object.prototype).length]);
    TEXTS.forEach((text, at) => pushEverywhere(text, String(at)));
    const unfold = () =>
      page.locator('section:not([hidden]) details').evaluateAll((all) => {
        for (const one of all) one.open = true;
      });
    for (const [name, list, count] of [
      ['Overview'],
      ['Timeline', 'Timeline', 7 * TEXTS.length],
      ['Connections', 'Connections', TEXTS.length],
      ['HTTP', 'Requests', 2 * TEXTS.length],
      ['Faults']
    ]) {
      await tab(page, name);
      if (list === undefined) await page.waitForTimeout(1200);
      else {
        await page
          .locator('section:not([hidden]) .filter')
          .getByText(String(count), { exact: true })
          .waitFor();
      }
      for (let at = 0; at < (count ?? 0); at++) {
        await page.getByRole('listbox', { name: list }).press(at === 0 ? 'Home' : 'ArrowDown');
        await unfold();
        const messages = page.getByRole('listbox', { name: 'Messages' });
        for (let one = 0; name === 'Connections' && one < 4; one++) {
          await messages.press(one === 0 ? 'Home' : 'ArrowDown');
        }
        await page.locator('section:not([hidden]) .choice button').evaluateAll((all) => {
          for (const one of all) one.click();
        });
        if (name !== 'HTTP' || at % 2 === 0) continue;
        await page.getByRole('button', { name: 'Replay' }).click();
        await page.keyboard.press('Escape');
      }
      expect([name, await hurt()]).toEqual([name, [false, false, 0]]);
    }
    const made = await page.evaluate(() => ({
      scripts: document.querySelectorAll('script').length,
      strange: [...document.querySelectorAll('body *')].filter((one) =>
        ['iframe', 'object', 'embed', 'a', 'base', 'style', 'link'].includes(one.localName)
      ).length,
      handlers: [...document.querySelectorAll('*')].filter((one) =>
        [...one.attributes].some(
          ({ name }) =>
            name.startsWith('on') || (name === 'style' && one.localName !== 'div' && one.localName !== 'span')
        )
      ).length
    }));
    expect(made).toEqual({ scripts: 1, strange: 0, handlers: 0 });
    expect(await page.locator('img').count()).toBe(1);
    expect(seen.problems).toEqual([]);
    const { origin } = new URL(hand.inspector.url);
    expect(seen.requests.filter((url) => !url.startsWith(`${origin}/`))).toEqual([]);
  });

  test('a token may end when no calendar has a date', async () => {
    const { page, seen } = opened;
    const expires = 2 ** 63;
    hand.ring.push({
      kind: 'listener',
      path: 'hyco',
      id: 'a',
      target: '',
      headers: [],
      token: { result: 'ok', expires }
    });
    hand.overview.listeners = [{ path: 'hyco', id: 'a', since: 1, tokenExpires: expires }];
    await page.getByText('Invalid Date').waitFor();
    await tab(page, 'Timeline');
    const options = page.getByRole('listbox', { name: 'Timeline' }).getByRole('option');
    await options.filter({ hasText: 'token valid until Invalid Date' }).click();
    expect(seen.problems).toEqual([]);
  });

  test('what hides or turns text around is shown as what it is', async () => {
    const { page } = opened;
    pushEverywhere(BIDI, '1');
    await tab(page, 'Connections');
    await page.getByRole('listbox', { name: 'Connections' }).getByRole('option').first().click();
    await page.getByRole('listbox', { name: 'Messages' }).getByRole('option').first().click();
    const text = await page.locator('#connections .preview').innerText();
    expect(text).toBe('user⟨202e⟩⟨2066⟩gpj.exe⟨2069⟩⟨200b⟩⟨0007⟩⟨001b⟩]0;hurt⟨0007⟩');
    const all = await page.evaluate(() => document.body.innerText);
    // eslint-disable-next-line no-control-regex
    expect(all).not.toMatch(/[\u202a-\u202e\u2066-\u2069\u200b\x1b\x07]/);
  });

  test('a request that is copied is safe to paste', async () => {
    const { page } = opened;
    const evil = `'; touch /tmp/hurt; '\x1b[201~\ntouch /tmp/hurt\n`;
    const body = { size: 9, preview: evil, text: true, cut: false };
    const common = { path: 'hyco', id: 'a' };
    hand.ring.push({
      ...common,
      kind: 'request',
      method: `GET${evil}`,
      target: `/hyco${evil}$(touch /tmp/hurt)`,
      headers: [
        [`X${evil}`, evil],
        ['Cookie', 'a=1']
      ]
    });
    hand.ring.push({
      ...common,
      kind: 'requestDone',
      status: 200,
      requestBody: body,
      responseBody: body,
      timing: { end: 1 }
    });
    await tab(page, 'HTTP');
    await page.getByRole('listbox', { name: 'Requests' }).getByRole('option').click();
    await page.getByRole('button', { name: 'Copy as curl' }).click();
    await page.getByText('Copied.').waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    // eslint-disable-next-line no-control-regex
    expect(copied.replaceAll(' \\\n  ', ' ')).not.toMatch(/[\x00-\x1f\x7f]/);
    const words = await shellWords(copied);
    expect(words.filter((word) => word.includes('touch')).length).toBe(3);
    expect(words[0]).toBe('-X');
    expect(words.some((word) => /cookie/i.test(word))).toBe(false);
  });

  /** What a shell makes of a command line: the arguments that curl would get. */
  async function shellWords(text) {
    const { execFileSync } = require('node:child_process');
    const script = `npx() { printf token; }; curl() { printf '%s\\0' "$@"; }; ${text}`;
    return execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
  }

  const sender = (at) => ({
    kind: 'sender',
    path: 'hyco',
    id: `s${at}`,
    remoteAddress: '127.0.0.1',
    target: `/hyco/${at}`,
    headers: []
  });
  const message = (at) => ({
    kind: 'message',
    path: 'hyco',
    id: `c${at % 50}`,
    direction: at % 2 ? 'toListener' : 'toSender',
    type: 'text',
    size: 20,
    preview: `{"number":${at}}`,
    cut: false
  });

  test('ten thousand records and a thousand events a second cost the page no more than it shows', async () => {
    const { page, seen } = opened;
    for (let at = 0; at < 5000; at++) {
      hand.ring.push(sender(at));
      hand.ring.push(message(at));
    }
    await tab(page, 'Timeline');
    const timeline = page.getByRole('listbox', { name: 'Timeline' });
    await timeline.getByRole('option').filter({ hasText: '/hyco/4999' }).waitFor();
    await page.getByText('5000', { exact: true }).first().waitFor();
    const size = () => page.evaluate(() => document.querySelectorAll('*').length);
    const before = await size();
    expect(before).toBeLessThan(1000);
    // How much is changed between two frames.
    await page.evaluate(() => {
      window.most = window.frames = 0;
      let changes = 0;
      new MutationObserver((all) => (changes += all.length)).observe(document.body, {
        subtree: true,
        childList: true,
        characterData: true,
        attributes: true
      });
      const look = () => {
        window.most = Math.max(window.most, changes);
        changes = 0;
        window.frameCount = (window.frameCount ?? 0) + 1;
        requestAnimationFrame(look);
      };
      requestAnimationFrame(look);
    });
    for (const name of ['Timeline', 'Connections', 'Overview']) {
      await tab(page, name);
      if (name === 'Connections') {
        await page.getByRole('listbox', { name: 'Connections' }).getByRole('option').first().click();
      }
      for (let turn = 0; turn < 20; turn++) {
        for (let at = 0; at < 50; at++) {
          hand.ring.push(message(at));
          if (at % 10 === 0) hand.ring.push({ kind: 'accepted', path: 'hyco', id: `c${at}`, duration: 1 });
        }
        await sleep(50);
      }
    }
    hand.ring.push({
      kind: 'refused',
      path: 'hyco',
      id: 'last',
      role: 'sender',
      target: '/last',
      status: 404,
      reason: 'the last one'
    });
    await tab(page, 'Timeline');
    await timeline.getByRole('option').filter({ hasText: 'the last one' }).waitFor();
    expect(await size()).toBeLessThan(2000);
    const { most, frameCount } = await page.evaluate(() => ({
      most: window.most,
      frameCount: window.frameCount
    }));
    expect(frameCount).toBeGreaterThan(10);
    // A few for each row that is to be seen.
    expect(most).toBeLessThan(3000);
    expect(seen.problems).toEqual([]);
    // What is far down is there.
    await timeline.press('End');
    await page
      .getByRole('region', { name: 'Details' })
      .getByText(/\/hyco\/\d+/)
      .first()
      .waitFor();
  });

  test('what is being read stays where it is while more comes', async () => {
    const { page } = opened;
    const push = (from, to) => {
      for (let at = from; at < to; at++) hand.ring.push(sender(at));
    };
    push(0, 1000);
    await tab(page, 'Timeline');
    const timeline = page.getByRole('listbox', { name: 'Timeline' });
    await timeline.getByRole('option').filter({ hasText: '/hyco/999' }).waitFor();
    await timeline.evaluate((node) => (node.scrollTop = 500 * 34));
    await timeline.getByRole('option').filter({ hasText: '/hyco/499' }).waitFor();
    const place = () =>
      timeline
        .getByRole('option')
        .filter({ hasText: '/hyco/490' })
        .evaluate((node) => Math.round(node.getBoundingClientRect().top));
    const before = await place();
    push(1000, 1300);
    await page.getByText('1300', { exact: true }).first().waitFor();
    expect(await place()).toBe(before);
  });

  test('a page that was cut off goes on where it was', async () => {
    const { page, context } = opened;
    hand.ring.push({ kind: 'sender', path: 'hyco', id: 'first', target: '/hyco/first', headers: [] });
    await tab(page, 'Timeline');
    const options = page.getByRole('listbox', { name: 'Timeline' }).getByRole('option');
    await options.filter({ hasText: '/hyco/first' }).waitFor();
    await context.setOffline(true);
    await page.evaluate(() => 1);
    hand.ring.push({ kind: 'sender', path: 'hyco', id: 'second', target: '/hyco/second', headers: [] });
    await context.setOffline(false);
    await options.filter({ hasText: '/hyco/second' }).waitFor();
    expect(await options.count()).toBe(2);
  });
}
