'use strict';

// `npm run soak -- --minutes N --seed S`: a listener and senders through the emulator and a TCP proxy, with faults at
// random. Every message is numbered and checked, in both directions. Exits with 1 on a loss, a duplicate or a leak that
// the faults do not explain.

const { once } = require('node:events');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');

const { RelayedServer, relayedConnect } = require('..');
const { patience } = require('../__test__/helpers/patience.js');
const { TcpProxy } = require('../__test__/helpers/tcp-proxy.js');
const { RelayEmulator } = require('../emulator.js');
const { random } = require('./random.js');
const { faultsOf } = require('./soak-faults.js');
const { Ledger } = require('./soak-ledger.js');
const { askForever, sendBack } = require('./soak-requests.js');
const { PATH, SoakStreams } = require('./soak-streams.js');

const USAGE = `npm run soak -- [options]
  --minutes N   how long (1)
  --seconds N   the same, for short runs
  --seed S      makes the faults and the senders' choices repeatable
  --senders N   how many at once (8)
  --quiet       only the result
  --json        the result as JSON`;

/** Senders of HTTP requests, and clients of forwarded streams, beside those of messages. */
const ASKERS = 3;
const STREAMERS = 3;

/** What may stay behind after everything is closed and collected, in bytes of RSS over the level after warming up. */
const MAX_GROWTH = 96 * 1024 * 1024;

class Soak {
  constructor({ seed, senders, log }) {
    this.seed = seed;
    this.senders = senders;
    this.log = log;
    this.running = true;
    this.patience = patience;
    /** What became of HTTP requests. */
    this.requests = { answered: 0, failed: 0, corrupt: 0 };
    this.streams = new SoakStreams(this);
    /** Connections that are not booked yet; `cut` says that a fault has touched the wire. */
    this.open = new Map();
    this.nextId = 0;
    this.result = {
      seed,
      connections: 0,
      cut: 0,
      refused: 0,
      refusals: {},
      messages: 0,
      explainedLosses: 0,
      unexplainedLosses: 0,
      duplicates: 0,
      disorder: 0,
      corrupt: 0,
      unexplainedCloses: 0,
      requests: this.requests,
      streams: this.streams.counts,
      faults: {},
      plan: [],
      reconnects: 0,
      peakRss: 0
    };
  }

  async start() {
    this.relay = await RelayEmulator.start({
      seed: this.seed,
      acceptTimeout: 2_000,
      hybridConnections: ['hyco', PATH].map((path) => ({ path }))
    });
    this.proxy = await TcpProxy.start(this.relay.port);
    this.server = new RelayedServer({
      server: this.proxy.through(this.relay.listenUri()),
      keyName: this.relay.keyName,
      key: this.relay.key,
      tokenLifetime: 5,
      keepAlive: { interval: 200, timeout: 500 * patience },
      handshakeTimeout: 1_000,
      reconnect: { minDelay: 10, maxDelay: 200, stableAfter: 500 }
    });
    this.server.on('connection', (socket, request) => this.serve(socket, request));
    this.server.on('request', sendBack);
    this.server.on('error', (error) => this.log(`error: ${error.message}`));
    await once(this.server, 'listening');
    await this.streams.start();
  }

  /** The listener's end: sends numbered messages of its own for each that comes. */
  serve(socket, request) {
    const entry = this.open.get(Number(new URL(request.url, 'ws://x').searchParams.get('n')));
    if (entry === undefined) return socket.terminate();
    entry.socket = socket;
    socket.on('message', (data, isBinary) => {
      entry.up.read(data, isBinary);
      socket.send(entry.down.write(data.length % 3000));
    });
    socket.on('error', (error) => this.log(`connection ${entry.id}: ${error.message}`));
    socket.on('close', (code) => {
      entry.serverCode = code;
      this.settle(entry);
    });
  }

  /** One sender after the other, until the end. */
  async sendForever(chance) {
    while (this.running) {
      const id = this.nextId++;
      const entry = { id, up: new Ledger(), down: new Ledger(), cut: false, opened: false };
      this.open.set(id, entry);
      const uri = `${this.proxy.through(this.relay.sendUri(`hyco?n=${id}`))}`;
      const sender = relayedConnect(uri, {
        token: this.relay.createToken('hyco'),
        keepAlive: { interval: 200, timeout: 500 * patience },
        handshakeTimeout: 3_000
      });
      entry.sender = sender;
      sender.on('error', (error) => (entry.error = error));
      sender.on('message', (data, isBinary) => entry.down.read(data, isBinary));
      const closed = once(sender, 'close').catch(() => [1006]);
      const opened = await Promise.race([once(sender, 'open').catch(() => false), closed.then(() => false)]);
      if (opened) {
        entry.opened = true;
        const bursts = 1 + Math.floor(chance() * 10);
        for (let burst = 0; burst < bursts && sender.readyState === sender.OPEN; burst++) {
          const count = 1 + Math.floor(chance() * 20);
          for (let sent = 0; sent < count; sent++) {
            const large = chance() < 0.02;
            sender.send(entry.up.write(Math.floor(chance() * (large ? 300_000 : 500))));
          }
          await sleep(chance() * 30);
        }
        sender.close(1000);
      }
      [entry.senderCode] = await closed;
      if (!opened) await sleep(20);
      entry.done = true;
      this.settle(entry);
    }
  }

