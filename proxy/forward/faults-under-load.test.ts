// Endpoints that fail in every way while requests keep coming, over HTTP/1.1 and HTTP/2 on both sides: no client of an
// idempotent request sees any of it as long as one healthy endpoint is left, and no POST is delivered twice.

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { defaultHealth, defaultHttp2, defaultOutliers } from '../table/defaults.ts';
import type { RoutePolicy, RoutingTable } from '../table/types.ts';
import { FickleOrigin, type OriginProtocol } from './testing/fickle-origin.ts';
import { type ClientProtocol, MixedLoad } from './testing/mixed-load.ts';
import { SilentListener } from './testing/silent-listener.ts';
import { startProxy, type TestProxy, tableOf } from './testing/test-proxy.ts';

const ENDPOINTS = 4;
const GLOBAL = { accessLog: false, http2: { ...defaultHttp2, hasPriorKnowledge: true } };
const outliers = { ...defaultOutliers, ejectionMs: 400, maxEjectionMs: 1000, maxEjectedPercent: 75 };

let stack: AsyncDisposableStack;
let posts: string[];
let origins: readonly FickleOrigin[];
let proxy: TestProxy;
let load: MixedLoad;

beforeEach(() => {
  stack = new AsyncDisposableStack();
  posts = [];
});

afterEach(() => stack.disposeAsync());

const patient: Partial<RoutePolicy> = {
  perTryTimeoutMs: 300,
  connectTimeoutMs: 300,
  maxAttempts: 4,
  retryOn: ['error', 'timeout', 'invalidHeader', 'http503'],
};

function tableWith(ports: readonly number[], protocol: OriginProtocol, policy: Partial<RoutePolicy>): RoutingTable {
  const upstream = { health: { ...defaultHealth, passive: outliers } };
  const endpoints = ports.toSorted((a, b) => a - b);
  return tableOf([{ endpoints, upstream, policy: { ...policy, protocol } }], GLOBAL);
}

async function start(client: ClientProtocol, upstream: OriginProtocol, policy = patient, methods?: string[]) {
  origins = await Promise.all(Array.from({ length: ENDPOINTS }, () => FickleOrigin.start(upstream, posts)));
  proxy = stack.use(await startProxy([], GLOBAL));
  // After the proxy, whose connections to them would hold up its drain.
  for (const origin of origins) stack.use(origin);
  proxy.publish(
    tableWith(
      origins.map(({ port }) => port),
      upstream,
      policy,
    ),
  );
  load = new MixedLoad(client, proxy.port, methods);
  stack.defer(() => load.close());
}

function expectNothingSpoiled(): void {
  expect(load.spoiled).toEqual([]);
  expect([...load.postStatuses].filter((status) => ![200, 502, 503, 504].includes(status))).toEqual([]);
  expect(posts.length - new Set(posts).size).toBe(0);
}

type Strike = (origins: readonly FickleOrigin[], protocol: OriginProtocol) => unknown;
const turnTo =
  (mode: FickleOrigin['mode'], count = 1): Strike =>
  (all) => {
    for (const origin of all.slice(0, count)) origin.mode = mode;
  };

/** What each of them takes its time for is asked for less often. */
const slowFaults: Readonly<Record<string, Strike>> = {
  'one is slow to begin its responses': turnTo('slowHead'),
  'one is slow amid its responses': turnTo('slowBody'),
};

const faults: Readonly<Record<string, Strike>> = {
  'one is killed': ([first]) => first?.kill(),
  'one is killed and restarted': async ([first]) => {
    await first?.kill();
    await first?.revive();
  },
  'all but one are killed': (all) => Promise.all(all.slice(1).map((origin) => origin.kill())),
  'one answers nothing any more': turnTo('silent'),
  'one more comes, and is a black hole': async (all, protocol) => {
    const silent = stack.use(await SilentListener.start());
    proxy.publish(tableWith([silent.port, ...all.map(({ port }) => port)], protocol, patient));
  },
  'one resets connections that are used again': turnTo('resetOnReuse'),
  'half of them fail': turnTo('failing', ENDPOINTS / 2),
  'all but one fail': turnTo('failing', ENDPOINTS - 1),
};

