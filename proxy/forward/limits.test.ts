// `limit-rps`, `limit-rpm` and `limit-connections` on the wire: who is counted, who is refused, and that every end of a
// request gives its place back.

import { describe, expect, test } from '@jest/globals';
import type { ConnectionLimitFilter, RateLimitFilter } from '../table/route-settings.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startRawOrigin, startReplyingOrigin } from './testing/origin.ts';
import { connectRaw, exchangeRaw } from './testing/raw-client.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const byAddress = [{ kind: 'variable', name: 'remoteAddr' }] as const;
const connections: ConnectionLimitFilter = {
  kind: 'connectionLimit',
  zone: 'default/web',
  key: byAddress,
  max: 1,
  allowCidrs: [],
  status: 503,
};

function rate(more: Partial<RateLimitFilter> = {}): RateLimitFilter {
  const fixed = { kind: 'rateLimit', zone: 'default/web', key: byAddress, allowCidrs: [], status: 503 } as const;
  return { ...fixed, requests: 1, per: 'second', burst: 0, ...more };
}

async function statuses(proxy: DataPath, count: number, head = GET): Promise<number[]> {
  using client = await connectRaw(proxy.port);
  client.send(head.repeat(count));
  return (await client.responses(count)).map(({ status }) => status);
}

function reasons(proxy: DataPath): string[] {
  return proxy.requests.map(({ reason }) => reason);
}

describe('requests in a time', () => {
  test('burst and one more at once, then the status of the ConfigMap, until time has passed', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([
      { endpoints: [origin.port], filters: [rate({ requests: 2, burst: 2, status: 429 })] },
    ]);
    expect(await statuses(proxy, 5)).toEqual([200, 200, 200, 429, 429]);
    expect(reasons(proxy)).toEqual(['', '', '', 'rateLimited', 'rateLimited']);
    proxy.pass(500);
    expect(await statuses(proxy, 2)).toEqual([200, 429]);
    // What was refused has not reached the Service.
    expect(origin.received.join('').split(GET.slice(0, 6)).length - 1).toBe(4);
  });

  test('of a minute: the next one when its share of the minute has passed', async () => {
    await using origin = await startReplyingOrigin(OK);
    const sixPerMinute = rate({ per: 'minute', requests: 6 });
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [sixPerMinute] }]);
    expect(await statuses(proxy, 2)).toEqual([200, 503]);
    proxy.pass(9_000);
    expect(await statuses(proxy, 1)).toEqual([503]);
    proxy.pass(1_000);
    expect(await statuses(proxy, 2)).toEqual([200, 503]);
  });

  test('of a minute and of a second: both must pass, and what one refuses the other does not count', async () => {
    await using origin = await startReplyingOrigin(OK);
    const perMinute = rate({ per: 'minute', requests: 6, burst: 3 });
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [perMinute, rate({ burst: 1 })] }]);
    expect(await statuses(proxy, 4)).toEqual([200, 200, 503, 503]);
    proxy.pass(2000);
    // Two of the minute's four are still there: those that the second has refused did not use them up.
    expect(await statuses(proxy, 4)).toEqual([200, 200, 503, 503]);
  });

  test.each([
    ['a client of the allow list', { allowCidrs: ['10.0.0.0/8', '127.0.0.0/8'] }, [200, 200, 200]],
    ['a client beside the allow list', { allowCidrs: ['10.0.0.0/8', '::/0'] }, [200, 503, 503]],
    ['a request without the key', { key: [{ kind: 'header', name: 'x-user' }] }, [200, 200, 200]],
  ] satisfies [string, Partial<RateLimitFilter>, number[]][])('%s', async (_name, more, expected) => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [rate(more)] }]);
    expect(await statuses(proxy, 3)).toEqual(expected);
  });

  test('clients are told apart by the key, paths of one Ingress are not', async () => {
    await using origin = await startReplyingOrigin(OK);
    const byUser = rate({ key: [{ kind: 'header', name: 'x-user' }] });
    await using proxy = await startDataPath([
      { endpoints: [origin.port], filters: [byUser] },
      { path: '/b', endpoints: [origin.port], filters: [byUser] },
      { path: '/c', endpoints: [origin.port], filters: [{ ...byUser, zone: 'default/other' }] },
    ]);
    const as = (user: string, path: string) =>
      statuses(proxy, 1, `GET ${path} HTTP/1.1\r\nHost: a\r\nX-User: ${user}\r\n\r\n`);
    expect([await as('ann', '/'), await as('bob', '/'), await as('ann', '/b'), await as('ann', '/c')].flat()).toEqual([
      200, 200, 503, 200,
    ]);
  });

  test('a Service without endpoints answers 503 before anybody is counted', async () => {
    await using proxy = await startDataPath([{ endpoints: [], filters: [rate({ status: 429 }), connections] }]);
    expect(await statuses(proxy, 3)).toEqual([503, 503, 503]);
    expect(reasons(proxy)).toEqual(['noEndpoint', 'noEndpoint', 'noEndpoint']);
    expect(proxy.limits.takeRequest('default/web|second', '127.0.0.1', 0, 1000, 0)).toBe(true);
  });

  test('behind a trusted proxy the clients are told apart, IPv6 too', async () => {
    await using origin = await startReplyingOrigin(OK);
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [rate()] }], {
      useForwardedHeaders: true,
      trustedCidrs: ['127.0.0.0/8'],
    });
    const from = (address: string) =>
      statuses(proxy, 1, `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}\r\n\r\n`);
    const answers = [await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8::1')];
    expect(answers.flat()).toEqual([200, 200, 503]);
  });
});

