'use strict';

/**
 * The contract of `RelayedWebSocket`: a socket of ws, to the letter. Every scenario is played twice, with ws's client
 * and with ours, against a peer that sends hand-made bytes; what a program sees and what the peer gets must be equal.
 */

const WebSocket = require('ws');

const { DIFFERENCES } = require('./contract/differences');
const { perform } = require('./contract/stage');
const { RelayedWebSocket } = require('../lib/socket/socket');

const TOPICS = [
  'opening',
  'options',
  'handshake',
  'redirects',
  'data',
  'receiving',
  'closing',
  'errors',
  'events',
  'deflate',
  'stream',
  'tls'
];

const OURS = "require('./lib/socket/socket').RelayedWebSocket";

// A scenario that is stuck is cut off by the stage, which says more.
jest.setTimeout(300_000);

let compared = 0;
const left = new Set();

afterAll(() => {
  process.stdout.write(`${compared} scenarios compared, ${left.size} differences left\n`);
});

for (const topic of TOPICS) {
  describe(topic, () => {
    const scenarios = require(`./contract/${topic}`);
    if (Object.keys(scenarios).length === 0) return;
    test.each(Object.keys(scenarios))('%s', async (name) => {
      const theirs = await perform(WebSocket, scenarios[name], "require('ws')");
      const ours = await perform(RelayedWebSocket, scenarios[name], OURS);
      compared++;
      const difference = DIFFERENCES[`${topic}: ${name}`];
      if (difference !== undefined) {
        // A difference that is gone must leave the table.
        if (!difference.chance) expect(ours).not.toEqual(theirs);
        left.add(name);
        difference.adapt(theirs);
      }
      expect(ours).toEqual(theirs);
      expect(theirs.events).not.toContainEqual(['STUCK']);
    });
  });
}

test('every difference belongs to a scenario', () => {
  const names = TOPICS.flatMap((topic) =>
    Object.keys(require(`./contract/${topic}`)).map((name) => `${topic}: ${name}`)
  );
  expect(names).toEqual(expect.arrayContaining(Object.keys(DIFFERENCES)));
});
