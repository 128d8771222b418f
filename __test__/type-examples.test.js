'use strict';

// The examples that editors show beside our types compile.

const fs = require('node:fs');
const path = require('node:path');

const ts = require('typescript');

const WebSocket = require('..');

const root = path.join(__dirname, '..');

/** What examples take for granted. */
const HEAD = `
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import * as http from 'node:http';
import { pipeline } from 'node:stream';
import https from 'hyco-ws-rs/https';
import * as emulator from 'hyco-ws-rs/emulator';
import {
  RelayEmulator, HybridConnectionOptions, RelayAction, RelayEmulatorOptions, RelayEmulatorStats, SharedAccessRight
} from 'hyco-ws-rs/emulator';
declare const uri: string, key: string, keyName: string, token: string, text: string, cert: string;
declare const server: RelayedServer, socket: RelayedWebSocket, relay: RelayEmulator, app: http.RequestListener;
declare function begin(): void;
declare function isKnown(user: string): boolean;
declare function onFirst(event: MessageEvent): void;
declare function afterEach(fn: () => void): void;
declare class DefaultAzureCredential implements TokenCredential { getToken: TokenCredential['getToken']; }
`;

const examples = [];
for (const name of ['index.d.ts', 'index.d.mts', 'emulator.d.ts', 'https.d.ts']) {
  const file = ts.createSourceFile(
    name,
    fs.readFileSync(path.join(root, name), 'utf8'),
    ts.ScriptTarget.Latest,
    true
  );
  (function visit(node) {
    for (const tag of (node.jsDoc ?? []).flatMap(({ tags }) => tags ?? [])) {
      if (tag.tagName.text === 'example') {
        examples.push([
          `${name}: ${node.name?.getText() ?? 'a variable'}`,
          ts.getTextOfJSDocComment(tag.comment)
        ]);
      }
    }
    node.forEachChild(visit);
  })(file);
}

test('there are some of each file', () => {
  expect(new Set(examples.map(([name]) => name.split(':')[0])).size).toBe(4);
  expect(examples.length).toBeGreaterThan(100);
});

test('all of them compile', () => {
  const file = path.join(root, 'examples-of-types.mts');
  const names = fs
    .readFileSync(path.join(root, 'index.d.mts'), 'utf8')
    .match(/(?<=^export import |^export const )\w+/gm);
  expect(names).toEqual(
    expect.arrayContaining(Object.keys(WebSocket).filter((name) => name !== 'WebSocket'))
  );
  const bodies = examples.map(([name, code], index) => {
    const hoisted = code.replace(/^import .*$/gm, '');
    return `// ${name}\nasync function example${index}() {\n${hoisted}\n}\nvoid example${index};\n`;
  });
  const source = `import WebSocket, { ${names.join(', ')} } from 'hyco-ws-rs';${HEAD}${bodies.join('')}`;

  const options = {
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    target: ts.ScriptTarget.ESNext,
    // Without the DOM, which takes longer to read than all else.
    lib: ['lib.esnext.d.ts'],
    skipLibCheck: true,
    types: ['node'],
    noEmit: true
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, source, rest[0], true) : getSourceFile(name, ...rest);
  const program = ts.createProgram([file], options, host);
  const complaints = ts.getPreEmitDiagnostics(program).map((diagnostic) => {
    const { line } = ts.getLineAndCharacterOfPosition(diagnostic.file, diagnostic.start);
    return `${source.split('\n')[line]}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
  });
  expect(complaints).toEqual([]);
});
