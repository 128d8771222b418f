'use strict';

// docs/deploying.md: the unit file, the image and the manifests hold together with each other and with the example that they
// run; and that example does what they count on. Its JavaScript is run by docs.test.js.

const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const yaml = require('js-yaml');

const WebSocket = require('..');
const { RelayEmulator } = require('../emulator.js');
const { metricsOf } = require('../examples/prometheus.js');

const root = path.join(__dirname, '..');
const guide = fs.readFileSync(path.join(root, 'docs', 'deploying.md'), 'utf8');
const SERVICE = path.join(root, 'examples', 'service.js');
const service = fs.readFileSync(SERVICE, 'utf8');

const blocks = (language) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, text]) => text);
const [unit] = blocks('ini');
const [dockerfile] = blocks('dockerfile');
const [manifests, rules] = blocks('yaml').map((text) => yaml.loadAll(text));

/** The seconds for which the example drains if nobody says otherwise. */
const DRAIN = Number(/DRAIN_SECONDS \?\? (\d+)/.exec(service)[1]);
const PORT = /HEALTH_PORT \?\? (\d+)/.exec(service)[1];
/** What a variable of a unit file, an image or a manifest may be. */
const VARIABLES = new Set([...service.matchAll(/env\.([A-Z_]+)/g)].map(([, name]) => name)).add('NODE_ENV');
const PATHS = [...service.matchAll(/case '(\/\w+)':/g)].map(([, name]) => name);

describe('the unit file', () => {
  const sections = {};
  let section;
  for (const line of unit.trim().split('\n').filter(Boolean)) {
    const [, name] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (name !== undefined) section = sections[name] = {};
    else section[/^\w+(?==)/.exec(line)[0]] = line.slice(line.indexOf('=') + 1);
  }

  test('starts the example, restarts it, and leaves time for the drain', () => {
    const { Service, Install } = sections;
    expect(Service.ExecStart).toBe(`/usr/bin/node ${path.basename(SERVICE)}`);
    expect(Service).toMatchObject({ Restart: 'always', KillSignal: 'SIGTERM' });
    expect(Number(Service.TimeoutStopSec)).toBeGreaterThan(DRAIN);
    expect(Install.WantedBy).toBe('multi-user.target');
    // V8 would not start.
    expect(Service.MemoryDenyWriteExecute).toBeUndefined();
    expect(VARIABLES).toContain(Service.Environment.split('=')[0]);
  });

  const missing = spawnSync('systemd-analyze', ['--version']).status !== 0;
  (missing ? test.skip : test)('is what systemd takes (skipped without systemd-analyze)', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-unit-'));
    const file = path.join(folder, 'relay.service');
    // Node is where it is.
    fs.writeFileSync(file, unit.replace('/usr/bin/node', process.execPath));
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    fs.rmSync(folder, { recursive: true });
    // What it says of other units of this machine is no matter.
    expect(stderr.split('\n').filter((line) => line.includes('relay.service'))).toEqual([]);
  });
});

describe('the image', () => {
  const instructions = dockerfile
    .replaceAll('\\\n', '')
    .trim()
    .split('\n')
    .filter(Boolean)
    .map((line) => /^([A-Z]+) (.*)$/.exec(line).slice(1));
  const all = (name) => instructions.filter(([found]) => found === name).map(([, rest]) => rest);

  test('has the same base twice, for the addon is the platform of the first', () => {
    const bases = all('FROM').map((from) => from.split(' ')[0]);
    expect(new Set(bases).size).toBe(1);
    const least = Number(/\d+/.exec(require('../package.json').engines.node)[0]);
    expect(Number(/^node:(\d+)-slim$/.exec(bases[0])[1])).toBeGreaterThanOrEqual(least);
    expect(all('RUN').join()).not.toMatch(/optional|ignore-scripts|no-optional/);
  });

  test('copies all that the example requires, and starts it so that it gets signals', () => {
    const copied = all('COPY').join(' ').split(' ');
    for (const [, file] of service.matchAll(/require\('\.\/([\w.]+)'\)/g)) expect(copied).toContain(file);
    const [command] = all('CMD').map((text) => JSON.parse(text));
    expect(command).toEqual(['node', path.basename(SERVICE)]);
    expect(copied).toContain(command[1]);
    expect([all('EXPOSE'), all('STOPSIGNAL'), all('USER')]).toEqual([[PORT], ['SIGTERM'], ['node']]);
    for (const name of all('ENV')[0].matchAll(/(\w+)=/g)) expect(VARIABLES).toContain(name[1]);
  });

  test('has a health check that tells a service that answers from one that does not', () => {
    const [, line] = /CMD (\[.*\])/.exec(all('HEALTHCHECK')[0]);
    const [, , script] = JSON.parse(line);
    expect(script).toContain(`:${PORT}${PATHS[0]}`);
    // Nobody listens there.
    const { status } = spawnSync(process.execPath, ['-e', script.replace(PORT, '1')]);
    expect(status).toBe(1);
  });
});

