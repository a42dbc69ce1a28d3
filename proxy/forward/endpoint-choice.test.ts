// Hash keys, affinity cookies and canaries on the wire: which of several real origins answers which request.

import { describe, expect, test } from '@jest/globals';
import type { AffinityCookie, AffinitySettings } from '../table/route-settings.ts';
import { plainCookie } from '../table/testing/build.ts';
import type { Canary, RouteTarget } from '../table/types.ts';
import type { BalancerSettings } from '../table/upstream-settings.ts';
import { type DataPath, startDataPath } from './testing/data-path.ts';
import { type HttpOrigin, startHttpOrigin } from './testing/origin.ts';
import { connectRaw, type RawResponse } from './testing/raw-client.ts';
import { startProxy, type TestRoute } from './testing/test-proxy.ts';

/** Origins that answer with their own port. */
async function startOrigins(count: number): Promise<AsyncDisposable & { readonly ports: readonly number[] }> {
  const origins: HttpOrigin[] = await Promise.all(
    Array.from({ length: count }, () =>
      startHttpOrigin((request, response) => response.end(String(request.socket.localPort))),
    ),
  );
  return {
    ports: origins.map(({ port }) => port).toSorted((a, b) => a - b),
    async [Symbol.asyncDispose]() {
      await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
    },
  };
}

/** One request for `path` with these header lines. */
async function ask(proxy: DataPath, path: string, lines: readonly string[] = []): Promise<RawResponse> {
  using client = await connectRaw(proxy.port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);
  return (await client.responses(1))[0] as RawResponse;
}

/** What a client sends back of a Set-Cookie line. */
function cookieOf({ headers }: RawResponse): string {
  const [pair] = (headers['set-cookie'] ?? '').split(';');
  return `Cookie: other=1; ${pair}; last=2`;
}

function hashed(balancer: BalancerSettings, endpoints: readonly number[]): TestRoute {
  return { endpoints, upstream: { balancer } };
}

const uriHash: BalancerSettings = {
  kind: 'consistentHash',
  key: [{ kind: 'variable', name: 'requestUri' }],
  subsetSize: null,
  boundedLoadFactor: null,
};

