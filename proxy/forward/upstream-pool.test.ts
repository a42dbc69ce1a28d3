// Which upstream connections are kept, how many, and for how long (ConfigMap upstream-keepalive-*).

import { expect, test } from '@jest/globals';
import { plainUpstream } from '../table/defaults.ts';
import type { GlobalSettings } from '../table/types.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type ServerEnd, startHttp2Origin } from './testing/http2-origin.ts';
import { type RawOrigin, startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Sends `count` requests one after the other over one client connection. */
async function ask(proxy: DataPath, count: number, path = '/'): Promise<void> {
  using client = await connectRaw(proxy.port);
  for (let i = 1; i <= count; i++) {
    client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.responses(i);
  }
}

async function start(global: Partial<GlobalSettings>): Promise<{ origin: RawOrigin; proxy: DataPath }> {
  const origin = await startReplyingOrigin(OK);
  return { origin, proxy: await startDataPath([{ endpoints: [origin.port] }], global) };
}

test.each<[string, Partial<GlobalSettings>, number, number]>([
  ['one connection serves all by default', {}, 1, 1],
  ['upstream-keepalive-requests', { upstreamKeepAliveRequests: 2 }, 3, 1],
  ['upstream-keepalive-connections 0', { upstreamKeepAliveConnections: 0 }, 5, 0],
  ['upstream-keepalive-time 0', { upstreamKeepAliveTimeMs: 0 }, 5, 0],
])('%s: connections made for five requests, and idle ones left', async (_name, global, made, idle) => {
  const { origin, proxy } = await start(global);
  await using _proxy = proxy;
  await using _origin = origin;
  await ask(proxy, 5);
  expect(origin.connections).toBe(made);
  expect(proxy.leftovers().idleUpstreamConnections).toBe(idle);
});

test('an idle connection is closed after upstream-keepalive-timeout', async () => {
  const { origin, proxy } = await start({ upstreamKeepAliveTimeoutMs: 10_000 });
  await using _proxy = proxy;
  await using _origin = origin;
  await ask(proxy, 1);
  proxy.pass(9_000);
  expect(proxy.leftovers().idleUpstreamConnections).toBe(1);
  proxy.pass(1_200);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 0, upstreamConnections: 0 });
});

test('over the limit the longest idle connection goes, of whatever endpoint', async () => {
  await using first = await startReplyingOrigin(OK);
  await using second = await startReplyingOrigin(OK);
  await using proxy = await startDataPath(
    [
      { path: '/1', endpoints: [first.port] },
      { path: '/2', endpoints: [second.port] },
    ],
    { upstreamKeepAliveConnections: 1 },
  );
  await ask(proxy, 1, '/1');
  proxy.pass(100);
  await ask(proxy, 1, '/2');
  expect(proxy.leftovers().idleUpstreamConnections).toBe(1);
  await ask(proxy, 1, '/2');
  expect(second.connections).toBe(1);
  await ask(proxy, 1, '/1');
  expect(first.connections).toBe(2);
});

test('shared connections count as idle while no request runs on them, and go when they are the longest idle', async () => {
  const respond = (server: ServerEnd, id: number): void => server.respond(id, 'ok');
  await using first = await startHttp2Origin(respond);
  await using second = await startHttp2Origin(respond);
  await using third = await startReplyingOrigin(OK);
  const policy = { protocol: 'http2' as const };
  await using proxy = await startDataPath(
    [
      { path: '/1', endpoints: [first.port], policy },
      { path: '/2', endpoints: [second.port], policy },
      { path: '/3', endpoints: [third.port] },
    ],
    { upstreamKeepAliveConnections: 2 },
  );
  const left = (): unknown => {
    const { idleUpstreamConnections, upstreamConnections } = proxy.leftovers();
    return [idleUpstreamConnections, upstreamConnections];
  };
  await ask(proxy, 2, '/1');
  expect(left()).toEqual([1, 1]);
  await ask(proxy, 1, '/2');
  // Used again, the first one is the newest.
  await ask(proxy, 1, '/1');
  expect(left()).toEqual([2, 2]);
  await ask(proxy, 1, '/3');
  expect(left()).toEqual([2, 2]);
  await ask(proxy, 1, '/1');
  expect([first.connections.length, second.connections.length]).toEqual([1, 1]);
  await ask(proxy, 1, '/2');
  expect(second.connections).toHaveLength(2);
});