  /** Books a connection once both ends are closed. */
  settle(entry) {
    if (!entry.done || !this.open.has(entry.id)) return;
    if (entry.socket !== undefined && entry.serverCode === undefined) return;
    this.open.delete(entry.id);
    const { result } = this;
    const { up, down } = entry;
    result.connections++;
    if (!entry.opened) {
      // Nothing was on its way yet.
      const why = entry.error?.statusCode ?? entry.error?.code ?? 'closed';
      result.refusals[why] = (result.refusals[why] ?? 0) + 1;
      result.refused++;
      return;
    }
    const lost = up.lost + down.lost;
    result.messages += up.received + down.received;
    for (const ledger of [up, down]) {
      result.duplicates += ledger.duplicates;
      result.disorder += ledger.disorder;
      result.corrupt += ledger.corrupt;
    }
    const orderly = entry.senderCode === 1000 && entry.serverCode === 1000;
    // One that was touched and yet came to its orderly end, at both sides, has no excuse.
    if (entry.cut && !orderly) {
      result.cut++;
      result.explainedLosses += lost;
      return;
    }
    result.unexplainedLosses += lost;
    if (lost > 0) {
      const codes = `${entry.senderCode} and ${entry.serverCode}`;
      this.log(`connection ${entry.id}: lost ${up.lost} up, ${down.lost} down, closed with ${codes}`);
    }
    if (!orderly) result.unexplainedCloses++;
  }

  /** Everything that is on the wire now may lose messages. */
  strike() {
    for (const entry of this.open.values()) entry.cut = true;
  }

  async disturb(chance) {
    while (this.running) {
      // Each fault has numbers of its own: how many it takes depends on what it meets, and must not change the next one.
      const [pause, pick, seed] = [chance(), chance(), chance()];
      await sleep(100 + pause * 500);
      const faults = faultsOf(this, random(seed * 2 ** 32));
      const names = Object.keys(faults);
      const name = names[Math.floor(pick * names.length)];
      this.result.plan.push(name);
      this.result.faults[name] = (this.result.faults[name] ?? 0) + 1;
      await faults[name]();
    }
    this.relay.faults.clear();
  }

  watch() {
    const { rss } = process.memoryUsage();
    this.result.peakRss = Math.max(this.result.peakRss, rss);
    return rss;
  }

  async run(ms) {
    await this.start();
    const watching = setInterval(() => this.watch(), 100);
    const telling = setInterval(() => {
      const { connections, messages, unexplainedLosses } = this.result;
      const rss = Math.round(this.watch() / 2 ** 20);
      this.log(`${connections} connections, ${messages} messages, ${unexplainedLosses} lost, ${rss} MiB`);
    }, 10_000);
    const loops = Array.from({ length: this.senders }, (_, index) =>
      this.sendForever(random(this.seed + index + 1))
    );
    const asking = Array.from({ length: ASKERS }, (_, index) =>
      askForever(this, random(this.seed - index - 1))
    );
    const streaming = Array.from({ length: STREAMERS }, (_, index) =>
      this.streams.exchangeForever(random(this.seed + 1000 + index))
    );
    const disturbing = this.disturb(random(this.seed));
    await sleep(Math.min(ms / 4, 15_000));
    const level = this.watch();
    await sleep(ms - Math.min(ms / 4, 15_000));
    this.running = false;
    await disturbing;
    await Promise.all([...loops, ...asking, ...streaming]);
    await this.finish(level);
    clearInterval(watching);
    clearInterval(telling);
    return this.verdict();
  }

  async finish(level) {
    const { server, relay, proxy, result } = this;
    // Both ends know of each other's death by now, or learn it by keep-alive.
    for (const until = Date.now() + 5_000; this.open.size > 0 && Date.now() < until;) await sleep(50);
    const stats = server.stats();
    result.reconnects = stats.reconnects;
    result.renewals = stats.renewals;
    result.leftOpen = this.open.size + stats.connections + stats.pendingAccepts + stats.requestsPending;
    result.leftOpen += await this.streams.finish();
    await server.close({ timeout: 1_000 });
    await relay.close({ force: true });
    await proxy.close();
    await sleep(50);
    global.gc?.();
    result.growth = this.watch() - level;
    result.handles = process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
  }

  verdict() {
    const { result } = this;
    const wrong = ['unexplainedLosses', 'unexplainedCloses', 'duplicates', 'disorder', 'corrupt', 'leftOpen'];
    result.complaints = [...wrong, 'handles'].filter((name) => result[name] > 0);
    if (result.growth > MAX_GROWTH) result.complaints.push('growth');
    if (result.requests.corrupt > 0) result.complaints.push('corrupt answers');
    if (result.streams.corrupt > 0) result.complaints.push('corrupt streams');
    const { messages, requests, streams } = result;
    if (messages === 0 || requests.answered === 0 || streams.whole === 0) {
      result.complaints.push('nothing was sent');
    }
    return result;
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      senders: { type: 'string', default: '8' },
      quiet: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  });
  if (values.help) return console.log(USAGE);
  const seconds = values.seconds === undefined ? Number(values.minutes ?? 1) * 60 : Number(values.seconds);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const senders = Number(values.senders);
  if (!(seconds > 0) || !Number.isInteger(seed) || !(senders >= 1)) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const log = values.quiet || values.json ? () => {} : (line) => console.log(line);
  log(`seed ${seed}, ${seconds} s, ${senders} senders`);
  const result = await new Soak({ seed, senders, log }).run(seconds * 1000);
  if (values.json) {
    console.log(JSON.stringify(result));
  } else {
    const { plan, ...shown } = result;
    log(`faults in their row: ${plan.join(' ')}`);
    console.log(shown);
  }
  if (result.complaints.length > 0) process.exitCode = 1;
}

main();
