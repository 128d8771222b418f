'use strict';

// Every block of JavaScript and TypeScript in README and docs runs, as it stands, against an emulator that passes for
// Azure.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const vm = require('node:vm');

const ts = require('typescript');

const { NAMESPACE, startStandIn } = require('./helpers/azure-stand-in.js');
const { blocksOf } = require('./helpers/markdown.js');
const { RelayedServer } = require('..');

const root = path.join(__dirname, '..');
const docs = fs.readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md'));
const files = ['README.md', ...docs.map((name) => `docs/${name}`)];

/** What a block may take for granted, and how that ends. */
const GIVEN = {
  server: [
    `const server = new (require('hyco-ws-rs').RelayedServer)({
       server: require('hyco-ws-rs').createRelayListenUri('${NAMESPACE}', 'spare'),
       keyName: 'rule', key: process.env.SB_HC_KEY });
     await require('node:events').once(server, 'listening');`,
    'await server.close();'
  ],
  socket: [
    `const uri = require('hyco-ws-rs').createRelaySendUri('${NAMESPACE}', 'hyco');
     const socket = require('hyco-ws-rs').relayedConnect(uri, { keyName: 'rule', key: process.env.SB_HC_KEY });
     await require('node:events').once(socket, 'open');`,
    'socket.terminate();'
  ],
  relay: [
    `const relay = await require('hyco-ws-rs/emulator').RelayEmulator.start();`,
    'await relay.close({ force: true });'
  ]
};

/** What blocks require besides this package. */
const INSTALLED = ['ws', 'express', 'expect', 'fastify'];

/** Stands for the package of Azure, which is no dependency: its tokens are the emulator's. */
const IDENTITY = `const { createRelayToken } = require('hyco-ws-rs');
exports.DefaultAzureCredential = class {
  async getToken() {
    const token = createRelayToken('http://${NAMESPACE}/', 'rule', process.env.SB_HC_KEY);
    return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
  }
};`;

/** Stands for vitest, which nothing else here needs, by node:test and jest's `expect`: `test.extend()` is all there is. */
const VITEST = `import { test as run } from 'node:test';
import { expect } from 'expect';
export { expect };
export const test = {
  extend: (fixtures) => (name, body) => run(name, async () => {
    const given = {};
    const chain = Object.entries(fixtures).reduceRight(
      (next, [fixture, make]) => () => make(given, (value) => { given[fixture] = value; return next(); }),
      () => body(given)
    );
    await chain();
  })
};`;

let standIn;
let listener;
let folder;
let child;

beforeAll(async () => {
  standIn = await startStandIn({ hybridConnections: ['hyco', 'spare', 'web'] });
  listener = new RelayedServer(
    {
      server: `wss://${NAMESPACE}/$hc/hyco`,
      keyName: 'rule',
      key: standIn.relay.key,
      proxy: standIn.proxy.url,
      tls: { ca: standIn.ca }
    },
    (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  );
  await new Promise((resolve) => listener.once('listening', resolve));
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hyco-docs-'));
  const modules = path.join(folder, 'node_modules');
  fs.mkdirSync(path.join(modules, '@azure', 'identity'), { recursive: true });
  fs.writeFileSync(path.join(modules, '@azure', 'identity', 'index.js'), IDENTITY);
  fs.mkdirSync(path.join(modules, 'vitest'));
  fs.writeFileSync(path.join(modules, 'vitest', 'package.json'), '{ "exports": "./index.mjs" }');
  fs.writeFileSync(path.join(modules, 'vitest', 'index.mjs'), VITEST);
  fs.symlinkSync(root, path.join(modules, 'hyco-ws-rs'), 'junction');
  for (const name of INSTALLED) {
    fs.symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name), 'junction');
  }
});
// A listener that a test has left would answer in the place of the next.
afterEach(() => child?.kill('SIGKILL'));
afterAll(async () => {
  await listener?.close();
  await standIn?.close();
  if (folder !== undefined) fs.rmSync(folder, { recursive: true, force: true });
});

const isModule = (code) => /^import /m.test(code);

function program({ code, given, language, runner, saved }) {
  if (language === 'ts') {
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    return ts.transpileModule(code, { compilerOptions }).outputText;
  }
  if (isModule(code) || runner === 'jest' || saved !== undefined) return code;
  const before = given.map((name) => GIVEN[name][0]).join('\n');
  const after = given.map((name) => GIVEN[name][1]).join('\n');
  return `'use strict';
(async () => {
${before}
{
${code}
}
${after}
})().catch((error) => { console.error(error); process.exit(1); });`;
}

/** Asks until a listener answers with `text`. */
async function ask({ method, path: target, text }, signal) {
  while (!signal.aborted) {
    const { status, headers, body } = await standIn.request(method, target, { signal });
    // Nobody listens yet, or a listener without its handler.
    if (`${status} ${headers.location ?? ''} ${body}`.includes(text)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Runs a program until it ends, has printed what it is to print, or has answered. */
function run(file, { prints, answers, runner }) {
  return new Promise((resolve) => {
    const env = { ...process.env, ...standIn.env };
    const jest = [
      require.resolve('jest/bin/jest'),
      '--rootDir',
      folder,
      '--config',
      '{}',
      '--runTestsByPath'
    ];
    const args = runner === 'jest' ? [...jest, file] : ['--no-deprecation', file];
    child = spawn(process.execPath, args, { cwd: folder, env });
    let output = '';
    let seen = false;
    const limit = setTimeout(() => child.kill('SIGKILL'), 200_000);
    const ended = new AbortController();
    const lasts = prints !== undefined || answers !== undefined;
    if (answers !== undefined) {
      ask(answers, ended.signal)
        .then(
          (answered) => (seen = answered),
          (error) => (output += error.stack)
        )
        .finally(() => child.kill('SIGKILL'));
    }
    const read = (data) => {
      output += data;
      if (prints === undefined || seen || !output.includes(prints)) return;
      seen = true;
      child.kill('SIGKILL');
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('close', (code) => {
      clearTimeout(limit);
      ended.abort();
      resolve({ ended: lasts ? seen : code, output });
    });
  });
}

describe.each(files)('%s', (name) => {
  const blocks = blocksOf(fs.readFileSync(path.join(root, name), 'utf8'));
  const running = blocks.filter(({ skip }) => skip === undefined);
  const resting = blocks.filter(({ skip }) => skip !== undefined);

  beforeAll(() => {
    for (const { saved, code } of blocks) {
      if (saved !== undefined) fs.writeFileSync(path.join(folder, saved), code);
    }
  });

  if (running.length > 0) {
    test.each(running)(
      'line $line',
      async (block) => {
        const ending = block.runner === 'jest' ? 'test.js' : isModule(block.code) ? 'mjs' : 'js';
        const file = path.join(folder, `${path.basename(name, '.md')}-${block.line}.${ending}`);
        fs.writeFileSync(file, program(block));
        const { ended, output } = await run(file, block);
        // Which of the two is in the way is best seen together.
        const lasts = block.prints !== undefined || block.answers !== undefined;
        expect({ ended, output }).toEqual({ ended: lasts ? true : 0, output });
      },
      120_000
    );
  }
  if (resting.length > 0) {
    test.each(resting)('line $line is not run, but parses', ({ code, skip }) => {
      expect(skip).not.toBe('');
      new vm.Script(`(async () => {${code}\n})`);
    });
  }
});