test('a shared connection that is busy is not closed for the sake of others, nor kept where none may be', async () => {
  let held: (() => void) | undefined;
  await using origin = await startHttp2Origin((server, id) => {
    held = () => server.respond(id, 'ok');
  });
  await using other = await startReplyingOrigin(OK);
  const policy = { protocol: 'http2' as const };
  await using proxy = await startDataPath(
    [
      { path: '/held', endpoints: [origin.port], policy },
      { path: '/', endpoints: [other.port] },
    ],
    { upstreamKeepAliveConnections: 1 },
  );
  using client = await connectRaw(proxy.port);
  client.send('GET /held HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => held !== undefined);
  await ask(proxy, 2);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 1, upstreamConnections: 2 });
  held?.();
  expect((await client.responses(1))[0]?.status).toBe(200);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 1, upstreamConnections: 1 });
});

/** Answers the first requests when there are so many, each on a connection of its own, and later ones at once. */
async function startTogether(count: number): Promise<RawOrigin> {
  let first = 0;
  const origin = await startRawOrigin((socket, soFar) => {
    if (!soFar.endsWith('\r\n\r\n')) return;
    if (first === count) socket.write(OK);
    else if (++first === count) for (const each of origin.sockets) each.write(OK);
  });
  return origin;
}

test('a limit that was lowered holds from the next connection on, and the longest idle ones go', async () => {
  await using origin = await startTogether(4);
  await using proxy = await startDataPath([{ endpoints: [origin.port] }]);
  await Promise.all([1, 2, 3, 4].map(() => ask(proxy, 1)));
  expect(proxy.leftovers().idleUpstreamConnections).toBe(4);
  const { current } = proxy.context;
  proxy.context.current = { ...current, global: { ...current.global, upstreamKeepAliveConnections: 2 } };
  await ask(proxy, 1);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 2, upstreamConnections: 2 });
});

test('the connection that was used last is used next: the others may end for being idle', async () => {
  await using origin = await startTogether(2);
  await using proxy = await startDataPath([{ endpoints: [origin.port] }], { upstreamKeepAliveTimeoutMs: 10_000 });
  await Promise.all([1, 2].map(() => ask(proxy, 1)));
  proxy.pass(6_000);
  await ask(proxy, 1);
  proxy.pass(6_000);
  await ask(proxy, 1);
  expect(origin.connections).toBe(2);
  expect(proxy.leftovers().idleUpstreamConnections).toBe(1);
  const requests = origin.received.map((text) => text.split('\r\n\r\n').length - 1);
  expect(requests.toSorted()).toEqual([1, 3]);
});

test('a connection whose endpoint left while it served is not kept', async () => {
  await using origin = await startRawOrigin(() => undefined);
  await using proxy = await startDataPath([{ endpoints: [origin.port] }]);
  const asked = ask(proxy, 1);
  await eventually(() => origin.received[0]?.endsWith('\r\n\r\n') === true);
  proxy.context.endpoints.replaceUpstreams([plainUpstream('u0', [])]);
  origin.sockets[0]?.write(OK);
  await asked;
  await eventually(() => proxy.leftovers().upstreamConnections === 0);
});

test('the idle connections of an endpoint that left are closed', async () => {
  const { origin, proxy } = await start({});
  await using _proxy = proxy;
  await using _origin = origin;
  await ask(proxy, 1);
  proxy.context.endpoints.replaceUpstreams([plainUpstream('u0', [])]);
  expect(proxy.leftovers()).toMatchObject({ idleUpstreamConnections: 0, upstreamConnections: 0 });
});

test('bytes on an idle connection close it, and nobody sees them', async () => {
  const { origin, proxy } = await start({});
  await using _proxy = proxy;
  await using _origin = origin;
  await ask(proxy, 1);
  origin.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  await eventually(() => proxy.leftovers().upstreamConnections === 0);
  await ask(proxy, 1);
  expect(origin.connections).toBe(2);
});