const sides: ReadonlyArray<[ClientProtocol, OriginProtocol]> = [
  ['http', 'http'],
  ['http', 'http2'],
  ['http2', 'http'],
  ['http2', 'http2'],
];

describe.each(sides)('clients over %s, endpoints over %s', (client, upstream) => {
  test.each(Object.entries(faults))('%s', async (_name, strike) => {
    await start(client, upstream);
    await load.runFor(100);
    const struck = strike(origins, upstream);
    await load.runFor(500);
    await struck;
    expectNothingSpoiled();
  });

  test.each(Object.entries(slowFaults))('%s', async (_name, strike) => {
    await start(client, upstream);
    await load.runFor(50);
    strike(origins, upstream);
    await load.runFor(100);
    expectNothingSpoiled();
  });

  test('hedging hides one that answers nothing, without any limit of time for an attempt', async () => {
    const budget = { percent: 100, minPerSecond: 1000 };
    // POSTs are not doubled: those that went there would wait for it.
    await start(client, upstream, { hedge: { afterMs: 50, budget } }, ['PUT', 'GET']);
    await load.runFor(100);
    const [silent] = origins as [FickleOrigin];
    silent.mode = 'silent';
    await load.runFor(100);
    expectNothingSpoiled();
  });
});

test('an endpoint that is slow amid the head of a response', async () => {
  await start('http', 'http');
  await load.runFor(100);
  turnTo('brokenHead')(origins, 'http');
  await load.runFor(500);
  expectNothingSpoiled();
});

interface Change {
  /** Makes one endpoint bad, and later good again. */
  readonly strike: (origin: FickleOrigin) => unknown;
  readonly heal: (origin: FickleOrigin) => unknown;
  /** For which its attempts fail, beside the time that five of them take. */
  readonly attemptMs: number;
}

const heal = (origin: FickleOrigin): void => {
  origin.mode = 'ok';
};
const changes: Readonly<Record<string, Change>> = {
  killed: { strike: (origin) => origin.kill(), heal: (origin) => origin.revive(), attemptMs: 0 },
  failing: { strike: (origin) => turnTo('failing')([origin], 'http'), heal, attemptMs: 0 },
  silent: { strike: (origin) => turnTo('silent')([origin], 'http'), heal, attemptMs: 300 },
  slow: { strike: (origin) => turnTo('slowHead')([origin], 'http'), heal, attemptMs: 300 },
};

describe.each(Object.entries(changes))('%s', (_name, { strike, heal: mend, attemptMs }) => {
  test.each(['http', 'http2'] as const)(
    'over %s: left out within a few requests, and back soon after its time',
    async (upstream) => {
      await start('http', upstream);
      const [first] = origins as [FickleOrigin];
      await load.runFor(200);
      const struckAtMs = performance.now();
      const struck = strike(first);
      await load.run(() => proxy.ejections.length > 0);
      const ejectedAfterMs = performance.now() - struckAtMs;
      await struck;
      await mend(first);
      const mendedAtMs = performance.now();
      const { served } = first;
      // Twenty requests: more than the one that tries it, and than those that were under way to it.
      await load.run(() => first.served >= served + 20);
      const readmittedAfterMs = performance.now() - mendedAtMs;
      expect(proxy.ejections[0]).toBe(`127.0.0.1:${first.port} consecutiveErrors`);
      expect(ejectedAfterMs).toBeLessThan(attemptMs * 3 + 3000);
      // It is left out for 400 ms; a relapse before it was mended may add the second ejection of 800 ms.
      expect(readmittedAfterMs).toBeLessThan(5000);
      expectNothingSpoiled();
    },
  );
});
