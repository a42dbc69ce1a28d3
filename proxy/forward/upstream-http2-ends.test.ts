// How connections to HTTP/2 upstreams end, and what becomes of the requests on them: worn out, told to go away, lost
// between requests, amid one, and amid a response.

import { describe, expect, test } from '@jest/globals';
import { request } from 'undici';
import { ErrorCode, FrameType } from '../http2/protocol.ts';
import { frame, uint32 } from '../listen/testing/http2-client.ts';
import type { GlobalSettings, RoutePolicy } from '../table/types.ts';
import { type DataPath, eventually, startDataPath } from './testing/data-path.ts';
import { type Http2Origin, OK, type ServerEnd, startHttp2Origin } from './testing/http2-origin.ts';

async function ask(proxy: DataPath): Promise<string> {
  const response = await request(`http://127.0.0.1:${proxy.port}/`);
  return `${response.statusCode} ${await response.body.text()}`;
}

async function start(
  onRequest: (server: ServerEnd, id: number, connection: number) => void,
  global: Partial<GlobalSettings> = {},
  policy: Partial<RoutePolicy> = {},
): Promise<{ origin: Http2Origin; proxy: DataPath; stack: AsyncDisposableStack }> {
  const stack = new AsyncDisposableStack();
  const origin = stack.use(await startHttp2Origin(onRequest));
  const routes = [{ endpoints: [origin.port], policy: { protocol: 'http2' as const, ...policy } }];
  return { origin, proxy: stack.use(await startDataPath(routes, global)), stack };
}

test.each<[string, Partial<GlobalSettings>, readonly number[]]>([
  ['by default', {}, [5]],
  ['upstream-keepalive-requests 2', { upstreamKeepAliveRequests: 2 }, [2, 2, 1]],
  ['upstream-keepalive-requests 1', { upstreamKeepAliveRequests: 1 }, [1, 1, 1, 1, 1]],
  ['upstream-keepalive-time 0', { upstreamKeepAliveTimeMs: 0 }, [1, 1, 1, 1, 1]],
])('%s: five requests over so many connections', async (_name, global, want) => {
  const { origin, proxy, stack } = await start((server, id) => server.respond(id, 'ok'), global);
  await using _ = stack;
  for (let at = 0; at < 5; at++) expect(await ask(proxy)).toBe('200 ok');
  expect(origin.connections.map(({ requests }) => requests.length)).toEqual(want);
  // Those that are worn out say goodbye.
  const isLastOpen = global.upstreamKeepAliveTimeMs === undefined && want.at(-1) !== global.upstreamKeepAliveRequests;
  for (const each of isLastOpen ? origin.connections.slice(0, -1) : origin.connections) {
    await each.closed();
    expect(each.goAway?.code).toBe(ErrorCode.noError);
  }
});

test('upstream-keepalive-time: the first request after it is the last of its connection', async () => {
  const { origin, proxy, stack } = await start((server, id) => server.respond(id, 'ok'), {
    upstreamKeepAliveTimeMs: 10_000,
  });
  await using _ = stack;
  await ask(proxy);
  proxy.pass(9_900);
  await ask(proxy);
  proxy.pass(100);
  await ask(proxy);
  await ask(proxy);
  expect(origin.connections.map(({ requests }) => requests.length)).toEqual([3, 1]);
});

test('GOAWAY on an idle connection: it closes at once', async () => {
  const { origin, proxy, stack } = await start((server, id) => server.respond(id, 'ok'));
  await using _ = stack;
  await ask(proxy);
  expect(proxy.leftovers().upstreamConnections).toBe(1);
  origin.connections[0]?.send(frame(FrameType.goAway, 0, 0, Buffer.concat([uint32(1), uint32(ErrorCode.noError)])));
  await eventually(() => proxy.leftovers().upstreamConnections === 0);
  expect(await ask(proxy)).toBe('200 ok');
  expect(origin.connections).toHaveLength(2);
});

describe('the connection is lost', () => {
  test('before an answer, after it has served: bad luck, so that even a single attempt is made on another one', async () => {
    const { origin, proxy, stack } = await start(
      (server, id) => {
        if (id === 3) server.socket.destroy();
        else server.respond(id, 'ok');
      },
      {},
      { maxAttempts: 1 },
    );
    await using _ = stack;
    expect([await ask(proxy), await ask(proxy)]).toEqual(['200 ok', '200 ok']);
    expect(origin.connections.map(({ requests }) => requests.length)).toEqual([2, 1]);
  });

  test('before an answer, on a new one: the endpoint fails, and is not asked again and again', async () => {
    const { origin, proxy, stack } = await start((server) => server.socket.destroy(), {}, { maxAttempts: 2 });
    await using _ = stack;
    expect(await ask(proxy)).toMatch(/^502 /);
    expect(origin.connections).toHaveLength(1);
    expect(proxy.requests).toMatchObject([{ reason: 'upstreamClosed' }]);
  });

  test.each([1, 3])('amid the response of stream %d: it is cut, and not asked for again', async (last) => {
    const { origin, proxy, stack } = await start((server, id) => {
      if (id < last) return server.respond(id, 'ok');
      server.request(id, OK, false);
      server.data(id, 'part');
      server.socket.end();
    });
    await using _ = stack;
    for (let id = 1; id < last; id += 2) await ask(proxy);
    await expect(ask(proxy)).rejects.toThrow();
    expect(proxy.requests.at(-1)).toMatchObject({ status: 200, reason: 'upstreamTruncated' });
    expect(origin.connections).toHaveLength(1);
  });
});

test.each([
  [16, /^200 ok/],
  [17, /^502 /],
])('%d responses of 1xx before the final one', async (count, want) => {
  const { proxy, stack } = await start(
    (server, id) => {
      for (let at = 0; at < count; at++) server.request(id, [[':status', '103']], false);
      server.respond(id, 'ok');
    },
    {},
    { maxAttempts: 1 },
  );
  await using _ = stack;
  expect(await ask(proxy)).toMatch(want);
});
