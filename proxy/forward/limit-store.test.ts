// Requests while a store is asked for their rates: what each verdict and each kind of failure does on the wire.

import { expect, test } from '@jest/globals';
import type { RateQuestion, RateStore, RateVerdict, StoreFailure } from '../filters/rate-store.ts';
import type { ConnectionLimitFilter, RateLimitFilter } from '../table/route-settings.ts';
import { type DataPath, eventually, NOTHING_LEFT, startDataPath } from './testing/data-path.ts';
import { startReplyingOrigin } from './testing/origin.ts';
import { connectRaw } from './testing/raw-client.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const POST = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
const shared = { zone: 'a/b', key: [{ kind: 'variable', name: 'remoteAddr' }], allowCidrs: [] } as const;
const perSecond: RateLimitFilter = { kind: 'rateLimit', ...shared, requests: 1, per: 'second', burst: 0, status: 429 };
const perMinute: RateLimitFilter = { ...perSecond, per: 'minute', requests: 60, burst: 60, status: 420 };
const connections: ConnectionLimitFilter = { kind: 'connectionLimit', ...shared, max: 1, status: 503 };

/** Keeps the questions until the test answers them. */
class HeldStore implements RateStore {
  readonly asked: { questions: readonly RateQuestion[]; decided: (verdict: RateVerdict) => void }[] = [];

  ask(questions: readonly RateQuestion[], decided: (verdict: RateVerdict) => void): void {
    this.asked.push({ questions, decided });
  }
}

async function serve(port: number, onFailure: StoreFailure = 'local'): Promise<{ proxy: DataPath; store: HeldStore }> {
  const proxy = await startDataPath([{ endpoints: [port], filters: [perMinute, perSecond, connections] }]);
  const store = new HeldStore();
  proxy.context.limits.useStore(store, onFailure);
  return { proxy, store };
}

test.each<[RateVerdict, StoreFailure, number[], string]>([
  ['passed', 'local', [200, 200], ''],
  [0, 'local', [420, 420], 'rateLimited'],
  [1, 'local', [429, 429], 'rateLimited'],
  ['failed', 'local', [200, 429], 'rateLimited'],
  ['failed', 'open', [200, 200], ''],
  ['failed', 'closed', [503, 503], 'limitStoreFailed'],
])('verdict %s with failure mode %s: %j', async (verdict, onFailure, expected, reason) => {
  await using origin = await startReplyingOrigin(OK);
  const { proxy, store } = await serve(origin.port, onFailure);
  await using _stopped = proxy;
  const statuses: number[] = [];
  using client = await connectRaw(proxy.port);
  for (let i = 0; i < 2; i++) {
    client.send(POST);
    await eventually(() => store.asked.length === i + 1);
    expect(store.asked[i]?.questions.map(({ zone, burst }) => [zone, burst])).toEqual([
      ['a/b|minute', 60],
      ['a/b|second', 0],
    ]);
    expect(proxy.requests).toHaveLength(i);
    store.asked[i]?.decided(verdict);
    const responses = await client.responses(i + 1);
    statuses.push(responses[i]?.status ?? 0);
    // A refused request with a body is the last one of its connection.
    if (statuses.at(-1) !== 200) break;
  }
  expect(statuses).toEqual(expected.slice(0, statuses.length));
  const outcome = typeof verdict === 'number' ? 'refused' : verdict;
  const none = { passed: 0, refused: 0, failed: 0 };
  expect(proxy.context.limits.storeOutcomes).toEqual({ ...none, [outcome]: statuses.length });
  expect(proxy.requests.at(-1)?.reason).toBe(reason);
});

test.each<[string, Partial<RateLimitFilter>]>([
  ['a client of the allow list', { allowCidrs: ['127.0.0.0/8'] }],
  ['a request without the key', { key: [{ kind: 'header', name: 'x-user' }] }],
])('%s is not asked for', async (_name, more) => {
  await using origin = await startReplyingOrigin(OK);
  await using proxy = await startDataPath([{ endpoints: [origin.port], filters: [{ ...perMinute, ...more }] }]);
  const store = new HeldStore();
  proxy.context.limits.useStore(store, 'closed');
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => proxy.requests.length > 0 || store.asked.length > 0);
  expect([proxy.requests[0]?.status, store.asked.length]).toEqual([200, 0]);
});

test('a Service without endpoints asks nothing', async () => {
  await using proxy = await startDataPath([{ endpoints: [], filters: [perMinute] }]);
  const store = new HeldStore();
  proxy.context.limits.useStore(store, 'closed');
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [response] = await client.responses(1);
  expect([response?.status, proxy.requests[0]?.reason, store.asked.length]).toEqual([503, 'noEndpoint', 0]);
});

test('a client that goes away while the store is asked leaves nothing, and a late verdict changes nothing', async () => {
  await using origin = await startReplyingOrigin(OK);
  const { proxy, store } = await serve(origin.port);
  using client = await connectRaw(proxy.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await eventually(() => store.asked.length === 1);
  client.socket.destroy();
  await eventually(() => proxy.requests.length === 1);
  store.asked[0]?.decided('passed');
  expect(proxy.requests.map(({ status }) => status)).toEqual([499]);
  expect(origin.connections).toBe(0);
  expect(proxy.limits.connectionCount('a/b|connections', '127.0.0.1')).toBe(0);
  await proxy.cutAll();
  await eventually(() => proxy.leftovers().openConnections === 0);
  expect(proxy.leftovers()).toEqual(NOTHING_LEFT);
});
