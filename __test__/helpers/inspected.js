'use strict';

/** What the inspector's tests look at: records made by hand, or a relay with a listener; and pages that look at them. */

const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');

const { RelayedServer } = require('../..');
const { RelayEmulator } = require('../../emulator.js');
const { Recorder } = require('../../lib/inspector/recorder.js');
const { RecordRing } = require('../../lib/inspector/record-ring.js');
const { createRedaction } = require('../../lib/inspector/redaction.js');
const { startInspector } = require('../../lib/inspector/server.js');

/** An inspector of records that a test pushes. `pressed` has what was asked of its faults. */
async function inspectByHand({ maxRecords = 10_000, ...source } = {}) {
  const ring = new RecordRing({ maxRecords, maxBytes: 64 * 1024 * 1024 });
  const recorder = new Recorder(ring, createRedaction({ secrets: () => [], previewBytes: 4096 }));
  const pressed = [];
  class Faults {
    dropControl(...args) {
      pressed.push(args);
      return 3;
    }
  }
  const overview = {
    address: 'http://127.0.0.1:1',
    hybridConnections: [{ path: 'hyco', listeners: 0 }],
    listeners: [],
    connections: [],
    totals: { rendezvous: 0, requests: 0, refused: 0, renewals: 0 },
    capabilities: { replay: true, faults: true }
  };
  const inspector = await startInspector({
    recorder,
    overview: () => overview,
    faults: new Faults(),
    replay: async (order) => ({ status: 200, reason: 'OK', order }),
    ...source
  });
  return { ring, recorder, pressed, inspector, overview };
}

/** A relay with its inspector, and a listener that echoes messages and answers requests with what they said. */
async function inspectedRelay(options) {
  const relay = await RelayEmulator.start({
    hybridConnections: ['hyco', 'orders'],
    inspect: true,
    ...options
  });
  const server = new RelayedServer({
    server: relay.listenUri('hyco'),
    keyName: relay.keyName,
    key: relay.key,
    reconnect: { minDelay: 50 }
  });
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  server.on('request', async (req, res) => {
    const pieces = await req.toArray();
    const [path] = req.url.split('?');
    res.statusCode = path.endsWith('/missing') ? 404 : 200;
    res.setHeader('Content-Type', 'application/json');
    res.setHeader('Set-Cookie', 'session=a-cookie-that-nobody-may-see');
    if (path.endsWith('/report')) {
      await sleep(12);
      res.flushHeaders();
      await sleep(18);
    }
    res.end(JSON.stringify({ method: req.method, path, said: Buffer.concat(pieces).toString() }));
  });
  await once(server, 'listening');
  const close = async () => {
    await server.close();
    await relay.close();
  };
  return { relay, server, close };
}

/**
 * Opens a page, and writes down what it does: its requests, what it is sent, and whatever goes wrong in it.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {object} [options] Of the browser's context
 */
async function openPage(browser, url, options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const seen = { requests: [], traffic: [], problems: [] };
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  network.on('Network.eventSourceMessageReceived', ({ data }) => seen.traffic.push(data));
  page.on('request', (request) => {
    seen.requests.push(request.url());
    seen.traffic.push(JSON.stringify(request.headers()), request.postData() ?? '');
  });
  page.on('response', async (response) => {
    seen.traffic.push(JSON.stringify(response.headers()));
    const isStream = response.url().endsWith('/events');
    if (!isStream) seen.traffic.push(await response.text().catch(() => ''));
  });
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.problems.push(message.text());
  });
  page.on('pageerror', (error) => seen.problems.push(error.message));
  page.on('dialog', (dialog) => {
    seen.problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(url);
  await page.getByText('Live', { exact: true }).waitFor();
  return { page, context, seen };
}

/** Shows a tab of the page. */
async function tab(page, name) {
  await page.getByRole('tab', { name }).click();
}

module.exports = { inspectByHand, inspectedRelay, openPage, tab };