describe('requests at one time', () => {
  test('limit 8, 20 in parallel: 8 are served, 12 refused (e2e of ingress-nginx)', async () => {
    const waiting: (() => void)[] = [];
    await using origin = await startRawOrigin((socket) => waiting.push(() => socket.write(OK)));
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [{ ...connections, max: 8 }] }]);
    const all = Array.from({ length: 20 }, () =>
      exchangeRaw(proxy.port, GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')),
    );
    await eventually(() => proxy.requests.length === 12 && waiting.length === 8);
    for (const answer of waiting) answer();
    const codes = (await Promise.all(all)).map((text) => text.slice(9, 12)).sort();
    expect(codes).toEqual([...Array(8).fill('200'), ...Array(12).fill('503')]);
    expect(reasons(proxy).filter((reason) => reason === 'connectionLimited')).toHaveLength(12);
    expect(proxy.limits.connectionCount('default/web|connections', '127.0.0.1')).toBe(0);
  });

  const RESPONSE_PART = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\npart';
  const ends: [string, string, (proxy: DataPath, cut: () => void) => void][] = [
    ['the client goes away while it waits', '', (_proxy, cut) => cut()],
    ['the client goes away amid the response', RESPONSE_PART, (_proxy, cut) => cut()],
    ['the upstream never answers', '', (proxy) => proxy.pass(61_000)],
    ['the upstream stops amid the response', RESPONSE_PART, (proxy) => proxy.pass(61_000)],
    ['the worker drains and cuts', '', (proxy) => void proxy.cutAll()],
  ];
  test.each(ends)('the place comes back when %s', async (_name, reply, end) => {
    await using origin = await startRawOrigin((socket) => socket.write(reply));
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [connections] }]);
    using client = await connectRaw(proxy.port);
    const open = () => proxy.limits.connectionCount('default/web|connections', '127.0.0.1');
    client.send(GET);
    await client.untilTrue(() => origin.received[0] !== undefined && client.received.length >= reply.length);
    expect(open()).toBe(1);
    expect(await statuses(proxy, 1)).toEqual([503]);
    end(proxy, () => client.socket.destroy());
    await eventually(() => open() === 0);
    await proxy.cutAll();
    await eventually(() => proxy.leftovers().openConnections === 0);
    expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
  });

  test('an upgraded connection holds its place until it ends', async () => {
    const UPGRADE = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
    await using origin = await startRawOrigin((socket, soFar) => {
      if (soFar.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    });
    await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [connections] }]);
    using client = await connectRaw(proxy.port);
    client.send(UPGRADE);
    await client.until((text) => text.startsWith('HTTP/1.1 101'));
    expect(await statuses(proxy, 1)).toEqual([503]);
    client.socket.destroy();
    await eventually(() => proxy.limits.connectionCount('default/web|connections', '127.0.0.1') === 0);
  });
});