test('the example says which variable it needs', () => {
  const { SB_HC_CONNECTION_STRING: _, ...env } = process.env;
  const { status, stderr } = spawnSync(process.execPath, [SERVICE], { env, encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, 'set SB_HC_CONNECTION_STRING\n']);
});

describe('the manifests', () => {
  const [deployment, budget] = manifests;
  const { template, selector, strategy, replicas } = deployment.spec;
  const [container] = template.spec.containers;

  test('select the pods that they make', () => {
    expect(deployment).toMatchObject({ apiVersion: 'apps/v1', kind: 'Deployment' });
    expect(budget).toMatchObject({ apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' });
    expect(template.metadata.labels).toMatchObject(selector.matchLabels);
    expect(budget.spec.selector).toEqual(selector);
    expect(strategy.rollingUpdate.maxUnavailable).toBe(0);
    expect(replicas + strategy.rollingUpdate.maxSurge).toBeLessThanOrEqual(25);
  });

  test('probe what the example serves, and leave time for the drain', () => {
    const [port] = container.ports;
    expect(String(port.containerPort)).toBe(PORT);
    const probed = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => container[name].httpGet);
    for (const probe of probed) {
      expect(probe.port).toBe(port.name);
      expect(PATHS).toContain(probe.path);
    }
    const { annotations } = template.metadata;
    expect(annotations['prometheus.io/port']).toBe(PORT);
    expect(PATHS).toContain(annotations['prometheus.io/path']);
    const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
    for (const name of Object.keys(env)) expect(VARIABLES).toContain(name);
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(env.DRAIN_SECONDS));
  });
});

test('the alerts are about numbers that there are', () => {
  const server = new WebSocket.RelayedServer({
    server: 'ws://127.0.0.1:1/$hc/x',
    token: 'x',
    reconnect: false
  });
  server.on('error', () => {});
  const names = new Set([...metricsOf(server).matchAll(/^(\w+)\{/gm)].map(([, name]) => name));
  const [{ groups }] = rules;
  const expressions = groups.flatMap((group) => group.rules.map(({ expr }) => expr));
  expect(expressions.length).toBeGreaterThan(5);
  for (const expression of expressions) {
    const used = expression.match(/\brelay_\w+/g);
    expect([expression, used.filter((name) => !names.has(name))]).toEqual([expression, []]);
  }
  for (const [name] of guide.matchAll(/\brelay_\w+/g)) expect(names).toContain(name);
  expect(groups[0].rules.every(({ alert, annotations }) => alert && annotations.summary)).toBe(true);
});

describe('the example', () => {
  let relay;
  let child;
  let output;

  beforeEach(async () => {
    relay = await RelayEmulator.start();
    output = '';
  });
  afterEach(async () => {
    child?.kill('SIGKILL');
    await relay.close({ force: true });
  });

  /** Waits until the service has written a line of that event. */
  async function logged(event) {
    for (;;) {
      const line = output.split('\n').find((text) => text.includes(`"event":"${event}"`));
      if (line !== undefined) return JSON.parse(line);
      await once(child.stdout, 'data');
    }
  }

  async function start(env) {
    child = spawn(process.execPath, [SERVICE], {
      env: {
        ...process.env,
        SB_HC_CONNECTION_STRING: relay.connectionString(),
        HEALTH_PORT: '0',
        ...env
      }
    });
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    const ended = once(child, 'close');
    const { port } = await logged('health');
    const get = async (name) => {
      const response = await fetch(`http://127.0.0.1:${port}${name}`);
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        text: await response.text()
      };
    };
    return { ended, get };
  }

  test('answers probes, shows its numbers, and finishes what has begun when it is stopped', async () => {
    const { ended, get } = await start();
    await logged('listening');
    expect((await get('/live')).status).toBe(200);
    expect(await get('/ready')).toMatchObject({ status: 200, text: 'online\n' });
    expect((await get('/other')).status).toBe(404);

    const socket = await WebSocket.connectRelayed(relay.sendUri(), { token: relay.createToken() });
    socket.send('hello');
    expect(String((await once(socket, 'message'))[0])).toBe('hello');
    const headers = { ServiceBusAuthorization: relay.createToken() };
    expect(await (await fetch(`${relay.httpUri()}/a`, { headers })).text()).toBe('GET /hyco/a\n');

    const { type, text } = await get('/metrics');
    expect(type).toBe('text/plain; version=0.0.4');
    expect(text).toContain('\nrelay_connections{path="/hyco"} 1\n');
    expect(text).toContain('\nrelay_bytes_received_total{path="/hyco"} 5\n');

    child.kill('SIGTERM');
    await logged('stopping');
    expect((await get('/live')).status).toBe(200);
    expect(await get('/ready')).toMatchObject({ status: 503, text: 'closing\n' });
    socket.send('still');
    expect(String((await once(socket, 'message'))[0])).toBe('still');
    socket.close();
    expect(await ended).toEqual([0, null]);
    expect(output).toContain('"event":"stopped"');
    expect(output).not.toContain(relay.key);
  });

  test('is quick when it is told so twice', async () => {
    const { ended } = await start();
    await logged('listening');
    const socket = await WebSocket.connectRelayed(relay.sendUri(), { token: relay.createToken() });
    const closed = once(socket, 'close');
    child.kill('SIGTERM');
    await logged('stopping');
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
    await closed;
  });

  test('closes what has not finished in time with 1001', async () => {
    const { ended } = await start({ DRAIN_SECONDS: '0.2' });
    await logged('listening');
    const socket = await WebSocket.connectRelayed(relay.sendUri(), { token: relay.createToken() });
    const closed = once(socket, 'close');
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(1001);
    expect(await ended).toEqual([0, null]);
  });

  test('ends with 1 where listening has no future, and tells why', async () => {
    const { ended } = await start({
      SB_HC_CONNECTION_STRING: relay.connectionString().replace(/EntityPath=\w+/, 'EntityPath=nowhere')
    });
    expect(await ended).toEqual([1, null]);
    expect(await logged('offline')).toMatchObject({ code: 'ERR_HYCO_NOT_FOUND' });
  });
});