describe('hash keys', () => {
  test('100 requests with one key reach one endpoint, other keys reach others', async () => {
    await using origins = await startOrigins(4);
    await using proxy = await startDataPath([hashed(uriHash, origins.ports)]);
    const same = new Set<string>();
    for (let i = 0; i < 100; i++) same.add((await ask(proxy, '/same?x=1')).body);
    expect(same.size).toBe(1);
    const others = new Set<string>();
    for (let i = 0; i < 40; i++) others.add((await ask(proxy, `/other/${i}`)).body);
    expect(others.size).toBe(4);
  });

  test.each<[string, BalancerSettings, string, string, readonly string[]]>([
    ['a header', { ...uriHash, key: [{ kind: 'header', name: 'x-user' }] }, '/a', '/b', ['X-User: 7']],
    ['the client address', { kind: 'sourceHash' }, '/a', '/b', []],
    ['host and path without query', { kind: 'destinationHash' }, '/a?x=1', '/a?x=2', []],
  ])('%s is the key', async (_name, balancer, first, second, lines) => {
    await using origins = await startOrigins(4);
    await using proxy = await startDataPath([hashed(balancer, origins.ports)]);
    const answers = new Set<string>();
    for (let i = 0; i < 12; i++) answers.add((await ask(proxy, i % 2 === 0 ? first : second, lines)).body);
    expect(answers.size).toBe(1);
  });

  test('a cookie is the key, in whichever Cookie line, and of each request of a connection its own', async () => {
    await using origins = await startOrigins(4);
    const byCookie: BalancerSettings = { ...uriHash, key: [{ kind: 'cookie', name: 'sid' }] };
    await using proxy = await startDataPath([hashed(byCookie, origins.ports)]);
    using client = await connectRaw(proxy.port);
    const sids = Array.from({ length: 48 }, (_, at) => `${at % 24}`);
    for (const [at, sid] of sids.entries()) {
      const other = 'Cookie: other=1\r\n';
      const lines = at < 24 ? `${other}Cookie: sid=${sid}\r\n` : `Cookie: sid=${sid}\r\n${other}`;
      client.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${lines}\r\n`);
    }
    const bodies = (await client.responses(sids.length)).map(({ body }) => body);
    expect(bodies.slice(24)).toEqual(bodies.slice(0, 24));
    expect(new Set(bodies).size).toBeGreaterThan(1);
  });
});

const cookie: AffinityCookie = { ...plainCookie, name: 'route' };

function affine(more: Partial<AffinitySettings> = {}, canaries: readonly Canary[] = []): RouteTarget {
  const affinity = { mode: 'balanced', cookie, changeOnFailure: false, setsCookie: true, ...more } as const;
  return { kind: 'upstream', upstream: 'u0', canaries, affinity };
}

describe('affinity cookies', () => {
  test.each(['balanced', 'persistent'] as const)(
    '%s: the cookie leads back to the endpoint that set it',
    async (mode) => {
      await using origins = await startOrigins(4);
      await using proxy = await startDataPath([{ endpoints: origins.ports, target: affine({ mode }) }]);
      const first = await ask(proxy, '/');
      expect(first.headers['set-cookie']).toMatch(/^route=[^|;]+\|[0-9a-f]{32}; Path=\/; HttpOnly$/);
      for (let i = 0; i < 8; i++) {
        const next = await ask(proxy, '/', [cookieOf(first)]);
        expect(next.body).toBe(first.body);
        expect(next.headers['set-cookie']).toBeUndefined();
      }
    },
  );

  test('attributes are those of the settings', async () => {
    await using origins = await startOrigins(1);
    const full = { ...cookie, name: 'n', path: '/p', domain: 'a.test', sameSite: 'Strict', secure: true } as const;
    const timed = { ...full, expiresSeconds: 10, maxAgeSeconds: 20 };
    await using proxy = await startDataPath([{ endpoints: origins.ports, target: affine({ cookie: timed }) }]);
    const line = (await ask(proxy, '/')).headers['set-cookie'] ?? '';
    expect(line.slice(line.indexOf(';'))).toBe(
      '; Expires=Thu, 01-Jan-70 00:00:10 GMT; Max-Age=20; Domain=a.test; Path=/p; Secure; HttpOnly; SameSite=Strict',
    );
  });

  describe.each(['balanced', 'persistent'] as const)('%s: a route of the same upstream that sets no cookie', (mode) => {
    const start = (origins: { readonly ports: readonly number[] }) =>
      startDataPath([
        { endpoints: origins.ports, path: '/bound', target: affine({ mode }) },
        { path: '/free', target: affine({ mode, setsCookie: false }) },
      ]);

    test('keeps who has one, as the route that set it', async () => {
      await using origins = await startOrigins(4);
      await using proxy = await start(origins);
      const first = await ask(proxy, '/bound');
      for (let i = 0; i < 6; i++) {
        const next = await ask(proxy, '/free', [cookieOf(first)]);
        expect([next.body, next.headers['set-cookie']]).toEqual([first.body, undefined]);
      }
    });

    test.each([
      ['none', []],
      ['one of another upstream', ['Cookie: route=1.2.3|0123456789abcdef0123456789abcdef']],
    ])('sends those with %s in turn, and sets none', async (_name, lines) => {
      await using origins = await startOrigins(4);
      await using proxy = await start(origins);
      const answers = new Set<string>();
      for (let i = 0; i < 4; i++) {
        const { body, headers } = await ask(proxy, '/free', lines);
        expect(headers['set-cookie']).toBeUndefined();
        answers.add(body);
      }
      expect(answers.size).toBe(4);
    });

    test('leaves the cookie of an endpoint that is gone as it is', async () => {
      await using origins = await startOrigins(2);
      await using proxy = await start(origins);
      const tag = cookieOf(await ask(proxy, '/bound')).match(/[0-9a-f]{32};/)?.[0] ?? '';
      const { status, headers } = await ask(proxy, '/free', [`Cookie: route=${'0'.repeat(32)}|${tag}`]);
      expect([status, headers['set-cookie']]).toEqual([200, undefined]);
    });
  });

  test.each([
    ['of another upstream', 'Cookie: route=1.2.3|0123456789abcdef0123456789abcdef'],
    ['that says nothing', 'Cookie: route='],
    ['of another name', 'Cookie: routes=1|2'],
  ])('a cookie %s is replaced', async (_name, line) => {
    await using origins = await startOrigins(2);
    await using proxy = await startDataPath([{ endpoints: origins.ports, target: affine({ mode: 'persistent' }) }]);
    expect((await ask(proxy, '/', [line])).headers['set-cookie']).toBeDefined();
  });

  test.each([
    [true, { status: 200, isRewritten: true }],
    [false, { status: 502, isRewritten: false }],
  ])('the bound endpoint refuses, change-on-failure %p', async (changeOnFailure, expected) => {
    const origins = await Promise.all([startOrigins(1), startOrigins(1)]);
    const endpoints = origins.flatMap(({ ports }) => ports).toSorted((a, b) => a - b);
    const target = affine({ mode: 'persistent', changeOnFailure });
    await using proxy = await startDataPath([{ endpoints, target }]);
    const first = await ask(proxy, '/');
    const bound = origins.find(({ ports }) => ports[0] === Number(first.body));
    await bound?.[Symbol.asyncDispose]();
    const next = await ask(proxy, '/', [cookieOf(first)]);
    expect({ status: next.status, isRewritten: next.headers['set-cookie'] !== undefined }).toEqual(expected);
    // All three attempts, at the endpoint that the client is bound to.
    if (!changeOnFailure) expect(proxy.requests.at(-1)?.attempts).toEqual([502, 502, 502]);
    for (const each of origins) if (each !== bound) await each[Symbol.asyncDispose]();
  });

  test.each([false, true])(
    'a new client goes on from endpoints that refuse, and is bound to the one that answers; change-on-failure %p',
    async (changeOnFailure) => {
      const origins = await Promise.all(Array.from({ length: 5 }, () => startOrigins(1)));
      origins.sort((a, b) => (a.ports[0] ?? 0) - (b.ports[0] ?? 0));
      const endpoints = origins.flatMap(({ ports }) => ports);
      const target = affine({ mode: 'persistent', changeOnFailure });
      await using proxy = await startDataPath([{ endpoints, target }]);
      // Chance always says the first one of those that are left.
      await using last = origins.pop();
      await Promise.all(origins.map((origin) => origin[Symbol.asyncDispose]()));
      const first = await ask(proxy, '/');
      expect([first.status, first.body]).toEqual([200, String(last?.ports[0])]);
      // Nobody is bound yet: as without affinity, refusals are no attempts, and no endpoint is asked twice.
      expect(proxy.requests.at(-1)?.attempts).toEqual([502, 502, 502, 502, 200]);
      const next = await ask(proxy, '/', [cookieOf(first)]);
      expect([next.body, next.headers['set-cookie']]).toEqual([first.body, undefined]);
    },
  );

  test('of several Cookie lines all are read', async () => {
    await using origins = await startOrigins(4);
    await using proxy = await startDataPath([{ endpoints: origins.ports, target: affine() }]);
    const first = await ask(proxy, '/');
    // Alone in its line: joined by anything but a semicolon it would be a part of its neighbour.
    const alone = `Cookie: ${first.headers['set-cookie']?.split(';')[0]}`;
    for (const lines of [
      ['Cookie: a=1', alone],
      [alone, 'Cookie: a=1'],
    ]) {
      const next = await ask(proxy, '/', lines);
      expect([next.body, next.headers['set-cookie']]).toEqual([first.body, undefined]);
    }
  });
});

function canary(match: Partial<Canary['match']>, affinityBehavior: Canary['affinityBehavior'] = 'sticky'): Canary {
  const labels = { namespace: 'test', ingress: 'canary', service: 'c', servicePort: '80', path: '/' };
  const full = { header: null, cookie: null, weight: 0, weightTotal: 100, ...match };
  return { match: full, upstream: 'u1', affinityBehavior, labels };
}

/** A primary (`u0`) with a canary (`u1`), each with one origin. */
async function startSides(target: RouteTarget, hasCanaryEndpoints = true) {
  const origins = await startOrigins(2);
  const [first = 0, second = 0] = origins.ports;
  const proxy = await startDataPath([
    { endpoints: [first], target },
    { host: 'unused.test', endpoints: hasCanaryEndpoints ? [second] : [] },
  ]);
  const side = async (lines: readonly string[]) => {
    const response = await ask(proxy, '/', lines);
    return { ...response, side: response.body === String(first) ? 'primary' : 'canary' };
  };
  return {
    side,
    proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await origins[Symbol.asyncDispose]();
    },
  };
}

function withCanary(match: Partial<Canary['match']>): RouteTarget {
  return { kind: 'upstream', upstream: 'u0', canaries: [canary(match)], affinity: null };
}

const byHeader = { header: { name: 'x-canary', rule: { kind: 'words' } } } as const;

describe('canaries', () => {
  test.each<[string, Partial<Canary['match']>, readonly string[], string]>([
    ['header says always', byHeader, ['X-Canary: always'], 'canary'],
    ['header says never', { ...byHeader, weight: 100 }, ['X-Canary: never'], 'primary'],
    ['header says something else', byHeader, ['X-Canary: yes'], 'primary'],
    ['header is absent', byHeader, [], 'primary'],
    ['value fits', { header: { name: 'x', rule: { kind: 'value', value: 'eu' } } }, ['X: eu'], 'canary'],
    ['pattern fits', { header: { name: 'x', rule: { kind: 'pattern', pattern: '^e[u-z]$' } } }, ['X: ev'], 'canary'],
    ['cookie says always', { cookie: 'c' }, ['Cookie: a=1; c=always'], 'canary'],
    ['cookie says never', { cookie: 'c', weight: 100 }, ['Cookie: c=never'], 'primary'],
    ['header goes before cookie', { ...byHeader, cookie: 'c' }, ['X-Canary: never', 'Cookie: c=always'], 'primary'],
    ['all weight', { weight: 100 }, [], 'canary'],
    ['no weight', { weight: 0 }, [], 'primary'],
  ])('%s', async (_name, match, lines, expected) => {
    await using sides = await startSides(withCanary(match));
    expect((await sides.side(lines)).side).toBe(expected);
  });

  test('the access log and the metrics name the canary that took a request', async () => {
    await using origins = await startOrigins(2);
    const [first = 0, second = 0] = origins.ports;
    const proxy = await startProxy([
      { endpoints: [first], target: withCanary(byHeader) },
      { host: 'unused.test', endpoints: [second] },
    ]);
    using client = await connectRaw(proxy.port);
    client.send('GET /next HTTP/1.1\r\nHost: a\r\nX-Canary: always\r\n\r\n');
    await client.responses(1);
    client.send('GET /stays HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.responses(2);
    const requests = proxy.worker.sample().counters.filter(({ name }) => name.endsWith('_controller_requests'));
    expect(requests.map(({ labels, value }) => [labels['canary'], value])).toEqual([
      ['u1', 1],
      ['', 1],
    ]);
    const log = await proxy.stop();
    expect(log.find((line) => line.includes('/next'))).toContain('[u0] [u1]');
    expect(log.find((line) => line.includes('/stays'))).toContain('[u0] []');
  });

  test('a canary without endpoints takes nothing', async () => {
    await using sides = await startSides(withCanary({ weight: 100 }), false);
    expect((await sides.side([])).side).toBe('primary');
  });

  test('sticky: a client stays on the side that took it, before any rule', async () => {
    await using sides = await startSides(affine({}, [canary(byHeader)]));
    const onCanary = await sides.side(['X-Canary: always']);
    const onPrimary = await sides.side(['X-Canary: never']);
    expect([onCanary.side, onPrimary.side]).toEqual(['canary', 'primary']);
    expect((await sides.side([cookieOf(onCanary), 'X-Canary: never'])).side).toBe('canary');
    expect((await sides.side([cookieOf(onPrimary), 'X-Canary: always'])).side).toBe('primary');
  });

  test('sticky: while the canary has no endpoints its clients are at the primary', async () => {
    const target = affine({}, [canary(byHeader)]);
    await using sides = await startSides(target);
    const onCanary = await sides.side(['X-Canary: always']);
    await using without = await startSides(target, false);
    const meanwhile = await without.side([cookieOf(onCanary)]);
    expect([onCanary.side, meanwhile.status, meanwhile.side]).toEqual(['canary', 200, 'primary']);
  });

  test('legacy: rules are asked each time, and the canary sets no cookie', async () => {
    await using sides = await startSides(affine({}, [canary(byHeader, 'legacy')]));
    const onPrimary = await sides.side([]);
    const onCanary = await sides.side([cookieOf(onPrimary), 'X-Canary: always']);
    expect([onPrimary.side, onCanary.side]).toEqual(['primary', 'canary']);
    expect([onPrimary, onCanary].map(({ headers }) => 'set-cookie' in headers)).toEqual([true, false]);
  });
});
