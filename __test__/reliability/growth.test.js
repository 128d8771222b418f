'use strict';

// What a process with a listener has after a long life.

const { run } = require('../helpers/child.js');

test('10,000 rounds of connecting and closing: nothing grows', async () => {
  const { code, said, stderr } = await run('rounds', '10000');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(said).toMatchObject({ accepted: 15_000, connections: 0, pendingAccepts: 0 });
  expect(said).toMatchObject({ tasks: 0, sockets: 0, listeners: 0 });
  // V8 of Node 22 and later lets its new space grow further: there it levels off near 150 MiB, after more rounds than these.
  const room = Number(process.versions.node.split('.')[0]) < 22 ? 25 : 75;
  expect(said.after - said.before).toBeLessThan(room);
});
