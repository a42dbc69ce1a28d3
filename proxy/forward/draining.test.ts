// Endpoints that leave the table: what runs on them ends in its own time, what is idle is closed, nothing new comes.

import { expect, test } from '@jest/globals';
import { plainEndpoint, plainUpstream } from '../table/defaults.ts';
import { eventually, startDataPath } from './testing/data-path.ts';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('a running request ends on the endpoint that left, the next one goes elsewhere, idle connections close', async () => {
  await using leaving = await startRawOrigin((socket) => socket.write(OK));
  await using staying = await startReplyingOrigin(`${OK}new`);
  await using proxy = await startDataPath([{ endpoints: [leaving.port] }]);
  using client = await connectRaw(proxy.port);
  using idle = await connectRaw(proxy.port);
  client.send(GET);
  idle.send(GET);
  await eventually(() => leaving.received.filter((text) => text.endsWith('\r\n\r\n')).length === 2);
  leaving.sockets[1]?.write('old');
  await eventually(() => proxy.leftovers().idleUpstreamConnections === 1);
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [plainEndpoint('127.0.0.1', staying.port)])], []);
  // The idle connection is closed at once, the one in use is not.
  await eventually(() => leaving.sockets[1]?.readableEnded === true || leaving.sockets[1]?.destroyed === true);
  expect(proxy.leftovers().upstreamConnections).toBe(1);
  expect([client.ended, idle.ended]).toEqual(['', '']);
  using other = await connectRaw(proxy.port);
  other.send(GET);
  expect((await other.responses(1))[0]?.body).toBe('new');
  expect(leaving.connections).toBe(2);
  leaving.sockets[0]?.write('old');
  await eventually(() => proxy.requests.length === 3);
  expect(proxy.requests.map(({ status }) => status)).toEqual([200, 200, 200]);
  // Having answered, the last connection to the endpoint that left is not kept.
  await eventually(() => proxy.leftovers().upstreamConnections === 1);
  expect(proxy.leftovers().inFlight).toBe(0);
});

test('a WebSocket stays with the endpoint that left', async () => {
  await using leaving = await startRawOrigin((socket, soFar) => {
    if (soFar.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    else if (soFar.endsWith('ping')) socket.write('pong');
  });
  await using proxy = await startDataPath([{ endpoints: [leaving.port] }]);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  proxy.context.endpoints.applyUpstreams([], ['u0']);
  client.send('ping');
  await client.until((text) => text.endsWith('pong'));
  using other = await connectRaw(proxy.port);
  other.send(GET);
  expect((await other.responses(1))[0]?.status).toBe(503);
});

test('a terminating endpoint serves only while no other can', async () => {
  await using old = await startReplyingOrigin(`${OK}old`);
  await using fresh = await startReplyingOrigin(`${OK}new`);
  const terminating = { ...plainEndpoint('127.0.0.1', old.port), state: 'terminating' as const };
  await using proxy = await startDataPath([{ endpoints: [] }]);
  const answer = async () => {
    using client = await connectRaw(proxy.port);
    client.send(GET);
    return (await client.responses(1))[0]?.body;
  };
  proxy.context.endpoints.applyUpstreams([plainUpstream('u0', [terminating])], []);
  expect(await answer()).toBe('old');
  proxy.context.endpoints.applyUpstreams(
    [plainUpstream('u0', [plainEndpoint('127.0.0.1', fresh.port), terminating])],
    [],
  );
  expect([await answer(), await answer(), await answer()]).toEqual(['new', 'new', 'new']);
});
