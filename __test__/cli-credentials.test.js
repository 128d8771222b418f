'use strict';

// Where the commands go, and with which credentials, in processes of their own.

const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const { writeEnvFile } = require('../lib/cli/env-file.js');
const { Commands, json, seen } = require('./helpers/commands.js');

const commands = new Commands();

describe('where to', () => {
  test('a namespace may be ws://host:port', async () => {
    const { SB_HC_SECURE: _, ...rest } = commands.env;
    const child = await commands.listening([], {
      ...rest,
      SB_HC_NAMESPACE: `ws://${commands.relay.address}`
    });
    child.kill('SIGINT');
    expect(await child.ended).toBe(0);
    const other = commands.run(['listen', '--ns', 'ws://contoso.servicebus.windows.net'], commands.env);
    expect(await other.ended).toBe(2);
    expect(other.errors).toContain('this machine');
  });

  test('what a connection string lacks is in the other variables', async () => {
    const { address, keyName, key } = commands.relay;
    const string = `Endpoint=sb://${address}/;UseDevelopmentEmulator=true`;
    const variables = { SB_HC_PATH: 'hyco', SB_HC_KEYRULE: keyName, SB_HC_KEY: key };
    const child = await commands.listening([], { ...variables, SB_HC_CONNECTION_STRING: string });
    child.kill('SIGINT');
    expect(await child.ended).toBe(0);
    // What it has comes first.
    const whole = `${string};SharedAccessKeyName=${keyName};SharedAccessKey=${key};EntityPath=hyco`;
    const wrong = { SB_HC_PATH: 'nowhere', SB_HC_KEYRULE: 'none', SB_HC_KEY: 'none' };
    const other = await commands.listening([], { ...wrong, SB_HC_CONNECTION_STRING: whole });
    other.kill('SIGINT');
    expect(await other.ended).toBe(0);
    for (const name of Object.keys(wrong)) expect(other.errors).toContain(`${name} is not used`);
    expect(child.errors).not.toContain('is not used');
  });

  test.each([['/hyco'], ['//hyco']])('%j is no path', async (name) => {
    const child = commands.run(['doctor', '--path', name]);
    expect(await child.ended).toBe(2);
    expect(child.errors).toContain('the path begins with a slash');
  });

  test('variables that the emulator has written beside are named', async () => {
    const cwd = mkdtempSync(path.join(tmpdir(), 'hyco-beside-'));
    commands.closers.push(() => rmSync(cwd, { recursive: true }));
    const ask = async () => {
      const child = commands.run(['doctor'], {}, { cwd });
      expect(await child.ended).toBe(2);
      return child.errors;
    };
    writeFileSync(path.join(cwd, '.env'), 'MINE=1\n');
    expect(await ask()).not.toContain('.env');
    writeEnvFile(path.join(cwd, '.env'), commands.env);
    expect(await ask()).toContain('.env here has them: set -a; . ./.env');
  });
});

describe('--credential default', () => {
  let folder;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hyco-cli-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** The place of Azure's package, whose tokens are the emulator's. */
  function install(getToken) {
    const place = path.join(folder, 'node_modules', '@azure', 'identity');
    mkdirSync(place, { recursive: true });
    const source = `exports.DefaultAzureCredential = class { async getToken(scope) { ${getToken} } };`;
    writeFileSync(path.join(place, 'index.js'), source);
  }
  const withoutKey = () => ({ ...commands.env, SB_HC_KEYRULE: '', SB_HC_KEY: '' });
  const given = ['--credential', 'default'];

  test('is what every command goes by', async () => {
    install(`if (scope !== 'https://relay.azure.net//.default') throw new Error(scope);
      return { token: process.env.TOKEN, expiresOnTimestamp: Date.now() + 3600000 };`);
    const env = { ...withoutKey(), TOKEN: commands.relay.createToken('hyco') };
    const run = (...args) => commands.run([...args, ...given], env, { cwd: folder });
    const doctor = run('doctor', '--json');
    expect([await doctor.ended, doctor.text]).toEqual([0, expect.stringContaining('"http"')]);
    const token = run('token');
    expect([await token.ended, token.text]).toEqual([0, `${env.TOKEN}\n`]);
    const asJson = run('token', '--json');
    expect([await asJson.ended, json(asJson)[0].token]).toEqual([0, env.TOKEN]);
    const listener = run('listen', '--echo');
    await seen(listener, listener.stderr, 'listening on');
    const sender = run('connect', '--wait', '0.3');
    sender.stdin.end('one\n');
    expect([await sender.ended, sender.text]).toEqual([0, 'one\n']);
  });

  test('comes before what else there is, which it excludes on the command line', async () => {
    install(`return { token: 'no token', expiresOnTimestamp: 0 };`);
    const string = commands.relay.connectionString('hyco');
    const env = { ...commands.env, SB_HC_NAMESPACE: '', SB_HC_CONNECTION_STRING: string };
    const child = commands.run(['connect', ...given], env, { cwd: folder });
    expect(await child.ended).toBe(1);
    expect(child.errors).toContain('MalformedToken');
    for (const other of [['--key-stdin'], ['--keyrule', 'rule']]) {
      const refused = commands.run(['connect', ...given, ...other], env, { cwd: folder });
      expect(await refused.ended).toBe(2);
      expect(refused.errors).toContain(other[0]);
    }
  });

  test('says what is missing, and what went wrong', async () => {
    const missing = commands.run(['listen', ...given], withoutKey(), { cwd: folder });
    expect(await missing.ended).toBe(2);
    expect(missing.errors).toContain('npm install @azure/identity');
    const other = commands.run(['listen', '--credential', 'cli'], withoutKey(), { cwd: folder });
    expect(await other.ended).toBe(2);
    expect(other.errors).toContain('--credential takes default');
    const string = 'Endpoint=sb://ns.test/;Authentication=Managed Identity;EntityPath=hyco';
    const managed = commands.run(['listen'], { SB_HC_CONNECTION_STRING: string });
    expect(await managed.ended).toBe(2);
    expect(managed.errors).toContain('--credential default is needed');

    install(`throw new Error('nobody is logged in');`);
    const failing = commands.run(['connect', ...given], withoutKey(), { cwd: folder });
    expect(await failing.ended).toBe(1);
    expect(failing.errors).toContain('nobody is logged in');
    install(`return { token: 'eyJhbGciOi.eyJhdWQi.c2ln', expiresOnTimestamp: 0 };`);
    const real = commands.run(['connect', ...given], withoutKey(), { cwd: folder });
    expect(await real.ended).toBe(1);
    expect(real.errors).toContain('none of Entra ID');
    expect(real.errors).not.toContain('eyJ');
  });
});