describe('the text for Prometheus', () => {
  const histogram = { count: 3, sum: 1500, max: 900, bounds: [100, 1000], counts: [1, 1, 1] };
  const stats = { online: 1, acceptLatency: histogram, answerLatency: histogram };
  const of = (more, labels) => metricsOf({ path: '/hyco', stats: () => ({ ...stats, ...more }) }, labels);

  test('has every line in its form, and each name once', () => {
    const text = of({ rtt: 12.5 });
    expect(text.endsWith('\n')).toBe(true);
    for (const line of text.trimEnd().split('\n')) {
      expect(line).toMatch(
        /^(# HELP \w+ \S.*\.|# TYPE \w+ (counter|gauge|histogram)|[a-z_]+\{(\w+="[^"]*",?)+\} [\d.e-]+)$/
      );
    }
    const types = [...text.matchAll(/^# TYPE (\w+) (\w+)/gm)];
    expect(new Set(types.map(([, name]) => name)).size).toBe(types.length);
    for (const [, name, type] of types) expect(name.endsWith('_total')).toBe(type === 'counter');
  });

  test('adds buckets up, in seconds', () => {
    expect(
      of()
        .split('\n')
        .filter((line) => line.startsWith('relay_accept_seconds'))
    ).toEqual([
      'relay_accept_seconds_bucket{path="/hyco",le="0.1"} 1',
      'relay_accept_seconds_bucket{path="/hyco",le="1"} 2',
      'relay_accept_seconds_bucket{path="/hyco",le="+Inf"} 3',
      'relay_accept_seconds_sum{path="/hyco"} 1.5',
      'relay_accept_seconds_count{path="/hyco"} 3'
    ]);
  });

  test('leaves out a round trip that nobody has measured, and writes any label', () => {
    expect(of()).not.toContain('relay_rtt_seconds');
    expect(of({}, { name: 'a "b"\n\\c' })).toContain('relay_online{name="a \\"b\\"\\n\\\\c"} 1\n');
    expect(of({}, {})).toContain('\nrelay_online 1\n');
  });

  test('has every number of a server', () => {
    const types = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8');
    const [, body] = /interface RelayedServerStats \{([^}]*)\}/.exec(types);
    const fields = [...body.matchAll(/^ {4}(\w+)\??:/gm)].map(([, field]) => field);
    const source = fs.readFileSync(path.join(root, 'examples', 'prometheus.js'), 'utf8');
    expect(fields.filter((field) => !new RegExp(`\\b${field}\\b`).test(source))).toEqual([]);
  });
});
